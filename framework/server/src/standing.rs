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
    /// It was settled, and its receipt is forgotten.
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
        for item in places.filter_map(|place| self.request.items.get(place)) {
            let id = item.mutation.id;
            if item.mutation.number > settled_to {
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
}
