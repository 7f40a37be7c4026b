//! Receipts: what makes a repeated mutation take effect once. And device instances: which receipts may be forgotten.

use crate::encoding::{INSTANCE, RECEIPT, RECEIPT_BY_INSTANCE, decode, encode};
use crate::request::Item;
use onsync_core::Key;
use onsync_core::error::Result;
use onsync_core::mutation::{MutationKind, Outcome};
use onsync_core::policy::Principal;
use onsync_core::store::server::{ServerSnapshot, ServerStore, ServerTransaction};
use onsync_core::value::Blob;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// A device instance of a user, as a key: the same instance id under another user is another owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner([u8; 16]);

impl Owner {
    /// Of this user and instance.
    pub(crate) fn of(principal: &Principal, instance: Uuid) -> Self {
        let mut hash = Sha256::new();
        hash.update(instance.as_bytes());
        hash.update(principal.user.as_bytes());
        let digest = hash.finalize();
        let mut head = [0; 16];
        head.copy_from_slice(&digest[..16]);
        Self(head)
    }

    fn numbered(self, number: u64) -> Vec<u8> {
        [self.0.as_slice(), &number.to_be_bytes()].concat()
    }
}

/// The durable note of what became of a mutation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    /// Who sent it.
    pub(crate) user: String,
    /// From which device instance.
    pub(crate) instance: Uuid,
    /// Its number there.
    pub(crate) number: u64,
    /// SHA-256 of its canonical bytes.
    body: Blob,
    /// Its entity.
    pub(crate) entity: String,
    /// What it did.
    pub(crate) kind: MutationKind,
    /// The server's key of its record, where it is known.
    pub(crate) key: Option<Key>,
    /// What became of it. The record itself is not kept here: a repetition reads it as it is then.
    pub(crate) outcome: Outcome,
}

impl Receipt {
    /// Of a mutation.
    pub(crate) fn new(
        principal: &Principal,
        instance: Uuid,
        item: &Item,
        key: Option<Key>,
        outcome: &Outcome,
    ) -> Self {
        Self {
            user: principal.user.clone(),
            instance,
            number: item.mutation.number,
            body: Blob(item.body.to_vec()),
            entity: item.mutation.entity.clone(),
            kind: item.mutation.kind,
            key,
            outcome: without_record(outcome),
        }
    }

    /// Whether it says this already.
    pub(crate) fn is_as(&self, key: Option<&Key>, outcome: &Outcome) -> bool {
        let told = match outcome {
            Outcome::Applied { key, gone, .. } => key.is_none() && !gone,
            _ => false,
        };
        let opened = matches!(
            self.outcome,
            Outcome::Applied {
                key: None,
                stored: None,
                gone: false
            }
        );
        told && opened && (key.is_none() || key == self.key.as_ref())
    }

    /// Whether that mutation, sent by this user, is the one the receipt is about.
    pub(crate) fn is_of(&self, principal: &Principal, item: &Item) -> bool {
        self.user == principal.user && self.body.as_slice() == item.body
    }
}

fn without_record(outcome: &Outcome) -> Outcome {
    match outcome {
        Outcome::Applied { key, gone, .. } => Outcome::Applied {
            key: key.clone(),
            stored: None,
            gone: *gone,
        },
        Outcome::Conflict { kind, .. } => Outcome::Conflict {
            kind: *kind,
            theirs: None,
        },
        other => other.clone(),
    }
}

/// What the list of receipts by owner says about one: enough for a page's `created`.
#[derive(Serialize, Deserialize)]
struct Listed {
    id: Uuid,
    entity: String,
    key: Option<Key>,
}

/// Reads a receipt.
pub(crate) async fn find(transaction: &mut dyn ServerTransaction, id: Uuid) -> Result<Option<Receipt>> {
    let bytes = transaction.area_get(RECEIPT, id.as_bytes()).await?;
    bytes.map(|bytes| decode(RECEIPT, &bytes)).transpose()
}

/// Puts a new receipt in its place before anything else is done: false, and nothing stored, if there is one already.
pub(crate) async fn open(
    transaction: &mut dyn ServerTransaction,
    id: Uuid,
    receipt: &Receipt,
) -> Result<bool> {
    transaction
        .area_insert(RECEIPT, id.as_bytes(), &encode(receipt)?)
        .await
}

/// Takes back a receipt opened in this transaction.
pub(crate) async fn close(transaction: &mut dyn ServerTransaction, id: Uuid) -> Result<()> {
    transaction.area_remove(RECEIPT, id.as_bytes()).await
}

/// Writes the receipt as it turned out, if that is not how it was opened, and lists it by its owner.
pub(crate) async fn finish(
    transaction: &mut dyn ServerTransaction,
    owner: Owner,
    id: Uuid,
    receipt: &Receipt,
    is_other: bool,
) -> Result<()> {
    if is_other {
        transaction
            .area_put(RECEIPT, id.as_bytes(), &encode(receipt)?)
            .await?;
    }
    let key = match &receipt.outcome {
        Outcome::Applied { key, .. } => key.clone(),
        _ => None,
    };
    let listed = Listed {
        id,
        entity: receipt.entity.clone(),
        key,
    };
    let place = [owner.numbered(receipt.number).as_slice(), id.as_bytes()].concat();
    transaction
        .area_put(RECEIPT_BY_INSTANCE, &place, &encode(&listed)?)
        .await
}

/// Creates of this owner behind `settled_to` for which the server issued keys, by entity: at most `limit` receipts
/// are looked at, none is given if there are more.
pub(crate) async fn unsettled(
    snapshot: &mut dyn ServerSnapshot,
    owner: Owner,
    settled_to: u64,
    entity: &str,
    limit: usize,
) -> Result<Option<Vec<(Uuid, Key)>>> {
    const STEP: usize = 500;
    // The list's places are longer than a bare number, so those of the first number come behind it.
    let mut after = owner.numbered(settled_to.saturating_add(1));
    let (mut found, mut seen) = (Vec::new(), 0);
    loop {
        let entries = snapshot
            .area_scan(RECEIPT_BY_INSTANCE, Some(&after), STEP)
            .await?;
        for (place, bytes) in &entries {
            if !place.starts_with(&owner.0) {
                return Ok(Some(found));
            }
            let listed: Listed = decode(RECEIPT_BY_INSTANCE, bytes)?;
            seen += 1;
            match listed.key {
                Some(key) if listed.entity == entity => found.push((listed.id, key)),
                _ => {}
            }
        }
        match entries.last() {
            Some((place, _)) if entries.len() == STEP && seen < limit => after = place.clone(),
            Some(_) if entries.len() == STEP => return Ok(None),
            _ => return Ok(Some(found)),
        }
    }
}

/// What the server knows of a device instance.
#[derive(Serialize, Deserialize)]
struct Instance {
    user: String,
    settled_to: u64,
}

fn known(bytes: Option<Vec<u8>>) -> Result<u64> {
    Ok(match bytes {
        Some(bytes) => decode::<Instance>(INSTANCE, &bytes)?.settled_to,
        None => 0,
    })
}

/// Remembers that the device has stored all outcomes up to a number, and forgets the receipts of those.
pub(crate) async fn settle(
    store: &dyn ServerStore,
    principal: &Principal,
    owner: Owner,
    settled_to: u64,
) -> Result<()> {
    if settled_to == 0 || known(store.read().await?.area_get(INSTANCE, &owner.0).await?)? >= settled_to {
        return Ok(());
    }
    let mut transaction = store.write().await?;
    settle_in(transaction.as_mut(), principal, owner, settled_to).await?;
    transaction.commit().await
}

/// The same within a transaction; returns up to which number this owner has settled its mutations.
pub(crate) async fn settle_in(
    transaction: &mut dyn ServerTransaction,
    principal: &Principal,
    owner: Owner,
    settled_to: u64,
) -> Result<u64> {
    let known = known(transaction.area_get(INSTANCE, &owner.0).await?)?;
    if known >= settled_to {
        return Ok(known);
    }
    let instance = Instance {
        user: principal.user.clone(),
        settled_to,
    };
    transaction
        .area_put(INSTANCE, &owner.0, &encode(&instance)?)
        .await?;
    forget(transaction, owner, settled_to).await?;
    Ok(settled_to)
}

/// The mutation's id, with which a place in the list ends.
fn id_of(place: &[u8]) -> &[u8] {
    place.get(place.len().saturating_sub(16)..).unwrap_or_default()
}

async fn forget(transaction: &mut dyn ServerTransaction, owner: Owner, settled_to: u64) -> Result<()> {
    const STEP: usize = 1_000;
    let end = owner.numbered(settled_to.saturating_add(1));
    loop {
        let mut entries = transaction
            .area_scan(RECEIPT_BY_INSTANCE, Some(&owner.0), STEP)
            .await?;
        let whole = entries.len() == STEP;
        entries.retain(|(place, _)| *place < end);
        for (place, _) in &entries {
            transaction.area_remove(RECEIPT, id_of(place)).await?;
            transaction.area_remove(RECEIPT_BY_INSTANCE, place).await?;
        }
        if !whole || entries.len() < STEP {
            return Ok(());
        }
    }
}
