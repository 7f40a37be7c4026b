//! The triggers of one table: which rows a statement touches, whoever runs it.
//!
//! They mark keys in the table's change table and do nothing else. What they rely on:
//!
//! - A change row is written as `DELETE`, then `INSERT`: the conflict clause of the statement that fired a trigger
//!   overrides every clause inside it.
//! - `REPLACE` removes rows without firing delete triggers. So before each insert and update they mark every row that shares
//!   the new values of a unique index, compared as that index compares.
//! - The position is raised inside the trigger, so inside the write lock: positions order commits.
//! - Only functions and syntax of SQLite 3.22, so that any program may write to the table.

use crate::catalog::{Table, Unique};
use crate::plan::change_table;
use crate::sql;

/// What must exist for one table.
#[derive(Clone, Debug)]
pub(crate) struct Tracking {
    pub(crate) table: Table,
    /// names of the key columns, in the order of the table
    pub(crate) key: Vec<String>,
}

impl Tracking {
    pub(crate) fn changes(&self) -> String {
        change_table(&self.table)
    }

    /// The change table's column for a key column.
    pub(crate) fn change_key(&self, column: &str) -> Option<String> {
        self.key
            .iter()
            .position(|key| key.eq_ignore_ascii_case(column))
            .map(|index| format!("key_{}", index + 1))
    }

    /// The next row id as SQL, of a table that names its records by row ids and gives the highest again once its row is deleted: one that is
    /// above every key that is there or whose deletion is remembered. Null at the end of all numbers, where the database finds a free one.
    pub(crate) fn next_row_id(&self) -> Option<String> {
        let highest = self.highest_row_id()?;
        let (table, id) = (
            sql::name(&self.table.name),
            sql::name(self.table.row_id.as_ref()?),
        );
        Some(format!(
            "(SELECT CASE WHEN highest < {} THEN highest + 1 END FROM \
             (SELECT max(coalesce((SELECT max({id}) FROM {table}), 0), coalesce({highest}, 0)) AS highest))",
            i64::MAX
        ))
    }

    /// The highest row id that is remembered as SQL, of such a table.
    pub(crate) fn highest_row_id(&self) -> Option<String> {
        let named_by_it = self.key.iter().eq(&self.table.row_id);
        let changes = sql::name(&self.changes());
        let highest = format!("(SELECT max(key_1) FROM {changes} WHERE scope = '')");
        (named_by_it && !self.table.autoincrement).then_some(highest)
    }

    fn change_keys(&self) -> Vec<String> {
        (1..=self.key.len()).map(|index| format!("key_{index}")).collect()
    }

    /// Name and text of the change table and its index, as SQLite keeps them.
    pub(crate) fn tables(&self) -> Vec<(String, String)> {
        let changes = self.changes();
        let index = format!("{changes}_by_position");
        let keys = self.change_keys();
        let typed = self.key.iter().zip(&keys).map(|(column, key)| {
            let affinity = self
                .table
                .column(column)
                .map_or("", |column| column.affinity.declaration());
            format!("{key} {affinity} NOT NULL, ")
        });
        let create = format!(
            "CREATE TABLE {} (scope TEXT NOT NULL, {}position INTEGER NOT NULL, PRIMARY KEY (scope, {})) WITHOUT ROWID",
            sql::name(&changes),
            sql::join(typed, ""),
            sql::join(&keys, ", ")
        );
        let create_index = format!(
            "CREATE INDEX {} ON {} (scope, position)",
            sql::name(&index),
            sql::name(&changes)
        );
        vec![(changes, create), (index, create_index)]
    }

    /// Name and text of each trigger, as SQLite keeps them.
    pub(crate) fn triggers(&self) -> Vec<(String, String)> {
        let mut triggers = vec![
            self.trigger("after_insert", "AFTER INSERT", None, self.mark("NEW")),
            self.trigger("after_update", "AFTER UPDATE", None, self.mark("NEW")),
            self.trigger(
                "after_update_key",
                "AFTER UPDATE",
                Some(format!("NOT ({})", self.same_key("NEW", "OLD"))),
                self.mark("OLD"),
            ),
            self.trigger("after_delete", "AFTER DELETE", None, self.mark("OLD")),
        ];
        for (number, matches) in self.displacing().into_iter().enumerate() {
            triggers.push(self.displace(
                &format!("before_insert_{}", number + 1),
                "BEFORE INSERT",
                &matches,
            ));
            let others = format!(
                "{matches} AND NOT ({})",
                self.same_key(&sql::name(&self.table.name), "OLD")
            );
            triggers.push(self.displace(&format!("before_update_{}", number + 1), "BEFORE UPDATE", &others));
        }
        triggers
    }

    fn trigger(&self, suffix: &str, event: &str, when: Option<String>, body: String) -> (String, String) {
        let name = format!("_onsync_{}_{suffix}", self.table.name);
        let when = when.map_or_else(String::new, |when| format!(" WHEN {when}"));
        let create = format!(
            "CREATE TRIGGER {} {event} ON {} FOR EACH ROW{when} BEGIN {body} END",
            sql::name(&name),
            sql::name(&self.table.name)
        );
        (name, create)
    }

    /// Marks the key of `NEW` or `OLD`. A row without a whole key cannot be named and is no record.
    fn mark(&self, row: &str) -> String {
        let changes = sql::name(&self.changes());
        let keys = self.change_keys();
        let values: Vec<String> = self
            .key
            .iter()
            .map(|column| format!("{row}.{}", sql::name(column)))
            .collect();
        let equal = keys
            .iter()
            .zip(&values)
            .map(|(key, value)| format!("{key} = {value} COLLATE BINARY"));
        let whole = values.iter().map(|value| format!("{value} IS NOT NULL"));
        format!(
            "{RAISE} DELETE FROM {changes} WHERE scope = '' AND {}; \
             INSERT INTO {changes} (scope, {}, position) SELECT '', {}, {POSITION} WHERE {};",
            sql::join(equal, " AND "),
            sql::join(&keys, ", "),
            sql::join(&values, ", "),
            sql::join(whole, " AND ")
        )
    }

    /// Marks the rows that `matches` names.
    fn displace(&self, suffix: &str, event: &str, matches: &str) -> (String, String) {
        let table = sql::name(&self.table.name);
        let changes = sql::name(&self.changes());
        let keys = sql::join(self.change_keys(), ", ");
        let columns: Vec<String> = self
            .key
            .iter()
            .map(|column| format!("{table}.{}", sql::name(column)))
            .collect();
        let whole = columns.iter().map(|column| format!(" AND {column} IS NOT NULL"));
        let found = format!("FROM {table} WHERE {matches}{}", sql::join(whole, ""));
        let columns = sql::join(columns, ", ");
        let body = format!(
            "{RAISE} DELETE FROM {changes} WHERE scope = '' AND ({keys}) IN (SELECT {columns} {found}); \
             INSERT INTO {changes} (scope, {keys}, position) SELECT '', {columns}, {POSITION} {found};"
        );
        self.trigger(
            suffix,
            event,
            Some(format!("EXISTS (SELECT 1 FROM {table} WHERE {matches})")),
            body,
        )
    }

    fn same_key(&self, one: &str, other: &str) -> String {
        let same = self
            .key
            .iter()
            .map(|column| sql::name(column))
            .map(|column| format!("{one}.{column} IS {other}.{column} COLLATE BINARY"));
        sql::join(same, " AND ")
    }

    /// For each way in which a new row can displace another, the condition that finds that other row.
    fn displacing(&self) -> Vec<String> {
        let table = sql::name(&self.table.name);
        let row_id = self.table.row_id.as_deref().map(sql::name);
        let hidden = self.table.hidden_row_id().map(str::to_owned);
        let by_row_id = row_id.or(hidden).map(|id| format!("{table}.{id} = NEW.{id}"));
        by_row_id
            .into_iter()
            .chain(self.table.uniques.iter().map(|unique| self.matching(unique)))
            .collect()
    }

    fn matching(&self, unique: &Unique) -> String {
        let table = sql::name(&self.table.name);
        let parts = unique.parts.iter().map(|(column, collation)| {
            let described = self.table.column(column);
            let name = sql::name(column);
            // `INSERT OR REPLACE` stores the default in place of a null that the column refuses.
            let value = match described
                .and_then(|described| described.default.as_ref().filter(|_| described.not_null))
            {
                Some(default) => format!("coalesce(NEW.{name}, ({}))", default_literal(default)),
                None => format!("NEW.{name}"),
            };
            format!("{table}.{name} = {value} COLLATE {}", sql::name(collation))
        });
        let matches = sql::join(parts, " AND ");
        match &unique.predicate {
            Some(predicate) => format!("{matches} AND ({predicate})"),
            None => matches,
        }
    }
}

/// A default as an expression: SQLite takes a name in double quotes there as a text.
fn default_literal(default: &str) -> String {
    let text = default.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    text.map_or_else(
        || default.to_owned(),
        |text| sql::text(&text.replace("\"\"", "\"")),
    )
}

const RAISE: &str = "UPDATE \"_onsync_position\" SET position = position + 1;";
const POSITION: &str = "(SELECT position FROM \"_onsync_position\")";
