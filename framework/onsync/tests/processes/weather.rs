//! Two devices and a server, each a process of its own that is killed now and then, and between them a network on which half of all
//! requests are cut off, lost, late or doubled, anywhere (scenarios 5, 6, 8 and 29, over real HTTP).

use crate::children::{DeviceProcess, ServerProcess};
use crate::place::{Chance, DETECTION, Device, LWW, Place, RECORDS, effects_of, settings};
use crate::proxy::Proxy;
use serde_json::{Value as Json, json};
use std::time::Duration;

/// How often each device asks for a sync in a round.
const SYNCS: usize = 3;

struct Storm {
    place: Place,
    pattern: &'static str,
    server: ServerProcess,
    proxy: Proxy,
    chance: Chance,
    /// Processes that were killed: devices, servers.
    kills: (u32, u32),
    /// Syncs that failed, and those that did not.
    syncs: (u32, u32),
}

impl Storm {
    fn new(rounds: u32, pattern: &'static str) -> Self {
        let place = Place::new(RECORDS * i64::from(rounds) * 2, 20);
        let server = ServerProcess::of_pattern(&place.server(), "server", pattern);
        let proxy = Proxy::to(&server.address);
        Self {
            chance: Chance(u64::from(rounds)),
            kills: (0, 0),
            syncs: (0, 0),
            place,
            pattern,
            server,
            proxy,
        }
    }

    fn role(&self, name: &str) -> Json {
        let mut role = settings(&self.place.path(name), &self.proxy.url());
        role["ids"] = json!("server");
        role["pattern"] = json!(self.pattern);
        role["page_rows"] = json!(10);
        role
    }

    /// Each device edits, and then asks for a sync while somebody may be killed.
    fn round(&mut self, round: i64, roles: &[Json; 2], devices: &mut [Option<DeviceProcess>; 2]) {
        for (at, (role, place)) in (0..).zip(roles.iter().zip(devices.iter_mut())) {
            let device = place.get_or_insert_with(|| DeviceProcess::start(role));
            let answer = device.ask(&format!("edit {}", round * 2 + at));
            assert_eq!(answer["ok"], true, "{answer}");
        }
        for _ in 0..SYNCS {
            for (role, place) in roles.iter().zip(devices.iter_mut()) {
                let device = place.get_or_insert_with(|| DeviceProcess::start(role));
                assert_eq!(device.opened["set_aside"], Json::Null, "a kill damages nothing");
                device.tell("sync");
            }
            self.strike(devices);
            for device in devices.iter_mut().flatten() {
                let answer = device.hear().expect("a device that was not killed answers");
                match answer["ok"] == true {
                    true => self.syncs.1 += 1,
                    false => self.syncs.0 += 1,
                }
            }
        }
    }

    /// In half of all cases a device, the server or both are killed, at any moment of a sync.
    fn strike(&mut self, devices: &mut [Option<DeviceProcess>; 2]) {
        self.chance.pass(Duration::from_millis(60));
        let fate = self.chance.below(6);
        let victim = usize::try_from(self.chance.below(2)).unwrap();
        if matches!(fate, 0 | 2)
            && let Some(device) = devices[victim].take()
        {
            device.kill();
            self.kills.0 += 1;
        }
        if matches!(fate, 1 | 2) {
            self.server.kill();
            self.kills.1 += 1;
            self.server = ServerProcess::of_pattern(&self.place.server(), "server", self.pattern);
            self.proxy.lead_to(&self.server.address);
        }
    }
}

/// So many rounds of bad weather; then all is well, and everybody is equal, with each edit applied once.
fn bad_weather(rounds: u32, pattern: &'static str) {
    let mut storm = Storm::new(rounds, pattern);
    let calm = ["one.sqlite", "two.sqlite"].map(|name| storm.role(name));
    let stormy = calm.clone().map(|mut role| {
        role["time_out_ms"] = json!(1_000);
        role
    });
    for role in &calm {
        DeviceProcess::start(role).sync();
    }
    storm.proxy.bad_weather(u64::from(rounds));
    let mut devices = [None, None];
    for round in 0..i64::from(rounds) {
        storm.round(round, &stormy, &mut devices);
    }
    drop(devices);
    let met = storm.proxy.calm();
    let devices = calm.clone().map(|role| Device::of_role(&role));
    for _ in 0..2 {
        devices.iter().for_each(Device::settle);
    }
    for role in &calm {
        storm.place.assert_equal(role["path"].as_str().unwrap().as_ref());
    }
    storm
        .place
        .assert_effects((0..i64::from(rounds) * 2).flat_map(effects_of));
    let ((devices, servers), (failed, completed)) = (storm.kills, storm.syncs);
    println!(
        "{rounds} rounds under {pattern}: {devices} devices and {servers} servers killed, {failed} syncs failed and {completed} did not; requests: {met:?}"
    );
    assert!(failed > 0 && devices + servers > 0, "there was no bad weather");
}

#[test]
fn devices_and_servers_killed_on_a_bad_network_end_equal() {
    bad_weather(6, LWW);
}

#[test]
fn slow_devices_and_servers_killed_on_a_bad_network_end_equal() {
    for pattern in [LWW, DETECTION] {
        bad_weather(crate::killed::times(40), pattern);
    }
}
