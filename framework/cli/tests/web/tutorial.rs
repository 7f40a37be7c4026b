//! Does what the page `docs/tutorials/first-web-app.md` says, block by block.

use crate::free_port;
use crate::npm::{Running, Web, serve};
use crate::support::Place;
use std::process::Command;

const PAGE: &str = include_str!("../../../../docs/tutorials/first-web-app.md");

/// The addresses of the page.
const SERVER: &str = "127.0.0.1:8080";
const SITE: &str = "4173";

/// What stands between two lines of backticks, and the words behind the first of them.
struct Block {
    language: String,
    kind: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for line in PAGE.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(words)) => {
                let (language, kind) = words.split_once(' ').unwrap_or((words, ""));
                open = Some(Block {
                    language: language.to_owned(),
                    kind: kind.to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

struct Reader<'a> {
    web: &'a Web,
    place: Place,
    /// Pairs of what stands on the page and what is used here.
    addresses: [(String, String); 2],
    running: Vec<Running>,
}

impl Reader<'_> {
    fn own(&self, text: &str) -> String {
        self.addresses
            .iter()
            .fold(text.to_owned(), |text, (page, here)| text.replace(page, here))
    }

    fn command(&self, script: &str) -> Command {
        let project = self.place.path("tasks");
        let programs = std::path::Path::new(env!("CARGO_BIN_EXE_onsync"))
            .parent()
            .unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new("bash");
        command
            .args(["-c", &format!("set -eu\nexport PATH={}:{path}\nexport npm_config_prefer_offline=true npm_config_audit=false npm_config_fund=false\n{script}", programs.display())])
            .current_dir(if project.is_dir() { project } else { self.place.folder().to_owned() });
        command
    }

    /// Runs commands. What they wrote into the configuration has the page's addresses.
    fn run(&self, commands: &str) {
        println!("$ {commands}");
        self.web.run(&mut self.command(&self.own(commands)));
        for name in ["tasks/onsync.toml", "tasks/onsync.server.toml"] {
            if let Ok(text) = std::fs::read_to_string(self.place.path(name)) {
                self.place.write(name, &self.own(&text));
            }
        }
    }

    fn serve(&mut self, command: &str, address: &str) {
        let words = format!("exec {}", self.own(command));
        let running = serve(&mut self.command(&words), address);
        self.running.push(running);
    }

    fn block(&mut self, block: &Block) {
        let [(_, server), (_, site)] = &self.addresses;
        let (server, site) = (server.clone(), format!("localhost:{site}"));
        match (block.language.as_str(), block.kind.as_str()) {
            ("sh", "") => self.run(&block.text),
            ("sh", "server") => self.serve(&block.text, &server),
            ("sh", "page") => self.serve(&block.text, &site),
            // The package was built before; it is packed as the page says.
            ("sh", "checkout") => {
                let pack = block
                    .text
                    .lines()
                    .find(|line| line.starts_with("npm pack"))
                    .unwrap();
                let folder = self.web.package().display().to_string();
                self.run(&pack.replace("./target/js/onsync", &folder));
            }
            ("text", "browser") => {
                self.web.play("first-web-app.mjs", &format!("http://{site}"));
            }
            ("html" | "js" | "json" | "svg", file) if !file.is_empty() => {
                self.place.write(&format!("tasks/{file}"), &self.own(&block.text));
            }
            (language, kind) => panic!("a block of `{language} {kind}`"),
        }
    }
}

/// Follows the page from the first block to the last.
pub(crate) fn follow(web: &Web) {
    let blocks = blocks();
    assert!(blocks.len() > 14, "only {} blocks were found", blocks.len());
    let mut reader = Reader {
        web,
        place: Place::new(),
        addresses: [
            (SERVER.to_owned(), format!("127.0.0.1:{}", free_port())),
            (SITE.to_owned(), free_port().to_string()),
        ],
        running: Vec::new(),
    };
    for block in &blocks {
        reader.block(block);
    }
}
