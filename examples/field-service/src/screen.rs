//! The example on a terminal: orders, status and events as they are, the network at a key.

use crate::field::{Field, Network};
use crate::words;
use crossterm::event::{Event as Input, KeyCode, KeyEventKind};
use crossterm::{cursor, execute, queue, style, terminal};
use onsync::{Error, Parameters, Result};
use std::collections::VecDeque;
use std::io::Write as _;
use tokio::sync::mpsc;

/// Events that stay on the screen.
const KEPT: usize = 12;
const KEYS: &str = "f finish an order · e write a note · d decide conflicts · o the office writes · s sync Online · c Catalogue · r resume\n\
                    network: w wireless LAN · m mobile · n none · a office away · h hotel · q quit";

/// Puts the terminal back as it was, also after an error.
struct Terminal;

fn failed(cause: std::io::Error) -> Error {
    Error::fatal("example_failed", format!("the terminal: {cause}"))
}

impl Terminal {
    fn open() -> Result<Self> {
        terminal::enable_raw_mode().map_err(failed)?;
        let terminal = Self;
        execute!(std::io::stdout(), terminal::EnterAlternateScreen, cursor::Hide).map_err(failed)?;
        Ok(terminal)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing put back.
        let _ = execute!(std::io::stdout(), terminal::LeaveAlternateScreen, cursor::Show);
        let _ = terminal::disable_raw_mode();
    }
}

/// Keys as they are pressed. The thread ends with the process.
fn keys() -> mpsc::UnboundedReceiver<KeyCode> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        while let Ok(input) = crossterm::event::read() {
            if let Input::Key(key) = input
                && key.kind == KeyEventKind::Press
                && sender.send(key.code).is_err()
            {
                return;
            }
        }
    });
    receiver
}

/// Runs until somebody quits.
pub(crate) async fn run() -> Result<()> {
    let mut field = Field::open().await?;
    let (sender, mut events) = mpsc::unbounded_channel();
    let _listening = field.app.on_event(move |_, event| {
        if let Some(line) = words::of(event) {
            // Nobody listens any more when the screen is closed.
            let _ = sender.send(line);
        }
    });
    let mut watch = field.app.watch_status();
    let _terminal = Terminal::open()?;
    // Signing in ends what runs: the run of the start comes to its end first, well or not.
    while let Some(status) = watch.next().await {
        if status.completed_at.contains_key("Splash") || status.last_error.is_some() {
            break;
        }
    }
    field.sign_in().await?;
    let mut keys = keys();
    let mut said = VecDeque::new();
    loop {
        draw(&field, &said).await?;
        tokio::select! {
            key = keys.recv() => match key {
                None | Some(KeyCode::Char('q') | KeyCode::Esc) => return Ok(()),
                Some(key) => said.extend(press(&mut field, key).await?),
            },
            Some(line) = events.recv() => said.push_back(line),
            status = watch.next() => if status.is_none() { return Ok(()) },
        }
        while said.len() > KEPT {
            said.pop_front();
        }
    }
}

/// Does what a key stands for, and says what there is to say.
async fn press(field: &mut Field, key: KeyCode) -> Result<Option<String>> {
    let KeyCode::Char(key) = key else { return Ok(None) };
    let network = match key {
        'w' => Network::Wifi,
        'm' => Network::Mobile,
        'n' => Network::None,
        'a' => Network::OfficeAway,
        'h' => Network::Hotel,
        'f' => {
            let finished = field.finish_one().await?;
            return Ok(Some(match finished {
                Some(title) => format!("finished: {title}"),
                None => "no open order".to_owned(),
            }));
        }
        'e' => {
            field.write_note().await?;
            return Ok(Some("wrote a note to the second order".to_owned()));
        }
        'd' => return Ok(Some(field.decide().await?.join(", "))),
        'o' => {
            field.office_writes()?;
            return Ok(Some(
                "the office wrote notes to the first two orders, and a new order".to_owned(),
            ));
        }
        'r' => {
            field.app.resumed();
            return Ok(None);
        }
        's' | 'c' => {
            let context = if key == 's' { "Online" } else { "Catalogue" };
            let asked = field.app.on_sync(context, &Parameters::new());
            return Ok(match asked {
                Ok(handle) => handle
                    .held()
                    .map(|_| format!("{context} waits for another network")),
                Err(error) => Some(error.to_string()),
            });
        }
        _ => return Ok(None),
    };
    field.network(network).await?;
    Ok(None)
}

async fn draw(field: &Field, said: &VecDeque<String>) -> Result<()> {
    let mut lines = vec!["Field service".to_owned(), String::new()];
    for order in field.orders().await? {
        lines.push(format!(
            "  [{:<4}] {:<28} {:<20} {}",
            order.state, order.title, order.customer, order.note
        ));
    }
    let status = field.app.status();
    lines.push(String::new());
    lines.push(format!("  {}", status.message()));
    let network = words::network(&status.network);
    lines.push(format!(
        "  {}",
        network.unwrap_or_else(|| "looking for the office".to_owned())
    ));
    lines.push(String::new());
    lines.extend(said.iter().map(|line| format!("  · {line}")));
    lines.push(String::new());
    lines.extend(KEYS.lines().map(str::to_owned));
    paint(&lines).map_err(failed)
}

fn paint(lines: &[String]) -> std::io::Result<()> {
    let (width, height) = terminal::size()?;
    let mut out = std::io::stdout().lock();
    queue!(out, cursor::MoveTo(0, 0))?;
    for (row, line) in (0..height).zip(lines) {
        let shown: String = line.chars().take(usize::from(width)).collect();
        queue!(
            out,
            cursor::MoveTo(0, row),
            style::Print(shown),
            terminal::Clear(terminal::ClearType::UntilNewLine)
        )?;
    }
    queue!(out, terminal::Clear(terminal::ClearType::FromCursorDown))?;
    out.flush()
}
