//! A delta of 100 changes at 1,000 and at 100,000 records, and a sync with nothing to do.
#![expect(
    clippy::expect_used,
    reason = "a bench stops at the first thing that goes wrong"
)]

mod common;

use common::{
    Bare, COLUMNS, HttpClient, MARKS, ServerProcess, device, device_ddl, fill, header, median, millis,
    report, rounds, serve_if_asked, sync, values,
};
use onsync_sqlite_store::rusqlite::{Connection, params_from_iter};
use std::path::Path;
use std::time::{Duration, Instant};

const PATTERN: &str = "read-only-optimized";

/// Another program changes 100 records.
fn change(path: &Path, round: usize) {
    let mut connection = Connection::open(path).expect("a database");
    connection
        .busy_timeout(Duration::from_secs(10))
        .expect("a time-out");
    let tx = connection.transaction().expect("a transaction");
    for id in 1..=100 {
        tx.execute(
            "UPDATE Measurement SET count = count + 1, remark = ?1 WHERE id = ?2",
            (format!("round {round}"), id * 10),
        )
        .expect("a change");
    }
    tx.commit().expect("a commit");
}

/// The bare upsert of 100 rows into the same schema.
fn bare_upsert(connection: &mut Connection) -> Duration {
    let began = Instant::now();
    let tx = connection.transaction().expect("a transaction");
    {
        let sql = format!("INSERT OR REPLACE INTO Measurement ({COLUMNS}) VALUES ({MARKS})");
        let mut statement = tx.prepare_cached(&sql).expect("a statement");
        for id in 1..=100 {
            statement
                .execute(params_from_iter(values(id * 10)))
                .expect("a row");
        }
    }
    tx.commit().expect("a commit");
    began.elapsed()
}

struct Measured {
    delta: Duration,
    idle: Duration,
    round_trip: Duration,
    socket: Duration,
    upsert: Duration,
}

fn measure(runtime: &tokio::runtime::Runtime, folder: &Path, records: i64) -> Measured {
    let server_path = folder.join(format!("server-{records}.sqlite"));
    fill(&server_path, records);
    let server = ServerProcess::start(&server_path, PATTERN);
    let path = folder.join(format!("device-{records}.sqlite"));
    let (mut delta, mut idle) = (Vec::new(), Vec::new());
    let (mut trips, mut raws, mut upserts) = (Vec::new(), Vec::new(), Vec::new());
    runtime.block_on(async {
        let app = device(&path, &server.url, PATTERN).await;
        sync(&app).await;
        let mut bare = Connection::open(folder.join(format!("bare-{records}.sqlite"))).expect("a database");
        bare.pragma_update(None, "journal_mode", "wal").expect("WAL");
        bare.pragma_update(None, "synchronous", "normal")
            .expect("a pragma");
        for sql in device_ddl(&path) {
            bare.execute_batch(&sql).expect("the device's own schema");
        }
        let http = HttpClient::new(&server.url);
        let mut socket = Bare::connect(&server.url).await;
        for round in 0..=rounds() * 5 {
            change(&server_path, round);
            let began = Instant::now();
            let summary = sync(&app).await;
            let took = began.elapsed();
            assert_eq!(summary.received, 100);
            let began = Instant::now();
            sync(&app).await;
            let nothing = began.elapsed();
            let trip = http.round_trip().await;
            let raw = socket.round_trip().await;
            let upsert = bare_upsert(&mut bare);
            if round > 0 {
                delta.push(took);
                idle.push(nothing);
                trips.push(trip);
                raws.push(raw);
                upserts.push(upsert);
            }
        }
    });
    Measured {
        delta: median(delta),
        idle: median(idle),
        round_trip: median(trips),
        socket: median(raws),
        upsert: median(upserts),
    }
}

fn main() {
    serve_if_asked();
    header("delta of 100 changes, and a sync with nothing to do");
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let small = measure(&runtime, folder.path(), 1_000);
    let large = measure(&runtime, folder.path(), 100_000);
    println!(
        "HTTP round trip {} (without an HTTP library {}), bare upsert of 100 rows {}\n",
        millis(large.round_trip),
        millis(large.socket),
        millis(large.upsert)
    );
    report(
        "delta of 100 at 100,000, against at 1,000",
        large.delta,
        small.delta,
        1.5,
    );
    report(
        "delta of 100, against round trip + bare upsert",
        large.delta,
        large.round_trip + large.upsert,
        5.0,
    );
    report(
        "nothing to do, against a round trip",
        large.idle,
        large.round_trip,
        4.0,
    );
}
