//! Serve, sync and status end to end over loopback, and everything that can go wrong between them.

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use support::{Device, Place, Served, nobody, rows};

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
    device.onsync(&["status"]).expect(0).says("not synced yet");
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
