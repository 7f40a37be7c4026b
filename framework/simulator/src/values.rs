//! Values that occur once in a world: whoever meets one knows which write it came from.

use onsync_core::schema::{EntitySchema, Ids, Schema};
use onsync_core::value::{Date, Time, Timestamp};
use onsync_core::{Key, Value, ValueType};
use uuid::Uuid;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Counts below this are never used for unique values, so that small keys and they do not meet.
const FIRST: u64 = 1_000;

/// What makes a written text invalid for the server of a world.
pub(crate) const BAD: char = '!';

/// Whether values of this type can be told apart.
pub(crate) fn can_be_unique(value_type: ValueType) -> bool {
    !matches!(value_type, ValueType::Boolean | ValueType::Date | ValueType::Time)
}

/// The value with this number.
pub(crate) fn unique(value_type: ValueType, number: u64, bad: bool) -> Value {
    let count = i64::try_from(FIRST + number).unwrap_or(i64::MAX);
    match value_type {
        ValueType::Integer => Value::Integer(count),
        // Below 2⁵² every integer is exact.
        #[expect(clippy::cast_precision_loss, reason = "far below 2⁵²")]
        ValueType::Real => Value::Real(count as f64 + 0.5),
        ValueType::Decimal => format!("{count}.25").parse().map_or(Value::Null, Value::Decimal),
        ValueType::Text if bad => Value::Text(format!("v{count}{BAD}")),
        ValueType::Text => Value::Text(format!("v{count}")),
        ValueType::Json => Value::Json(format!("{{\"v\":{count}}}")),
        ValueType::Bytes => Value::Bytes(count.to_be_bytes().to_vec()),
        ValueType::Uuid => Value::Uuid(Uuid::from_u128(u128::from(number) << 32 | 0xf00d)),
        ValueType::Timestamp => {
            Timestamp::from_count(count * 1_000_000).map_or(Value::Null, Value::Timestamp)
        }
        ValueType::LocalTimestamp => onsync_core::value::LocalTimestamp::from_count(count * 1_000_000)
            .map_or(Value::Null, Value::LocalTimestamp),
        ValueType::Boolean => Value::Boolean(number.is_multiple_of(2)),
        // One after the other from 1972 on, for four million of them.
        ValueType::Date => i32::try_from(count)
            .map_or_else(
                |_| Ok(Value::Null),
                |days| Date::from_count(days).map(Value::Date),
            )
            .unwrap_or(Value::Null),
        ValueType::Time => Time::from_count(count % DAY).map_or(Value::Null, Value::Time),
    }
}

/// A key value out of a small space, so that devices meet.
pub(crate) fn small(value_type: ValueType, number: u64) -> Value {
    let count = i64::try_from(number).unwrap_or_default() + 1;
    match value_type {
        ValueType::Integer => Value::Integer(count),
        ValueType::Text => Value::Text(format!("k{count}")),
        ValueType::Uuid => Value::Uuid(Uuid::from_u128(u128::from(number) + 1)),
        ValueType::Bytes => Value::Bytes(vec![u8::try_from(count).unwrap_or_default()]),
        ValueType::Boolean => Value::Boolean(number.is_multiple_of(2)),
        other => unique(other, number, false),
    }
}

/// What the simulator needs to know of an entity.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// Positions of attributes whose values tell their writes: not part of the key, no references.
    pub(crate) tokens: Vec<usize>,
    /// The one among them that is written once, when the record is made: what names a record whose key the server issues.
    pub(crate) tag: Option<usize>,
    /// Attributes that refer to a parent, with its name.
    pub(crate) references: Vec<(usize, String)>,
    /// Whether nothing names this entity's records on a device and on the server alike: the server issues their keys and they hold nothing that
    /// tells them apart, or their keys refer to such keys. What they hold and how many there are is all that can be compared.
    pub(crate) nameless: bool,
}

impl Facts {
    pub(crate) fn of(schema: &Schema, entity: &EntitySchema) -> Self {
        let references: Vec<(usize, String)> = schema
            .parents_of(&entity.name)
            .filter_map(|relation| Some((entity.index_of(&relation.attribute)?, relation.parent.clone())))
            .collect();
        let mut tokens: Vec<usize> = (0..entity.attributes.len())
            .filter(|index| {
                let attribute = &entity.attributes[*index];
                !entity.is_key(*index)
                    && !attribute.local
                    && can_be_unique(attribute.value_type)
                    && !references.iter().any(|(reference, _)| reference == index)
            })
            .collect();
        // Where the server issues the key nothing else names a record, so an only attribute names it and is never edited.
        let needed = match entity.ids {
            Ids::Client => 2,
            Ids::Server => 1,
        };
        let tag = (tokens.len() >= needed).then(|| tokens.remove(0));
        let issued = |parent: &str| {
            schema
                .entity(parent)
                .is_ok_and(|parent| parent.ids == Ids::Server)
        };
        let nameless = match entity.ids {
            Ids::Server => tag.is_none(),
            Ids::Client => references
                .iter()
                .any(|(index, parent)| entity.is_key(*index) && issued(parent)),
        };
        Self {
            tokens,
            tag,
            references,
            nameless,
        }
    }

    /// What the record was given when it was made.
    pub(crate) fn tag_of(&self, row: &[Value]) -> Option<Value> {
        row.get(self.tag?).cloned()
    }

    /// What names a record for good: its key, or its tag where devices do not know the server's key.
    pub(crate) fn identity(&self, entity: &EntitySchema, row: &[Value]) -> Option<Key> {
        match entity.ids {
            _ if self.nameless => None,
            Ids::Client => Some(entity.key_of(row)),
            Ids::Server => {
                let tag = row.get(self.tag?)?;
                (!tag.is_null()).then(|| Key(vec![tag.clone()]))
            }
        }
    }
}
