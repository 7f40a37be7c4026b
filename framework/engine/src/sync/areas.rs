//! The engine's own durable data: which areas there are, what stands in them, and how it is encoded.

use onsync_core::page::Checkpoint;
use onsync_core::store::local::LocalTransaction;
use onsync_core::{Error, Key, Result, portable_async};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Single values: device instance, fence.
pub(crate) const STATE: &str = "state";
/// Number of the first mutation (big-endian) → a row of the [outbox](super::outbox). Only the holder of the newest fence writes here.
pub(crate) const OUTBOX: &str = "outbox";
/// Entity, zero, scope value → [`StoredCheckpoint`].
pub(crate) const CHECKPOINT: &str = "checkpoint";
/// Entity, zero, local key bytes → the atomic group of the app in which the record was written and not cut since.
pub(crate) const GROUP: &str = "group";
/// Mutation id of a create → [`CreatedRecord`].
pub(crate) const CREATED: &str = "created";
/// Entity, zero, sequence number → a staged page.
pub(crate) const STAGE: &str = "stage";
/// Mutation number → [`RejectedEntry`](super::RejectedEntry).
pub(crate) const REJECTED: &str = "rejected";
/// Mutation number → [`RejectedEntry`](super::RejectedEntry): may have been applied.
pub(crate) const UNKNOWN: &str = "unknown";
/// Entity, zero, local key bytes → [`StoredConflict`](super::open_conflicts::StoredConflict).
pub(crate) const CONFLICT: &str = "conflict";
/// Entity → the name of the resolver that its open conflicts were offered to.
pub(crate) const RESOLVER: &str = "resolver";
/// Entity, zero, local key bytes → what the mutation on its way was based on, where a page has moved the record's base since.
pub(crate) const BASE_WHEN_CUT: &str = "base_when_cut";
/// Sortable id → [`BinEntry`](super::BinEntry).
pub(crate) const BIN: &str = "bin";

/// Every area with one name but [`STATE`]: what is wiped when a user gives up a store.
pub(crate) const WIPED: &[&str] = &[
    OUTBOX,
    CHECKPOINT,
    CREATED,
    GROUP,
    STAGE,
    REJECTED,
    UNKNOWN,
    CONFLICT,
    RESOLVER,
    BASE_WHEN_CUT,
    BIN,
];

/// Whether a key of [`STATE`] is the fence.
pub(crate) fn is_fence(key: &[u8]) -> bool {
    key == FENCE
}

const INSTANCE: &[u8] = b"instance";
const FENCE: &[u8] = b"fence";
/// In [`STATE`]: the sign of life of whoever syncs.
pub(crate) const PULSE: &[u8] = b"pulse";
/// In [`STATE`]: what the server told in the last welcome that told it, of how far it was.
pub(crate) const SEEN: &[u8] = b"seen";
/// In [`STATE`]: whose store this is.
pub(crate) const CLAIM: &[u8] = b"claim";

/// The area of an entity's key map from local to server keys.
pub(crate) fn local_keys(entity: &str) -> String {
    format!("key.local:{entity}")
}

/// The area of an entity's key map from server to local keys.
pub(crate) fn server_keys(entity: &str) -> String {
    format!("key.server:{entity}")
}

/// Which take-over a sync belongs to; every write of the sync checks that it is the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(u64);

impl Fence {
    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

/// This store as the server knows it, and the number of its next mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) id: Uuid,
    pub(crate) next_number: u64,
}

/// A record made here whose key the server issues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CreatedRecord {
    pub(crate) entity: String,
    pub(crate) key: Key,
    pub(crate) number: u64,
}

/// What the server calls a local record, once it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MappedKey {
    pub(crate) created: Uuid,
    pub(crate) server: Option<Key>,
}

/// A checkpoint and whether it ends an answer that was complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredCheckpoint {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) complete: bool,
}

/// An area key of an entity and something in it.
pub(crate) fn entity_key(entity: &str, rest: &[u8]) -> Vec<u8> {
    [entity.as_bytes(), &[0], rest].concat()
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>> {
    rmp_serde::to_vec_named(value).map_err(|error| {
        Error::fatal("unencodable", "the engine's own data could not be encoded").with_source(error)
    })
}

pub(crate) fn decode<T: DeserializeOwned>(area: &str, bytes: &[u8]) -> Result<T> {
    onsync_core::msgpack::from_slice(bytes).map_err(|error| {
        Error::corrupt(
            "store_corrupt",
            format!("the store's area `{area}` holds something this version cannot read"),
        )
        .with_source(error)
    })
}

/// Typed access to areas.
#[portable_async]
pub(crate) trait Areas {
    /// Reads a value.
    async fn load<T: DeserializeOwned>(&mut self, area: &str, key: &[u8]) -> Result<Option<T>>;
    /// Stores a value.
    async fn store<T: Serialize + Sync>(&mut self, area: &str, key: &[u8], value: &T) -> Result<()>;
    /// Reads the values behind a key, in order.
    async fn list<T: DeserializeOwned>(
        &mut self,
        area: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, T)>>;
    /// The newest fence, if any was taken.
    async fn fence(&mut self) -> Result<Option<Fence>>;
    /// Takes over: a new, greatest fence.
    async fn next_fence(&mut self) -> Result<Fence>;
    /// Refuses to go on when somebody else has taken over.
    async fn check_fence(&mut self, fence: Fence) -> Result<()>;
    /// This store's instance, if it has one yet.
    async fn known_instance(&mut self) -> Result<Option<Instance>>;
    /// This store's instance, made with `new` on first use.
    async fn instance(&mut self, new: Uuid) -> Result<Instance>;
    /// Replaces the instance.
    async fn set_instance(&mut self, instance: &Instance) -> Result<()>;
}

#[portable_async]
impl Areas for dyn LocalTransaction + '_ {
    async fn load<T: DeserializeOwned>(&mut self, area: &str, key: &[u8]) -> Result<Option<T>> {
        self.area_get(area, key)
            .await?
            .map(|bytes| decode(area, &bytes))
            .transpose()
    }

    async fn store<T: Serialize + Sync>(&mut self, area: &str, key: &[u8], value: &T) -> Result<()> {
        let bytes = encode(value)?;
        self.area_put(area, key, &bytes).await
    }

    async fn list<T: DeserializeOwned>(
        &mut self,
        area: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, T)>> {
        let found = self.area_scan(area, after, limit).await?;
        found
            .into_iter()
            .map(|(key, bytes)| Ok((key, decode(area, &bytes)?)))
            .collect()
    }

    async fn fence(&mut self) -> Result<Option<Fence>> {
        self.load(STATE, FENCE).await
    }

    async fn next_fence(&mut self) -> Result<Fence> {
        let fence = Fence(self.load::<Fence>(STATE, FENCE).await?.map_or(0, |fence| fence.0) + 1);
        self.store(STATE, FENCE, &fence).await?;
        Ok(fence)
    }

    async fn check_fence(&mut self, fence: Fence) -> Result<()> {
        if self.load::<Fence>(STATE, FENCE).await? == Some(fence) {
            return Ok(());
        }
        Err(Error::busy(
            "another_process_syncs",
            "another process or tab has taken over syncing this store; this run stops and changes nothing",
        ))
    }

    async fn known_instance(&mut self) -> Result<Option<Instance>> {
        self.load(STATE, INSTANCE).await
    }

    async fn instance(&mut self, new: Uuid) -> Result<Instance> {
        if let Some(instance) = self.known_instance().await? {
            return Ok(instance);
        }
        let instance = Instance {
            id: new,
            next_number: 1,
        };
        self.store(STATE, INSTANCE, &instance).await?;
        Ok(instance)
    }

    async fn set_instance(&mut self, instance: &Instance) -> Result<()> {
        self.store(STATE, INSTANCE, instance).await
    }
}

#[cfg(test)]
mod tests {
    use super::WIPED;

    /// An area that is added and not wiped would outlive its user.
    #[test]
    fn every_area_is_wiped() {
        let declared = include_str!("areas.rs")
            .lines()
            .filter(|line| line.starts_with("pub(crate) const ") && line.contains(": &str = "))
            .count();
        assert_eq!(WIPED.len() + 1, declared, "all but `state` belong into WIPED");
    }
}
