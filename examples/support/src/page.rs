//! Follows a page as its reader does: what a tutorial says about running a program is run by a test.

use crate::failed;
use onsync::Result;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The command of a page that goes on until it is stopped.
const SERVE: &str = "cargo run -- serve\n";

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether the `sqlite3` shell is installed, which pages use.
pub fn has_sqlite3() -> bool {
    Command::new("sqlite3").arg("--version").output().is_ok()
}

/// Runs the commands of `page` from the line that begins with `from` to the next heading, in a new folder, and returns what they said.
/// The first two configurations there are added to `config`, and written beside it as the server's. `cargo run --` is `program`, and a
/// server runs from the block that starts it to the end, at an address of its own.
///
/// # Errors
/// What could not be found on the page, started or written.
pub fn follow(page: &str, from: &str, config: &str, program: &str) -> Result<String> {
    let part = page
        .split_once(&format!("\n{from}"))
        .map(|(_, after)| after.split("\n## ").next().unwrap_or_default())
        .ok_or_else(|| failed("following a page", format!("no line begins with `{from}`")))?;
    let (tables, commands) = (blocks(part, "toml"), blocks(part, "sh"));
    let [added, server] = tables.as_slice() else {
        let found = format!("wanted two configurations, found {}", tables.len());
        return Err(failed("following a page", found));
    };
    let folder = tempfile::tempdir().map_err(|error| failed("a folder for the reader", error))?;
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).map_err(|error| failed(name, error))
    };
    write("onsync.toml", &format!("{config}\n{added}"))?;
    write("onsync.server.toml", server)?;
    let mut reader = Reader::new(folder.path(), program)?;
    for block in commands {
        // Worlds by number instead of by time: the test is as quick as the machine.
        reader.run(
            &block
                .replace("torture --time 10s", "torture --worlds 2")
                .replace(SERVE, ""),
        )?;
        if block.contains(SERVE) {
            reader.serve()?;
        }
    }
    Ok(reader.said.clone())
}

/// The fenced blocks of this language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("\n```{language}\n");
    let after = text.split(opening.as_str()).skip(1);
    after
        .filter_map(|block| block.split_inclusive("\n```").next()?.strip_suffix("```"))
        .collect()
}

/// Who follows the page.
struct Reader {
    folder: PathBuf,
    program: PathBuf,
    address: String,
    server: Option<Child>,
    said: String,
}

impl Reader {
    fn new(folder: &Path, program: &str) -> Result<Self> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        Ok(Self {
            folder: folder.to_owned(),
            program: program.into(),
            address: free.map_err(|error| failed("an address", error))?.to_string(),
            server: None,
            said: String::new(),
        })
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.folder)
            .env("PROGRAM", &self.program)
            .env("ONSYNC__TRANSPORT__URL", format!("http://{}", self.address))
            .env("ONSYNC__SERVER__LISTEN", &self.address)
            .stdin(Stdio::null());
        command
    }

    fn run(&mut self, commands: &str) -> Result<()> {
        let script = format!("exec 2>&1\ncargo() {{ shift 2; \"$PROGRAM\" \"$@\"; }}\n{commands}");
        let output = self.command("bash").args(["-c", &script]).output();
        let output = output.map_err(|error| failed("bash", error))?;
        self.said.push_str(&String::from_utf8_lossy(&output.stdout));
        Ok(())
    }

    fn serve(&mut self) -> Result<()> {
        let server = self
            .command(&self.program)
            .arg("serve")
            .stdout(Stdio::null())
            .spawn();
        self.server = Some(server.map_err(|error| failed("the server", error))?);
        let began = Instant::now();
        while TcpStream::connect(&self.address).is_err() {
            if began.elapsed() > PATIENCE {
                return Err(failed(
                    "the server",
                    format!("it does not listen on {}", self.address),
                ));
            }
            std::thread::yield_now();
        }
        Ok(())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ended = server.kill().and_then(|()| server.wait());
        }
    }
}
