//! Atomic groups of the app: which records were written as one, kept from the transaction that wrote them until they are cut.

use super::areas::{self, Areas, entity_key};
use super::search::members;
use onsync_core::ordered::{BTreeMap, BTreeSet};
use onsync_core::schema::Schema;
use onsync_core::store::local::LocalTransaction;
use onsync_core::{Error, Key, Result, Value};
use uuid::Uuid;

/// Notes that these records are of one group, with those of every group that one of them is of already. In the app's transaction.
///
/// # Errors
/// `group_too_large`: more records, or more bytes, than the limits given.
pub(crate) async fn bind_group(
    schema: &Schema,
    tx: &mut dyn LocalTransaction,
    written: BTreeSet<(String, Key)>,
    group: Uuid,
    (most, most_bytes): (usize, usize),
) -> Result<()> {
    let travels = |name: &str| schema.entity(name).is_ok_and(|entity| !entity.local);
    let mut all: BTreeSet<(String, Key)> = written.into_iter().filter(|(name, _)| travels(name)).collect();
    let mut others: BTreeMap<Uuid, Vec<(String, Key)>> = BTreeMap::new();
    for ((place, key), other) in members(schema, tx).await? {
        let name = schema.entities[place].name.clone();
        others.entry(other).or_default().push((name, key));
    }
    let common = |records: &Vec<(String, Key)>| records.iter().any(|record| all.contains(record));
    let joined: Vec<_> = others.into_values().filter(common).flatten().collect();
    all.extend(joined);
    if all.len() > most {
        return Err(too_large(&format!("{most} records"), &all.len().to_string()));
    }
    let mut bytes = 0_usize;
    for (name, key) in &all {
        let entity = schema.entity(name)?;
        let row = tx.get(entity, std::slice::from_ref(key)).await?.pop().flatten();
        bytes += row.map_or(0, |row| row.iter().map(Value::size).sum());
    }
    if bytes > most_bytes {
        return Err(too_large(&format!("{most_bytes} bytes"), &bytes.to_string()));
    }
    if all.len() > 1 {
        for (name, key) in all {
            tx.store(areas::GROUP, &entity_key(&name, &key.to_bytes()), &group)
                .await?;
        }
    }
    Ok(())
}

fn too_large(wanted: &str, found: &str) -> Error {
    Error::rejected(
        "group_too_large",
        format!(
            "wanted at most {wanted} in one atomic group, found {found}; write less in one, or raise limits.group_limit and \
             limits.group_bytes here and the bounds of requests on the server"
        ),
    )
}
