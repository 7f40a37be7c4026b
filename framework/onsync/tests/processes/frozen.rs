//! A process that holds the sync lock and freezes (scenario 27): another one takes over, and the late commit is refused.
#![cfg(unix)]

use crate::children::{DeviceProcess, ServerProcess};
use crate::place::{Device, Place, effects_of, settings};
use crate::proxy::{Fate, Proxy};
use serde_json::json;
use std::process::Command;
use std::time::{Duration, Instant};

/// Stops a process, or lets it go on.
fn signal(process: u32, name: &str) {
    let done = Command::new("kill")
        .args([name, &process.to_string()])
        .status()
        .unwrap();
    assert!(done.success(), "kill {name} {process}");
}

/// Lets another process go on at last, also when the test fails.
struct Stopped(u32);

impl Stopped {
    fn stop(process: u32) -> Self {
        signal(process, "-STOP");
        Self(process)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal(self.0, "-CONT");
    }
}

/// Freezes while the answer to its push is on its way.
fn freeze(fate: Fate) {
    let place = Place::new(200, 20);
    let server = ServerProcess::start(&place.server(), "client", None);
    let proxy = Proxy::to(&server.address);
    let store = place.path("device.sqlite");
    let mut role = settings(&store, &proxy.url());
    // It is frozen for longer than it would wait by itself.
    role["time_out_ms"] = json!(300_000);
    let mut holder = DeviceProcess::start(&role);
    holder.sync();
    assert_eq!(holder.ask("edit 0")["ok"], true);
    proxy.script([fate]);
    holder.tell("sync");
    // It has cut and sent, and waits for the answer: then the other process is turned away.
    let mut other = DeviceProcess::start(&settings(&store, &server.url()));
    let began = Instant::now();
    while other.ask("sync")["error"] != "another_process_syncs" {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "the holder never held the lock"
        );
    }
    let frozen = Stopped::stop(holder.id());
    assert_eq!(other.ask("edit 1")["ok"], true, "the app's own writes go on");
    let since = Instant::now();
    let mut looks = 0;
    loop {
        let answer = other.ask("sync");
        if answer["ok"] == true {
            break;
        }
        assert_eq!(answer["error"], "another_process_syncs", "{answer}");
        assert!(since.elapsed() < Duration::from_secs(120), "never taken over");
        looks += 1;
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(
        since.elapsed() >= Duration::from_secs(20) && looks > 3,
        "taken over after {looks} looks in {:?}",
        since.elapsed()
    );
    other.sync();
    drop(frozen);
    let late = holder.hear().unwrap();
    assert_eq!(
        late["error"], "another_process_syncs",
        "the late commit is refused: {late}"
    );
    holder.sync();
    drop((holder, other));
    let device = Device::of_role(&settings(&store, &server.url()));
    device.settle();
    place.assert_equal(&store);
    place.assert_effects((0..2).flat_map(effects_of));
}

#[test]
fn slow_a_holder_that_freezes_before_its_answer_is_taken_over() {
    freeze(Fate::Late(Duration::from_secs(10)));
}
