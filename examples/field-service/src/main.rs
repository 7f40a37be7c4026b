#![doc = include_str!("../README.md")]

mod field;
mod line;
mod screen;
mod script;
mod words;

use std::io::IsTerminal as _;

#[tokio::main]
async fn main() -> onsync::Result<()> {
    let scripted = std::env::args().any(|argument| argument == "--script");
    if scripted || !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        script::run().await
    } else {
        screen::run().await
    }
}
