//! One table of the server's database, with its unique indexes and its tracked changes.

use crate::error::{Error, Result};
use crate::memory::map::{Bytes, OrderedMap};
use crate::ordered::BTreeSet;
use crate::record::{Fields, Key, Row};
use crate::value::{Value, ValueType, canonical_bytes};
use std::ops::Bound;
use std::sync::Arc;

/// One column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) value_type: ValueType,
    /// What a row holds where nothing is said.
    pub(super) default: Value,
}

/// A constraint: no two rows have the same values in these columns; null equals nothing.
#[derive(Clone)]
struct Unique {
    columns: Vec<usize>,
    keys: OrderedMap<Bytes>,
}

/// Which keys changed, for which scope values, at which position.
#[derive(Clone, Default)]
pub(super) struct Tracking {
    pub(super) installed: bool,
    /// It was installed at some time, so devices may have checkpoints.
    pub(super) ever: bool,
    pub(super) newest: u64,
    pub(super) horizon: u64,
    /// Key and scope value → position: one row per scope value and key.
    changes: OrderedMap<u64>,
    /// Scope value and position → key.
    log: OrderedMap<Bytes>,
}

#[derive(Clone)]
pub(super) struct Table {
    pub(super) name: Arc<str>,
    pub(super) columns: Arc<Vec<Column>>,
    /// Places of the key's columns.
    pub(super) key: Arc<Vec<usize>>,
    pub(super) rows: OrderedMap<Arc<Row>>,
    /// The greatest integer key ever used.
    pub(super) issued: i64,
    /// The column whose values are scope values.
    pub(super) scope: Option<usize>,
    pub(super) tracking: Tracking,
    uniques: Vec<Unique>,
}

impl Table {
    pub(super) fn new(name: &str, columns: Vec<Column>, key: Vec<usize>) -> Self {
        Self {
            name: name.into(),
            columns: Arc::new(columns),
            key: Arc::new(key),
            rows: OrderedMap::default(),
            issued: 0,
            scope: None,
            tracking: Tracking::default(),
            uniques: Vec::new(),
        }
    }

    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The place of a column.
    pub(super) fn require(&self, name: &str) -> Result<usize> {
        self.column(name).ok_or_else(|| {
            let known = self.columns.iter().map(|column| &column.name);
            Error::rejected(
                "column_missing",
                format!(
                    "table `{}` has no column `{name}`; it has {}",
                    self.name,
                    crate::error::list_names(known)
                ),
            )
        })
    }

    pub(super) fn key_of(&self, row: &Row) -> Key {
        Key(self.key.iter().map(|place| row[*place].clone()).collect())
    }

    /// Refuses a key that cannot name a row.
    pub(super) fn check_key(&self, key: &Key) -> Result<()> {
        let fits = key.0.len() == self.key.len()
            && key
                .0
                .iter()
                .zip(self.key.iter())
                .all(|(value, place)| value.value_type() == Some(self.columns[*place].value_type));
        if fits {
            return Ok(());
        }
        let names = self.key.iter().map(|place| &self.columns[*place].name);
        Err(Error::rejected(
            "invalid_key",
            format!(
                "wanted a key of the columns {} with a value of its type for each, found `{key}`",
                crate::error::list_names(names)
            ),
        )
        .at(&*self.name))
    }

    /// A row as named columns.
    pub(super) fn fields(&self, row: &Row) -> Fields {
        let columns = self.columns.iter().map(|column| column.name.as_str());
        columns.zip(row.iter().cloned()).collect()
    }

    /// A row of defaults.
    pub(super) fn blank(&self) -> Row {
        self.columns.iter().map(|column| column.default.clone()).collect()
    }

    pub(super) fn add_column(&mut self, column: Column) {
        let mut rows = OrderedMap::default();
        for (key, row) in self.rows.iter() {
            let mut row = Row::clone(row);
            row.push(column.default.clone());
            rows.insert(key, Arc::new(row));
        }
        self.rows = rows;
        Arc::make_mut(&mut self.columns).push(column);
    }

    pub(super) fn add_unique(&mut self, columns: Vec<usize>) -> Result<()> {
        let mut unique = Unique {
            columns,
            keys: OrderedMap::default(),
        };
        for (key, row) in self.rows.iter() {
            if let Some(values) = unique.values(row)
                && unique.keys.insert(&values, key.clone()).is_some()
            {
                return Err(self.violated(&unique, "two rows have the same values already"));
            }
        }
        self.uniques.push(unique);
        Ok(())
    }

    fn violated(&self, unique: &Unique, what: &str) -> Error {
        let names = unique.columns.iter().map(|place| &self.columns[*place].name);
        violated(
            &self.name,
            format!("unique {}: {what}", crate::error::list_names(names)),
        )
    }

    /// The keys of other rows that stand in the way of this one by a unique constraint.
    pub(super) fn in_the_way(&self, key: &[u8], row: &Row) -> BTreeSet<Bytes> {
        let uniques = self.uniques.iter();
        uniques
            .filter_map(|unique| unique.keys.get(&unique.values(row)?))
            .filter(|found| found.as_ref() != key)
            .cloned()
            .collect()
    }

    /// Refuses a row that breaks a unique constraint.
    pub(super) fn check_unique(&self, key: &[u8], row: &Row) -> Result<()> {
        let broken = self.uniques.iter().find(|unique| {
            unique
                .values(row)
                .and_then(|values| unique.keys.get(&values))
                .is_some_and(|found| found.as_ref() != key)
        });
        match broken {
            Some(unique) => Err(self.violated(unique, "another row has these values")),
            None => Ok(()),
        }
    }

    /// Writes or removes a row and tracks it; constraints are checked before.
    pub(super) fn set(&mut self, key: &[u8], row: Option<Row>, position: &mut u64) {
        let after = row.map(Arc::new);
        let before = match &after {
            Some(row) => self.rows.insert(key, row.clone()),
            None => self.rows.remove(key),
        };
        for unique in &mut self.uniques {
            if let Some(values) = before.as_ref().and_then(|row| unique.values(row)) {
                unique.keys.remove(&values);
            }
            if let Some(values) = after.as_ref().and_then(|row| unique.values(row)) {
                unique.keys.insert(&values, key.into());
            }
        }
        if let Some([Value::Integer(used)]) = after
            .as_ref()
            .map(|row| self.key_of(row))
            .as_ref()
            .map(Key::values)
        {
            self.issued = self.issued.max(*used);
        }
        if !self.tracking.installed {
            return;
        }
        let mut scopes = BTreeSet::from([String::new()]);
        scopes.extend(
            [&before, &after]
                .into_iter()
                .flatten()
                .filter_map(|row| self.scope_of(row)),
        );
        *position += 1;
        self.tracking.stamp(key, scopes, after.is_none(), *position);
    }

    /// The scope value of a row, besides the empty one that every row has.
    fn scope_of(&self, row: &Row) -> Option<String> {
        let value = &row[self.scope?];
        (!value.is_null()).then(|| value.to_string())
    }

    /// Whether a row is in a scope.
    pub(super) fn is_in(&self, row: &Row, scope: &str) -> bool {
        scope.is_empty() || self.scope_of(row).is_some_and(|found| found == scope)
    }
}

impl Unique {
    fn values(&self, row: &Row) -> Option<Vec<u8>> {
        let values: Vec<Value> = self.columns.iter().map(|place| row[*place].clone()).collect();
        (!values.iter().any(Value::is_null)).then(|| canonical_bytes(&values))
    }
}

impl Tracking {
    fn scope_bytes(scope: &str) -> Vec<u8> {
        canonical_bytes(&[Value::Text(scope.to_owned())])
    }

    /// The key's rows in the change table: scope bytes and position.
    fn rows_of<'a>(&'a self, key: &'a [u8]) -> impl Iterator<Item = (&'a [u8], u64)> {
        let rows = self.changes.scan(Bound::Included(key));
        rows.map_while(move |(bytes, position)| Some((bytes.strip_prefix(key)?, *position)))
    }

    fn stamp(&mut self, key: &[u8], scopes: BTreeSet<String>, deleted: bool, position: u64) {
        let mut all: BTreeSet<Vec<u8>> = scopes.iter().map(|scope| Self::scope_bytes(scope)).collect();
        if deleted {
            all.extend(self.rows_of(key).map(|(scope, _)| scope.to_vec()));
        }
        for scope in all {
            let change = [key, &scope].concat();
            if let Some(before) = self.changes.insert(&change, position) {
                self.log.remove(&[&scope[..], &before.to_be_bytes()].concat());
            }
            let entry = [&scope[..], &position.to_be_bytes()].concat();
            self.log.insert(&entry, key.into());
        }
        self.newest = position;
    }

    /// Positions above `after` and their keys, in one scope, by position.
    pub(super) fn since(&self, scope: &str, after: u64) -> impl Iterator<Item = (u64, &Bytes)> {
        let scope = Self::scope_bytes(scope);
        let from = [&scope[..], &after.to_be_bytes()].concat();
        self.log
            .scan(Bound::Excluded(&from))
            .map_while(move |(entry, key)| {
                let position = entry.strip_prefix(&scope[..])?.try_into().ok()?;
                Some((u64::from_be_bytes(position), key))
            })
    }

    /// Forgets all changes up to a position; returns how many.
    pub(super) fn prune(&mut self, position: u64) -> u64 {
        let before = self.changes.iter().count();
        let mut changes = OrderedMap::default();
        for (change, stamped) in self.changes.iter().filter(|(_, stamped)| **stamped > position) {
            changes.insert(change, *stamped);
        }
        let mut log = OrderedMap::default();
        for (entry, key) in self.log.iter() {
            let stamped = entry.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
            if stamped > position {
                log.insert(entry, key.clone());
            }
        }
        let forgotten = before - changes.iter().count();
        self.changes = changes;
        self.log = log;
        self.horizon = self.horizon.max(position);
        u64::try_from(forgotten).unwrap_or(u64::MAX)
    }
}

/// A constraint of the database was broken.
pub(super) fn violated(table: &str, what: String) -> Error {
    Error::rejected(
        "constraint_violated",
        format!("the database refused the statement ({what}); change the values"),
    )
    .at(table)
}
