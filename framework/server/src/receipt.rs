//! Receipts: what makes a repeated mutation take effect once. And device instances: which receipts may be forgotten.

use crate::encoding::{INSTANCE, RECEIPT, RECEIPT_LIST, decode, encode, encode_short};
use crate::request::Item;
use onsync_core::Key;
use onsync_core::error::Result;
use onsync_core::mutation::{MutationKind, Outcome};
use onsync_core::policy::Principal;
use onsync_core::record::RecordName;
use onsync_core::store::server::{ServerSnapshot, ServerStore, ServerTransaction};
use onsync_core::value::Blob;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// Who sent it.
    pub(crate) user: String,
    /// SHA-256 of its canonical bytes.
    body: Blob,
    /// What it did.
    pub(crate) kind: MutationKind,
    /// The server's key of its record, where it is known and the mutation does not name it.
    pub(crate) key: Option<Key>,
    /// What became of it. The record itself is not kept here: a repetition reads it as it is then.
    pub(crate) outcome: Outcome,
}

/// As it is stored: user, body, kind, key, and an outcome that is not the plain *applied*.
#[derive(Serialize, Deserialize)]
struct Stored(String, Blob, MutationKind, Option<Key>, Option<Blob>);

impl Receipt {
    /// Of a mutation.
    pub(crate) fn new(principal: &Principal, item: &Item, key: Option<Key>, outcome: &Outcome) -> Self {
        let named = match &item.mutation.record {
            RecordName::Key(named) => key.as_ref() == Some(named),
            RecordName::Created(_) => false,
        };
        Self {
            user: principal.user.clone(),
            body: Blob(item.body.to_vec()),
            kind: item.mutation.kind,
            // Others may refer to a create by its id.
            key: key.filter(|_| !named || item.mutation.kind == MutationKind::Create),
            outcome: without_record(outcome),
        }
    }

    /// Whether that mutation, sent by this user, is the one the receipt is about.
    pub(crate) fn is_of(&self, principal: &Principal, item: &Item) -> bool {
        self.user == principal.user && self.body.as_slice() == item.body
    }

    fn encode(self) -> Result<Vec<u8>> {
        let plain = Outcome::Applied {
            key: None,
            stored: None,
            gone: false,
        };
        let outcome = match self.outcome == plain {
            true => None,
            false => Some(Blob(encode(&self.outcome)?)),
        };
        encode_short(&Stored(self.user, self.body, self.kind, self.key, outcome))
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let Stored(user, body, kind, key, outcome) = decode(RECEIPT, bytes)?;
        let outcome = match outcome {
            Some(outcome) => decode(RECEIPT, outcome.as_slice())?,
            None => Outcome::Applied {
                key: None,
                stored: None,
                gone: false,
            },
        };
        Ok(Self {
            user,
            body,
            kind,
            key,
            outcome,
        })
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

/// What the list of receipts says about one: enough to forget it, and for a page's `created`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Listed {
    number: u64,
    id: Uuid,
    /// Entity and issued key of a create.
    created: Option<(String, Key)>,
}

impl Listed {
    /// Of a mutation with this outcome.
    pub(crate) fn of(item: &Item, outcome: &Outcome) -> Self {
        let issued = match outcome {
            Outcome::Applied { key, .. } => key.clone(),
            _ => None,
        };
        Self {
            number: item.mutation.number,
            id: item.mutation.id,
            created: issued.map(|key| (item.mutation.entity.clone(), key)),
        }
    }
}

/// Reads a receipt.
pub(crate) async fn find(transaction: &mut dyn ServerTransaction, id: Uuid) -> Result<Option<Receipt>> {
    let bytes = transaction.area_get(RECEIPT, id.as_bytes()).await?;
    bytes.map(|bytes| Receipt::decode(&bytes)).transpose()
}

/// Puts new receipts in their places before anything else is done. Says of each whether there was none; where there is one, nothing
/// is stored. In order of ids, so that two senders of the same mutations wait for each other and not in a circle.
pub(crate) async fn open(
    transaction: &mut dyn ServerTransaction,
    receipts: Vec<(Uuid, Receipt)>,
) -> Result<HashMap<Uuid, bool>> {
    let mut entries = Vec::with_capacity(receipts.len());
    let mut ids = Vec::with_capacity(receipts.len());
    let mut receipts = receipts;
    receipts.sort_unstable_by_key(|(id, _)| *id);
    for (id, receipt) in receipts {
        entries.push((id.as_bytes().to_vec(), receipt.encode()?));
        ids.push(id);
    }
    let inserted = transaction.area_insert_all(RECEIPT, &entries).await?;
    let new = onsync_core::mutant!("receipts-are-not-looked-at", inserted, vec![true; ids.len()]);
    Ok(ids.into_iter().zip(new).collect())
}

/// Writes a receipt as it turned out, if that is not how it was opened.
pub(crate) async fn rewrite(
    transaction: &mut dyn ServerTransaction,
    id: Uuid,
    receipt: Receipt,
) -> Result<()> {
    transaction
        .area_put(RECEIPT, id.as_bytes(), &receipt.encode()?)
        .await
}

/// Lists the receipts that a transaction has made, by their owner.
pub(crate) async fn list(
    transaction: &mut dyn ServerTransaction,
    owner: Owner,
    mut made: Vec<Listed>,
) -> Result<()> {
    made.sort_unstable_by_key(|listed| listed.number);
    let Some(last) = made.last() else {
        return Ok(());
    };
    let place = [owner.numbered(last.number).as_slice(), last.id.as_bytes()].concat();
    transaction
        .area_put(RECEIPT_LIST, &place, &encode_short(&made)?)
        .await
}

/// The ids of this owner's mutations from a number on that have a receipt, by their numbers.
pub(crate) async fn numbered(
    transaction: &mut dyn ServerTransaction,
    owner: Owner,
    first: u64,
) -> Result<HashMap<u64, Uuid>> {
    const STEP: usize = 20;
    let mut found = HashMap::new();
    // A row stands under its last number.
    let mut after = owner.numbered(first);
    loop {
        let entries = transaction.area_scan(RECEIPT_LIST, Some(&after), STEP).await?;
        for (place, bytes) in &entries {
            if !place.starts_with(&owner.0) {
                return Ok(found);
            }
            let listed: Vec<Listed> = decode(RECEIPT_LIST, bytes)?;
            found.extend(listed.into_iter().map(|listed| (listed.number, listed.id)));
        }
        match entries.last() {
            Some((place, _)) if entries.len() == STEP => after = place.clone(),
            _ => return Ok(found),
        }
    }
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
    const STEP: usize = 20;
    // The list's places are longer than a bare number, so those that end with the first number come behind it.
    let mut after = owner.numbered(settled_to.saturating_add(1));
    let (mut found, mut seen) = (Vec::new(), 0);
    loop {
        let entries = snapshot.area_scan(RECEIPT_LIST, Some(&after), STEP).await?;
        for (place, bytes) in &entries {
            if !place.starts_with(&owner.0) {
                return Ok(Some(found));
            }
            let mut listed: Vec<Listed> = decode(RECEIPT_LIST, bytes)?;
            listed.retain(|listed| listed.number > settled_to);
            seen += listed.len();
            if seen > limit {
                return Ok(None);
            }
            for Listed { id, created, .. } in listed {
                match created {
                    Some((of, key)) if of == entity => found.push((id, key)),
                    _ => {}
                }
            }
        }
        match entries.last() {
            Some((place, _)) if entries.len() == STEP => after = place.clone(),
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

/// Forgets receipts up to a number. Those that were made together with a later one may stay until that is settled too.
async fn forget(transaction: &mut dyn ServerTransaction, owner: Owner, settled_to: u64) -> Result<()> {
    const STEP: usize = 20;
    let end = owner.numbered(settled_to.saturating_add(1));
    loop {
        let entries = transaction.area_scan(RECEIPT_LIST, Some(&owner.0), STEP).await?;
        let whole = entries.len() == STEP;
        for (place, bytes) in entries {
            if !place.starts_with(&owner.0) {
                return Ok(());
            }
            let listed: Vec<Listed> = decode(RECEIPT_LIST, &bytes)?;
            let (settled, rest): (Vec<_>, Vec<_>) =
                listed.into_iter().partition(|listed| listed.number <= settled_to);
            let ids: Vec<Vec<u8>> = settled
                .iter()
                .map(|listed| listed.id.as_bytes().to_vec())
                .collect();
            transaction.area_remove_all(RECEIPT, &ids).await?;
            if place >= end {
                if !ids.is_empty() {
                    transaction
                        .area_put(RECEIPT_LIST, &place, &encode_short(&rest)?)
                        .await?;
                }
                return Ok(());
            }
            transaction.area_remove(RECEIPT_LIST, &place).await?;
        }
        if !whole {
            return Ok(());
        }
    }
}
