//! Pushing 1,000 edits, against a bare program that writes row, receipt and change row per edit, plus one round trip.
#![expect(
    clippy::expect_used,
    reason = "a bench stops at the first thing that goes wrong"
)]

mod common;

use common::{
    ENTITY, HttpClient, ServerProcess, cpu, device, fill, header, median, millis, report, rounds,
    serve_if_asked, sync,
};
use onsync_core::{Fields, Key};
use onsync_sqlite_store::rusqlite::Connection;
use std::path::Path;
use std::time::{Duration, Instant};

const EDITS: i64 = 1_000;
const RECORDS: i64 = 10_000;

/// Per edit the row, one receipt row and one change row, all in one transaction that is on disk at its end.
fn bare(path: &Path, round: usize) -> Duration {
    let mut connection = Connection::open(path).expect("a database");
    connection
        .pragma_update(None, "journal_mode", "wal")
        .expect("WAL");
    connection
        .pragma_update(None, "synchronous", "full")
        .expect("a pragma");
    connection
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS receipt (id BLOB PRIMARY KEY, outcome BLOB) WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS change (id INTEGER PRIMARY KEY, position INTEGER);
             CREATE INDEX IF NOT EXISTS change_position ON change (position);",
        )
        .expect("tables");
    let began = Instant::now();
    let tx = connection.transaction().expect("a transaction");
    {
        let mut row = tx
            .prepare("UPDATE Measurement SET count = ?1, remark = ?2 WHERE id = ?3")
            .expect("a statement");
        let mut receipt = tx
            .prepare("INSERT INTO receipt (id, outcome) VALUES (?1, ?2)")
            .expect("a statement");
        let mut change = tx
            .prepare("INSERT OR REPLACE INTO change (id, position) VALUES (?1, ?2)")
            .expect("a statement");
        for id in 1..=EDITS {
            row.execute((id, format!("edit {round}"), id)).expect("a row");
            let name = uuid(round, id);
            receipt.execute((&name[..], &b"applied"[..])).expect("a receipt");
            change.execute((id, round as i64 * EDITS + id)).expect("a change");
        }
    }
    tx.commit().expect("a commit");
    began.elapsed()
}

/// Sixteen bytes that spread like random ones.
fn uuid(round: usize, id: i64) -> [u8; 16] {
    let mixed =
        (round as u128 * 1_000_003 + id as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    mixed.to_be_bytes()
}

fn main() {
    serve_if_asked();
    header("1,000 edits pushed");
    let folder = tempfile::tempdir().expect("a folder");
    let server_path = folder.path().join("server.sqlite");
    let bare_path = folder.path().join("bare.sqlite");
    fill(&server_path, RECORDS);
    fill(&bare_path, RECORDS);
    let pattern = "read-write-last-write-wins";
    let server = ServerProcess::start(&server_path, pattern);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (mut pushed, mut floors) = (Vec::new(), Vec::new());
    let (mut here, mut there, mut bare_cpu) = (Vec::new(), Vec::new(), Vec::new());
    runtime.block_on(async {
        let app = device(&folder.path().join("device.sqlite"), &server.url, pattern).await;
        sync(&app).await;
        let http = HttpClient::new(&server.url);
        for round in 0..=rounds() {
            let edits = (1..=EDITS)
                .map(|id| {
                    (
                        Key::one(id),
                        Fields::new()
                            .with("count", id + round as i64)
                            .with("remark", format!("edit {round}")),
                    )
                })
                .collect();
            app.update_many(ENTITY, edits).await.expect("edits");
            let this = std::process::id();
            let before = (cpu(this), server.cpu());
            let began = Instant::now();
            let summary = sync(&app).await;
            let took = began.elapsed();
            let after = (cpu(this), server.cpu());
            assert_eq!(summary.applied, EDITS as u64);
            let floor = bare(&bare_path, round) + http.round_trip().await;
            if round > 0 {
                pushed.push(took);
                floors.push(floor);
                here.push(after.0.saturating_sub(before.0));
                there.push(after.1.saturating_sub(before.1));
                bare_cpu.push(cpu(this).saturating_sub(after.0));
            }
            println!(
                "round {round}: push {took:?}, bare {floor:?}, {} requests",
                summary.requests
            );
        }
    });
    println!();
    println!(
        "processor time: device {}, server {}; bare program {}",
        millis(median(here)),
        millis(median(there)),
        millis(median(bare_cpu))
    );
    report("1,000 edits pushed", median(pushed), median(floors), 3.0);
}
