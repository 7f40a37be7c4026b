//! `onsync status --watch` follows what other programs do to the store.

#![cfg(unix)]
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use support::{Device, Place, Served};

const PATIENCE: Duration = Duration::from_secs(60);

const SHOP: &str = "
    CREATE TABLE visits (id INTEGER PRIMARY KEY, note TEXT, minutes INTEGER CHECK (minutes >= 0));
    INSERT INTO visits VALUES (1, 'first', 30), (2, NULL, NULL);";

struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    fn start(device: &Device, arguments: &[&str]) -> Self {
        let mut all = vec!["status", "--watch"];
        all.extend(arguments);
        let mut child = device
            .place
            .command(&all)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            out.lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    /// The lines up to the first one that is as wanted, which is given.
    fn until(&self, wanted: impl Fn(&str) -> bool) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if wanted(&line) => return line,
                Ok(line) => seen.push(line),
                Err(error) => panic!("{error}: {seen:#?}"),
            }
        }
    }

    fn until_json(&self, wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let line = self.until(|line| wanted(&serde_json::from_str(line).unwrap()));
        serde_json::from_str(&line).unwrap()
    }

    /// As Ctrl-C does; the exit code.
    fn interrupt(mut self) -> i32 {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &id])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

fn shop() -> (Place, Served, Device) {
    let place = Place::new();
    drop(place.database("shop.db", SHOP));
    place.onsync(&["add", "Visit", "--from", "shop.db"]).expect(0);
    let served = Served::start(&place, &[], &[]);
    let device = Device::of(&place, &served.url);
    (place, served, device)
}

#[test]
fn every_change_is_an_object_on_a_line() {
    let (_place, _served, device) = shop();
    let watch = Watch::start(&device, &["--json"]);
    let none = watch.until_json(|_| true);
    assert_eq!(none["exists"], false, "{none}");

    device.onsync(&["sync"]).expect(0);
    let synced = watch.until_json(|status| {
        status["entities"][0]["records"] == 2 && status["up_to_date_as_of"] != serde_json::Value::Null
    });
    assert_eq!(
        (&synced["waiting"], &synced["entities"][0]["complete"]),
        (&0.into(), &true.into())
    );
    assert!(synced["completed_at"][""].is_string(), "{synced}");

    device
        .store()
        .execute("UPDATE \"Visit\" SET note = 'edited' WHERE id = 1", [])
        .unwrap();
    let waits = watch.until_json(|status| status["waiting"] == 1);
    assert!(waits["waiting_since"].is_string(), "{waits}");
    device.onsync(&["sync"]).expect(0);
    let sent = watch.until_json(|status| status["waiting"] == 0);
    let newer = |name: &str| sent[name].as_str() >= synced[name].as_str();
    assert!(
        newer("up_to_date_as_of") && sent["waiting_since"].is_null(),
        "{sent}"
    );
    assert_eq!(watch.interrupt(), 0);
}

#[test]
fn a_pipe_gets_a_line_per_change_and_the_end_says_what_is_left() {
    let (_place, _served, device) = shop();
    device.onsync(&["sync"]).expect(0);
    let watch = Watch::start(&device, &[]);
    let first = watch.until(|_| true);
    assert!(first.starts_with("2 records · up to date as of 2"), "{first}");
    assert!(!first.contains('\u{1b}'), "{first:?}");

    device
        .store()
        .execute("UPDATE \"Visit\" SET minutes = -5 WHERE id = 1", [])
        .unwrap();
    watch.until(|line| line.contains(" · 1 waiting · "));
    device.onsync(&["sync"]).expect(5);
    watch.until(|line| line.contains(" · 1 refused · "));
    assert_eq!(watch.interrupt(), 5, "as `onsync status` would");
}

#[test]
fn it_ends_when_nobody_reads_any_more() {
    let (_place, _served, device) = shop();
    device.onsync(&["sync"]).expect(0);
    let mut child = device
        .place
        .command(&["status", "--watch", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    drop(out);
    device
        .store()
        .execute("UPDATE \"Visit\" SET note = 'edited' WHERE id = 1", [])
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn watching_lists_nothing() {
    let place = Place::new();
    place.onsync(&["init"]).expect(0);
    place
        .onsync(&["status", "--watch", "--list"])
        .expect(2)
        .complains("--list");
}
