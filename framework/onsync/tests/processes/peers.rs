//! Peers and networks that do not behave, over real HTTP: what is here stays, the error says so, and a later sync converges.

use crate::children::ServerProcess;
use crate::place::{Device, Place, contents, effects_of, settings};
use crate::proxy::{Fate, Proxy};
use onsync_core::ErrorKind;
use serde_json::json;
use std::time::Duration;

const HTML: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 31\r\nConnection: close\r\n\r\n<html>Welcome, please pay</html>";
const EMPTY_LIST: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]";
const NOTHING: &str = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
const EMPTY_FRAMES: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.onsync.v1+msgpack\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const ELSEWHERE: &str = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:9/v1/sync\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const BROKEN: &str = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

struct Net {
    place: Place,
    proxy: Proxy,
    _server: ServerProcess,
}

impl Net {
    fn new() -> Self {
        let place = Place::new(200, 100);
        let server = ServerProcess::start(&place.server(), "server", Some("right"));
        let proxy = Proxy::to(&server.address);
        Self {
            place,
            proxy,
            _server: server,
        }
    }

    fn device(&self, token: &str) -> Device {
        let mut settings = settings(&self.place.path("device.sqlite"), &self.proxy.url());
        settings["ids"] = json!("server");
        settings["page_rows"] = json!(20);
        settings["token"] = json!(token);
        settings["time_out_ms"] = json!(2_000);
        Device::of_role(&settings)
    }

    fn here(&self) -> Vec<Vec<onsync_sqlite_store::rusqlite::types::Value>> {
        contents(&self.place.path("device.sqlite"))
    }

    fn assert_equal(&self) {
        self.place.assert_equal(&self.place.path("device.sqlite"));
    }
}

#[test]
fn nonsense_in_place_of_an_answer_changes_nothing() {
    let net = Net::new();
    let device = net.device("right");
    device.sync();
    device.edit("0").unwrap();
    let before = net.here();
    for text in [
        HTML,
        EMPTY_LIST,
        NOTHING,
        EMPTY_FRAMES,
        ELSEWHERE,
        BROKEN,
        "HTTP/1.1 200 OK\r\n",
        "",
        "nonsense\r\n\r\n",
    ] {
        net.proxy.script([Fate::Answered(text); 3]);
        let error = device.try_sync().expect_err(text);
        println!("{text:?}: {error}");
        assert!(error.to_string().len() > 30, "{error}");
        assert_eq!(net.here(), before, "{text}");
        assert!(!device.app.blocking().waiting(1).unwrap().is_empty());
    }
    net.place.assert_effects([]);
    net.proxy.script([]);
    device.settle();
    net.assert_equal();
    net.place.assert_effects(effects_of(0));
}

#[test]
fn a_wrong_token_is_said_and_the_right_one_goes_on() {
    let net = Net::new();
    let device = net.device("right");
    device.sync();
    device.edit("0").unwrap();
    let before = net.here();
    drop(device);
    let device = net.device("wrong");
    let error = device.try_sync().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorised, "{error}");
    assert!(
        !error.to_string().contains("wrong"),
        "the token is not shown: {error}"
    );
    assert_eq!(net.here(), before);
    drop(device);
    let device = net.device("right");
    device.settle();
    net.assert_equal();
    net.place.assert_effects(effects_of(0));
}

#[test]
fn answers_cut_off_anywhere_lose_nothing() {
    let net = Net::new();
    let device = net.device("right");
    let mut series = 0;
    for bytes in [0, 1, 20, 100, 200, 300, 500, 1_000, 3_000, 8_000, 15_000, 25_000] {
        let before = net.here();
        net.proxy.script([Fate::CutAfter(bytes); 3]);
        // A small answer may have been whole by then.
        let failed = device.try_sync().is_err();
        assert!(failed || bytes > 300, "an answer of {bytes} bytes");
        assert!(
            net.here().len() >= before.len(),
            "nothing is deleted by an answer of {bytes} bytes"
        );
        net.proxy.script([]);
        device.sync();
        device.edit(&series.to_string()).unwrap();
        series += 1;
        net.proxy.script([Fate::CutAfter(bytes); 3]);
        let _ = device.try_sync();
        net.proxy.script([]);
        device.settle();
        net.assert_equal();
    }
    net.place.assert_effects((0..series).flat_map(effects_of));
}

#[test]
fn answers_lost_late_or_twice_take_effect_once() {
    let net = Net::new();
    let device = net.device("right");
    device.sync();
    let late = Fate::Late(Duration::from_secs(3));
    let fates = [
        vec![Fate::NoAnswer],
        vec![Fate::Twice],
        vec![late],
        vec![Fate::NoAnswer, Fate::Twice],
        vec![Fate::Twice, late],
        vec![Fate::CutAfter(150), Fate::Twice, Fate::NoAnswer],
    ];
    for (series, fates) in (0..).zip(&fates) {
        device.edit(&i64::to_string(&series)).unwrap();
        for fate in fates {
            net.proxy.script([*fate]);
            let result = device.try_sync();
            assert_eq!(result.is_ok(), *fate == Fate::Twice, "{fate:?}: {result:?}");
        }
        net.proxy.script([]);
        device.settle();
        net.assert_equal();
    }
    net.place.assert_effects((0..6).flat_map(effects_of));
}
