//! Queries on local records: filter, order, limit and one to-one join.

use crate::record::Key;
use crate::value::{IntoValue, Value};

/// How a filter compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// equal; null equals null
    Equal,
    /// not equal
    NotEqual,
    /// less
    Less,
    /// less or equal
    AtMost,
    /// greater
    Greater,
    /// greater or equal
    AtLeast,
    /// text containing the value, ignoring ASCII case
    Contains,
}

/// One condition; a query's conditions all hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The attribute.
    pub attribute: String,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what.
    pub value: Value,
}

/// Ascending or descending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// smallest first, null before all
    Ascending,
    /// greatest first
    Descending,
}

/// A to-one join: the parent's attributes come along under `relation.attribute` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// The relation's name in configuration; the query's entity is its child.
    pub relation: String,
}

/// A query on the records of one entity.
///
/// ```
/// # use onsync_core::query::{Comparison, Query, Order};
/// let query = Query::entity("Appointment")
///     .filter("doctor", Comparison::Equal, 7i64)
///     .order_by("starts", Order::Ascending)
///     .limit(50);
/// assert_eq!(query.limit, Some(50));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The entity.
    pub entity: String,
    /// Conditions that all hold.
    pub conditions: Vec<Condition>,
    /// Attributes to sort by; ties by key.
    pub order: Vec<(String, Order)>,
    /// At most so many records.
    pub limit: Option<usize>,
    /// Skip so many first.
    pub offset: usize,
    /// A parent to bring along.
    pub join: Option<Join>,
    /// Only these keys.
    pub keys: Option<Vec<Key>>,
}

impl Query {
    /// All records of an entity.
    pub fn entity(entity: impl Into<String>) -> Self {
        Self {
            entity: entity.into(),
            conditions: Vec::new(),
            order: Vec::new(),
            limit: None,
            offset: 0,
            join: None,
            keys: None,
        }
    }

    /// Adds a condition.
    #[must_use]
    pub fn filter(
        mut self,
        attribute: impl Into<String>,
        comparison: Comparison,
        value: impl IntoValue,
    ) -> Self {
        self.conditions.push(Condition {
            attribute: attribute.into(),
            comparison,
            value: value.into_value(),
        });
        self
    }

    /// Adds a sort attribute.
    #[must_use]
    pub fn order_by(mut self, attribute: impl Into<String>, order: Order) -> Self {
        self.order.push((attribute.into(), order));
        self
    }

    /// At most so many records.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Skips so many records first.
    #[must_use]
    pub fn offset(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }

    /// Brings the parent of this relation along.
    #[must_use]
    pub fn join(mut self, relation: impl Into<String>) -> Self {
        self.join = Some(Join {
            relation: relation.into(),
        });
        self
    }
}

impl Condition {
    /// Whether a value fulfils the condition. Comparisons other than (in)equality never hold for null.
    pub fn holds(&self, found: &Value) -> bool {
        let comparable = !found.is_null() && !self.value.is_null();
        match self.comparison {
            Comparison::Equal => found == &self.value,
            Comparison::NotEqual => found != &self.value,
            Comparison::Less => comparable && found < &self.value,
            Comparison::AtMost => comparable && found <= &self.value,
            Comparison::Greater => comparable && found > &self.value,
            Comparison::AtLeast => comparable && found >= &self.value,
            Comparison::Contains => match (found, &self.value) {
                (Value::Text(text), Value::Text(part)) => {
                    text.to_ascii_lowercase().contains(&part.to_ascii_lowercase())
                }
                _ => false,
            },
        }
    }
}
