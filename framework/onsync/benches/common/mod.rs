//! What the benches share: lifelike records, a bare database, a server process, a device, and medians.
#![allow(dead_code, reason = "each bench uses its own part of this module")]

use onsync_core::ValueType;
use onsync_core::registry::Registry;
use onsync_core::schema::{Attribute, EntitySchema, OnDelete, OnPendingConflicts, Relation, Schema};
use onsync_core::transport::Transport as _;
use onsync_engine::{App, OnSyncBuilder};
use onsync_http_server::HttpServerOptions;
use onsync_http_transport::{HttpTransport, HttpTransportOptions};
use onsync_pattern_read_only_optimized::ReadOnlyOptimized;
use onsync_pattern_read_write_conflict_detection::ConflictDetection;
use onsync_pattern_read_write_last_write_wins::LastWriteWins;
use onsync_pattern_read_write_one_to_many::OneToMany;
use onsync_server::{NoAuthentication, Server};
use onsync_sqlite_server_store::{SqliteServerStore, SqliteServerStoreOptions};
use onsync_sqlite_store::rusqlite::{self, Connection};
use onsync_sqlite_store::{SqliteStore, SqliteStoreOptions};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

pub(crate) const ENTITY: &str = "Measurement";
const ROLE: &str = "ONSYNC_BENCH_SERVER";

/// Ten attributes of mixed types.
pub(crate) fn entity(pattern: &str) -> EntitySchema {
    let attributes = vec![
        Attribute::new("id", ValueType::Integer),
        Attribute::new("device", ValueType::Uuid),
        Attribute::new("station", ValueType::Text),
        Attribute::new("taken", ValueType::Timestamp),
        Attribute::new("day", ValueType::Date),
        Attribute::new("value", ValueType::Real),
        Attribute::new("price", ValueType::Decimal),
        Attribute::new("checked", ValueType::Boolean),
        Attribute::new("count", ValueType::Integer),
        Attribute::new("remark", ValueType::Text),
    ];
    EntitySchema {
        on_pending_conflicts: OnPendingConflicts::Continue,
        ..EntitySchema::new(ENTITY, pattern, &["id"], attributes)
    }
}

/// Parents and children as families, instead of the name of a pattern.
pub(crate) const FAMILY: &str = "family";
/// The same records, each for itself.
pub(crate) const UNRELATED: &str = "unrelated";

/// Parents and children, related or not.
fn parents_and_children(related: bool) -> Schema {
    let pattern = match related {
        true => "read-write-one-to-many",
        false => "read-write-last-write-wins",
    };
    let parent = vec![
        Attribute::new("id", ValueType::Integer),
        Attribute::new("name", ValueType::Text),
    ];
    let mut child = parent.clone();
    child.insert(1, Attribute::new("parent_id", ValueType::Integer));
    let relation = Relation {
        name: "parent".to_owned(),
        child: "Child".to_owned(),
        attribute: "parent_id".to_owned(),
        parent: "Parent".to_owned(),
        on_delete: OnDelete::Cascade,
    };
    Schema {
        entities: vec![
            EntitySchema::new("Parent", pattern, &["id"], parent),
            EntitySchema::new("Child", pattern, &["id"], child),
        ],
        relations: related.then_some(relation).into_iter().collect(),
    }
}

/// An empty database for parents and children.
pub(crate) fn fill_family(path: &Path) {
    let connection = Connection::open(path).expect("a database");
    connection
        .pragma_update(None, "journal_mode", "wal")
        .expect("WAL");
    connection
        .execute_batch(
            "CREATE TABLE Parent (id INTEGER PRIMARY KEY, name TEXT);
             CREATE TABLE Child (id INTEGER PRIMARY KEY, parent_id INTEGER, name TEXT);",
        )
        .expect("tables");
}

pub(crate) fn schema(pattern: &str) -> Schema {
    if [FAMILY, UNRELATED].contains(&pattern) {
        return parents_and_children(pattern == FAMILY);
    }
    Schema {
        entities: vec![entity(pattern)],
        relations: vec![],
    }
}

/// One record as SQLite stores it, on the server as on the device.
pub(crate) fn values(id: i64) -> [rusqlite::types::Value; 10] {
    let seconds = id % 60;
    let minutes = id / 60 % 60;
    let remark = if id % 4 == 0 {
        rusqlite::types::Value::Null
    } else {
        format!("checked by hand, nothing to see at valve {}", id % 997).into()
    };
    [
        id.into(),
        format!(
            "0190163d-8694-739b-aea5-{:012x}",
            id.wrapping_mul(2_654_435_761) & 0xffff_ffff_ffff
        )
        .into(),
        format!("station {}", id % 311).into(),
        format!(
            "2026-{:02}-{:02}T{:02}:{minutes:02}:{seconds:02}.{:06}Z",
            id % 12 + 1,
            id % 28 + 1,
            id % 24,
            id % 1_000_000
        )
        .into(),
        format!("2026-{:02}-{:02}", id % 12 + 1, id % 28 + 1).into(),
        (id as f64 / 7.0).into(),
        format!("{}.{:02}", id % 1000, id % 100).into(),
        (id % 2).into(),
        (id * 31 % 10_007).into(),
        remark,
    ]
}

pub(crate) const COLUMNS: &str = "id, device, station, taken, day, value, price, checked, count, remark";
pub(crate) const MARKS: &str = "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10";

/// An existing database with `count` records that knows nothing of OnSync.
pub(crate) fn fill(path: &Path, count: i64) {
    let mut connection = Connection::open(path).expect("a database");
    connection
        .pragma_update(None, "journal_mode", "wal")
        .expect("WAL");
    connection
        .execute_batch(
            "CREATE TABLE Measurement (id INTEGER PRIMARY KEY, device TEXT, station TEXT, taken TEXT, day TEXT, value REAL, price TEXT, checked BOOLEAN, count INTEGER, remark TEXT)",
        )
        .expect("a table");
    let tx = connection.transaction().expect("a transaction");
    {
        let mut insert = tx
            .prepare(&format!("INSERT INTO Measurement ({COLUMNS}) VALUES ({MARKS})"))
            .expect("a statement");
        for id in 1..=count {
            insert
                .execute(rusqlite::params_from_iter(values(id)))
                .expect("a row");
        }
    }
    tx.commit().expect("a commit");
}

/// The bare program: the same records into the same schema, one prepared statement, one transaction, same pragmas.
pub(crate) fn bare_insert(path: &Path, ddl: &[String], records: &[[rusqlite::types::Value; 10]]) -> Duration {
    let mut connection = Connection::open(path).expect("a database");
    connection
        .pragma_update(None, "journal_mode", "wal")
        .expect("WAL");
    connection
        .pragma_update(None, "synchronous", "normal")
        .expect("a pragma");
    for sql in ddl {
        connection.execute_batch(sql).expect("the device's own schema");
    }
    let began = Instant::now();
    let tx = connection.transaction().expect("a transaction");
    {
        let mut insert = tx
            .prepare(&format!("INSERT INTO Measurement ({COLUMNS}) VALUES ({MARKS})"))
            .expect("a statement");
        for record in records {
            insert.execute(rusqlite::params_from_iter(record)).expect("a row");
        }
    }
    tx.commit().expect("a commit");
    began.elapsed()
}

/// The device's table and its indexes, as SQL.
pub(crate) fn device_ddl(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).expect("a database");
    let mut statement = connection
        .prepare("SELECT sql FROM sqlite_master WHERE tbl_name = 'Measurement' AND type IN ('table', 'index') AND sql IS NOT NULL ORDER BY type DESC")
        .expect("a query");
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.map(|row| row.expect("a text")).collect()
}

/// If this process was started as a server, serves until its parent closes standard input, and never returns.
pub(crate) fn serve_if_asked() {
    let Ok(path) = std::env::var(ROLE) else { return };
    let pattern = std::env::var("ONSYNC_BENCH_PATTERN").expect("a pattern");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async move {
        let mut patterns: Registry<Arc<dyn onsync_core::pattern::SyncPattern>> = Registry::new("pattern");
        patterns
            .register("read-only-optimized", Arc::new(ReadOnlyOptimized))
            .expect("a name");
        patterns
            .register("read-write-last-write-wins", Arc::new(LastWriteWins))
            .expect("a name");
        patterns
            .register("read-write-conflict-detection", Arc::new(ConflictDetection))
            .expect("a name");
        patterns
            .register("read-write-one-to-many", Arc::new(OneToMany))
            .expect("a name");
        let store = Arc::new(SqliteServerStore::new(SqliteServerStoreOptions::new(path)));
        let server = Server::builder()
            .schema(schema(&pattern))
            .patterns(patterns)
            .store(store)
            .authenticator(NoAuthentication)
            .build()
            .await
            .expect("a server");
        let router =
            onsync_http_server::router(Arc::new(server), HttpServerOptions::default()).expect("a router");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        println!("http://{}", listener.local_addr().expect("an address"));
        let parent_gone = tokio::task::spawn_blocking(|| {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        });
        onsync_http_server::serve(listener, router, async { drop(parent_gone.await) })
            .await
            .expect("serving");
    });
    std::process::exit(0);
}

/// A server in a process of its own.
pub(crate) struct ServerProcess {
    child: Child,
    pub(crate) url: String,
}

impl ServerProcess {
    pub(crate) fn start(path: &Path, pattern: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .env(ROLE, path)
            .env("ONSYNC_BENCH_PATTERN", pattern)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a server process");
        let mut url = String::new();
        BufReader::new(child.stdout.as_mut().expect("its output"))
            .read_line(&mut url)
            .expect("its address");
        Self {
            child,
            url: url.trim().to_owned(),
        }
    }

    pub(crate) fn memory(&self) -> Memory {
        Memory::of(self.child.id())
    }

    pub(crate) fn cpu(&self) -> Duration {
        cpu(self.child.id())
    }
}

/// Processor time of a process so far, all its threads together: on a busy machine it says more than the time that passed.
pub(crate) fn cpu(process: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten();
    let spent = threads.flatten().filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(spent.sum::<u64>())
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Memory of a process in KiB: now, and the most there ever was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) now: u64,
    pub(crate) peak: u64,
}

impl Memory {
    pub(crate) fn of(process: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
                .unwrap_or(0)
        };
        Self {
            now: field("VmRSS:"),
            peak: field("VmHWM:"),
        }
    }
}

/// A device on a SQLite file, speaking HTTP.
pub(crate) async fn device(path: &Path, url: &str, pattern: &str) -> App {
    let store = SqliteStore::new(path, SqliteStoreOptions::default());
    let transport = HttpTransport::new(HttpTransportOptions::new(url)).expect("a transport");
    let mut builder = OnSyncBuilder::by_hand(schema(pattern))
        .and_then(|builder| builder.pattern(ReadOnlyOptimized))
        .and_then(|builder| builder.pattern(LastWriteWins))
        .and_then(|builder| builder.pattern(ConflictDetection))
        .and_then(|builder| builder.pattern(OneToMany))
        .expect("a builder");
    for context in 0..CONTEXTS {
        builder
            .config_mut()
            .contexts
            .insert(format!("Bench{context}"), context_of_all());
    }
    builder
        .store(Arc::new(store))
        .transport(Arc::new(transport))
        .build()
        .await
        .expect("a device")
}

fn context_of_all() -> onsync_engine::config::ContextSettings {
    onsync_engine::config::ContextSettings::default()
}

/// How many contexts the device knows: a context that is asked for again right after its end counts as a loop, so the benches
/// take them in turn.
const CONTEXTS: usize = 512;

/// One sync, and what it did.
pub(crate) async fn sync(app: &App) -> onsync_core::handler::Summary {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % CONTEXTS;
    let handle = app.on_sync(&format!("Bench{next}"), &Default::default());
    handle
        .expect("a handle")
        .outcome()
        .await
        .into_result()
        .expect("a sync")
}

pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

pub(crate) fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// One line of a result: what, how long, how often the floor, what was wanted.
pub(crate) fn report(what: &str, time: Duration, floor: Duration, wanted: f64) {
    let ratio = time.as_secs_f64() / floor.as_secs_f64();
    let verdict = if ratio <= wanted { "reached" } else { "MISSED" };
    println!(
        "{what:<44} {:>12}  floor {:>12}  ratio {ratio:>6.2}  wanted ≤ {wanted:.2}  {verdict}",
        millis(time),
        millis(floor)
    );
}

/// A bare HTTP round trip to the same server, with the HTTP client a program would use, over a kept-alive connection.
pub(crate) struct HttpClient(HttpTransport);

impl HttpClient {
    pub(crate) fn new(url: &str) -> Self {
        Self(HttpTransport::new(HttpTransportOptions::new(url)).expect("a client"))
    }

    pub(crate) async fn round_trip(&self) -> Duration {
        let began = Instant::now();
        self.0.health().await.expect("an answer");
        began.elapsed()
    }
}

/// A kept-alive connection that speaks just enough HTTP for a round trip without any HTTP library: the floor's own floor.
pub(crate) struct Bare {
    stream: tokio::net::TcpStream,
    host: String,
}

impl Bare {
    pub(crate) async fn connect(url: &str) -> Self {
        let host = url.trim_start_matches("http://").to_owned();
        let stream = tokio::net::TcpStream::connect(&host).await.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        Self { stream, host }
    }

    /// A bare HTTP round trip to the same server.
    pub(crate) async fn round_trip(&mut self) -> Duration {
        let request = format!("GET /v1/health HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        let mut answer = [0; 4096];
        let began = Instant::now();
        self.stream
            .write_all(request.as_bytes())
            .await
            .expect("a request");
        let length = self.stream.read(&mut answer).await.expect("an answer");
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
        began.elapsed()
    }
}

pub(crate) fn header(name: &str) {
    println!("# {name}");
    let commit = Command::new("git")
        .args(["rev-parse", "--short", "HEAD"])
        .output();
    let commit = commit
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default();
    println!("commit {commit}, {} rounds, medians\n", rounds());
}

/// How many rounds are run; more with ONSYNC_BENCH_ROUNDS.
pub(crate) fn rounds() -> usize {
    std::env::var("ONSYNC_BENCH_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(5)
}
