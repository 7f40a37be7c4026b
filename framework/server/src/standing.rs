//! How mutations stand before they are applied: new, repeated, or forgotten. Receipts are put in their places here.

use crate::apply::{applied, named_key};
use crate::batch::Batch;
use crate::receipt;
use onsync_core::error::Result;
use onsync_core::platform::MaybeSend;
use onsync_core::store::server::ServerTransaction;
use std::collections::HashMap;
use uuid::Uuid;

/// How a mutation stands before it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its receipt was not there, and is now.
    New,
    /// There is a receipt.
    Repeated,
    /// There is no receipt, and it may have been applied all the same: it was settled and its receipt is forgotten, or the device's
    /// store was put back to an older copy.
    Forgotten,
}

impl Batch<'_> {
    /// Puts the receipts of mutations in their places, before anything else is done, and says how each stands.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn open(
        &self,
        transaction: &mut dyn ServerTransaction,
        places: impl Iterator<Item = usize> + MaybeSend,
        settled_to: u64,
    ) -> Result<HashMap<Uuid, Standing>> {
        let mut standings = HashMap::new();
        let mut receipts = Vec::new();
        let put_back = self.is_put_back(transaction, settled_to).await?;
        for item in places.filter_map(|place| self.request.items.get(place)) {
            let id = item.mutation.id;
            if item.mutation.number > settled_to && !put_back {
                receipts.push((id, self.receipt(item, named_key(item), &applied(None))));
                continue;
            }
            let known = receipt::find(transaction, id).await?.is_some();
            let standing = if known {
                Standing::Repeated
            } else {
                Standing::Forgotten
            };
            standings.insert(id, standing);
        }
        for (id, new) in receipt::open(transaction, receipts).await? {
            let standing = if new { Standing::New } else { Standing::Repeated };
            standings.insert(id, standing);
        }
        Ok(standings)
    }

    /// Whether the device's store is an older copy of itself: a number of this request names another mutation here, or one whose outcome
    /// the device had and which is not the one sent, or there is one beyond the numbers it has given. Under which numbers the changes in it
    /// were sent before cannot be known, so what has no receipt may have been applied.
    async fn is_put_back(&self, transaction: &mut dyn ServerTransaction, settled_to: u64) -> Result<bool> {
        let items = &self.request.items;
        let (settled, open): (Vec<_>, Vec<_>) =
            items.iter().partition(|item| item.mutation.number <= settled_to);
        for item in settled {
            if receipt::find(transaction, item.mutation.id).await?.is_none() {
                return Ok(true);
            }
        }
        let Some(first) = open.iter().map(|item| item.mutation.number).min() else {
            return Ok(false);
        };
        let known = receipt::numbered(transaction, self.owner, first).await?;
        let cut_to = self.request.hello.cut_to;
        if cut_to.is_some_and(|cut_to| known.keys().any(|number| *number > cut_to)) {
            return Ok(true);
        }
        Ok(open.iter().any(|item| {
            let other = known.get(&item.mutation.number);
            other.is_some_and(|id| *id != item.mutation.id)
        }))
    }
}
