//! Serve, sync and status end to end over loopback, and everything that can go wrong between them.

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use support::{Device, Place, Served, get, nobody, rows};

const SHOP: &str = "
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT);
    CREATE TABLE visits (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (id), note TEXT,
        minutes INTEGER CHECK (minutes >= 0));
    INSERT INTO customers VALUES (1, 'Ada', 'Ashbourne'), (2, 'Ben', 'Dunham'), (3, 'Cleo', NULL);
    INSERT INTO visits VALUES (10, 1, 'first', 30), (11, 2, NULL, NULL);";

fn shop() -> (Place, rusqlite::Connection) {
    let place = Place::new();
    let database = place.database("shop.db", SHOP);
    place
        .onsync(&["add", "Customer", "Visit", "--from", "shop.db"])
        .expect(0);
    (place, database)
}

#[test]
fn an_edit_made_by_plain_sql_travels_and_status_follows() {
    let (place, database) = shop();
    let served = Served::start(&place, &[], &[]);
    assert_eq!(
        served.greeting["entities"],
        serde_json::json!(["Customer", "Visit"])
    );
    let device = Device::of(&place, &served.url);

    let first = device.onsync(&["sync", "--json"]).expect(0).json();
    assert_eq!(first["outcome"], "completed");
    assert_eq!(first["summary"]["received"], 5);

    let store = device.store();
    store
        .execute("UPDATE \"Customer\" SET city = 'Holloway' WHERE id = 3", [])
        .unwrap();
    store
        .execute(
            "INSERT INTO \"Visit\" (customer_id, note, minutes) VALUES (3, 'made offline', 15)",
            [],
        )
        .unwrap();
    let waiting = device.onsync(&["status", "--json"]).expect(0).json();
    assert_eq!(waiting["waiting"], 2, "{waiting}");

    let second = device.onsync(&["sync", "--json"]).expect(0).json();
    assert_eq!(second["summary"]["applied"], 2, "{second}");
    assert_eq!(
        rows(&database, "SELECT city FROM customers WHERE id = 3"),
        [["Holloway"]]
    );
    assert_eq!(
        rows(
            &database,
            "SELECT id, customer_id, minutes FROM visits WHERE note = 'made offline'"
        ),
        [["12", "3", "15"]]
    );

    let status = device.onsync(&["status", "--json"]).expect(0).json();
    assert_eq!(status["waiting"], 0);
    assert_eq!(status["entities"][0]["records"], 3, "{status}");
    assert_eq!(status["entities"][0]["complete"], true, "{status}");

    #[cfg(unix)]
    assert_eq!(served.interrupt(), 0);
}

#[test]
fn a_refused_change_ends_with_its_own_code_and_stays_listed() {
    let (place, _database) = shop();
    let served = Served::start(&place, &[], &[]);
    let device = Device::of(&place, &served.url);
    device.onsync(&["sync"]).expect(0);
    device
        .store()
        .execute("UPDATE \"Visit\" SET minutes = -5 WHERE id = 10", [])
        .unwrap();

    let ran = device.onsync(&["sync", "--json"]).expect(5).json();
    assert_eq!(ran["summary"]["rejected"], 1, "{ran}");
    let status = device.onsync(&["status", "--list", "--json"]).expect(5).json();
    assert_eq!(status["rejected"], 1, "{status}");
    assert_eq!(status["lists"]["rejected"][0]["entity"], "Visit", "{status}");
    device
        .onsync(&["status", "--list"])
        .expect(5)
        .says("constraint_violated");
}

#[test]
fn without_a_server_nothing_is_lost() {
    let (place, _database) = shop();
    let served = Served::start(&place, &[], &[]);
    let device = Device::of(&place, &served.url);
    device.onsync(&["sync"]).expect(0);
    device
        .store()
        .execute("UPDATE \"Customer\" SET city = 'X' WHERE id = 1", [])
        .unwrap();
    drop(served);

    let ran = device.onsync(&["sync"]).expect(3);
    ran.complains("error: ");
    let status = device.onsync(&["status", "--json"]).expect(0).json();
    assert_eq!(status["waiting"], 1);
}

#[test]
fn nobody_there_at_all() {
    let (place, _database) = shop();
    let device = Device::of(&place, &nobody());
    let ran = device.onsync(&["sync", "--json"]).expect(3).json();
    assert_eq!(ran["error"]["kind"], "offline", "{ran}");
    device.onsync(&["status"]).expect(0).says("not fetched yet");
}

#[test]
fn a_wrong_token_is_refused_and_the_right_one_passes() {
    let (place, _database) = shop();
    let server = place.read("onsync.server.toml").replace("\"none\"", "\"tokens\"");
    place.write(
        "onsync.server.toml",
        &format!("{server}\n[server.tokens]\nada = \"${{TEST_ADA}}\"\n"),
    );
    let served = Served::start(&place, &[], &[("TEST_ADA", "open-sesame")]);
    let device = Device::of(&place, &served.url);
    let shared = device
        .place
        .read("onsync.toml")
        .replace("kind = \"http\"", "kind = \"http\"\ntoken = \"${TEST_TOKEN}\"");
    device.place.write("onsync.toml", &shared);

    let refused = device
        .onsync_with(&["sync", "--json"], &[("TEST_TOKEN", "open-barley")])
        .expect(4);
    assert_eq!(refused.json()["error"]["kind"], "unauthorised");
    assert!(!refused.out.contains("barley"));
    device
        .onsync_with(&["sync"], &[])
        .expect(2)
        .complains("`TEST_TOKEN` is not set");
    device
        .onsync_with(&["sync"], &[("TEST_TOKEN", "open-sesame")])
        .expect(0);
}

#[test]
fn a_page_for_people_is_no_server() {
    let (place, _database) = shop();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let portal = std::thread::spawn(move || {
        for stream in listener.incoming().take(1) {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).unwrap();
            let page = "<html><body>Welcome to our wireless network. Please accept the terms.</body></html>";
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
        }
    });
    let device = Device::of(&place, &url);
    let ran = device.onsync(&["sync", "--json"]).expect(3).json();
    assert_eq!(ran["error"]["code"], "not_onsync", "{ran}");
    portal.join().unwrap();
}

#[test]
fn a_store_that_is_garbage_is_set_aside_and_said() {
    let (place, _database) = shop();
    let served = Served::start(&place, &[], &[]);
    let device = Device::of(&place, &served.url);
    let garbage = "no database at all, whatever the name says. ".repeat(100);
    device.place.write("device.sqlite", &garbage);

    let ran = device.onsync(&["sync"]).expect(0);
    ran.complains("set aside");
    let kept = std::fs::read_dir(device.place.folder())
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok())
        .any(|text| text == garbage);
    assert!(kept, "the unreadable file is gone");
    assert_eq!(
        rows(&device.store(), "SELECT count(*) FROM \"Customer\""),
        [["3"]]
    );
}

#[test]
fn an_unknown_context_lists_the_known_ones() {
    let (place, _database) = shop();
    let device = Device::of(&place, &nobody());
    device
        .onsync(&["sync", "Onlin"])
        .expect(2)
        .complains("`Online`")
        .complains("[unknown_context]");
}

#[test]
fn serving_what_is_not_there_is_refused() {
    let (place, database) = shop();
    drop(database);
    std::fs::remove_file(place.path("shop.db")).unwrap();
    place.onsync(&["serve"]).expect(1).complains("shop.db");
    place.write("onsync.server.toml", "[server]\nauthentication = \"none\"\n");
    place.onsync(&["serve"]).expect(2).complains("[missing_setting]");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    place.database("shop.db", SHOP);
    place
        .onsync(&["serve", "--database", "shop.db", "--listen", &address])
        .expect(1)
        .complains("[listen_failed]");
}

#[test]
fn what_was_counted_stands_at_an_address_of_its_own() {
    let (place, _database) = shop();
    let server = place.read("onsync.server.toml");
    place.write(
        "onsync.server.toml",
        &server.replace("[server]", "[server]\nmetrics = \"127.0.0.1:0\""),
    );
    let served = Served::start(&place, &[], &[]);
    let metrics = served.greeting["metrics"].as_str().unwrap().to_owned();
    let address = metrics
        .strip_prefix("http://")
        .and_then(|rest| rest.strip_suffix("/metrics"))
        .unwrap();
    let device = Device::of(&place, &served.url);
    device.onsync(&["sync"]).expect(0);
    for change in [
        "UPDATE \"Customer\" SET city = 'x' WHERE id = 1",
        "UPDATE \"Visit\" SET minutes = -5 WHERE id = 10",
    ] {
        device.store().execute(change, []).unwrap();
    }
    device.onsync(&["sync"]).expect(5);
    let devices = served.url.strip_prefix("http://").unwrap();
    assert!(
        get(devices, "/metrics").starts_with("HTTP/1.1 404"),
        "devices do not see it"
    );
    assert!(
        get(address, "/v1/health").starts_with("HTTP/1.1 404"),
        "nor the other way round"
    );
    assert!(get(devices, "/v1/sync").starts_with("HTTP/1.1 405"));

    let answer = get(address, "/metrics");
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.to_ascii_lowercase().contains("text/plain; version=0.0.4"),
        "{head}"
    );
    for line in [
        r#"onsync_server_requests_total{path="/v1/sync",status="200"} 2"#,
        r#"onsync_server_requests_total{path="/v1/sync",status="405"} 1"#,
        r#"onsync_server_requests_total{path="other",status="404"} 1"#,
        r#"onsync_server_mutations_total{entity="Customer",outcome="applied"} 1"#,
        r#"onsync_server_mutations_total{entity="Visit",outcome="rejected"} 1"#,
        r#"onsync_server_rejections_total{code="constraint_violated"} 1"#,
        r#"onsync_server_receipts_total{event="made"} 2"#,
        "onsync_server_undone_transactions_total 1",
        r#"onsync_server_rows_total{entity="Customer",change="written"} 3"#,
        "onsync_server_requests_in_progress 0",
        r#"onsync_server_request_duration_seconds_count{path="/v1/sync",status="200"} 2"#,
        "onsync_server_answer_duration_seconds_count 2",
        "# HELP onsync_server_pages_total pages in answers",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "wanted {line} in:\n{text}"
        );
    }
    for (name, at_least) in [
        ("onsync_server_received_bytes_total", 100.0),
        ("onsync_server_sent_bytes_total", 100.0),
    ] {
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        let value: f64 = value.unwrap().trim().parse().unwrap();
        assert!(value >= at_least, "{name}: {value}");
    }
    let documented = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/metrics.md"
    ))
    .unwrap();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(
            documented.contains(&format!("| `{name}` | {kind} |")),
            "{line} is not documented"
        );
    }
    assert!(!text.contains("Ashbourne") && !text.contains("-5"), "{text}");
}

#[test]
fn metrics_are_off_and_an_address_that_is_none_or_taken_is_refused() {
    let (place, _database) = shop();
    let served = Served::start(&place, &[], &[]);
    assert!(served.greeting["metrics"].is_null(), "{}", served.greeting);
    drop(served);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for address in ["soon", "127.0.0.1", "127.0.0.1:99999", "192.0.2.1:1", &taken] {
        place
            .onsync(&["serve", "--listen", "127.0.0.1:0", "--metrics", address])
            .expect(1)
            .complains(address)
            .complains("--metrics")
            .complains("[listen_failed]");
    }
    let shared = place.read("onsync.toml");
    place.write(
        "onsync.toml",
        &format!("{shared}\n[server]\nmetrics = \"127.0.0.1:0\"\n"),
    );
    place
        .onsync(&["check"])
        .expect(2)
        .complains("[config_server_only]");
}
