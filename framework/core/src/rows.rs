//! Many rows, held by columns: the shape of pages in memory and on the wire.

use crate::error::{Error, Result};
use crate::record::Row;
use crate::value::{Date, Decimal, LocalTimestamp, Time, Timestamp, Value, ValueType};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Bytes in a column; base64 in readable formats.
pub type ColumnBytes = crate::value::Blob;

macro_rules! columns {
    ($($variant:ident($rust:ty) = $wrap:expr, $unwrap:expr;)*) => {
        /// The values of one attribute for many rows, nulls included. The type is told once.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Column {
            $(
                #[doc = concat!("a column of type ", stringify!($variant))]
                $variant(Vec<Option<$rust>>),
            )*
        }

        impl Column {
            /// An empty column of that type with room for `capacity` values.
            pub fn new(value_type: ValueType, capacity: usize) -> Self {
                match value_type { $( ValueType::$variant => Self::$variant(Vec::with_capacity(capacity)), )* }
            }

            /// The type.
            pub fn value_type(&self) -> ValueType {
                match self { $( Self::$variant(_) => ValueType::$variant, )* }
            }

            /// How many values.
            pub fn len(&self) -> usize {
                match self { $( Self::$variant(values) => values.len(), )* }
            }

            /// Appends a value.
            ///
            /// # Errors
            /// `invalid_value` when it is of another type.
            pub fn push(&mut self, value: Value) -> Result<()> {
                match (self, value) {
                    $(
                        (Self::$variant(values), Value::$variant(value)) => values.push(Some($wrap(value))),
                        (Self::$variant(values), Value::Null) => values.push(None),
                    )*
                    (column, value) => return Err(mismatch(column.value_type(), &value)),
                }
                Ok(())
            }

            /// The value at a row; null beyond the end.
            pub fn value(&self, row: usize) -> Value {
                match self {
                    $( Self::$variant(values) => match values.get(row) {
                        Some(Some(value)) => Value::$variant($unwrap(value)),
                        _ => Value::Null,
                    }, )*
                }
            }

            /// Replaces the value at a row that exists.
            ///
            /// # Errors
            /// `invalid_value` when it is of another type.
            pub fn set(&mut self, row: usize, value: Value) -> Result<()> {
                match (self, value) {
                    $(
                        (Self::$variant(values), Value::$variant(value)) => {
                            if let Some(place) = values.get_mut(row) { *place = Some($wrap(value)); }
                        }
                        (Self::$variant(values), Value::Null) => {
                            if let Some(place) = values.get_mut(row) { *place = None; }
                        }
                    )*
                    (column, value) => return Err(mismatch(column.value_type(), &value)),
                }
                Ok(())
            }
        }
    };
}

fn same<T>(value: T) -> T {
    value
}

fn copy<T: Clone>(value: &T) -> T {
    value.clone()
}

fn mismatch(wanted: ValueType, found: &Value) -> Error {
    let found = found.value_type().map_or("null", ValueType::as_str);
    Error::rejected("invalid_value", format!("wanted {wanted}, found {found}"))
}

columns! {
    Boolean(bool) = same, copy;
    Integer(i64) = same, copy;
    Decimal(Decimal) = same, copy;
    Real(f64) = same, copy;
    Text(String) = same, copy;
    Date(Date) = same, copy;
    Time(Time) = same, copy;
    Timestamp(Timestamp) = same, copy;
    LocalTimestamp(LocalTimestamp) = same, copy;
    Uuid(Uuid) = same, copy;
    Json(String) = same, copy;
    Bytes(ColumnBytes) = ColumnBytes::from, copy_bytes;
}

fn copy_bytes(value: &ColumnBytes) -> Vec<u8> {
    value.as_slice().to_vec()
}

impl Column {
    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of values, about what [`Value::size`] says of each.
    pub fn size(&self) -> usize {
        match self {
            Self::Text(values) | Self::Json(values) => values.iter().flatten().map(String::len).sum(),
            Self::Bytes(values) => values.iter().flatten().map(|bytes| bytes.as_slice().len()).sum(),
            Self::Decimal(values) => values
                .iter()
                .flatten()
                .map(|decimal| decimal.as_str().len())
                .sum(),
            Self::Uuid(values) => values.len() * 16,
            Self::Boolean(values) => values.len(),
            other => other.len() * 8,
        }
    }

    /// Keeps the rows for which `keep` is true.
    pub fn retain(&mut self, keep: &[bool]) {
        macro_rules! retain {
            ($($variant:ident)*) => { match self { $( Self::$variant(values) => {
                let mut index = 0;
                values.retain(|_| { index += 1; keep.get(index - 1).copied().unwrap_or(false) });
            } )* } };
        }
        retain!(Boolean Integer Decimal Real Text Date Time Timestamp LocalTimestamp Uuid Json Bytes);
    }
}

/// Many rows of one entity, aligned with a list of columns.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowSet {
    columns: Vec<Column>,
}

impl RowSet {
    /// No rows, of these types, with room for `capacity` rows.
    pub fn new(types: impl IntoIterator<Item = ValueType>, capacity: usize) -> Self {
        Self {
            columns: types
                .into_iter()
                .map(|value_type| Column::new(value_type, capacity))
                .collect(),
        }
    }

    /// From columns of equal length.
    ///
    /// # Errors
    /// `invalid_page` when the lengths differ.
    pub fn from_columns(columns: Vec<Column>) -> Result<Self> {
        let rows = Self { columns };
        rows.check()?;
        Ok(rows)
    }

    /// Refuses columns of different lengths, which a decoder cannot rule out.
    ///
    /// # Errors
    /// `invalid_page`.
    pub fn check(&self) -> Result<()> {
        let length = self.len();
        if self.columns.iter().all(|column| column.len() == length) {
            return Ok(());
        }
        Err(Error::corrupt(
            "invalid_page",
            "wanted columns of equal length, found different lengths",
        ))
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, Column::len)
    }

    /// Bytes of values, about what [`Value::size`] says of each.
    pub fn size(&self) -> usize {
        self.columns().iter().map(Column::size).sum()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns, to append to or rewrite in place; the caller keeps their lengths equal.
    pub fn columns_mut(&mut self) -> &mut [Column] {
        &mut self.columns
    }

    /// The value of one row in one column.
    pub fn value(&self, row: usize, column: usize) -> Value {
        self.columns
            .get(column)
            .map(|column| column.value(row))
            .unwrap_or_default()
    }

    /// One row.
    pub fn row(&self, row: usize) -> Row {
        self.columns.iter().map(|column| column.value(row)).collect()
    }

    /// The rows, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = Row> + '_ {
        (0..self.len()).map(|row| self.row(row))
    }

    /// Appends one row aligned with the columns.
    ///
    /// # Errors
    /// `invalid_value`, `invalid_page`; nothing is appended then.
    pub fn push(&mut self, row: Row) -> Result<()> {
        if row.len() != self.columns.len() {
            return Err(Error::corrupt(
                "invalid_page",
                format!(
                    "wanted a row of {} values, found {}",
                    self.columns.len(),
                    row.len()
                ),
            ));
        }
        let wrong = self.columns.iter().zip(&row).find(|(column, value)| {
            value
                .value_type()
                .is_some_and(|found| found != column.value_type())
        });
        if let Some((column, value)) = wrong {
            return Err(mismatch(column.value_type(), value));
        }
        for (column, value) in self.columns.iter_mut().zip(row) {
            column.push(value)?;
        }
        Ok(())
    }

    /// Keeps the rows for which `keep` is true.
    pub fn retain(&mut self, keep: &[bool]) {
        for column in &mut self.columns {
            column.retain(keep);
        }
    }
}
