//! Rust: an enum of contexts and one of entities.

use super::names::{describe, one_line, variant};
use onsync::config::Config;
use std::collections::BTreeSet;
use std::fmt::Write as _;

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
