//! Conflict detection: 1,000 edits pushed against last-write-wins in turn, and idle syncs of a device with 1,000 open
//! conflicts and of one with none, and otherwise the same history, in turn.
#![expect(
    clippy::expect_used,
    reason = "a bench stops at the first thing that goes wrong"
)]

mod common;

use common::{ENTITY, ServerProcess, device, fill, header, median, report, rounds, serve_if_asked, sync};
use onsync_core::{Fields, Key};
use onsync_engine::App;
use onsync_sqlite_store::rusqlite::Connection;
use std::path::Path;
use std::time::{Duration, Instant};

const EDITS: i64 = 1_000;
const RECORDS: i64 = 10_000;
const LAST_WRITE_WINS: &str = "read-write-last-write-wins";
const DETECTION: &str = "read-write-conflict-detection";

/// The app edits records from `first` on.
async fn edit(app: &App, first: i64, text: &str) {
    let edits = (first..first + EDITS)
        .map(|id| (Key::one(id), Fields::new().with("remark", text)))
        .collect();
    app.update_many(ENTITY, edits).await.expect("edits");
}

async fn push(app: &App, round: usize) -> Duration {
    edit(app, 1, &format!("edit {round}")).await;
    let began = Instant::now();
    let summary = sync(app).await;
    let took = began.elapsed();
    assert_eq!((summary.applied, summary.conflicts), (EDITS as u64, 0));
    took
}

/// Another program changes the last 1,000 records.
fn change(path: &Path) {
    let connection = Connection::open(path).expect("a database");
    connection
        .busy_timeout(Duration::from_secs(10))
        .expect("a time-out");
    connection
        .execute(
            "UPDATE Measurement SET remark = 'theirs' WHERE id > ?1",
            [RECORDS - EDITS],
        )
        .expect("a change");
}

/// Idle syncs of two devices in turn: the median of each.
async fn idle(apps: [&App; 2]) -> [Duration; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..=rounds() * 40 {
        for (app, times) in apps.into_iter().zip(&mut times) {
            let began = Instant::now();
            sync(app).await;
            times.push(began.elapsed());
        }
    }
    times.map(|mut times| median(times.split_off(1)))
}

fn main() {
    serve_if_asked();
    header("conflict detection");
    let folder = tempfile::tempdir().expect("a folder");
    let server_path = |pattern: &str| folder.path().join(format!("server-{pattern}.sqlite"));
    let servers = [LAST_WRITE_WINS, DETECTION].map(|pattern| {
        fill(&server_path(pattern), RECORDS);
        ServerProcess::start(&server_path(pattern), pattern)
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (mut last, mut detected) = (Vec::new(), Vec::new());
    let [none, open] = runtime.block_on(async {
        let [plain, careful] = [(LAST_WRITE_WINS, &servers[0]), (DETECTION, &servers[1])];
        let plain = device(&folder.path().join("plain.sqlite"), &plain.1.url, plain.0).await;
        let careful = device(&folder.path().join("careful.sqlite"), &careful.1.url, careful.0).await;
        sync(&plain).await;
        sync(&careful).await;
        for round in 0..=rounds() {
            let (one, other) = (push(&plain, round).await, push(&careful, round).await);
            println!("round {round}: last-write-wins {one:?}, conflict detection {other:?}");
            if round > 0 {
                last.push(one);
                detected.push(other);
            }
        }
        edit(&careful, RECORDS - EDITS + 1, "mine").await;
        change(&server_path(DETECTION));
        let summary = sync(&careful).await;
        assert_eq!(summary.conflicts, EDITS as u64);
        let calm = device(&folder.path().join("calm.sqlite"), &servers[1].url, DETECTION).await;
        sync(&calm).await;
        // The same history but for the conflicts.
        for round in 0..=rounds() {
            push(&calm, round).await;
        }
        sync(&careful).await;
        idle([&calm, &careful]).await
    });
    println!();
    report(
        "1,000 edits, against last-write-wins",
        median(detected),
        median(last),
        1.3,
    );
    report("idle with 1,000 open conflicts, against none", open, none, 1.1);
}
