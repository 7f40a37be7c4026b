//! What a web developer does: types, a bundler, a worker, and the tutorial "Your first web app that works offline", in the
//! system's Chromium with the npm package that `cargo xtask js` builds.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

#[path = "../support/mod.rs"]
mod support;

mod npm;
mod tutorial;

use npm::{Web, finds};
use std::net::TcpListener;
use std::process::Command;
use support::{Place, Served};

/// A port nobody listens at.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

const TASKS: &str = "
    CREATE TABLE Task (id TEXT PRIMARY KEY, title TEXT NOT NULL, done BOOLEAN);
    INSERT INTO Task VALUES ('0190a1b2-0000-7000-8000-000000000001', 'Water the plants', false);";

/// A configuration with an entity of every type, names that are no names of a program, and contexts.
const TYPES: &str = r#"
[transport]
url = "https://sync.example.org"
[store]
path = "device.sqlite"
[triggers]
synchronize_every = { context = "Login", interval = "15m" }
[contexts.Login]
entities = ["Visit"]
direction = "pull"
[contexts."send reports"]
direction = "push"
parameters = ["week"]
[contexts."1st \" start */"]
[entities.Visit]
pattern = "read-write-last-write-wins"
key = "id"
[entities.Visit.attributes]
id = "uuid"
title = "text"
starts = "timestamp"
minutes = "integer"
done = "boolean"
price = "decimal"
photo = "bytes"
extra = "json"
"odd name" = "real"
[entities.work-order]
pattern = "read-only"
key = ["a", "b"]
attributes = { a = "integer", b = "text", c = "local_timestamp", day = "date", at = "time" }
[entities.Context]
pattern = "read-only"
attributes = { id = "uuid" }
"#;

#[test]
fn slow_the_declarations_and_what_is_generated_compile() {
    let Some(web) = Web::found("slow_the_declarations_and_what_is_generated_compile", &[]) else {
        return;
    };
    let place = Place::new();
    place.write("onsync.toml", TYPES);
    place
        .onsync(&["generate", "typescript", "--out", "sync.ts"])
        .expect(0);
    std::fs::copy(web.file("face.ts"), place.path("face.ts")).unwrap();
    web.put_package_into(place.folder());
    let text = place.read("sync.ts");
    for part in [
        "export type WorkOrder = {",
        "  Context: Context2;",
        "  \"odd name\": number | null;",
        "  | \"1st \\\" start */\"",
        "\"url\": \"https://sync.example.org\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("device.sqlite"), "{text}");
    let options = [
        "--noEmit",
        "--strict",
        "--noUncheckedIndexedAccess",
        "--target",
        "es2022",
        "--module",
        "esnext",
        "--moduleResolution",
        "bundler",
        "--lib",
        "es2022,esnext.disposable,dom",
        "--types",
        "",
        "face.ts",
    ];
    web.run(
        Command::new(web.program("tsc"))
            .args(options)
            .current_dir(place.folder()),
    );
}

#[test]
fn slow_a_worker_syncs_and_its_page_sees_it() {
    let name = "slow_a_worker_syncs_and_its_page_sees_it";
    let Some(web) = Web::found(name, &["chromium"]) else {
        return;
    };
    let place = Place::new();
    place.database("office.sqlite", TASKS);
    place.onsync(&["init", "--database", "office.sqlite"]).expect(0);
    place
        .onsync(&["add", "Task", "--from", "office.sqlite", "--context", "Online"])
        .expect(0);
    let port = free_port();
    let origins = format!("cors_origins = [\"http://localhost:{port}\"]\n");
    place.write(
        "onsync.server.toml",
        &(place.read("onsync.server.toml") + &origins),
    );
    let served = Served::start(&place, &[], &[]);
    let shared = place.read("onsync.toml");
    place.write(
        "onsync.toml",
        &shared.replace("http://127.0.0.1:8080", &served.url),
    );
    // The project is what the bundler gets, without a plug-in or a configuration of its own.
    let copied = Command::new("cp")
        .arg("-r")
        .arg(web.file("worker"))
        .arg(place.path("page"))
        .status();
    assert!(copied.unwrap().success());
    let page = place.path("page");
    web.put_package_into(&page);
    place
        .onsync(&["generate", "typescript", "--out", "page/src/sync.ts"])
        .expect(0);
    web.run(Command::new(web.program("vite")).arg("build").current_dir(&page));
    let bundled = std::fs::read_dir(page.join("dist/assets")).unwrap();
    let names: Vec<String> = bundled
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let has = |ending: &str| names.iter().any(|name| name.ends_with(ending));
    assert!(has(".wasm") && has(".js"), "{names:?}");
    let _preview = web.preview(&page, port);
    let said = web.play("worker.mjs", &format!("http://localhost:{port}"));
    assert!(said.contains("the page sees what the worker did"), "{said}");
    let titles = support::rows(
        &place.database("office.sqlite", ""),
        "SELECT title FROM Task ORDER BY title",
    );
    assert_eq!(titles, [["From the worker"], ["Water the plants"]]);
}

#[test]
fn slow_the_first_web_app_tutorial_holds() {
    let name = "slow_the_first_web_app_tutorial_holds";
    let Some(web) = Web::found(name, &["chromium", "sqlite3"]) else {
        return;
    };
    tutorial::follow(&web);
}

#[test]
fn programs_that_are_not_there_are_noticed() {
    assert!(!finds("onsync-no-such-program"));
}
