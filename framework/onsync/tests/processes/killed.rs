//! Processes killed at any moment: devices (scenarios 3, 6 and 29) and servers (scenario 9).

use crate::children::{DeviceProcess, ServerProcess};
use crate::place::{self, Chance, DETECTION, Device, FAMILY, LWW, Place, effects_of, settings};
use crate::proxy::Proxy;
use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};

const RECORDS: i64 = 1_000;

fn device(place: &Place, name: &str, url: &str) -> Json {
    let mut settings = settings(&place.path(name), url);
    settings["ids"] = json!("server");
    settings["page_rows"] = json!(RECORDS / 10);
    settings
}

/// How long a first sync takes here when nobody disturbs it.
fn undisturbed(place: &Place, url: &str) -> Duration {
    let mut process = DeviceProcess::start(&device(place, "undisturbed.sqlite", url));
    let began = Instant::now();
    process.sync();
    began.elapsed()
}

/// Syncs in processes that are killed, until one gets to its end; says how many were killed before.
fn sync_killed(settings: &Json, chance: &mut Chance, longest: Duration) -> u32 {
    // Each time a little more time than before, so that it ends.
    for kills in 0..100 {
        let mut process = DeviceProcess::start(settings);
        assert_eq!(process.opened["set_aside"], Json::Null, "a kill damages nothing");
        process.tell("sync");
        chance.pass(longest.mul_f64(0.7) + longest * kills / 20);
        if process.kill() {
            return kills;
        }
    }
    panic!("a sync that gets nowhere");
}

/// So many kills, and `ONSYNC_TIMES` as many where that is asked for: `ONSYNC_TIMES=5 cargo test -p onsync --test processes --
/// --nocapture slow_devices_killed` kills a thousand.
pub(crate) fn times(ordinary: u32) -> u32 {
    match std::env::var("ONSYNC_TIMES") {
        Err(_) => ordinary,
        Ok(number) => number
            .parse()
            .map(|times: u32| ordinary.saturating_mul(times))
            .unwrap_or_else(|_| panic!("ONSYNC_TIMES: wanted a number, found `{number}`")),
    }
}

/// First syncs and pushes of mixed edits, until so many processes were killed in the middle.
fn kill_devices(wanted: u32) {
    let mut chance = Chance(u64::from(wanted));
    let (mut kills, mut round) = (0, 0);
    while kills < wanted {
        let place = Place::new(RECORDS, 200);
        let server = ServerProcess::start(&place.server(), "server", None);
        let longest = undisturbed(&place, &server.url());
        let name = format!("device-{round}.sqlite");
        let settings = device(&place, &name, &server.url());
        kills += sync_killed(&settings, &mut chance, longest);
        place.assert_equal(&place.path(&name));
        for series in 0..4 {
            let mut process = DeviceProcess::start(&settings);
            assert_eq!(process.ask(&format!("edit {series}"))["ok"], true);
            drop(process);
            kills += sync_killed(&settings, &mut chance, longest / 2);
        }
        let device = Device::of_role(&settings);
        device.settle();
        place.assert_equal(&place.path(&name));
        place.assert_effects((0..4).flat_map(effects_of));
        let other = DeviceProcess::start(&self::device(&place, "other.sqlite", &server.url()));
        drop(other_synced(other));
        place.assert_equal(&place.path("other.sqlite"));
        round += 1;
        assert!(round < wanted.max(20), "{kills} kills in {round} rounds");
    }
    println!("{kills} devices were killed in {round} rounds");
}

fn other_synced(mut other: DeviceProcess) -> DeviceProcess {
    other.sync();
    other
}

#[test]
fn devices_killed_at_any_moment_end_equal() {
    kill_devices(25);
}

#[test]
fn slow_devices_killed_two_hundred_times_end_equal() {
    kill_devices(times(200));
}

/// Pushes of mixed edits, each to a server that is killed meanwhile.
fn kill_servers(wanted: u32, pattern: &str) {
    let mut chance = Chance(u64::from(wanted) + 1);
    let place = Place::new(place::RECORDS * (i64::from(wanted) + 1), 20);
    let serve = || ServerProcess::of_pattern(&place.server(), "server", pattern);
    let mut server = serve();
    let proxy = Proxy::to(&server.address);
    let mut settings = device(&place, "device.sqlite", &proxy.url());
    settings["pattern"] = json!(pattern);
    let device = Device::of_role(&settings);
    device.sync();
    device.edit("0").unwrap();
    let began = Instant::now();
    device.sync();
    let longest = began.elapsed().mul_f64(2.0);
    let (mut broken, mut landed) = (0, 0);
    for series in 1..=wanted {
        device.edit(&series.to_string()).unwrap();
        let failed = std::thread::scope(|scope| {
            let sync = scope.spawn(|| device.try_sync());
            chance.pass(longest);
            server.kill();
            sync.join().unwrap().is_err()
        });
        broken += u32::from(failed);
        let applied = place.effects().contains_key(&format!("part {series}.5"));
        landed += u32::from(failed && applied);
        server = serve();
        proxy.lead_to(&server.address);
        // Now and then two or three pushes in a row are broken off.
        if series % 3 != 0 {
            device.sync();
        }
    }
    device.settle();
    place.assert_equal(&place.path("device.sqlite"));
    place.assert_effects((0..=i64::from(wanted)).flat_map(effects_of));
    println!(
        "{broken} of {wanted} syncs were broken off, {landed} of them after their edits had been applied"
    );
    assert!(broken > 0, "the kills come at the wrong time");
}

#[test]
fn servers_killed_during_pushes_apply_each_edit_once() {
    kill_servers(25, LWW);
}

#[test]
fn servers_killed_during_pushes_with_conflict_detection_apply_each_edit_once() {
    kill_servers(12, DETECTION);
}

#[test]
fn servers_killed_during_pushes_of_families_apply_each_edit_once() {
    kill_servers(12, FAMILY);
}

#[test]
fn slow_servers_killed_two_hundred_times_apply_each_edit_once() {
    kill_servers(times(200), LWW);
}
