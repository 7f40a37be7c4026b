//! A first sync of many records in bounded memory, resumed after a kill (scenario 19).

use crate::children::{DeviceProcess, ServerProcess};
use crate::place::{Place, settings};
use serde_json::json;

const RECORDS: i64 = 60_000;

/// What a process may need above what it needs idle, in KiB.
const LIMIT: u64 = 64 << 10;

/// A line of `/proc/<process>/status`, in KiB.
fn memory(process: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Lets the device sync to its end, or until it has this many records.
fn sync_until(process: &mut DeviceProcess, enough: u64) {
    process.tell("sync");
    loop {
        let answer = process.hear().expect("a device process that goes on");
        assert_eq!(answer["error"], json!(null), "{answer}");
        if answer["ok"] == true || answer["done"].as_u64().is_some_and(|done| done >= enough) {
            return;
        }
    }
}

#[test]
fn slow_a_first_sync_is_resumed_and_needs_bounded_memory() {
    let place = Place::new(RECORDS, 1_024);
    let server = ServerProcess::start(&place.server(), "client", None);
    let mut settings = settings(&place.path("device.sqlite"), &server.url());
    settings["progress"] = json!(true);
    let Some(server_idle) = memory(server.id(), "VmRSS:") else {
        println!("skipped: the memory of processes, which only Linux tells in /proc");
        return;
    };
    let mut first = DeviceProcess::start(&settings);
    sync_until(&mut first, 30_000);
    first.kill();
    let stored = || -> i64 {
        let connection = crate::place::open(&place.path("device.sqlite"));
        connection
            .query_row("SELECT count(*) FROM Item", [], |row| row.get(0))
            .unwrap()
    };
    let kept = stored();
    assert!((10_000..RECORDS).contains(&kept), "{kept} records stayed");
    let mut second = DeviceProcess::start(&settings);
    let device_idle = memory(second.id(), "VmRSS:").unwrap();
    second.tell("sync");
    let received = loop {
        let answer = second.hear().expect("a device process that goes on");
        assert_eq!(answer["error"], json!(null), "{answer}");
        if answer["ok"] == true {
            break answer["received"].as_i64().unwrap();
        }
    };
    assert_eq!(received, RECORDS - kept, "what was here is not fetched again");
    let second_peak = memory(second.id(), "VmHWM:").unwrap();
    drop(second);
    place.assert_equal(&place.path("device.sqlite"));
    // And one that does it in one go.
    settings["path"] = json!(place.path("whole.sqlite"));
    let mut whole = DeviceProcess::start(&settings);
    let whole_idle = memory(whole.id(), "VmRSS:").unwrap();
    sync_until(&mut whole, u64::MAX);
    let whole_peak = memory(whole.id(), "VmHWM:").unwrap();
    let server_peak = memory(server.id(), "VmHWM:").unwrap();
    for (who, peak, idle) in [
        ("the device that went on", second_peak, device_idle),
        ("the device", whole_peak, whole_idle),
        ("the server", server_peak, server_idle),
    ] {
        let above = peak.saturating_sub(idle);
        println!("{who} needed {above} KiB above {idle} KiB");
        assert!(above <= LIMIT, "{who} needed {above} KiB more than idle");
    }
}
