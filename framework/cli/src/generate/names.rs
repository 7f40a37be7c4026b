//! Names of the configuration as names of a program.

use onsync::config::ContextSettings;
use onsync::{Selection, SyncDirection};
use std::collections::BTreeSet;

/// Words that cannot name a variant.
const RESERVED: [&str; 1] = ["Self"];

/// What a context does, in a few words.
pub(super) fn describe(settings: &ContextSettings) -> String {
    let entities = match &settings.entities {
        Selection::All => "every entity".to_owned(),
        Selection::Entities(entities) => entities
            .iter()
            .map(|entity| one_line(entity))
            .collect::<Vec<_>>()
            .join(", "),
    };
    let direction = match settings.direction {
        SyncDirection::Both => "both ways",
        SyncDirection::Push => "sent only",
        SyncDirection::Pull => "fetched only",
    };
    let parameters = match settings.parameters.as_slice() {
        [] => String::new(),
        names => format!("; takes {}", one_line(&names.join(", "))),
    };
    format!("{entities}, {direction}{parameters}")
}

/// A name within a line of documentation.
pub(super) fn one_line(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() || c == '`' { ' ' } else { c })
        .collect()
}

/// The variant of a name: its words with capitals, and a number if it is taken.
pub(super) fn variant(name: &str, taken: &mut BTreeSet<String>) -> String {
    let mut variant = String::new();
    for word in name.split(|c: char| !c.is_ascii_alphanumeric()) {
        let mut letters = word.chars();
        if let Some(first) = letters.next() {
            variant.push(first.to_ascii_uppercase());
            variant.extend(letters);
        }
    }
    if !variant.starts_with(|c: char| c.is_ascii_uppercase()) || RESERVED.contains(&variant.as_str()) {
        variant.insert_str(0, "Name");
    }
    let plain = variant.clone();
    let mut number = 2;
    while !taken.insert(variant.clone()) {
        variant = format!("{plain}{number}");
        number += 1;
    }
    variant
}
