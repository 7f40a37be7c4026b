//! Several processes at once: on one device's store (scenario 27), and as servers of one database (scenario 35).

use crate::children::{DeviceProcess, ServerProcess};
use crate::place::{Device, FAMILY, LWW, Place, contents, effects_of, settings};
use onsync_core::{Fields, Key};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Barrier;

#[test]
fn three_processes_on_one_store_have_one_effect_per_edit() {
    let place = Place::new(200, 20);
    let server = ServerProcess::start(&place.server(), "server", None);
    let mut settings = settings(&place.path("device.sqlite"), &server.url());
    settings["ids"] = json!("server");
    settings["page_rows"] = json!(50);
    let mut processes = [0; 3].map(|_| DeviceProcess::start(&settings));
    processes[0].sync();
    let mut turned_away = 0;
    for round in 0..8 {
        for (nth, process) in (0..).zip(&mut processes) {
            process.tell(&format!("edit {}", round * 3 + nth));
        }
        for process in &mut processes {
            assert_eq!(process.hear().unwrap()["ok"], true);
        }
        for process in &mut processes {
            process.tell("sync");
        }
        for process in &mut processes {
            let answer = process.hear().unwrap();
            let away = answer["error"] == "another_process_syncs";
            assert!(away || answer["ok"] == true, "{answer}");
            turned_away += u32::from(away);
        }
    }
    // Edits made the syncs long enough to meet; if they never did, idle ones go on until they do.
    let mut left = 500;
    while turned_away == 0 && left > 0 {
        left -= 1;
        for process in &mut processes {
            process.tell("sync");
        }
        for process in &mut processes {
            turned_away += u32::from(process.hear().unwrap()["error"] == "another_process_syncs");
        }
    }
    assert!(turned_away > 0, "the processes never met");
    drop(processes);
    let device = Device::of_role(&settings);
    device.settle();
    place.assert_equal(&place.path("device.sqlite"));
    place.assert_effects((0..24).flat_map(effects_of));
}

#[test]
fn two_servers_merge_edits_of_one_instant() {
    merge_edits_of_one_instant(LWW);
}

#[test]
fn two_servers_merge_edits_of_one_family_in_one_instant() {
    merge_edits_of_one_instant(FAMILY);
}

fn merge_edits_of_one_instant(pattern: &str) {
    let place = Place::new(10, 5);
    let servers = [0; 2].map(|_| ServerProcess::of_pattern(&place.server(), "client", pattern));
    let stores = ["one.sqlite", "two.sqlite"].map(|name| place.path(name));
    let devices = [0, 1].map(|at| {
        let mut settings = settings(&stores[at], &servers[at].url());
        settings["pattern"] = json!(pattern);
        Device::of_role(&settings)
    });
    for device in &devices {
        device.sync();
    }
    for round in 0..20i64 {
        let barrier = Barrier::new(2);
        std::thread::scope(|scope| {
            for (at, device) in (0i64..).zip(&devices) {
                let barrier = &barrier;
                let own = if at == 0 { "name" } else { "note" };
                let amount = 1_000 + round * 2 + at;
                let edit = Fields::new()
                    .with(own, format!("{own} {round}"))
                    .with("amount", amount);
                device
                    .app
                    .blocking()
                    .update("Item", Key::one(1i64), edit)
                    .unwrap();
                scope.spawn(move || {
                    barrier.wait();
                    device.sync();
                });
            }
        });
        devices.iter().for_each(Device::settle);
        for store in &stores {
            place.assert_equal(store);
        }
        let row = contents(&place.server())
            .into_iter()
            .find(|row| row[1] == format!("name {round}").into());
        let row = row.expect("the name of one device");
        assert_eq!(row[2], format!("note {round}").into(), "the note of the other");
        let amounts = [0, 1].map(|at| (1_000 + round * 2 + at).into());
        assert!(amounts.contains(&row[3]), "{:?}", row[3]);
        // Both took effect, one after the other: none was lost without anybody knowing.
        place.assert_effects((0..2).map(|at| format!("amount {}", 1_000 + round * 2 + at)));
    }
}

/// The body of the answer to a request with these frames.
fn post(address: &str, frames: &str) -> String {
    let kind = "application/vnd.onsync.v1+jsonl";
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /v1/sync HTTP/1.0\r\nHost: {address}\r\nContent-Type: {kind}\r\nAccept: {kind}\r\nContent-Length: {}\r\n\r\n{frames}",
        frames.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// The same request, byte for byte, with one mutation.
fn request(round: usize, values: &str) -> String {
    let instance = "5f0c1c9e-7f0e-4a53-9d31-0c1f2a3b4c5d";
    let entity = json!({ "entity": {
        "entity": "Item", "pattern": "read-write-last-write-wins", "columns": ["id", "name", "note", "amount"],
        "pull": false, "page_rows": 10, "page_bytes": 1 << 20,
    } });
    let id = format!("8c0f3f0e-6a57-4f43-8e4c-{round:012x}");
    format!(
        "{}\n{entity}\n{}\n{}\n",
        json!({ "hello": { "protocol": 1, "instance": instance, "settled_to": 0, "context": "" } }),
        format_args!(
            r#"{{"mutation":{{"id":"{id}","number":{},"entity":"Item","record":{{"created":"{id}"}},"kind":"create","values":{values}}}}}"#,
            round + 1
        ),
        json!({ "end": {} }),
    )
}

#[test]
fn a_mutation_sent_to_two_servers_takes_effect_once() {
    let place = Place::new(0, 0);
    let servers = [0; 2].map(|_| ServerProcess::start(&place.server(), "server", None));
    for round in 0..20 {
        let values = format!(r#"{{"name":{{"text":"{round}"}},"note":null,"amount":{{"integer":{round}}}}}"#);
        let body = request(round, &values);
        let barrier = Barrier::new(2);
        let answers: Vec<String> = std::thread::scope(|scope| {
            let senders = servers.each_ref().map(|server| {
                let (barrier, body) = (&barrier, &body);
                scope.spawn(move || {
                    barrier.wait();
                    post(&server.address, body)
                })
            });
            senders.into_iter().map(|sender| sender.join().unwrap()).collect()
        });
        let again = servers.each_ref().map(|server| post(&server.address, &body));
        let key = format!(r#""key":[{{"integer":{}}}]"#, round + 1);
        for answer in answers.iter().chain(&again) {
            assert!(answer.contains("applied") && answer.contains(&key), "{answer}");
        }
        let other = request(round, &values.replace("null", r#"{"text":"changed"}"#));
        let refused = post(&servers[round % 2].address, &other);
        assert!(
            refused.contains("rejected") || refused.contains("failed"),
            "{refused}"
        );
    }
    assert_eq!(contents(&place.server()).len(), 20);
    place.assert_effects((0..20).map(|round| format!("made {round}")));
}
