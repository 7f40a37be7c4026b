//! Runs the real binary in folders of its own.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]
#![expect(
    clippy::panic,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything a test does; a hanging command fails instead of hanging the run.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Fails with everything that was said unless the command ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Fails unless stdout holds this.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.out.contains(text), "wanted {text:?} on stdout: {self:#?}");
        self
    }

    /// Fails unless stderr holds this.
    #[track_caller]
    pub(crate) fn complains(&self, text: &str) -> &Self {
        assert!(self.err.contains(text), "wanted {text:?} on stderr: {self:#?}");
        self
    }
}

/// A folder in which commands run.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The command, to be changed before it runs.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onsync"));
        command
            .current_dir(self.folder())
            .args(arguments)
            .env_remove("CI")
            .env_remove("ONSYNC_LOG")
            .stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ONSYNC__") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs `onsync` with these arguments to its end.
    pub(crate) fn onsync(&self, arguments: &[&str]) -> Ran {
        run(self.command(arguments))
    }

    /// A SQLite database made by these statements.
    pub(crate) fn database(&self, name: &str, sql: &str) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.path(name)).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection.execute_batch(sql).unwrap();
        connection
    }
}

/// Runs a command to its end.
pub(crate) fn run(mut command: Command) -> Ran {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut err = child.stderr.take().unwrap();
    let out = std::thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).map(|_| text)
    });
    let err = std::thread::spawn(move || {
        let mut text = String::new();
        err.read_to_string(&mut text).map(|_| text)
    });
    let since = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if since.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{command:?} did not end; stdout: {:?}", out.join());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Ran {
        code: status.code().unwrap_or(-1),
        out: out.join().unwrap().unwrap(),
        err: err.join().unwrap().unwrap(),
    }
}

/// A running `onsync serve`; ends when dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) url: String,
    pub(crate) greeting: serde_json::Value,
}

impl Served {
    /// Serves what the folder's configuration says, on a free port.
    pub(crate) fn start(place: &Place, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut all = vec!["serve", "--json", "--listen", "127.0.0.1:0"];
        all.extend(arguments);
        let mut child = place
            .command(&all)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let greeting: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self {
            child,
            url: greeting["url"].as_str().unwrap_or_default().to_owned(),
            greeting,
        }
    }

    /// Asks it to end, as Ctrl-C does, and gives its exit code.
    #[cfg(unix)]
    pub(crate) fn interrupt(mut self) -> i32 {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &id])
                .status()
                .unwrap()
                .success()
        );
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("serve did not end after SIGINT");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A device of a server: its own folder with the same configuration.
pub(crate) struct Device {
    pub(crate) place: Place,
    url: String,
}

impl Device {
    pub(crate) fn of(server: &Place, url: &str) -> Self {
        let place = Place::new();
        place.write("onsync.toml", &server.read("onsync.toml"));
        Self {
            place,
            url: url.to_owned(),
        }
    }

    /// Runs `onsync` on this device.
    pub(crate) fn onsync(&self, arguments: &[&str]) -> Ran {
        self.onsync_with(arguments, &[])
    }

    pub(crate) fn onsync_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut command = self.place.command(arguments);
        command
            .env("ONSYNC__TRANSPORT__URL", &self.url)
            .envs(variables.iter().copied());
        run(command)
    }

    /// The device's own database, as any program opens it.
    pub(crate) fn store(&self) -> rusqlite::Connection {
        self.place.database("device.sqlite", "")
    }
}

/// An address at which nobody listens.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// One request by hand: status line, headers and body.
pub(crate) fn get(address: &str, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// All rows of a query, as text, for comparing value by value.
pub(crate) fn rows(connection: &rusqlite::Connection, sql: &str) -> Vec<Vec<String>> {
    let mut statement = connection.prepare(sql).unwrap();
    let width = statement.column_count();
    let rows = statement
        .query_map([], |row| {
            (0..width)
                .map(|index| {
                    Ok(match row.get_ref(index)? {
                        rusqlite::types::ValueRef::Null => "NULL".to_owned(),
                        rusqlite::types::ValueRef::Integer(value) => value.to_string(),
                        rusqlite::types::ValueRef::Real(value) => value.to_string(),
                        rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                        rusqlite::types::ValueRef::Blob(bytes) => format!("{bytes:?}"),
                    })
                })
                .collect()
        })
        .unwrap();
    rows.map(Result::unwrap).collect()
}
