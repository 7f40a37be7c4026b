//! Repetitions: a mutation that has a receipt is answered with its outcome again, and with the record as it is now.

use crate::apply::{Applied, answered, applied, named_key, stored};
use crate::batch::Batch;
use crate::receipt;
use crate::request::{Item, Target};
use onsync_core::error::Result;
use onsync_core::mutation::{MutationKind, Outcome};
use onsync_core::record::{Fields, Key};
use onsync_core::store::server::ServerTransaction;

impl Batch<'_> {
    /// A mutation that has a receipt: its outcome again, with the record as it is now.
    pub(crate) async fn repeated(
        &self,
        transaction: &mut dyn ServerTransaction,
        item: &Item,
        target: &Target,
    ) -> Result<Applied> {
        let found = receipt::find(transaction, item.mutation.id).await?;
        let Some(receipt) = found.filter(|receipt| receipt.is_of(self.principal, item)) else {
            return Ok(answered(reused(), true));
        };
        let record = receipt.key.or_else(|| named_key(item));
        let told = matches!(
            receipt.outcome,
            Outcome::Applied { .. } | Outcome::Conflict { .. }
        );
        let now = match record.as_ref().filter(|_| told) {
            Some(record) => self.visible(transaction, target, record).await?,
            None => None,
        };
        let both = record.as_ref().zip(now.as_ref());
        let stored = both.map(|(key, fields)| stored(target, key, fields));
        let key = match receipt.outcome {
            Outcome::Applied { key, .. } => key,
            // What a resolution is to be based on is the record as it is now.
            Outcome::Conflict { kind, .. } => {
                let outcome = Outcome::Conflict { kind, theirs: stored };
                return Ok(answered(outcome, false));
            }
            other => return Ok(answered(other, false)),
        };
        let Some(record) = record else {
            return Ok(answered(applied(key), false));
        };
        let gone = now.is_none() && item.mutation.kind != MutationKind::Delete;
        Ok(Applied {
            outcome: Outcome::Applied { key, stored, gone },
            new: false,
            effect: self.effect(item, record),
            settled: None,
            receipt: None,
        })
    }

    /// A record as this user may see it.
    async fn visible(
        &self,
        transaction: &mut dyn ServerTransaction,
        target: &Target,
        key: &Key,
    ) -> Result<Option<Fields>> {
        let entity = &target.served.entity;
        let current = transaction.get(entity, &target.served.attributes, key).await?;
        Ok(current.filter(|current| self.server.authorizer.may_see(self.principal, entity, current)))
    }
}

/// The answer to an id that names another mutation, or another user's.
pub(crate) fn reused() -> Outcome {
    Outcome::rejected(
        "mutation_id_reused",
        "this mutation id was used for something else; cut the change again under a new one",
    )
}
