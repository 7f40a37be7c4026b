//! Peak memory of device and server during a first sync of 1,000,000 records, and how long the app's writes wait meanwhile.
#![expect(
    clippy::expect_used,
    reason = "a bench stops at the first thing that goes wrong"
)]

mod common;

use common::{Memory, ServerProcess, device, fill, header, serve_if_asked, sync};
use onsync_core::Fields;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const WANTED_KIB: u64 = 64 * 1024;
const ROLE: &str = "ONSYNC_BENCH_DEVICE";

fn records() -> i64 {
    std::env::var("ONSYNC_BENCH_RECORDS")
        .ok()
        .and_then(|records| records.parse().ok())
        .unwrap_or(1_000_000)
}

/// The device process: syncs while a writer of the app goes on writing, and prints what it saw.
fn run_device(url: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let app = device(&folder.path().join("device.sqlite"), url, "read-write-last-write-wins").await;
        let idle = Memory::of(std::process::id());
        let stop = Arc::new(AtomicBool::new(false));
        let writer = tokio::spawn(write_meanwhile(app.clone(), stop.clone()));
        let began = Instant::now();
        let summary = sync(&app).await;
        let took = began.elapsed();
        stop.store(true, Ordering::Relaxed);
        let mut waits = writer.await.expect("the writer");
        waits.sort();
        let p99 = waits.get(waits.len().saturating_sub(1) * 99 / 100).copied().unwrap_or_default();
        let peak = Memory::of(std::process::id()).peak;
        println!(
            "{} records in {took:.1?}; device: idle {} KiB, peak {peak} KiB; {} writes by the app, 99th percentile {p99:?}, longest {:?}",
            summary.received,
            idle.now,
            waits.len(),
            waits.last().copied().unwrap_or_default(),
        );
        verdict("device memory above idle", peak.saturating_sub(idle.now), WANTED_KIB, "KiB");
        verdict("local write, 99th percentile", p99.as_micros() as u64, 50_000, "µs");
    });
}

/// A record every two milliseconds, each timed.
async fn write_meanwhile(app: onsync_engine::App, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let mut waits = Vec::new();
    let mut id = 10_000_000_i64;
    while !stop.load(Ordering::Relaxed) {
        id += 1;
        let fields = Fields::new().with("id", id).with("station", "cellar");
        let began = Instant::now();
        app.create(common::ENTITY, fields).await.expect("a local write");
        waits.push(began.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    waits
}

fn verdict(what: &str, found: u64, wanted: u64, unit: &str) {
    let word = if found <= wanted { "reached" } else { "MISSED" };
    println!("{what:<44} {found:>12} {unit}  wanted ≤ {wanted} {unit}  {word}");
}

fn main() {
    serve_if_asked();
    if let Ok(url) = std::env::var(ROLE) {
        return run_device(&url);
    }
    header("memory and local writes during a first sync");
    let folder = tempfile::tempdir().expect("a folder");
    let server_path = folder.path().join("server.sqlite");
    fill(&server_path, records());
    let server = ServerProcess::start(&server_path, "read-write-last-write-wins");
    let idle = server.memory().now;
    let status = Command::new(std::env::current_exe().expect("this program"))
        .env(ROLE, &server.url)
        .stdout(Stdio::inherit())
        .status()
        .expect("a device process");
    assert!(status.success());
    let peak = server.memory().peak;
    println!("server: idle {idle} KiB, peak {peak} KiB");
    verdict(
        "server memory above idle",
        peak.saturating_sub(idle),
        WANTED_KIB,
        "KiB",
    );
}
