//! Processes that play a server or a device: this program, started again with a role in its environment.

use crate::place::{self, Device, schema};
use onsync_core::handler::Event;
use onsync_core::pattern::SyncPattern;
use onsync_core::registry::Registry;
use onsync_http_server::HttpServerOptions;
use onsync_server::{NoAuthentication, Server, StaticTokens};
use onsync_sqlite_server_store::{SqliteServerStore, SqliteServerStoreOptions};
use serde_json::{Value as Json, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const ROLE: &str = "ONSYNC_TEST_CHILD";

/// No child outlives this, so that whoever waits for its answer sees the end of its output at last.
const LONGEST_LIFE: Duration = Duration::from_secs(540);

/// Returns at once unless this process was started to play a role.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let role: Json = serde_json::from_str(&role).unwrap();
    std::thread::spawn(|| {
        std::thread::sleep(LONGEST_LIFE);
        std::process::exit(9);
    });
    if role["role"] == "server" {
        serve(&role);
    } else {
        play_device(&role);
    }
    std::process::exit(0);
}

/// What the parent reads begins with a mark: the test harness writes to the same output.
fn say(line: &str) {
    println!("\n>{line}");
    std::io::stdout().flush().unwrap();
}

fn serve(role: &Json) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut patterns: Registry<Arc<dyn SyncPattern>> = Registry::new("pattern");
        for pattern in place::patterns() {
            patterns.register(pattern.name(), pattern).unwrap();
        }
        let path = role["path"].as_str().unwrap();
        let mut options = SqliteServerStoreOptions::new(path);
        options.max_bytes = role["max_bytes"].as_u64();
        let store = Arc::new(SqliteServerStore::new(options));
        let builder = Server::builder()
            .schema(schema(role))
            .patterns(patterns)
            .store(store);
        let builder = match role["token"].as_str() {
            Some(token) => builder.authenticator(StaticTokens::new().with(token, "ada")),
            None => builder.authenticator(NoAuthentication),
        };
        let server = builder.build().await.unwrap();
        let router = onsync_http_server::router(Arc::new(server), HttpServerOptions::default()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        say(&listener.local_addr().unwrap().to_string());
        let parent_gone = tokio::task::spawn_blocking(|| {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        });
        onsync_http_server::serve(listener, router, async { drop(parent_gone.await) })
            .await
            .unwrap();
    });
}

/// Obeys one command per line of standard input and answers each with a line of JSON.
fn play_device(role: &Json) {
    let device = Device::of_role(role);
    let opened = device.app.opened();
    say(&json!({ "opened": { "created": opened.created, "set_aside": opened.set_aside, "warnings": opened.warnings } }).to_string());
    let _progress = role["progress"].as_bool().unwrap_or(false).then(|| {
        device.app.on_event(|_, event| {
            if let Event::OnSyncProgress { done, .. } = event {
                say(&json!({ "done": done }).to_string());
            }
        })
    });
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let answer = match line.split_once(' ') {
            Some(("edit", series)) => match device.edit(series) {
                Ok(()) => json!({ "ok": true }),
                Err(error) => json!({ "error": error.code() }),
            },
            _ => match device.try_sync() {
                Ok(summary) => {
                    json!({ "ok": true, "applied": summary.applied, "received": summary.received })
                }
                Err(error) => json!({ "error": error.code(), "text": error.to_string() }),
            },
        };
        say(&answer.to_string());
    }
}

/// One process of this program.
struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(role: &Json) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "children::child", "--nocapture", "--test-threads", "1"])
            .env(ROLE, role.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// The next line it said; none when it has ended.
    fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap_or(0) > 0 {
            // A line cut off by a kill says nothing.
            if let Some(said) = line.strip_prefix('>').and_then(|said| said.strip_suffix('\n')) {
                return Some(said.to_owned());
            }
            line.clear();
        }
        None
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.input.take());
        if std::thread::panicking() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// A server process.
pub(crate) struct ServerProcess {
    process: Process,
    /// Host and port.
    pub(crate) address: String,
}

impl ServerProcess {
    /// Serves the database; `ids` is `client` or `server`, and without a token everybody is let in.
    pub(crate) fn start(path: &Path, ids: &str, token: Option<&str>) -> Self {
        Self::of_role(&json!({ "role": "server", "path": path, "ids": ids, "token": token }))
    }

    /// Serves the database, which may not grow beyond so many bytes.
    pub(crate) fn bounded(path: &Path, max_bytes: u64) -> Self {
        Self::of_role(&json!({ "role": "server", "path": path, "ids": "client", "max_bytes": max_bytes }))
    }

    /// Serves the database with every entity of this pattern.
    pub(crate) fn of_pattern(path: &Path, ids: &str, pattern: &str) -> Self {
        Self::of_role(&json!({ "role": "server", "path": path, "ids": ids, "pattern": pattern }))
    }

    fn of_role(role: &Json) -> Self {
        let mut process = Process::start(role);
        let address = process.hear().expect("a server process that says its address");
        Self { process, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// As by `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.child.id()
    }
}

/// A device process.
pub(crate) struct DeviceProcess {
    process: Process,
    /// What happened when its store was opened.
    pub(crate) opened: Json,
}

impl DeviceProcess {
    /// Opens a device; see [`Device::of_role`] for what the settings may hold.
    pub(crate) fn start(settings: &Json) -> Self {
        let mut process = Process::start(settings);
        let opened = process.hear().expect("a device process that opens its store");
        let opened = serde_json::from_str::<Json>(&opened).unwrap()["opened"].clone();
        Self { process, opened }
    }

    /// Gives a command without waiting for its end.
    pub(crate) fn tell(&mut self, command: &str) {
        let input = self.process.input.as_mut().unwrap();
        writeln!(input, "{command}").unwrap();
        input.flush().unwrap();
    }

    /// The next answer, or none when it has ended.
    pub(crate) fn hear(&mut self) -> Option<Json> {
        self.process
            .hear()
            .map(|line| serde_json::from_str(&line).unwrap())
    }

    /// A command and its answer.
    pub(crate) fn ask(&mut self, command: &str) -> Json {
        self.tell(command);
        self.hear().expect("a device process that answers")
    }

    /// Syncs, and must succeed.
    #[track_caller]
    pub(crate) fn sync(&mut self) {
        let answer = self.ask("sync");
        assert_eq!(answer["ok"], true, "{answer}");
    }

    /// As by `kill -9`; says whether the command it had was answered before.
    pub(crate) fn kill(mut self) -> bool {
        self.process.kill();
        self.hear().is_some_and(|answer| answer["ok"] == true)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.child.id()
    }
}
