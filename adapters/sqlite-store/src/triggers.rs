//! The text of the triggers that track plain SQL: they mark and preserve, and never decide what happened.
//!
//! Before a statement touches a row, its base copy is made if there is none, with `INSERT … SELECT … WHERE NOT EXISTS`: a
//! conflict clause of the outer statement (`INSERT OR REPLACE`, `UPDATE OR IGNORE`) overrides one written here, so
//! there is none to override. The rows touched are the one with the statement's key and those that a unique index
//! made by the app would displace. Only functions and syntax of SQLite 3.22 are used, so that any shell can run them.

use crate::error::{INVALID_KEY, KEY_CHANGE, READ_ONLY, read_only_text};
use crate::sql::{Shape, literal, quote};
use crate::tables::wants_sequence;
use crate::verify::UniqueIndex;
use onsync_core::ValueType;
use onsync_core::schema::EntitySchema;

/// One trigger: its name and the statement that creates it.
pub(crate) struct Trigger {
    pub(crate) name: String,
    pub(crate) sql: String,
}

const RAISE_SEQUENCE: &str = "UPDATE \"_onsync_sequence\" SET \"edit\" = \"edit\" + 1;";
const CURRENT_EDIT: &str = "(SELECT \"edit\" FROM \"_onsync_sequence\")";

/// The triggers of an entity, given the unique indexes the app has put on its table.
pub(crate) fn triggers(entity: &EntitySchema, unique: &[UniqueIndex]) -> Vec<Trigger> {
    let shape = Shape::of(entity);
    if entity.local {
        return Vec::new();
    }
    if entity.refuse_local_writes {
        let refuse = format!(
            "SELECT RAISE(ABORT, {});",
            literal(&format!("{READ_ONLY}: {}", read_only_text(&entity.name)))
        );
        return ["INSERT", "UPDATE", "DELETE"]
            .into_iter()
            .map(|event| trigger(&shape, "BEFORE", event, std::slice::from_ref(&refuse)))
            .collect();
    }
    let mut before_insert = vec![key_guard(&shape), RAISE_SEQUENCE.to_owned()];
    before_insert.extend(touch(&shape, "NEW", unique));
    // An AFTER trigger of the app may run before ours and touch the new record: it must be known as new by then.
    before_insert.push(note_new(&shape, &keys_to_be(&shape)));
    let there: Vec<String> = shape.key.iter().map(|name| format!("NEW.{name}")).collect();
    let after_insert = [
        note_new(&shape, &there),
        raise_key(&shape, "NEW"),
        forget_guess(&shape),
    ];
    let mut before_update = vec![refuse_key_change(&shape), RAISE_SEQUENCE.to_owned()];
    before_update.extend(touch(&shape, "OLD", unique));
    let mut before_delete = vec![RAISE_SEQUENCE.to_owned()];
    before_delete.extend(touch(&shape, "OLD", &[]));
    vec![
        trigger(&shape, "BEFORE", "INSERT", &before_insert),
        trigger(&shape, "AFTER", "INSERT", &after_insert),
        trigger(&shape, "BEFORE", "UPDATE", &before_update),
        trigger(&shape, "BEFORE", "DELETE", &before_delete),
    ]
}

fn trigger(shape: &Shape<'_>, moment: &str, event: &str, body: &[String]) -> Trigger {
    let name = format!(
        "_onsync_{}_{}_{}",
        moment.to_ascii_lowercase(),
        event.to_ascii_lowercase(),
        shape.entity.name
    );
    let statements: Vec<&str> = body
        .iter()
        .map(String::as_str)
        .filter(|text| !text.is_empty())
        .collect();
    let sql = format!(
        "CREATE TRIGGER {} {moment} {event} ON {} FOR EACH ROW BEGIN\n{}\nEND",
        quote(&name),
        shape.table,
        statements.join("\n")
    );
    Trigger { name, sql }
}

/// Preserves and raises the row with the key of `side`, and the rows that the new values displace.
fn touch(shape: &Shape<'_>, side: &str, unique: &[UniqueIndex]) -> Vec<String> {
    let mut statements = vec![
        preserve(shape, &shape.key_equals(&shape.table, side)),
        raise_key(shape, side),
    ];
    for index in unique.iter().filter(|index| !index.has_expression) {
        let displaced = displaced(shape, index);
        statements.push(preserve(shape, &displaced));
        statements.push(format!(
            "UPDATE {} SET \"_onsync_edit\" = {CURRENT_EDIT} WHERE ({}) IN (SELECT {} FROM {} WHERE {displaced});",
            shape.base,
            shape.key_list(),
            shape.key_list(),
            shape.table,
        ));
    }
    statements
}

fn displaced(shape: &Shape<'_>, index: &UniqueIndex) -> String {
    let parts: Vec<String> = index
        .columns
        .iter()
        .map(|(column, collation)| {
            let column = quote(column);
            format!(
                "{}.{column} = NEW.{column} COLLATE {}",
                shape.table,
                quote(collation)
            )
        })
        .collect();
    parts.join(" AND ")
}

/// Copies rows without an overlay into the base table: they are clean, so they are as the server has them.
fn preserve(shape: &Shape<'_>, which: &str) -> String {
    let columns = shape.columns();
    let (table, base) = (&shape.table, &shape.base);
    format!(
        "INSERT INTO {base} ({columns}, \"_onsync_from_server\", \"_onsync_edit\", \"_onsync_acknowledged_to\", \"_onsync_state\") \
         SELECT {columns}, 1, 0, 0, 'waiting' FROM {table} WHERE {which} \
         AND NOT EXISTS (SELECT 1 FROM {base} AS \"_onsync_b\" WHERE {});",
        shape.key_equals("\"_onsync_b\"", table)
    )
}

fn raise_key(shape: &Shape<'_>, side: &str) -> String {
    format!(
        "UPDATE {} SET \"_onsync_edit\" = {CURRENT_EDIT} WHERE {};",
        shape.base,
        shape.key_equals(&shape.base, side)
    )
}

/// The key a row will have, as a BEFORE INSERT trigger can tell: where the database makes it, SQLite shows -1 until then, and takes
/// the next number.
fn keys_to_be(shape: &Shape<'_>) -> Vec<String> {
    let table = &shape.table;
    let issued = if wants_sequence(shape.entity) {
        format!(
            "(SELECT \"seq\" FROM \"sqlite_sequence\" WHERE \"name\" = {})",
            literal(&shape.entity.name)
        )
    } else {
        "0".to_owned()
    };
    let to_be = |name: &String| {
        if !is_row_id(shape.entity) {
            return format!("NEW.{name}");
        }
        // Only integers: the largest has no next one.
        let next = format!("max(coalesce({issued}, 0), coalesce((SELECT max({name}) FROM {table}), 0))");
        format!(
            "CASE WHEN NEW.{name} IS NOT NULL AND NEW.{name} <> -1 THEN NEW.{name} \
             WHEN {next} < 9223372036854775807 THEN {next} + 1 END"
        )
    };
    shape.key.iter().map(to_be).collect()
}

/// Notes a key that was not there.
fn note_new(shape: &Shape<'_>, keys: &[String]) -> String {
    let same = shape.key.iter().zip(keys);
    let same: Vec<String> = same
        .map(|(name, key)| format!("\"_onsync_b\".{name} = {key}"))
        .collect();
    let known: Vec<String> = keys.iter().map(|key| format!("({key}) IS NOT NULL")).collect();
    format!(
        "INSERT INTO {base} ({}, \"_onsync_from_server\", \"_onsync_edit\", \"_onsync_acknowledged_to\", \"_onsync_state\") \
         SELECT {}, 0, {CURRENT_EDIT}, 0, 'waiting' WHERE {} AND NOT EXISTS (SELECT 1 FROM {base} AS \"_onsync_b\" WHERE {});",
        shape.key_list(),
        keys.join(", "),
        known.join(" AND "),
        same.join(" AND "),
        base = shape.base,
    )
}

/// Whoever gives -1 as the key of a record means it: no other key is noted then.
fn forget_guess(shape: &Shape<'_>) -> String {
    if !is_row_id(shape.entity) {
        return String::new();
    }
    let (base, table, key) = (&shape.base, &shape.table, shape.key_list());
    let guess = keys_to_be(shape).join("");
    format!(
        "DELETE FROM {base} WHERE NEW.{key} = -1 AND {key} = {guess} AND \"_onsync_from_server\" = 0 \
         AND \"_onsync_edit\" = {CURRENT_EDIT} AND NOT EXISTS (SELECT 1 FROM {table} WHERE {key} = {guess});"
    )
}

fn refuse_key_change(shape: &Shape<'_>) -> String {
    let same: Vec<String> = shape
        .key
        .iter()
        .map(|name| format!("OLD.{name} IS NEW.{name}"))
        .collect();
    let text = format!(
        "{KEY_CHANGE}: the key of a record of `{}` cannot be changed; insert a record with the new key and delete the old one",
        shape.entity.name
    );
    format!(
        "SELECT RAISE(ABORT, {}) WHERE NOT ({});",
        literal(&text),
        same.join(" AND ")
    )
}

/// Refuses keys that could not be found again by their value, because they are written in another form.
fn key_guard(shape: &Shape<'_>) -> String {
    let mut conditions = Vec::new();
    for (name, value_type) in shape.key.iter().zip(shape.entity.key_types()) {
        if let Some(fine) = key_form(&format!("NEW.{name}"), value_type) {
            conditions.push(format!("(NEW.{name} IS NOT NULL AND NOT ({fine}))"));
        }
    }
    if conditions.is_empty() || is_row_id(shape.entity) {
        return String::new();
    }
    let forms: Vec<String> = shape
        .entity
        .key
        .iter()
        .zip(shape.entity.key_types())
        .map(|(name, value_type)| format!("`{name}` is {}", form_of(value_type)))
        .collect();
    let text = format!(
        "{INVALID_KEY}: a key of `{}` must be written in its plain form: {}",
        shape.entity.name,
        forms.join(", ")
    );
    format!(
        "SELECT RAISE(ABORT, {}) WHERE {};",
        literal(&text),
        conditions.join(" OR ")
    )
}

/// Whether the key is SQLite's own row number.
pub(crate) fn is_row_id(entity: &EntitySchema) -> bool {
    entity.key_types() == [ValueType::Integer]
}

fn key_form(column: &str, value_type: ValueType) -> Option<String> {
    let digits = |count: usize| "[0-9]".repeat(count);
    let day = format!("{}-{}-{}", digits(4), digits(2), digits(2));
    let clock = format!("{}:{}:{}.{}", digits(2), digits(2), digits(2), digits(6));
    Some(match value_type {
        ValueType::Boolean => format!("typeof({column}) = 'integer' AND {column} IN (0, 1)"),
        ValueType::Integer => format!("typeof({column}) = 'integer'"),
        ValueType::Text => format!("typeof({column}) = 'text' AND instr({column}, char(0)) = 0"),
        ValueType::Bytes => format!("typeof({column}) = 'blob'"),
        ValueType::Uuid => {
            let hex = |count: usize| "[0-9a-fA-F]".repeat(count);
            let form = [hex(8), hex(4), hex(4), hex(4), hex(12)].join("-");
            format!("typeof({column}) = 'text' AND {column} GLOB '{form}'")
        }
        ValueType::Date => format!("typeof({column}) = 'text' AND {column} GLOB '{day}'"),
        ValueType::Timestamp => format!("typeof({column}) = 'text' AND {column} GLOB '{day}T{clock}Z'"),
        _ => return None,
    })
}

fn form_of(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Boolean => "0 or 1",
        ValueType::Integer => "an integer",
        ValueType::Bytes => "a blob",
        ValueType::Uuid => "a uuid such as 01234567-89ab-cdef-0123-456789abcdef",
        ValueType::Date => "a date such as 2026-11-22",
        ValueType::Timestamp => "a timestamp such as 2026-11-22T13:45:00.000000Z",
        _ => "text without NUL",
    }
}
