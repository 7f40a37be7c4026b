//! The configuration: the normative sample, layering, the environment, and every error with its place.

#![cfg(feature = "config-file")]
#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use onsync_core::handler::{Selection, SyncDirection};
use onsync_core::schema::{Ids, LocalEdits, OnDelete};
use onsync_core::value::ValueType;
use onsync_core::{Error, Value};
use onsync_engine::config::{Authentication, Config, KEYS};
use std::collections::HashMap;
use std::time::Duration;

const SHARED: &str = include_str!("data/onsync.toml");
const SERVER: &str = include_str!("data/onsync.server.toml");

fn fault(text: &str) -> Error {
    Config::from_text(text).unwrap_err()
}

#[test]
fn the_normative_sample_parses() {
    let config = Config::parse_texts(SHARED, Some(SERVER), HashMap::new()).unwrap();
    assert_eq!(config.transport.kind, "http");
    assert_eq!(config.transport.url.as_deref(), Some("https://sync.example.org"));
    assert_eq!(config.transport.time_out, Duration::from_secs(30));
    assert_eq!(
        (config.store.kind.as_str(), config.store.path.as_deref()),
        ("sqlite", Some("app.sqlite"))
    );
    assert_eq!(config.store.page_rows, 2_000);
    assert_eq!(config.network.kind, "os+probe");
    let triggers: Vec<(&str, &str)> = config.triggers.named().collect();
    assert_eq!(
        triggers,
        [
            ("synchronize_on_start", "Splash"),
            ("synchronize_on_login", "Login"),
            ("synchronize_on_online", "Online"),
            ("synchronize_on_resume", "Online"),
            ("synchronize_on_write", "SendAppointments"),
            ("synchronize_every", "Online"),
        ]
    );
    let every = config.triggers.every.as_ref().unwrap();
    assert_eq!(every.1, Duration::from_secs(900));
    assert!(config.retry.enabled);
    assert_eq!(config.retry.cap, Duration::from_secs(300));
    assert_eq!(config.retry.attempts_per_hour, 60);
    let login = &config.contexts["Login"];
    assert_eq!(
        login.entities,
        Selection::Entities(vec!["Doctor".into(), "Appointment".into()])
    );
    assert_eq!(
        (login.direction, login.time_out),
        (SyncDirection::Pull, Some(Duration::from_secs(60)))
    );
    let online = &config.contexts["Online"];
    assert!(online.discard_pending && online.entities == Selection::All);
    assert_eq!(config.server.database.as_deref(), Some("sqlite:app.db"));
    let entity = config.schema.entity("Appointment").unwrap();
    assert_eq!(
        (entity.source.as_str(), entity.ids),
        ("appointments", Ids::Client)
    );
    assert_eq!(entity.pattern, "read-write-conflict-detection");
    let names: Vec<&str> = entity
        .attributes
        .iter()
        .map(|attribute| attribute.name.as_str())
        .collect();
    assert_eq!(names, ["id", "starts", "doctor_id", "doctor_name"]);
    assert_eq!(entity.attributes[1].value_type, ValueType::Timestamp);
    assert_eq!(entity.indexes, [["starts"]]);
    let relation = &config.schema.relations[0];
    assert_eq!(
        (relation.name.as_str(), relation.on_delete),
        ("doctor", OnDelete::Restrict)
    );

    // The sample leaves `Doctor` to the reader, which a whole configuration may not.
    assert_eq!(config.checked().unwrap_err().code(), "unknown_entity");
    let whole =
        format!("{SHARED}[entities.Doctor]\npattern = \"read-only\"\nattributes = {{ id = \"uuid\" }}\n");
    assert!(Config::from_texts(&whole, Some(SERVER), HashMap::new()).is_ok());
}

#[test]
fn further_keys_parse() {
    let config = Config::from_text(
        r#"
        [entities.Visit]
        pattern = "read-only"
        key = ["day", "room"]
        together = [["start", "end"]]
        delete = { soft = "is_active", value = false }
        local_edits = "keep"
        [entities.Visit.attributes]
        day = "date"
        room = { type = "integer", column = "room_number" }
        start = "time"
        end = "time"
        draft = { type = "text", local = true }
        shape = { as = "text" }
        [entities.Draft]
        local = true
        attributes = { id = "integer" }
        "#,
    )
    .unwrap();
    let visit = config.schema.entity("Visit").unwrap();
    assert_eq!(visit.key, ["day", "room"]);
    assert_eq!(visit.together, [["start", "end"]]);
    assert_eq!(visit.local_edits, LocalEdits::Keep);
    let soft = visit.soft_delete.as_ref().unwrap();
    assert_eq!(
        (soft.column.as_str(), &soft.value),
        ("is_active", &Value::Boolean(false))
    );
    assert_eq!(visit.attributes[1].column, "room_number");
    assert!(visit.attributes[4].local);
    assert_eq!(visit.attributes[5].value_type, ValueType::Text);
    assert!(config.schema.entity("Draft").unwrap().local);
}

#[test]
fn what_is_absent_has_the_documented_default() {
    let config = Config::from_text("").unwrap();
    assert_eq!(config.retry.interval, Duration::from_secs(5));
    assert_eq!(config.limits.queue, 32);
    assert_eq!(config.limits.bin_keep, Duration::from_secs(30 * 86_400));
    assert_eq!(
        (config.limits.group_limit, config.limits.refresh_limit),
        (5_000, 20_000)
    );
    assert_eq!(config.limits.max_request_bytes, 1 << 20);
    assert_eq!(config.limits.bin_bytes, 64 << 20);
    assert_eq!(config.server.authentication, Authentication::Tokens);
    assert_eq!(config.server.keep_tombstones, Duration::from_secs(90 * 86_400));
}

#[test]
fn the_environment_overrides_files_whatever_the_case_of_names() {
    let variables = HashMap::from([
        (
            "ONSYNC__TRANSPORT__URL".to_owned(),
            "https://other.example.org".to_owned(),
        ),
        ("ONSYNC__STORE__PAGE_ROWS".to_owned(), "7".to_owned()),
        ("ONSYNC__CONTEXTS__LOGIN__TIME_OUT".to_owned(), "5s".to_owned()),
        ("ONSYNC_OTHER".to_owned(), "ignored".to_owned()),
    ]);
    let config = Config::parse_texts(SHARED, None, variables).unwrap();
    assert_eq!(config.transport.url.as_deref(), Some("https://other.example.org"));
    assert_eq!(config.store.page_rows, 7);
    assert_eq!(config.contexts["Login"].time_out, Some(Duration::from_secs(5)));

    let wrong = HashMap::from([("ONSYNC__STORE__PAGE_ROWS".to_owned(), "many".to_owned())]);
    let error = Config::parse_texts(SHARED, None, wrong).unwrap_err();
    assert_eq!(
        error.to_string(),
        "$ONSYNC__STORE__PAGE_ROWS: store.page_rows: wanted a whole number, found \"many\""
    );
}

/// One fault each: the file, and the whole message.
const FAULTS: &[(&str, &str, &str)] = &[
    (
        "config_unknown_key",
        "[transport]\nulr = \"x\"",
        "onsync.toml:2: transport.ulr: there is no key `ulr` here; did you mean `url`? available: `kind`, `url`, `time_out`, `token`, `encoding`, `compression`, `options`",
    ),
    (
        "config_unknown_key",
        "resolver = \"manual\"",
        "onsync.toml:1: resolver: there is no key `resolver` here; available: `transport`, `store`, `network`, `triggers`, `retry`, `contexts`, `limits`, `bin`, `server`, `entities`, `relations`; `resolver` stands at `entities.*.resolver`",
    ),
    (
        "config_wrong_type",
        "\n[store]\npage_rows = \"many\"",
        "onsync.toml:3: store.page_rows: wanted a whole number, found \"many\"",
    ),
    (
        "config_wrong_type",
        "[retry]\ncap = 5",
        "onsync.toml:2: retry.cap: wanted a duration such as \"30s\", found the number 5",
    ),
    (
        "config_wrong_type",
        "[limits]\nmax_request_bytes = \"one\"",
        "onsync.toml:2: limits.max_request_bytes: wanted a size such as \"1 MiB\", found \"one\"",
    ),
    (
        "config_wrong_type",
        "store = 3",
        "onsync.toml:1: store: wanted a table, found the number 3",
    ),
    (
        "config_out_of_range",
        "[limits]\nqueue = 0",
        "onsync.toml:2: limits.queue: found 0, which is too small or too large here",
    ),
    (
        "config_unknown_word",
        "[contexts.A]\ndirection = \"pul\"",
        "onsync.toml:2: contexts.A.direction: found \"pul\", which is not known here; did you mean `pull`? available: `both`, `push`, `pull`",
    ),
    (
        "config_unknown_word",
        "[entities.A]\npattern = \"x\"\n[entities.A.attributes]\nid = \"strng\"",
        "onsync.toml:4: entities.A.attributes.id: found \"strng\", which is not known here; available: `boolean`, `integer`, `decimal`, `real`, `text`, `date`, `time`, `timestamp`, `local_timestamp`, `uuid`, `json`, `bytes`",
    ),
    (
        "config_missing_key",
        "[entities.A.attributes]\nid = \"uuid\"",
        "onsync.toml:1: entities.A.pattern: `pattern` is missing; add for example `pattern = \"read-only\"`",
    ),
    (
        "config_server_only",
        "[entities.A]\nscope = \"owner = :user\"",
        "onsync.toml:2: entities.A.scope: this key is the server's and must not ship with the app; move it to `onsync.server.toml`",
    ),
    (
        "config_literal_secret",
        "[transport]\ntoken = \"abc\"",
        "onsync.toml:2: transport.token: secrets do not stand in files: wanted \"${NAME}\", found a text of another form (not shown); put the secret in an environment variable and name it here",
    ),
    (
        "config_literal_secret",
        "[transport]\nurl = \"https://me:secret@example.org\"",
        "onsync.toml:2: transport.url: secrets do not stand in files: wanted \"${NAME}\", found a text of another form (not shown); put the secret in an environment variable and name it here",
    ),
    (
        "unknown_entity",
        "[entities.Doctor]\npattern = \"x\"\nattributes = { id = \"uuid\" }\n[contexts.A]\nentities = [\"Docter\"]",
        "onsync.toml:5: contexts.A.entities: there is no entity `Docter`; did you mean `Doctor`? configured: `Doctor`",
    ),
    (
        "unknown_entity",
        "[entities.A]\npattern = \"x\"\nattributes = { id = \"uuid\" }\n[relations.b]\nchild = \"A\"\nattribute = \"id\"\nparent = \"B\"",
        "onsync.toml:7: relations.b.parent: there is no entity `B`; configured: `A`",
    ),
    (
        "unknown_attribute",
        "[entities.A]\npattern = \"x\"\nkey = \"nr\"\nattributes = { id = \"uuid\" }",
        "onsync.toml:3: entities.A.key: entity `A` has no attribute `nr`; configured: `id`",
    ),
    (
        "relation_type",
        "[entities.A]\npattern = \"x\"\nattributes = { id = \"uuid\", b = \"text\" }\n[entities.B]\npattern = \"x\"\nattributes = { id = \"uuid\" }\n[relations.b]\nchild = \"A\"\nattribute = \"b\"\nparent = \"B\"",
        "onsync.toml:7: relations.b: `A.b` is text, but the key of `B` is uuid; declare both alike",
    ),
    (
        "relation_cycle",
        "[entities.A]\npattern = \"x\"\nattributes = { id = \"uuid\", b = \"uuid\" }\n[entities.B]\npattern = \"x\"\nattributes = { id = \"uuid\", a = \"uuid\" }\n[relations.b]\nchild = \"A\"\nattribute = \"b\"\nparent = \"B\"\n[relations.a]\nchild = \"B\"\nattribute = \"a\"\nparent = \"A\"",
        "onsync.toml:11: relations.a: entities refer to each other in a circle: A → B → A; remove one of these relations",
    ),
];

#[test]
fn every_fault_names_file_line_key_what_was_found_and_what_is_available() {
    for (code, text, message) in FAULTS {
        let error = fault(text);
        assert_eq!(
            (error.code(), error.to_string().as_str()),
            (*code, *message),
            "for\n{text}"
        );
    }
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_line() {
    let error = fault("[store]\npath = ");
    assert_eq!(error.code(), "config_syntax");
    assert!(
        error.to_string().starts_with("onsync.toml:2: this is not TOML: "),
        "{error}"
    );
}

#[test]
fn the_server_file_may_hold_what_the_shared_one_may_not() {
    let config = Config::from_texts(
        "",
        Some("[server.tokens]\nada = \"${ADA_TOKEN}\""),
        HashMap::new(),
    )
    .unwrap();
    assert_eq!(config.server.tokens[0].0, "ada");
    assert_eq!(config.server.tokens[0].1.variable(), "ADA_TOKEN");
    let error = Config::from_texts("", Some("[server.tokens]\nada = \"abc\""), HashMap::new()).unwrap_err();
    assert_eq!(error.code(), "config_literal_secret");
    assert!(!error.to_string().contains("abc"), "{error}");
}

#[test]
fn a_file_that_is_not_there_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = Config::load_device(folder.path().join("onsync.toml")).unwrap_err();
    assert_eq!(error.code(), "config_unreadable");
}

#[test]
fn what_a_later_version_brings_is_refused_when_an_app_is_built() {
    for (text, key) in [
        ("[triggers]\nsynchronize_on_start = \"Splash\"", None),
        ("[contexts.A]\nnot_on_metered = true", None),
        (
            "[entities.A]\npattern = \"x\"\nattributes = { id = \"uuid\", n = { from = \"b.name\", type = \"text\" } }",
            Some("entities.A.attributes.n.from"),
        ),
    ] {
        let result = Config::from_text(text).unwrap().refuse_later_keys();
        match (result, key) {
            (Ok(()), None) => {}
            (Err(error), Some(key)) => {
                assert_eq!(error.code(), "not_yet_supported");
                assert!(error.place().unwrap().ends_with(key), "{error}");
            }
            (result, _) => assert!(result.is_err() && key.is_none(), "{text}: {result:?}"),
        }
    }
}

#[test]
fn contexts_have_parameters_and_a_budget() {
    let config = Config::from_text(
        "[contexts.A]\nparameters = [\"account\"]\nbudget = { time = \"25s\", rows = 1000, bytes = \"5 MiB\" }\n[contexts.B]\n",
    )
    .unwrap();
    let context = &config.contexts["A"];
    assert_eq!(context.parameters, ["account"]);
    assert_eq!(context.budget.time, Some(Duration::from_secs(25)));
    assert_eq!(
        (context.budget.rows, context.budget.bytes),
        (Some(1_000), Some(5 << 20))
    );
    assert_eq!(
        config.contexts["B"].budget,
        onsync_engine::config::BudgetSettings::default()
    );
    let error = fault("[contexts.A]\nbudget = { rows = 0 }");
    assert_eq!(error.place(), Some("onsync.toml:2: contexts.A.budget.rows"));
    let error = fault("[triggers]\nsynchronize_every = { interval = \"5m\" }");
    assert_eq!(error.code(), "config_missing_key");
}

fn reference_rows() -> Vec<String> {
    KEYS.iter()
        .map(|key| {
            let default = if key.default.is_empty() {
                "–".to_owned()
            } else {
                format!("`{}`", key.default)
            };
            let place = match (key.place.is_server_only(), key.place.is_later()) {
                (false, false) => "",
                (false, true) => " *Later.*",
                (true, false) => " *Server file only.*",
                (true, true) => " *Server file only. Later.*",
            };
            format!(
                "| `{}` | {} | {default} | {}.{place} |",
                key.path,
                key.kind.describe().replace('|', "\\|"),
                key.meaning
            )
        })
        .collect()
}

#[test]
fn the_reference_page_lists_exactly_the_keys_that_are_read() {
    let page = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/configuration.md"
    );
    let text = std::fs::read_to_string(page).unwrap();
    let listed: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    let wanted = reference_rows();
    assert_eq!(listed, wanted, "\nwrite these rows:\n{}\n", wanted.join("\n"));
}
