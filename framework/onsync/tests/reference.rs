//! The book beside the code: every event with its fields, and configurations of the guide that can be read.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use onsync::config::Config;
use onsync::{Event, NetworkStatus, Phase, Summary};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// One of each. A new kind of event ends the compilation here, and wants a section on the page.
fn every_event() -> Vec<Event> {
    let context = String::new();
    let first = Event::OnSyncStart {
        context: context.clone(),
    };
    let next = |event: &Event| match event {
        Event::OnSyncStart { .. } => Some(Event::OnSyncProgress {
            context: context.clone(),
            entity: String::new(),
            phase: Phase::Pull,
            done: 1,
            total: Some(1),
            bytes: 1,
        }),
        Event::OnSyncProgress { .. } => Some(Event::OnSyncComplete {
            context: context.clone(),
            summary: Summary::default(),
        }),
        Event::OnSyncComplete { .. } => Some(Event::OnSyncError {
            context: context.clone(),
            error_code: String::new(),
            error_message: String::new(),
            next_try: None,
        }),
        Event::OnSyncError { .. } => Some(Event::NetworkStatusChanged(NetworkStatus::assumed())),
        Event::NetworkStatusChanged(_) => Some(Event::ConflictDetected {
            entity: String::new(),
            key: String::new(),
        }),
        Event::ConflictDetected { .. } => None,
    };
    std::iter::successors(Some(first), next).collect()
}

fn fields_of(value: serde_json::Value) -> BTreeSet<String> {
    let table = value.as_object().unwrap();
    table.keys().filter(|name| *name != "event").cloned().collect()
}

/// The first column of every section's table.
fn sections(page: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    let mut section = String::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix('#') {
            section = heading
                .trim_start_matches('#')
                .trim()
                .trim_matches('`')
                .to_owned();
        } else if let Some(row) = line.strip_prefix("| `") {
            let name = row.split('`').next().unwrap().to_owned();
            found
                .entry(section.clone())
                .or_insert_with(BTreeSet::new)
                .insert(name);
        }
    }
    found
}

#[test]
fn the_page_of_events_lists_exactly_the_events_and_their_fields() {
    let page = std::fs::read_to_string(docs().join("reference/events.md")).unwrap();
    let mut wanted = BTreeMap::from([(
        "Summary".to_owned(),
        fields_of(serde_json::to_value(Summary::default()).unwrap()),
    )]);
    for event in every_event() {
        let value = serde_json::to_value(&event).unwrap();
        let name = value["event"].as_str().unwrap().to_owned();
        wanted.insert(name, fields_of(value));
    }
    assert_eq!(
        sections(&page),
        wanted,
        "found on the page (left), and in the code (right)"
    );
}

#[cfg(feature = "server")]
#[test]
fn the_page_of_metrics_lists_exactly_what_is_counted() {
    let page = std::fs::read_to_string(docs().join("reference/metrics.md")).unwrap();
    let rows = |title: &str| -> BTreeSet<String> {
        let section = page.split("\n## ").find(|section| section.starts_with(title));
        let rows = section
            .unwrap()
            .lines()
            .filter(|line| line.starts_with("| `onsync_"));
        rows.map(str::to_owned).collect()
    };
    let row = |info: &onsync::core::metric::MetricInfo| {
        let labels: Vec<String> = info.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() {
            "–".to_owned()
        } else {
            labels.join(", ")
        };
        let (name, kind) = (info.name, info.kind.as_str());
        format!(
            "| `{name}` | {kind} | {labels} | {} | {} |",
            info.unit, info.meaning
        )
    };
    assert_eq!(
        rows("The device"),
        onsync::metrics::of_device().map(row).collect::<BTreeSet<_>>()
    );
    assert_eq!(
        rows("The server"),
        onsync::metrics::of_server().map(row).collect::<BTreeSet<_>>()
    );
}

#[test]
fn every_configuration_in_the_guide_can_be_read() {
    let registries = onsync::registries();
    let mut read = 0;
    for entry in std::fs::read_dir(docs().join("guide")).unwrap() {
        let path = entry.unwrap().path();
        let page = std::fs::read_to_string(&path).unwrap();
        for block in page.split("```toml\n").skip(1) {
            let text = block.split("```").next().unwrap();
            let config =
                Config::from_text(text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            config
                .refuse_later_keys()
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            registries.check_network(&config).unwrap();
            read += 1;
        }
    }
    assert!(read >= 3, "the guide holds {read} configurations");
}
