//! What a command writes: lines for people or JSON for programs, in colour only where somebody sees it.

use crate::arguments::Colour;
use onsync_core::Error;
use onsync_core::value::Timestamp;
use serde_json::{Value, json};
use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};

/// Where output goes and how it looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    json: bool,
    colour: bool,
    error_colour: bool,
    terminal: bool,
}

impl Screen {
    /// By the flags, the environment and whether somebody is watching.
    pub(crate) fn new(json: bool, colour: Colour) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let error_terminal = std::io::stderr().is_terminal();
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let decide = |terminal: bool| match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => terminal && !unwanted,
        };
        Self {
            json,
            colour: decide(terminal),
            error_colour: decide(error_terminal),
            terminal,
        }
    }

    /// Whether JSON is wanted.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether stdout is a terminal.
    pub(crate) fn is_terminal(self) -> bool {
        self.terminal
    }

    /// How many columns there are, where somebody sees them.
    pub(crate) fn width(self) -> Option<usize> {
        let (_, columns) = console::Term::stdout().size_checked().filter(|_| self.terminal)?;
        Some(usize::from(columns))
    }

    /// Whether stderr is shown in colour.
    pub(crate) fn error_colour(self) -> bool {
        self.error_colour
    }

    /// A line for people; nothing under `--json`.
    pub(crate) fn line(self, text: impl Display) {
        if !self.json {
            out(&text.to_string());
        }
    }

    /// A value for programs; nothing without `--json`.
    pub(crate) fn json(self, value: &Value) {
        if self.json {
            out(&format!("{value:#}"));
        }
    }

    /// One line of JSON for programs that read along; nothing without `--json`.
    pub(crate) fn json_line(self, value: &Value) {
        if self.json {
            out(&value.to_string());
        }
    }

    /// Something the user should know that stops nothing.
    pub(crate) fn warning(self, text: impl Display) {
        let word = paint(self.error_colour, "1;33", "warning");
        error_out(&format!("{word}: {text}"));
    }

    /// The reason why a command failed.
    pub(crate) fn failure(self, error: &Error) {
        if self.json {
            out(&format!("{:#}", json!({ "error": error_value(error) })));
            return;
        }
        let word = paint(self.error_colour, "1;31", "error");
        let code = paint(self.error_colour, "2", &format!("[{}]", error.code()));
        error_out(&format!("{word}: {error} {code}"));
    }

    /// Bold.
    pub(crate) fn bold(self, text: impl Display) -> String {
        paint(self.colour, "1", &text.to_string())
    }

    /// Less important.
    pub(crate) fn dim(self, text: impl Display) -> String {
        paint(self.colour, "2", &text.to_string())
    }

    /// Good.
    pub(crate) fn green(self, text: impl Display) -> String {
        paint(self.colour, "32", &text.to_string())
    }

    /// Worth a look.
    pub(crate) fn yellow(self, text: impl Display) -> String {
        paint(self.colour, "33", &text.to_string())
    }

    /// Bad.
    pub(crate) fn red(self, text: impl Display) -> String {
        paint(self.colour, "31", &text.to_string())
    }

    /// A name, a path, a command.
    pub(crate) fn cyan(self, text: impl Display) -> String {
        paint(self.colour, "36", &text.to_string())
    }
}

/// An error as programs read it.
pub(crate) fn error_value(error: &Error) -> Value {
    json!({
        "kind": error.kind().as_str(),
        "code": error.code(),
        "at": error.place(),
        "message": error.message(),
    })
}

fn paint(colour: bool, code: &str, text: &str) -> String {
    if colour {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// A reader that went away is no failure of the command.
fn out(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

fn error_out(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// `1,234,567`
pub(crate) fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `2026-11-22T09:30:00Z`: a time to the second.
pub(crate) fn second(at: Timestamp) -> String {
    let exact = at.to_string();
    match exact.split_once('.') {
        Some((second, _)) => format!("{second}Z"),
        None => exact,
    }
}

/// `1 record`, `2 records`
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// `12.3 kB`, in thousands.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{}.{} kB", count / 1_000, count % 1_000 / 100),
        _ => format!("{}.{} MB", count / 1_000_000, count % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1000), "1,000");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(counted(1, "record", "records"), "1 record");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(12_345), "12.3 kB");
        assert_eq!(bytes(7_654_321), "7.6 MB");
    }
}
