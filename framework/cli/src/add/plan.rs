//! Decides what `onsync add` writes, from what the database and the file hold.

use super::Plan;
use super::draft::{Draft, DraftAttribute, DraftRelation, find_table, near, relation_name};
use super::source::{Column, Source, SourceTable};
use super::write::{self, Configured};
use crate::arguments::Add;
use crate::exit::Failure;
use onsync_core::Error;
use onsync_core::error::list_names;
use onsync_sqlite_server_store::introspect::ForeignKey;
use std::collections::HashMap;
use toml_edit::DocumentMut;

type Planned<T> = std::result::Result<T, Failure>;

fn refuse<T>(code: &'static str, message: String) -> Planned<T> {
    Err(Failure::usage(Error::unsupported(code, message)))
}

/// Plans everything before anything is written.
pub(super) fn plan(source: &Source, document: &DocumentMut, add: &Add) -> Planned<Plan> {
    let configured = Configured(document);
    let mut plan = Plan::default();
    let mut tables = HashMap::new();
    for wish in &add.entities {
        let (name, table) = find(source, wish)?;
        if !add.replace && configured.entities().any(|(known, _)| known == name) {
            return refuse(
                "entity_exists",
                format!(
                    "entity `{name}` is configured already and stays as it is; say --replace to write it anew"
                ),
            );
        }
        if plan.entities.iter().any(|draft| draft.name == name) {
            return refuse(
                "entity_exists",
                format!("entity `{name}` stands twice on the command line; name it once"),
            );
        }
        let draft = draft(&table, &name, add, &mut plan.notes)?;
        plan.entities.push(draft);
        tables.insert(name, table);
    }
    attributes_exist(add, &tables)?;
    relations(source, document, &mut plan, tables)?;
    Ok(plan)
}

/// The table of an entity as the command line names it.
fn find(source: &Source, wish: &str) -> Planned<(String, SourceTable)> {
    let (name, wanted) = wish.split_once('=').unwrap_or((wish, wish));
    if name.is_empty() || wanted.is_empty() {
        return refuse(
            "invalid_name",
            format!("wanted `Entity` or `Entity=table`, found `{wish}`"),
        );
    }
    let names = source.tables();
    let found = if wish.contains('=') {
        names.iter().find(|table| table.eq_ignore_ascii_case(wanted))
    } else {
        find_table(wanted, names)
    };
    if let Some(table) = found.and_then(|table| source.table(table)) {
        return Ok((name.to_owned(), table.clone()));
    }
    let near = near(wanted, names.iter().map(String::as_str));
    let hint = match near.as_slice() {
        [] => String::new(),
        near => format!("did you mean {}? ", list_names(near)),
    };
    refuse(
        "table_missing",
        format!(
            "wanted a table for entity `{name}`, found none called `{wanted}` or alike in {}; {hint}there are: {}; \
             `Entity=table` names one",
            source.path(),
            list_names(names)
        ),
    )
}

fn draft(table: &SourceTable, name: &str, add: &Add, notes: &mut Vec<String>) -> Planned<Draft> {
    if table.key.is_empty() {
        return refuse(
            "key_missing",
            format!(
                "table `{0}` has no primary key, so nothing tells its rows apart on a device. Give it one: make a table with a \
                 column `id INTEGER PRIMARY KEY` and the same other columns, copy the rows, drop `{0}` and rename the new one; \
                 or, where some columns already name a row and are never null: \
                 CREATE UNIQUE INDEX {0}_key ON {0} (…)",
                table.name
            ),
        );
    }
    let chosen = |column: &Column| {
        let name = &column.name;
        add.attributes.is_empty()
            || table.is_key(name)
            || add
                .attributes
                .iter()
                .any(|wanted| wanted.eq_ignore_ascii_case(name))
    };
    let mut attributes = Vec::new();
    for column in table.columns.iter().filter(|column| chosen(column)) {
        attributes.push(DraftAttribute {
            name: column.name.clone(),
            value_type: column.value_type,
        });
        if let Some(doubt) = &column.doubt {
            notes.push(format!("{name}.{}: {doubt}", column.name));
        }
    }
    let writes = !add.pattern.starts_with("read-only");
    let missing: Vec<&str> = table
        .columns
        .iter()
        .filter(|column| {
            column.is_required && !attributes.iter().any(|attribute| attribute.name == column.name)
        })
        .map(|column| column.name.as_str())
        .collect();
    if writes && !missing.is_empty() {
        notes.push(format!(
            "{name}: devices cannot create records, because the table wants a value in {}, which is left out",
            list_names(missing)
        ));
    }
    check_key(table, &attributes)?;
    Ok(Draft {
        name: name.to_owned(),
        table: table.name.clone(),
        pattern: add.pattern.clone(),
        key: table.key.clone(),
        server_ids: writes.then_some(table.issues_keys && table.key.len() == 1),
        attributes,
    })
}

fn check_key(table: &SourceTable, attributes: &[DraftAttribute]) -> Planned<()> {
    let unfit = attributes
        .iter()
        .find(|attribute| table.is_key(&attribute.name) && !attribute.value_type.may_be_key());
    match unfit {
        Some(attribute) => refuse(
            "invalid_key",
            format!(
                "key column `{}.{}` is {}, which cannot name records; wanted boolean, integer, text, date, timestamp, uuid or bytes",
                table.name, attribute.name, attribute.value_type
            ),
        ),
        None => Ok(()),
    }
}

/// Every name of `--attributes` must be a column of one of the tables.
fn attributes_exist(add: &Add, tables: &HashMap<String, SourceTable>) -> Planned<()> {
    let columns = || {
        tables
            .values()
            .flat_map(|table| table.columns.iter().map(|column| column.name.as_str()))
    };
    for wanted in &add.attributes {
        if columns().any(|column| column.eq_ignore_ascii_case(wanted)) {
            continue;
        }
        let near = near(wanted, columns());
        let hint = near
            .first()
            .map(|near| format!("did you mean `{near}`? "))
            .unwrap_or_default();
        let mut known: Vec<&str> = columns().collect();
        known.sort_unstable();
        known.dedup();
        return refuse(
            "column_missing",
            format!(
                "--attributes: there is no column `{wanted}`; {hint}there are: {}",
                list_names(known)
            ),
        );
    }
    Ok(())
}

/// Relations from the foreign keys between entities, those that were configured before included.
fn relations(
    source: &Source,
    document: &DocumentMut,
    plan: &mut Plan,
    mut tables: HashMap<String, SourceTable>,
) -> Planned<()> {
    // A copy to plan on: names, circles and attributes are looked up as they will be.
    let mut planned = document.clone();
    for draft in &plan.entities {
        write::entity(&mut planned, draft)?;
    }
    let entities: Vec<(String, String)> = Configured(&planned)
        .entities()
        .map(|(name, table)| (name.to_owned(), table.to_owned()))
        .collect();
    for (name, table) in &entities {
        if let Some(table) = source.table(table).filter(|_| !tables.contains_key(name)) {
            tables.insert(name.clone(), table.clone());
        }
    }
    for (child, _) in &entities {
        let Some(table) = tables.get(child) else { continue };
        for reference in &table.references {
            let parent = entities
                .iter()
                .find(|(_, source)| source.eq_ignore_ascii_case(&reference.parent));
            let Some((parent, _)) = parent else { continue };
            let is_new = |name: &String| plan.entities.iter().any(|draft| draft.name == *name);
            let Some(parent_table) = tables.get(parent).filter(|_| is_new(child) || is_new(parent)) else {
                continue;
            };
            let found = relation(
                &planned,
                (child, table),
                (parent, parent_table),
                reference,
                &mut plan.notes,
            );
            if let Some(relation) = found {
                write::relation(&mut planned, &relation)?;
                plan.relations.push(relation);
            }
        }
    }
    Ok(())
}

fn relation(
    planned: &DocumentMut,
    (child, table): (&str, &SourceTable),
    (parent, parent_table): (&str, &SourceTable),
    reference: &ForeignKey,
    notes: &mut Vec<String>,
) -> Option<DraftRelation> {
    let configured = Configured(planned);
    let through = reference.columns.join(", ");
    let ([attribute], [key]) = (reference.columns.as_slice(), parent_table.key.as_slice()) else {
        notes.push(format!(
            "{child} refers to {parent} through several columns ({through}); there is no relation for that"
        ));
        return None;
    };
    let to_key = reference
        .parent_columns
        .first()
        .is_none_or(|column| column.eq_ignore_ascii_case(key));
    let type_of = |entity: &str, attribute: &str| write::attribute_type(planned, entity, attribute);
    let (Some(found), Some(wanted)) = (type_of(child, attribute), type_of(parent, key)) else {
        // One of the two does not sync this column.
        return None;
    };
    if !to_key || found != wanted {
        let reason = if to_key {
            format!("{attribute} is {found}, the key of {parent} is {wanted}")
        } else {
            format!("{attribute} does not refer to the key of {parent}")
        };
        notes.push(format!("no relation from {child} to {parent}: {reason}"));
        return None;
    }
    let mut relations = configured.relations();
    if relations.any(|[_, known, through, to]| known == child && through == attribute && to == parent) {
        return None;
    }
    if configured.closes_circle(child, parent) {
        notes.push(format!(
            "no relation from {child}.{attribute} to {parent}: together with the others it would be a circle"
        ));
        return None;
    }
    let may_be_null = table
        .columns
        .iter()
        .any(|column| column.name == *attribute && !column.not_null);
    Some(DraftRelation {
        name: relation_name(child, attribute, |name| {
            configured.relations().any(|[known, ..]| known == name)
        }),
        child: child.to_owned(),
        attribute: attribute.clone(),
        parent: parent.to_owned(),
        on_delete: match reference.on_delete.to_ascii_uppercase().as_str() {
            "CASCADE" => "cascade",
            "SET NULL" if may_be_null => "set-null",
            _ => "restrict",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;
    use onsync_core::ValueType;
    use rusqlite::Connection;

    fn planned(sql: &str, file: &str, words: &[&str]) -> (tempfile::TempDir, Planned<Plan>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let path = path.display().to_string();
        let line = ["onsync", "add", "--from", &path]
            .into_iter()
            .chain(words.iter().copied());
        let crate::arguments::Command::Add(add) =
            crate::arguments::Arguments::try_parse_from(line).unwrap().command
        else {
            panic!("wanted add")
        };
        let source = Source::open(std::path::Path::new(&path)).unwrap();
        let plan = plan(&source, &file.parse().unwrap(), &add);
        (folder, plan)
    }

    const SHOP: &str = "
        CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, born DATE);
        CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers ON DELETE SET NULL, total DECIMAL(10,2));
        CREATE TABLE order_lines (order_id INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE, line INTEGER NOT NULL,
            PRIMARY KEY (order_id, line));
        CREATE TABLE log (text TEXT);";

    #[test]
    fn keys_ids_types_and_relations_are_read() {
        let (_folder, plan) = planned(SHOP, "", &["Customer", "Order", "OrderLine"]);
        let plan = plan.map_err(|failure| failure.error).unwrap();
        let [customer, order, line] = plan.entities.as_slice() else {
            panic!("{plan:?}")
        };
        assert_eq!(
            (customer.table.as_str(), customer.server_ids),
            ("customers", Some(true))
        );
        assert_eq!(customer.attributes[2].value_type, ValueType::Date);
        assert_eq!(order.attributes[2].value_type, ValueType::Decimal);
        assert_eq!((line.key.len(), line.server_ids), (2, Some(false)));
        let relations: Vec<_> = plan
            .relations
            .iter()
            .map(|relation| (relation.name.as_str(), relation.on_delete))
            .collect();
        assert_eq!(relations, [("customer", "set-null"), ("order", "cascade")]);
    }

    #[test]
    fn a_parent_added_later_gets_its_children() {
        let file = "[entities.Order]\nsource = \"orders\"\npattern = \"read-only\"\n[entities.Order.attributes]\nid = \"integer\"\ncustomer_id = \"integer\"\n";
        let (_folder, plan) = planned(SHOP, file, &["Customer"]);
        let plan = plan.map_err(|failure| failure.error).unwrap();
        assert_eq!(plan.relations[0].child, "Order");
        assert_eq!(plan.relations[0].parent, "Customer");
    }

    #[test]
    fn what_cannot_be_added_is_refused_with_a_way_out() {
        for (file, words, code, says) in [
            ("", &["Log"][..], "key_missing", "CREATE UNIQUE INDEX"),
            ("", &["Custmer"], "table_missing", "did you mean `customers`"),
            ("", &["X=nothing"], "table_missing", "there are: `customers`"),
            ("", &["Customer", "Customer"], "entity_exists", "twice"),
            (
                "[entities.Customer]\n",
                &["Customer"],
                "entity_exists",
                "--replace",
            ),
            (
                "",
                &["Customer", "--attributes", "nmae"],
                "column_missing",
                "did you mean `name`",
            ),
        ] {
            let (_folder, plan) = planned(SHOP, file, words);
            let error = plan.unwrap_err().error;
            assert_eq!(error.code(), code, "{words:?}: {error}");
            assert!(error.to_string().contains(says), "{words:?}: {error}");
        }
    }

    #[test]
    fn chosen_attributes_and_the_key_are_all_there_is() {
        let (_folder, plan) = planned(SHOP, "", &["Customer", "--attributes", "BORN"]);
        let plan = plan.map_err(|failure| failure.error).unwrap();
        let names: Vec<_> = plan.entities[0]
            .attributes
            .iter()
            .map(|attribute| attribute.name.as_str())
            .collect();
        assert_eq!(names, ["id", "born"]);
        assert!(
            plan.notes[0].contains("cannot create records"),
            "{:?}",
            plan.notes
        );
    }
}
