//! `onsync_key(type, unit, value, …)`: the canonical bytes of a key, computed by SQLite for each row.
//!
//! Only connections of this store know it; it is used in queries, never in triggers. It orders the rows of tables whose own order
//! is not that of canonical bytes: a key under NOCASE, UUIDs written in several ways.

use crate::plan::AttributePlan;
use crate::sql;
use crate::types::{Unit, read};
use onsync_core::ValueType;
use onsync_core::value::write_canonical;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, Error, Result};

pub(crate) const NAME: &str = "onsync_key";

/// What the function's error starts with when a stored value is not of its type.
pub(crate) const INVALID: &str = "onsync_key: a stored key is not ";

/// The function over these columns.
pub(crate) fn call<'a>(attributes: impl IntoIterator<Item = &'a AttributePlan>) -> String {
    let parts = attributes.into_iter().map(|attribute| {
        format!(
            "'{}', '{}', {}",
            attribute.value_type,
            attribute.form.unit().as_str(),
            sql::name(&attribute.column)
        )
    });
    format!("{NAME}({})", sql::join(parts, ", "))
}

/// Makes the function known to a connection.
pub(crate) fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function(NAME, -1, flags, compute)
}

fn compute(context: &Context<'_>) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(24);
    for at in (0..context.len()).step_by(3) {
        let wanted = ValueType::from_name(context.get_raw(at).as_str()?);
        let unit = Unit::from_name(context.get_raw(at + 1).as_str()?);
        let (Some(wanted), Some(unit)) = (wanted, unit) else {
            return Err(Error::UserFunctionError(
                "onsync_key: unknown type or unit".into(),
            ));
        };
        let value = read::decode(wanted, unit, context.get_raw(at + 2))
            .map_err(|_| Error::UserFunctionError(format!("{INVALID}{wanted}").into()))?;
        if value.is_null() {
            return Ok(None);
        }
        write_canonical(&value, &mut bytes);
    }
    Ok(Some(bytes))
}
