//! What `onsync add` is going to write, as plain values.

use onsync_core::ValueType;

/// One entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) table: String,
    pub(crate) pattern: String,
    pub(crate) key: Vec<String>,
    /// Whether the database issues keys; none where nobody creates records on devices.
    pub(crate) server_ids: Option<bool>,
    pub(crate) attributes: Vec<DraftAttribute>,
}

impl Draft {
    /// Whether conflicts may be open; a new entity then holds only the records they are about.
    pub(crate) fn detects_conflicts(&self) -> bool {
        self.pattern == "read-write-conflict-detection"
    }
}

/// One attribute; it is called like its column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DraftAttribute {
    pub(crate) name: String,
    pub(crate) value_type: ValueType,
}

/// One relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DraftRelation {
    pub(crate) name: String,
    pub(crate) child: String,
    pub(crate) attribute: String,
    pub(crate) parent: String,
    /// The word of `on_delete`.
    pub(crate) on_delete: &'static str,
}

/// `WorkOrderPart` → `work_order_part`, `InvoiceID` → `invoice_id`.
pub(crate) fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| letters.get(before));
        let after = letters.get(index + 1);
        let begins_word = letter.is_uppercase()
            && (before.is_some_and(|before| before.is_lowercase() || before.is_ascii_digit())
                || (before.is_some_and(|before| before.is_uppercase())
                    && after.is_some_and(|after| after.is_lowercase())));
        if begins_word {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase().map(|letter| {
            if letter == ' ' || letter == '-' {
                '_'
            } else {
                letter
            }
        }));
    }
    snake
}

/// How the plural of a snake-case word may be written.
fn plurals(word: &str) -> Vec<String> {
    let mut plurals = vec![format!("{word}s"), format!("{word}es")];
    if let Some(stem) = word.strip_suffix('y') {
        plurals.push(format!("{stem}ies"));
    }
    plurals
}

/// The table an entity's name means: itself, or the same in snake case or in the plural.
pub(crate) fn find_table<'t>(entity: &str, tables: &'t [String]) -> Option<&'t String> {
    let find = |wanted: &str| tables.iter().find(|table| table.eq_ignore_ascii_case(wanted));
    let snake = snake_case(entity);
    tables
        .iter()
        .find(|table| *table == entity)
        .or_else(|| find(entity))
        .or_else(|| find(&snake))
        .or_else(|| {
            plurals(&entity.to_lowercase())
                .iter()
                .find_map(|plural| find(plural))
        })
        .or_else(|| plurals(&snake).iter().find_map(|plural| find(plural)))
}

/// Names that look like the wanted one, nearest first, at most three.
pub(crate) fn near<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let wanted = wanted.to_lowercase();
    let mut near: Vec<(f64, &str)> = names
        .map(|name| (strsim::jaro_winkler(&wanted, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    near.into_iter().map(|(_, name)| name).take(3).collect()
}

/// A name for the relation through this attribute: `customer_id` and `CustomerId` → `customer`; with the child's name in front
/// where that is taken.
pub(crate) fn relation_name(child: &str, attribute: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let snake = snake_case(attribute);
    let stem = snake
        .strip_suffix("_id")
        .or_else(|| snake.strip_suffix("_no"))
        .filter(|stem| !stem.is_empty())
        .unwrap_or(&snake)
        .to_owned();
    if !is_taken(&stem) {
        return stem;
    }
    let long = format!("{}_{stem}", snake_case(child));
    let mut name = long.clone();
    let mut number = 2;
    while is_taken(&name) {
        name = format!("{long}_{number}");
        number += 1;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_snake_case() {
        for (name, snake) in [
            ("WorkOrderPart", "work_order_part"),
            ("InvoiceID", "invoice_id"),
            ("HTTPServer", "http_server"),
            ("customers", "customers"),
            ("Order Line", "order_line"),
        ] {
            assert_eq!(snake_case(name), snake);
        }
    }

    #[test]
    fn entities_find_their_tables() {
        let tables = ["work_orders", "Artist", "companies", "boxes", "Visit", "visits"].map(str::to_owned);
        for (entity, table) in [
            ("WorkOrder", Some("work_orders")),
            ("artist", Some("Artist")),
            ("Company", Some("companies")),
            ("Box", Some("boxes")),
            ("Visit", Some("Visit")),
            ("visits", Some("visits")),
            ("Doctor", None),
        ] {
            assert_eq!(find_table(entity, &tables).map(String::as_str), table, "{entity}");
        }
    }

    #[test]
    fn relations_are_named_after_what_they_lead_to() {
        assert_eq!(relation_name("Invoice", "CustomerId", |_| false), "customer");
        assert_eq!(
            relation_name("Invoice", "CustomerId", |name| name == "customer"),
            "invoice_customer"
        );
        let taken = ["customer", "invoice_customer"];
        assert_eq!(
            relation_name("Invoice", "customer_id", |name| taken.contains(&name)),
            "invoice_customer_2"
        );
        assert_eq!(relation_name("Part", "article_no", |_| false), "article");
        assert_eq!(relation_name("Part", "_id", |_| false), "_id");
    }

    #[test]
    fn near_names_come_nearest_first() {
        let names = ["Customer", "Custom", "Track"];
        assert_eq!(near("Custmer", names.into_iter())[0], "Customer");
        assert!(near("Zebra", names.into_iter()).is_empty());
    }
}
