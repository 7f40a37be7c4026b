//! First sync of 100,000 records × 10 attributes into a SQLite file, against a bare program that inserts the same records.
#![expect(
    clippy::expect_used,
    reason = "a bench stops at the first thing that goes wrong"
)]

mod common;

use common::{
    ServerProcess, bare_insert, device, device_ddl, fill, header, median, report, rounds, serve_if_asked,
    sync, values,
};
use std::time::Instant;

const RECORDS: i64 = 100_000;

fn main() {
    serve_if_asked();
    header("first sync of 100,000 records × 10 attributes");
    let folder = tempfile::tempdir().expect("a folder");
    let server_path = folder.path().join("server.sqlite");
    fill(&server_path, RECORDS);
    let server = ServerProcess::start(&server_path, "read-only-optimized");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let records: Vec<_> = (1..=RECORDS).map(values).collect();
    let (mut bare, mut synced) = (Vec::new(), Vec::new());
    for round in 0..=rounds() {
        let path = folder.path().join(format!("device-{round}.sqlite"));
        let (time, summary) = runtime.block_on(async {
            let app = device(&path, &server.url, "read-only-optimized").await;
            let began = Instant::now();
            let summary = sync(&app).await;
            (began.elapsed(), summary)
        });
        assert_eq!(summary.received, RECORDS as u64);
        let ddl = device_ddl(&path);
        let floor = bare_insert(
            &folder.path().join(format!("bare-{round}.sqlite")),
            &ddl,
            &records,
        );
        if round > 0 {
            synced.push(time);
            bare.push(floor);
        }
        println!(
            "round {round}: sync {time:?}, bare insert {floor:?}, {} bytes received",
            summary.bytes_received
        );
    }
    println!();
    report("first sync, 100,000 records", median(synced), median(bare), 2.5);
}
