//! Every example in `docs/wire.md` is a frame, and says the same when it is written again.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use onsync_core::wire::{AnswerFrame, Format, Health, RequestFrame, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The lines of all code blocks that begin with this mark.
fn lines(mark: &str) -> Vec<String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/wire.md")).unwrap();
    let mut found = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match line {
            line if line.starts_with("```") => inside = line == format!("```json {mark}"),
            line if inside => found.push(line.to_owned()),
            _ => {}
        }
    }
    assert!(!found.is_empty(), "no example of a {mark}");
    found
}

fn survives<F: Serialize + DeserializeOwned>(mark: &str) -> Vec<F> {
    let mut frames = Vec::new();
    for line in lines(mark) {
        let frame: F = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let mut again = Vec::new();
        encode(Format::JsonLines, &frame, &mut again).unwrap();
        let again: serde_json::Value = serde_json::from_slice(&again).unwrap();
        let wanted: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(again, wanted);
        frames.push(frame);
    }
    frames
}

#[test]
fn requests_are_frames() {
    let frames = survives::<RequestFrame>("request");
    assert!(matches!(frames.first(), Some(RequestFrame::Hello(_))));
    assert!(matches!(frames.last(), Some(RequestFrame::End {})));
}

#[test]
fn answers_are_frames() {
    assert!(survives::<AnswerFrame>("answer").len() > 8);
}

#[test]
fn health_is_health() {
    survives::<Health>("health");
}
