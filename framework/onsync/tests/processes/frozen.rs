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

/// Scenario 27 whole: five processes on one store sync at once, the holder freezes in the middle of its push and goes on much later.
#[test]
fn slow_five_processes_and_the_holder_freezes_in_the_middle_of_its_push() {
    let place = Place::new(200, 20);
    let server = ServerProcess::start(&place.server(), "server", None);
    let proxy = Proxy::to(&server.address);
    let store = place.path("device.sqlite");
    let role = |url: &str| {
        let mut role = settings(&store, url);
        role["ids"] = json!("server");
        role["time_out_ms"] = json!(300_000);
        role
    };
    let mut holder = DeviceProcess::start(&role(&proxy.url()));
    holder.sync();
    let mut others = [0; 4].map(|_| DeviceProcess::start(&role(&server.url())));
    // Everybody writes at once, the holder too.
    holder.tell("edit 0");
    for (series, other) in (1..).zip(&mut others) {
        other.tell(&format!("edit {series}"));
    }
    assert_eq!(holder.hear().unwrap()["ok"], true);
    for other in &mut others {
        assert_eq!(other.hear().unwrap()["ok"], true);
    }
    // The server has its push, and it has no answer.
    proxy.script([Fate::Late(Duration::from_secs(10))]);
    holder.tell("sync");
    // Frozen within a transaction of its own it would keep the file from everybody: once this is there, it waits for its answer.
    let began = Instant::now();
    while !place.effects().contains_key("part 0.0") {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "the push never arrived"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let frozen = Stopped::stop(holder.id());
    assert_eq!(others[0].ask("sync")["error"], "another_process_syncs");
    let mut taken_over = 0;
    for round in 0.. {
        for other in &mut others {
            other.tell("sync");
        }
        for other in &mut others {
            let answer = other.hear().unwrap();
            let away = answer["error"] == "another_process_syncs";
            assert!(away || answer["ok"] == true, "{answer}");
            taken_over += u32::from(!away);
        }
        if taken_over > 0 {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(180),
            "never taken over in {round} rounds"
        );
        std::thread::sleep(Duration::from_millis(500));
    }
    // While it is frozen the rest go on, edit and sync, all at once.
    for (series, other) in (5..).zip(&mut others) {
        other.tell(&format!("edit {series}"));
    }
    for other in &mut others {
        assert_eq!(other.hear().unwrap()["ok"], true);
    }
    for other in &mut others {
        other.tell("sync");
    }
    for other in &mut others {
        let answer = other.hear().unwrap();
        assert!(
            answer["ok"] == true || answer["error"] == "another_process_syncs",
            "{answer}"
        );
    }
    drop(frozen);
    let late = holder.hear().unwrap();
    assert_eq!(
        late["error"], "another_process_syncs",
        "the late commit is refused: {late}"
    );
    drop((holder, others));
    let device = Device::of_role(&role(&server.url()));
    device.settle();
    place.assert_equal(&store);
    place.assert_effects((0..9).flat_map(effects_of));
}
