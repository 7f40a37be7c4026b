//! Names and pieces of SQL text shared by everything that talks to SQLite.

use onsync_core::schema::EntitySchema;

/// A name as an identifier. The schema's check keeps quotes out of names; doubling them is for names read from files.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The table that holds an entity's overlays, unquoted.
pub(crate) fn base_name(entity: &str) -> String {
    format!("_onsync_base_{entity}")
}

/// The view that shows an entity's metadata, unquoted.
pub(crate) fn view_name(entity: &str) -> String {
    format!("{entity}_sync")
}

/// The pieces of SQL of one entity.
pub(crate) struct Shape<'a> {
    /// The entity.
    pub(crate) entity: &'a EntitySchema,
    /// The visible table, quoted.
    pub(crate) table: String,
    /// The table of overlays, quoted.
    pub(crate) base: String,
    /// Key attributes, quoted, in key order.
    pub(crate) key: Vec<String>,
}

impl<'a> Shape<'a> {
    /// The pieces of an entity.
    pub(crate) fn of(entity: &'a EntitySchema) -> Self {
        Self {
            entity,
            table: quote(&entity.name),
            base: quote(&base_name(&entity.name)),
            key: entity.key.iter().map(|name| quote(name)).collect(),
        }
    }

    /// All attributes, quoted, in row order.
    pub(crate) fn columns(&self) -> String {
        let names: Vec<String> = self
            .entity
            .attributes
            .iter()
            .map(|attribute| quote(&attribute.name))
            .collect();
        names.join(", ")
    }

    /// The key attributes as a list.
    pub(crate) fn key_list(&self) -> String {
        self.key.join(", ")
    }

    /// `"a" = ?1 AND "b" = ?2`
    pub(crate) fn key_is_parameters(&self) -> String {
        let parts: Vec<String> = self
            .key
            .iter()
            .enumerate()
            .map(|(index, name)| format!("{name} = ?{}", index + 1))
            .collect();
        parts.join(" AND ")
    }

    /// `left."a" = right."a" AND …`
    pub(crate) fn key_equals(&self, left: &str, right: &str) -> String {
        let parts: Vec<String> = self
            .key
            .iter()
            .map(|name| format!("{left}.{name} = {right}.{name}"))
            .collect();
        parts.join(" AND ")
    }

    /// Conditions for keys behind and up to the parameters that follow, as row values; empty if there is no bound.
    pub(crate) fn range(&self, after: bool, to: bool) -> String {
        let width = self.key.len();
        let tuple = |first: usize| {
            let places: Vec<String> = (first..first + width).map(|place| format!("?{place}")).collect();
            places.join(", ")
        };
        let list = self.key_list();
        match (after, to) {
            (false, false) => String::new(),
            (true, false) => format!(" WHERE ({list}) > ({})", tuple(1)),
            (false, true) => format!(" WHERE ({list}) <= ({})", tuple(1)),
            (true, true) => {
                format!(
                    " WHERE ({list}) > ({}) AND ({list}) <= ({})",
                    tuple(1),
                    tuple(width + 1)
                )
            }
        }
    }
}
