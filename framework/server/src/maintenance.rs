//! Housekeeping: deletions, history marks and the bin are not kept for ever.

use crate::bin;
use crate::encoding::HISTORY;
use crate::history::{self, Stored};
use crate::server::Inner;
use onsync_core::error::Result;
use onsync_core::store::server::{ServerSnapshot, ServerStore};
use std::time::Duration;

/// Marks read or removed at a time.
const STEP: usize = 1_000;

/// Forgets the deletions that are older than `keep`, the history marks that no usable checkpoint can carry any more, and what the
/// bin has no room or time for.
pub(crate) async fn maintain(server: &Inner, keep: Duration) -> Result<()> {
    let store = server.store.as_ref();
    let binned = bin::trim(server).await?;
    if binned > 0 {
        tracing::info!(binned, "old or excess entries left the bin");
    }
    server.history.add(store).await?;
    let before = server.history.now().saturating_sub(keep.as_secs());
    let Some(up_to) = reached_by(store, before).await? else {
        return Ok(());
    };
    let deletions = store.prune(up_to).await?;
    let marks = forget_marks(server).await?;
    tracing::info!(
        up_to,
        deletions,
        marks,
        "old deletions and history marks were forgotten"
    );
    Ok(())
}

/// The position that was reached by that time, in seconds since 1970: all changes up to there are at least that old.
async fn reached_by(store: &dyn ServerStore, time: u64) -> Result<Option<u64>> {
    let mut snapshot = store.read().await?;
    let (mut after, mut reached) = (None::<Vec<u8>>, None);
    loop {
        let marks = snapshot.area_scan(HISTORY, after.as_deref(), STEP).await?;
        for (place, bytes) in &marks {
            let Some(stored) = Stored::read(place, bytes) else {
                continue;
            };
            // Where clocks were set back, later marks may be older ones: the first that is too young ends it.
            if stored.time > time {
                return Ok(reached);
            }
            reached = Some(stored.position);
        }
        match marks.last() {
            Some((place, _)) if marks.len() == STEP => after = Some(place.clone()),
            _ => return Ok(reached),
        }
    }
}

/// A checkpoint that carries a mark reaches at most to the next mark. Where that is below every entity's horizon, its device
/// fetches again anyway.
async fn forget_marks(server: &Inner) -> Result<usize> {
    let store = server.store.as_ref();
    let horizon = lowest_horizon(server, store.read().await?.as_mut()).await?;
    let mut forgotten = 0;
    loop {
        let mut transaction = store.write().await?;
        let marks = transaction.area_scan(HISTORY, None, STEP).await?;
        let followed = marks.iter().zip(marks.iter().skip(1));
        let old: Vec<&Vec<u8>> = followed
            .map(|((place, _), (next, _))| (place, history::position_of(next)))
            .take_while(|(_, next)| next.is_some_and(|next| next < horizon))
            .map(|(place, _)| place)
            .collect();
        if old.is_empty() {
            return Ok(forgotten);
        }
        for place in &old {
            transaction.area_remove(HISTORY, place).await?;
        }
        forgotten += old.len();
        transaction.commit().await?;
    }
}

async fn lowest_horizon(server: &Inner, snapshot: &mut dyn ServerSnapshot) -> Result<u64> {
    let mut lowest = u64::MAX;
    for served in server.catalog.all() {
        lowest = lowest.min(snapshot.horizon(&served.entity).await?);
    }
    Ok(lowest)
}
