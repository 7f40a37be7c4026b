//! The statements that make an entity's tables and view.

use crate::sql::{Shape, quote};
use crate::triggers::is_row_id;
use crate::values::{collation, declared};
use onsync_core::ValueType;
use onsync_core::schema::{EntitySchema, Ids};
use onsync_core::store::local::LOCAL_TEXT_PREFIX;

/// A random version 4 UUID, lower-case, from functions every SQLite has.
const RANDOM_UUID: &str = "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || \
     substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))";

/// Whether the table itself makes keys, from the local range.
pub(crate) fn wants_sequence(entity: &EntitySchema) -> bool {
    is_row_id(entity) && entity.ids == Ids::Server
}

/// The statement that makes the table of an entity's records.
pub(crate) fn visible_table(shape: &Shape<'_>) -> String {
    let entity = shape.entity;
    let single = entity.key.len() == 1;
    let columns = entity.attributes.iter().map(|attribute| {
        let type_ = format!(
            "{}{}",
            declared(attribute.value_type),
            collation(attribute.value_type)
        );
        let name = quote(&attribute.name);
        if !entity.key.contains(&attribute.name) {
            return format!("{name} {type_}");
        }
        match attribute.value_type {
            ValueType::Integer if single && wants_sequence(entity) => {
                format!("{name} INTEGER PRIMARY KEY AUTOINCREMENT")
            }
            ValueType::Integer if single => format!("{name} INTEGER PRIMARY KEY"),
            ValueType::Uuid if single => format!("{name} {type_} NOT NULL DEFAULT ({RANDOM_UUID})"),
            ValueType::Text if single && entity.ids == Ids::Server => {
                format!("{name} {type_} NOT NULL DEFAULT ('{LOCAL_TEXT_PREFIX}' || {RANDOM_UUID})")
            }
            _ => format!("{name} {type_} NOT NULL"),
        }
    });
    table(shape, &shape.table, columns.collect())
}

/// The statement that makes the table of an entity's overlays.
pub(crate) fn base_table(shape: &Shape<'_>) -> String {
    let row_id = is_row_id(shape.entity);
    let mut columns: Vec<String> = shape
        .entity
        .attributes
        .iter()
        .map(|attribute| {
            let type_ = format!(
                "{}{}",
                declared(attribute.value_type),
                collation(attribute.value_type)
            );
            let suffix = match (shape.entity.key.contains(&attribute.name), row_id) {
                (true, true) => " PRIMARY KEY",
                (true, false) => " NOT NULL",
                (false, _) => "",
            };
            format!("{} {type_}{suffix}", quote(&attribute.name))
        })
        .collect();
    columns.extend([
        "\"_onsync_from_server\" INTEGER NOT NULL".to_owned(),
        "\"_onsync_edit\" INTEGER NOT NULL".to_owned(),
        "\"_onsync_acknowledged_to\" INTEGER NOT NULL".to_owned(),
        "\"_onsync_state\" TEXT NOT NULL".to_owned(),
    ]);
    table(shape, &shape.base, columns)
}

fn table(shape: &Shape<'_>, name: &str, mut columns: Vec<String>) -> String {
    let row_id = is_row_id(shape.entity);
    if !row_id {
        columns.push(format!("PRIMARY KEY ({})", shape.key_list()));
    }
    let end = if row_id { "" } else { " WITHOUT ROWID" };
    format!("CREATE TABLE {name} (\n    {}\n){end}", columns.join(",\n    "))
}

/// The statement that makes the view of an entity's metadata.
pub(crate) fn view(shape: &Shape<'_>, name: &str) -> String {
    let keys = |from: &str| -> String {
        let names: Vec<String> = shape
            .key
            .iter()
            .map(|name| format!("{from}.{name} AS {name}"))
            .collect();
        names.join(", ")
    };
    let (table, base) = (&shape.table, &shape.base);
    let first = &shape.key[0];
    let same = shape.key_equals(table, base);
    format!(
        "CREATE VIEW {} AS\n\
         SELECT {}, coalesce({base}.\"_onsync_from_server\", 1) AS \"is_from_server\", \
         {base}.{first} IS NOT NULL AS \"is_modified\", 1 AS \"is_active\", \
         coalesce({base}.\"_onsync_state\", 'clean') AS \"state\"\n\
         FROM {table} LEFT JOIN {base} ON {same}\n\
         UNION ALL\n\
         SELECT {}, \"_onsync_from_server\", 1, 0, \"_onsync_state\"\n\
         FROM {base} WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {same})",
        quote(name),
        keys(table),
        keys(base),
    )
}
