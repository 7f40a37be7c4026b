//! Seen: how far the server was when it told the outcomes of this device's changes, as it said itself.
//!
//! What the server applied is clean here before a checkpoint covers it. So the server's word is stored with the outcomes and shown with each
//! request; where it is of a history that the server does not have, the server was restored, and everything is fetched anew.

use super::areas::{self, Areas};
use super::exchange::{Run, out_of_order};
use onsync_core::page::Checkpoint;
use onsync_core::store::local::LocalTransaction;
use onsync_core::wire::{AnswerFrame, PROTOCOL, Welcome};
use onsync_core::{Error, Result};

/// Checkpoints removed at a time.
const CHUNK: usize = 500;

/// The first frame of an answer.
pub(super) fn welcome(frame: Option<AnswerFrame>) -> Result<Welcome> {
    match frame {
        Some(AnswerFrame::Welcome(welcome)) if welcome.protocol == PROTOCOL => Ok(welcome),
        Some(AnswerFrame::Welcome(welcome)) => Err(Error::unsupported(
            "protocol_unsupported",
            format!(
                "wanted protocol {PROTOCOL}, found {}; update the app or the server",
                welcome.protocol
            ),
        )),
        Some(AnswerFrame::Failed(error)) => Err(error.into()),
        _ => Err(out_of_order("welcome")),
    }
}

/// What the server said last.
pub(super) async fn stored(tx: &mut dyn LocalTransaction) -> Result<Option<Checkpoint>> {
    tx.load(areas::STATE, areas::SEEN).await
}

/// Stores what the server says, in the transaction that settles the outcomes.
pub(super) async fn store(tx: &mut dyn LocalTransaction, seen: Option<&Checkpoint>) -> Result<()> {
    match seen {
        Some(seen) => tx.store(areas::STATE, areas::SEEN, seen).await,
        None => Ok(()),
    }
}

/// The server was restored: no checkpoint says any more what is here. Records and outbox stay, and each entity is fetched by range.
pub(super) async fn start_over(run: &Run<'_>, welcome: &Welcome) -> Result<()> {
    let mut tx = run.syncer.begin(run.fence, true).await?;
    loop {
        let found = tx.area_scan(areas::CHECKPOINT, None, CHUNK).await?;
        if found.is_empty() {
            break;
        }
        for (entity, _) in found {
            tx.area_remove(areas::CHECKPOINT, &entity).await?;
        }
    }
    match &welcome.seen {
        Some(seen) => store(tx.as_mut(), Some(seen)).await?,
        None => tx.area_remove(areas::STATE, areas::SEEN).await?,
    }
    tx.commit().await
}
