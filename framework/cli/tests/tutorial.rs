//! "Your first synced entity in ten minutes" does what it says: every command of the page is run, in order.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A block of the page: what it is for, and its commands.
struct Block {
    kind: String,
    commands: String,
}

fn blocks() -> Vec<Block> {
    let page = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/tutorials/first-entity.md"
    );
    let page = std::fs::read_to_string(page).unwrap();
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(kind)) if kind == "sh" || kind.starts_with("sh ") => {
                open = Some(Block {
                    kind: kind.trim_start_matches("sh").trim().to_owned(),
                    commands: String::new(),
                });
            }
            (Some(_), Some("")) => found.extend(open.take()),
            (Some(block), None) => {
                block.commands.push_str(line);
                block.commands.push('\n');
            }
            _ => {}
        }
    }
    found
}

struct Reader {
    folder: PathBuf,
    path: String,
    address: String,
    server: Option<Child>,
}

impl Reader {
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        let shop = self.folder.join("shop");
        command
            .args(arguments)
            .current_dir(if shop.is_dir() { &shop } else { &self.folder })
            .env("PATH", &self.path)
            .env("ONSYNC__TRANSPORT__URL", format!("http://{}", self.address))
            .env("ONSYNC__SERVER__LISTEN", &self.address)
            .stdin(Stdio::null());
        command
    }

    fn run(&self, commands: &str) -> bool {
        let script = format!("set -eu\n{commands}");
        let output = self.command("bash", &["-c", &script]).output().unwrap();
        print!(
            "$ {commands}{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output.status.success()
    }

    fn serve(&mut self, commands: &str) {
        let arguments: Vec<&str> = commands.split_whitespace().skip(1).collect();
        let child = self
            .command(env!("CARGO_BIN_EXE_onsync"), &arguments)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.server = Some(child);
        let began = Instant::now();
        while TcpStream::connect(&self.address).is_err() {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "the server does not listen on {}",
                self.address
            );
            std::thread::yield_now();
        }
    }

    fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop();
    }
}

#[test]
fn the_first_tutorial_holds() {
    if Command::new("sqlite3").arg("--version").output().is_err() {
        println!(
            "SKIPPED the_first_tutorial_holds: the `sqlite3` shell is not installed (Debian: apt-get install sqlite3)"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_onsync")).parent().unwrap();
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let mut reader = Reader {
        folder: folder.path().to_owned(),
        path: format!(
            "{}:{}",
            binary.display(),
            std::env::var("PATH").unwrap_or_default()
        ),
        address,
        server: None,
    };
    let blocks = blocks();
    assert!(
        blocks.len() > 8,
        "only {} blocks of commands were found",
        blocks.len()
    );
    for block in blocks {
        match block.kind.as_str() {
            "" => assert!(reader.run(&block.commands), "failed: {}", block.commands),
            "fails" => assert!(!reader.run(&block.commands), "should fail: {}", block.commands),
            "server" => reader.serve(&block.commands),
            "stop" => reader.stop(),
            other => panic!("a block of kind {other:?}"),
        }
    }
}
