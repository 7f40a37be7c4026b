//! Rust: an enum of contexts and one of entities.

use onsync::config::{Config, ContextSettings};
use onsync::{Selection, SyncDirection};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Words that cannot name a variant.
const RESERVED: [&str; 1] = ["Self"];

struct Variant {
    name: String,
    variant: String,
    doc: String,
}

/// The whole file.
pub(super) fn text(config: &Config) -> String {
    let mut taken = BTreeSet::from(["Everything".to_owned()]);
    let mut contexts = vec![Variant {
        name: String::new(),
        variant: "Everything".to_owned(),
        doc: "`\"\"`: every entity, both ways".to_owned(),
    }];
    for (name, settings) in config.contexts.iter().filter(|(name, _)| !name.is_empty()) {
        contexts.push(Variant {
            name: name.clone(),
            variant: variant(name, &mut taken),
            doc: format!("`{}`: {}", one_line(name), describe(settings)),
        });
    }
    let mut taken = BTreeSet::new();
    let entities: Vec<Variant> = config
        .schema
        .entities
        .iter()
        .map(|entity| Variant {
            name: entity.name.clone(),
            variant: variant(&entity.name, &mut taken),
            doc: format!("`{}`, by {}", one_line(&entity.name), entity.pattern),
        })
        .collect();
    let mut text = String::from(
        "//! The names of the sync configuration. Written by `onsync generate rust`; run it again instead of editing.\n",
    );
    write_enum(&mut text, "Context", "What `on_sync` is called with.", &contexts);
    write_enum(
        &mut text,
        "EntityName",
        "An entity of the configuration.",
        &entities,
    );
    text
}

fn describe(settings: &ContextSettings) -> String {
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
fn one_line(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() || c == '`' { ' ' } else { c })
        .collect()
}

/// The variant of a name: its words with capitals, and a number if it is taken.
fn variant(name: &str, taken: &mut BTreeSet<String>) -> String {
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

fn write_enum(text: &mut String, name: &str, doc: &str, variants: &[Variant]) {
    let mut line = |indent: usize, written: &str| {
        let _ = writeln!(text, "{:indent$}{written}", "", indent = indent * 4);
    };
    line(0, "");
    line(0, &format!("/// {doc}"));
    line(0, "#[allow(dead_code)]");
    line(
        0,
        "#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]",
    );
    line(0, &format!("pub enum {name} {{"));
    for variant in variants {
        line(1, &format!("/// {}", variant.doc));
        line(1, &format!("{},", variant.variant));
    }
    line(0, "}");
    line(0, "");
    line(0, "#[allow(dead_code)]");
    line(0, &format!("impl {name} {{"));
    line(1, "/// All of them.");
    let all: Vec<String> = variants
        .iter()
        .map(|variant| format!("Self::{}", variant.variant))
        .collect();
    line(
        1,
        &format!("pub const ALL: &'static [Self] = &[{}];", all.join(", ")),
    );
    line(0, "");
    line(1, "/// The name in the configuration.");
    line(1, "pub const fn as_str(self) -> &'static str {");
    if variants.is_empty() {
        line(2, "match self {}");
    } else {
        line(2, "match self {");
        for variant in variants {
            line(3, &format!("Self::{} => {:?},", variant.variant, variant.name));
        }
        line(2, "}");
    }
    line(1, "}");
    line(0, "}");
    line(0, "");
    line(0, &format!("impl AsRef<str> for {name} {{"));
    line(1, "fn as_ref(&self) -> &str {");
    line(2, "self.as_str()");
    line(1, "}");
    line(0, "}");
    line(0, "");
    line(0, &format!("impl std::fmt::Display for {name} {{"));
    line(
        1,
        "fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {",
    );
    line(2, "f.write_str(self.as_str())");
    line(1, "}");
    line(0, "}");
}
