//! The pattern `append-only`: what a device records is sent, and leaves the device once the server has confirmed it.

use onsync_core::mutation::{Mutation, MutationKind, Outcome, Rejection};
use onsync_core::page::PageKind;
use onsync_core::pattern::{
    Action, Change, Direction, DirtyRecord, Incoming, Progress, Selection, ServerView, Settlement,
    SyncPattern, Verdict,
};
use onsync_core::two_way;

/// Send, and forget once confirmed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AppendOnly;

impl SyncPattern for AppendOnly {
    fn name(&self) -> &'static str {
        "append-only"
    }

    /// Nothing is ever fetched.
    fn direction(&self) -> Direction {
        Direction::SendOnly
    }

    /// Device: whatever differs from what the server has is sent.
    fn request(&self, dirty: &DirtyRecord<'_>) -> Option<Change> {
        dirty.difference()
    }

    /// Device: nothing arrives. If something did, unsent edits would stay.
    fn plan(&self, dirty: &DirtyRecord<'_>, incoming: Incoming<'_>, _kind: &PageKind) -> Action {
        two_way::plan(dirty, &incoming)
    }

    /// Device: what the server has may go, unless it was edited since it was sent; all else ends as usual.
    fn settle(&self, dirty: &DirtyRecord<'_>, outcome: &Outcome) -> Settlement {
        match outcome {
            Outcome::Applied { .. } if dirty.edited_since() => Settlement::Acknowledge,
            Outcome::Applied { .. } => Settlement::Forget,
            other => Settlement::usual(other),
        }
    }

    /// Server: not asked, because nothing is fetched.
    fn select(&self, progress: Option<Progress>) -> Selection {
        two_way::select(progress)
    }

    /// Server: a new record is written, the same one again changes nothing, and no record is ever changed or deleted.
    fn decide(&self, view: &ServerView<'_>, mutation: &Mutation) -> Verdict {
        let same = |current: &onsync_core::Fields| {
            let mut values = mutation.values.iter();
            values.all(|(name, value)| current.value(name) == value)
        };
        match (mutation.kind, view.current) {
            (MutationKind::Create, None) => Verdict::Insert,
            (MutationKind::Create, Some(current)) if same(current) => Verdict::Nothing,
            (MutationKind::Create | MutationKind::Update | MutationKind::Delete, _) => {
                Verdict::Reject(Rejection {
                    code: "append_only".to_owned(),
                    message: "what was recorded is never changed; record the correction as a new one"
                        .to_owned(),
                })
            }
        }
    }
}
