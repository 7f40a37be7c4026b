//! Checkpoints: what a device has, sealed so that only this server can read or make one.

use crate::encoding::{KEY, decode, encode};
use crate::history::Mark;
use crate::random;
use chacha20poly1305::aead::Aead as _;
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use onsync_core::error::{Error, Result};
use onsync_core::page::Checkpoint;
use onsync_core::schema::EntitySchema;
use onsync_core::store::server::{ServerSnapshot, ServerStore};
use onsync_core::value::Blob;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The first byte of every checkpoint.
const FORMAT: u8 = 1;
const CURRENT: &[u8] = b"current";
const PREVIOUS: &[u8] = b"previous";

/// How far a device is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    /// In the middle of a snapshot: everything up to this key came, and what changed since `start` is still to come.
    Snapshot {
        /// The position at which the snapshot began.
        start: u64,
        /// The canonical bytes of the last key delivered.
        after: Blob,
    },
    /// Everything up to this position came.
    Delta {
        /// The position.
        position: u64,
    },
}

impl State {
    /// The position behind which all changes are still to come.
    pub(crate) fn position(&self) -> u64 {
        match self {
            Self::Snapshot { start, .. } => *start,
            Self::Delta { position } => *position,
        }
    }
}

/// For whom and what a checkpoint holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subject {
    /// The user.
    pub(crate) user: String,
    /// The entity.
    pub(crate) entity: String,
    /// The scope value.
    pub(crate) scope: String,
}

/// What is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    /// For whom and what.
    pub(crate) subject: Subject,
    /// A hash of the device's columns and their types.
    pub(crate) columns: Uuid,
    /// The newest history mark when it was issued.
    pub(crate) mark: Mark,
    /// How far.
    pub(crate) state: State,
}

/// A hash over the device's column list, with types: another list, or another type, is another hash.
pub(crate) fn columns_hash(entity: &EntitySchema, columns: &[usize]) -> Uuid {
    let mut hash = Sha256::new();
    for attribute in columns.iter().filter_map(|index| entity.attributes.get(*index)) {
        hash.update(attribute.name.as_bytes());
        hash.update([0]);
        hash.update(attribute.value_type.as_str().as_bytes());
        hash.update([0]);
    }
    let digest = hash.finalize();
    let mut head = [0; 16];
    head.copy_from_slice(&digest[..16]);
    Uuid::from_bytes(head)
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SealKey {
    id: u64,
    secret: Blob,
}

impl SealKey {
    fn new() -> Result<Self> {
        Ok(Self {
            id: random::number()?,
            secret: Blob(random::bytes::<32>()?.to_vec()),
        })
    }

    fn cipher(&self) -> Result<XChaCha20Poly1305> {
        XChaCha20Poly1305::new_from_slice(self.secret.as_slice()).map_err(|_| {
            Error::corrupt(
                "bookkeeping_corrupt",
                "the stored key that seals checkpoints is not 32 bytes long; remove it, devices will fetch again",
            )
        })
    }
}

/// The keys that seal checkpoints: the current one, and the one before it.
pub(crate) struct Seals {
    current: SealKey,
    previous: Option<SealKey>,
}

impl Seals {
    /// Reads the keys; makes the first one where there is none.
    pub(crate) async fn load(store: &dyn ServerStore) -> Result<Self> {
        let mut snapshot = store.read().await?;
        let current = stored(snapshot.area_get(KEY, CURRENT).await?)?;
        if let Some(current) = current {
            return Self::with(current, snapshot.as_mut()).await;
        }
        drop(snapshot);
        let mut transaction = store.write().await?;
        // False if another process was quicker: its key is read below.
        transaction
            .area_insert(KEY, CURRENT, &encode(&SealKey::new()?)?)
            .await?;
        transaction.commit().await?;
        let mut snapshot = store.read().await?;
        match stored(snapshot.area_get(KEY, CURRENT).await?)? {
            Some(current) => Self::with(current, snapshot.as_mut()).await,
            None => Err(Error::transient(
                "store_unavailable",
                "the key that seals checkpoints vanished while it was made; try again",
            )),
        }
    }

    async fn with(current: SealKey, snapshot: &mut dyn ServerSnapshot) -> Result<Self> {
        Ok(Self {
            current,
            previous: stored(snapshot.area_get(KEY, PREVIOUS).await?)?,
        })
    }

    /// Makes a new current key; the one before it opens checkpoints until the next change.
    pub(crate) async fn rotate(store: &dyn ServerStore) -> Result<()> {
        let mut transaction = store.write().await?;
        if let Some(current) = transaction.area_get(KEY, CURRENT).await? {
            transaction.area_put(KEY, PREVIOUS, &current).await?;
        }
        transaction
            .area_put(KEY, CURRENT, &encode(&SealKey::new()?)?)
            .await?;
        transaction.commit().await
    }

    /// Seals a token.
    pub(crate) fn seal(&self, token: &Token) -> Result<Checkpoint> {
        let nonce = random::bytes::<24>()?;
        let sealed = self
            .current
            .cipher()?
            .encrypt(&XNonce::from(nonce), encode(token)?.as_slice())
            .map_err(|_| Error::fatal("unencodable", "a checkpoint could not be sealed"))?;
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&self.current.id.to_be_bytes());
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Ok(Checkpoint(bytes))
    }

    /// Opens what this server sealed; none for anything else, whatever is wrong with it.
    pub(crate) fn open(&self, checkpoint: &Checkpoint) -> Option<Token> {
        let (format, rest) = checkpoint.0.split_first()?;
        let (id, rest) = rest.split_first_chunk::<8>()?;
        let (nonce, sealed) = rest.split_first_chunk::<24>()?;
        let id = u64::from_be_bytes(*id);
        let key = [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .find(|key| *format == FORMAT && key.id == id)?;
        let plain = key.cipher().ok()?.decrypt(&XNonce::from(*nonce), sealed).ok()?;
        decode(KEY, &plain).ok()
    }
}

fn stored(bytes: Option<Vec<u8>>) -> Result<Option<SealKey>> {
    bytes.map(|bytes| decode(KEY, &bytes)).transpose()
}
