//! Writes drafts into a configuration file as a careful person would: comments and order stay, new tables go to the end of
//! their kind.

use super::draft::{Draft, DraftRelation};
use onsync_core::{Error, Result};
use toml_edit::{Array, DocumentMut, Item, Table, TableLike, value};

/// Writes an entity, replacing one of the same name.
pub(crate) fn entity(document: &mut DocumentMut, draft: &Draft) -> Result<()> {
    let entities = group(document, "entities")?;
    let mut table = Table::new();
    let old = entities.get(&draft.name).and_then(Item::as_table);
    if let Some(old) = old {
        // What stood above the table, a comment perhaps, and where it stood.
        *table.decor_mut() = old.decor().clone();
        table.set_position(old.position());
    } else {
        table.decor_mut().set_prefix("\n");
    }
    table.insert("source", value(&draft.table));
    table.insert("pattern", value(&draft.pattern));
    if draft.detects_conflicts() {
        table.insert("on_pending_conflicts", value("continue"));
    }
    match draft.key.as_slice() {
        [only] => table.insert("key", value(only)),
        several => table.insert("key", value(several.iter().collect::<Array>())),
    };
    if let Some(server) = draft.server_ids {
        table.insert("ids", value(if server { "server" } else { "client" }));
    }
    let mut attributes = Table::new();
    if let Some(place) = old.and_then(|old| old.get("attributes")).and_then(Item::as_table) {
        *attributes.decor_mut() = place.decor().clone();
        attributes.set_position(place.position());
    } else {
        attributes.decor_mut().set_prefix("\n");
    }
    for attribute in &draft.attributes {
        attributes.insert(&attribute.name, value(attribute.value_type.as_str()));
    }
    table.insert("attributes", Item::Table(attributes));
    entities.insert(&draft.name, Item::Table(table));
    Ok(())
}

/// Writes a relation.
pub(crate) fn relation(document: &mut DocumentMut, draft: &DraftRelation) -> Result<()> {
    let relations = group(document, "relations")?;
    let mut table = Table::new();
    table.decor_mut().set_prefix("\n");
    table.insert("child", value(&draft.child));
    table.insert("attribute", value(&draft.attribute));
    table.insert("parent", value(&draft.parent));
    table.insert("on_delete", value(draft.on_delete));
    relations.insert(&draft.name, Item::Table(table));
    Ok(())
}

/// Makes a context sync these entities too; says whether the file had to be changed for it.
pub(crate) fn context(document: &mut DocumentMut, name: &str, entities: &[&str]) -> Result<bool> {
    let contexts = group(document, "contexts")?;
    let Some(context) = contexts.get_mut(name) else {
        let mut table = Table::new();
        table.decor_mut().set_prefix("\n");
        table.insert("entities", value(entities.iter().copied().collect::<Array>()));
        contexts.insert(name, Item::Table(table));
        return Ok(true);
    };
    let Some(list) = context.get_mut("entities").and_then(Item::as_array_mut) else {
        // "all", or absent, which means the same.
        return Ok(false);
    };
    let mut changed = false;
    for entity in entities {
        if !list.iter().any(|listed| listed.as_str() == Some(entity)) {
            list.push(*entity);
            changed = true;
        }
    }
    Ok(changed)
}

/// The table around all entities, relations or contexts.
fn group<'d>(document: &'d mut DocumentMut, name: &str) -> Result<&'d mut Table> {
    let item = document.entry(name).or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    item.as_table_mut().ok_or_else(|| {
        Error::unsupported(
            "config_form",
            format!(
                "wanted `[{name}.<name>]` tables, found `{name} = …` on one line, which cannot be added to without rewriting it; \
                 write it as tables"
            ),
        )
    })
}

/// The word of an attribute's type, if the file has the attribute.
pub(crate) fn attribute_type<'d>(
    document: &'d DocumentMut,
    entity: &str,
    attribute: &str,
) -> Option<&'d str> {
    let attribute = document
        .get("entities")?
        .get(entity)?
        .get("attributes")?
        .get(attribute)?;
    attribute
        .as_str()
        .or_else(|| attribute.get("type").and_then(Item::as_str))
        .or_else(|| attribute.get("as").and_then(Item::as_str))
}

/// What stands in the file already, as far as `add` needs it.
pub(crate) struct Configured<'d>(pub(crate) &'d DocumentMut);

impl<'d> Configured<'d> {
    fn group(&self, name: &str) -> impl Iterator<Item = (&'d str, &'d dyn TableLike)> + use<'d> {
        self.0
            .get(name)
            .and_then(Item::as_table_like)
            .into_iter()
            .flat_map(TableLike::iter)
            .filter_map(|(name, item)| Some((name, item.as_table_like()?)))
    }

    /// Names and source tables of the entities.
    pub(crate) fn entities(&self) -> impl Iterator<Item = (&'d str, &'d str)> + use<'d> {
        self.group("entities")
            .map(|(name, table)| (name, table.get("source").and_then(Item::as_str).unwrap_or(name)))
    }

    /// Name, child, attribute and parent of the relations.
    pub(crate) fn relations(&self) -> impl Iterator<Item = [&'d str; 4]> + use<'d> {
        self.group("relations").map(|(name, table)| {
            let text = |key: &str| table.get(key).and_then(Item::as_str).unwrap_or_default();
            [name, text("child"), text("attribute"), text("parent")]
        })
    }

    /// Whether making `parent` a parent of `child` would close a circle.
    pub(crate) fn closes_circle(&self, child: &str, parent: &str) -> bool {
        let mut waiting = vec![parent];
        let mut seen = Vec::new();
        while let Some(entity) = waiting.pop() {
            if entity == child {
                return parent != child;
            }
            if !seen.contains(&entity) {
                seen.push(entity);
                let above = self.relations().filter(|[_, below, ..]| *below == entity);
                waiting.extend(above.map(|[.., above]| above));
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::add::draft::DraftAttribute;
    use onsync_core::ValueType;

    fn draft(name: &str) -> Draft {
        Draft {
            name: name.to_owned(),
            table: "customers".to_owned(),
            pattern: "read-only".to_owned(),
            key: vec!["id".to_owned()],
            server_ids: None,
            attributes: vec![DraftAttribute {
                name: "id".to_owned(),
                value_type: ValueType::Integer,
            }],
        }
    }

    const FILE: &str = "\
# the shop
[transport]
url = \"http://x\" # local

# who buys
[entities.Buyer] # keep me
source = \"buyers\"
pattern = \"read-only\"

[entities.Buyer.attributes]
id = \"uuid\" # theirs

# the end
[contexts.Online]
entities = [\"Buyer\"] # more to come
";

    #[test]
    fn everything_that_was_there_stays() {
        let mut document: DocumentMut = FILE.parse().unwrap();
        entity(&mut document, &draft("Customer")).unwrap();
        assert!(context(&mut document, "Online", &["Customer"]).unwrap());
        assert!(context(&mut document, "Start", &["Customer"]).unwrap());
        let text = document.to_string();
        for line in FILE.lines().filter(|line| !line.starts_with("entities =")) {
            assert!(text.contains(line), "{line}\n---\n{text}");
        }
        assert!(
            text.contains("entities = [\"Buyer\", \"Customer\"] # more to come"),
            "{text}"
        );
        assert!(
            text.contains("[entities.Customer]\nsource = \"customers\""),
            "{text}"
        );
        assert!(
            text.contains("[contexts.Start]\nentities = [\"Customer\"]"),
            "{text}"
        );
        text.parse::<DocumentMut>().unwrap();
    }

    #[test]
    fn replacing_keeps_place_and_comment() {
        let mut document: DocumentMut = FILE.parse().unwrap();
        entity(&mut document, &draft("Buyer")).unwrap();
        let text = document.to_string();
        let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}\n---\n{text}"));
        assert!(at("# who buys") < at("[entities.Buyer]"));
        assert!(at("source = \"customers\"") < at("# the end"));
        assert!(!text.contains("buyers\""), "{text}");
    }

    #[test]
    fn a_context_of_all_needs_no_change() {
        let mut document: DocumentMut = "[contexts.Online]\nentities = \"all\"\n".parse().unwrap();
        assert!(!context(&mut document, "Online", &["Customer"]).unwrap());
    }

    #[test]
    fn one_line_tables_are_refused() {
        let mut document: DocumentMut = "entities = {}\n".parse().unwrap();
        let error = entity(&mut document, &draft("Customer")).unwrap_err();
        assert_eq!(error.code(), "config_form");
    }

    #[test]
    fn circles_are_seen() {
        let text = "[relations.a]\nchild = \"B\"\nattribute = \"a\"\nparent = \"A\"\n";
        let document: DocumentMut = text.parse().unwrap();
        let configured = Configured(&document);
        assert!(configured.closes_circle("A", "B"));
        assert!(!configured.closes_circle("B", "A"));
        assert!(!configured.closes_circle("A", "A"));
    }
}
