//! TypeScript: a type for the records of each entity, and the names of entities and contexts.

use super::names::{describe, one_line, variant};
use onsync::ValueType;
use onsync::config::Config;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Names that the file has itself, or takes from the language.
const TAKEN: [&str; 6] = [
    "Context",
    "ContextParameters",
    "Entities",
    "EntityName",
    "Integer",
    "Uint8Array",
];

/// Tables of the shared file that a browser does without: it has a store and a network monitor of its own.
const NATIVE: [&str; 2] = ["store", "network"];

/// The whole file, from the configuration and the text it was read from.
pub(super) fn text(config: &Config, source: &str) -> String {
    let mut text = String::from(
        "// The entities and contexts of the sync configuration. Written by `onsync generate typescript`; run it again instead of editing.\n\
         //\n\
         //   const app = await OnSync.open<Entities, Context>(config);\n\n\
         /** A number up to 2⁵³ − 1, a bigint beyond. */\n\
         export type Integer = number | bigint;\n",
    );
    let mut line = |written: &str| {
        let _ = writeln!(text, "{written}");
    };
    let mut taken: BTreeSet<String> = TAKEN.map(str::to_owned).into();
    let mut names = Vec::new();
    for entity in &config.schema.entities {
        let name = variant(&entity.name, &mut taken);
        line(&format!(
            "\n/** A record of `{}`, by {}. */",
            comment(&entity.name),
            comment(&entity.pattern)
        ));
        line(&format!("export type {name} = {{"));
        for attribute in &entity.attributes {
            let null = if entity.key.contains(&attribute.name) {
                ""
            } else {
                " | null"
            };
            line(&format!("  /** {} */", attribute.value_type));
            line(&format!(
                "  {}: {}{null};",
                property(&attribute.name),
                written_type(attribute.value_type)
            ));
        }
        line("};");
        names.push((entity, name));
    }
    line("\n/** The records of each entity by its name. */");
    line("export type Entities = {");
    for (entity, name) in &names {
        line(&format!("  {}: {name};", property(&entity.name)));
    }
    line("};");
    line("\n/** The name of an entity. */");
    line("export type EntityName = keyof Entities & string;");
    contexts(config, &mut line);
    line("\n/**");
    line(
        " * The configuration for `OnSync.open`, without what is not a browser's: its store is IndexedDB, its network monitor the browser's.",
    );
    line(
        " * Give the database a name by `{ ...config, store: { path: \"…\" } }` where one origin has several apps.",
    );
    line(" */");
    line(&format!(
        "export const config: {{ [table: string]: any }} = {};",
        literal(source)
    ));
    text
}

/// The shared file as an object.
fn literal(source: &str) -> String {
    // What is asked for here was read a moment ago.
    let document = source.parse::<toml_edit::DocumentMut>().unwrap_or_default();
    let tables = document.iter().filter(|(name, _)| !NATIVE.contains(name));
    let object: serde_json::Map<String, Json> = tables
        .filter_map(|(name, item)| Some((name.to_owned(), json(item.clone().into_value().ok()?))))
        .collect();
    let text = serde_json::to_string_pretty(&Json::Object(object)).unwrap_or_default();
    separators(&text)
}

fn json(value: toml_edit::Value) -> Json {
    use toml_edit::Value;
    match value {
        Value::String(text) => text.into_value().into(),
        Value::Integer(number) => number.into_value().into(),
        Value::Float(number) => number.into_value().into(),
        Value::Boolean(truth) => truth.into_value().into(),
        Value::Datetime(moment) => moment.into_value().to_string().into(),
        Value::Array(values) => values.into_iter().map(json).collect(),
        Value::InlineTable(table) => {
            let fields = table
                .into_iter()
                .map(|(name, value)| (name.to_string(), json(value)));
            Json::Object(fields.collect())
        }
    }
}

fn contexts(config: &Config, line: &mut impl FnMut(&str)) {
    let contexts = || config.contexts.iter().filter(|(name, _)| !name.is_empty());
    line("\n/** What `onSync` is called with; `\"\"` covers every entity. */");
    line("export type Context =");
    line("  | \"\"");
    for (name, settings) in contexts() {
        line(&format!("  /** {} */", comment(&describe(settings))));
        line(&format!("  | {}", quoted(name)));
    }
    line("  ;");
    line("\n/** The names of the parameters that contexts declare. */");
    line("export type ContextParameters = {");
    for (name, settings) in contexts().filter(|(_, settings)| !settings.parameters.is_empty()) {
        let parameters: Vec<String> = settings.parameters.iter().map(|name| quoted(name)).collect();
        line(&format!("  {}: {};", property(name), parameters.join(" | ")));
    }
    line("};");
}

/// What an app is given and may hand in.
fn written_type(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Boolean => "boolean",
        ValueType::Integer => "Integer",
        ValueType::Real => "number",
        ValueType::Json => "any",
        ValueType::Bytes => "Uint8Array",
        ValueType::Decimal
        | ValueType::Text
        | ValueType::Date
        | ValueType::Time
        | ValueType::Timestamp
        | ValueType::LocalTimestamp
        | ValueType::Uuid => "string",
    }
}

/// A name within a comment.
fn comment(text: &str) -> String {
    one_line(text).replace("*/", "* /")
}

/// A text as a literal of the language: JSON's are, since its line separators are escaped here too.
fn quoted(text: &str) -> String {
    separators(&Json::from(text).to_string())
}

fn separators(quoted: &str) -> String {
    quoted
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// A name of a property, quoted where it must be.
fn property(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { name.to_owned() } else { quoted(name) }
}
