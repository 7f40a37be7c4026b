//! Outcomes that are as expected, settled in bulk: the server did what was sent and nothing else, that was all there was to send, and
//! the record was not touched since.
//!
//! Such a record is clean with what is here. Its overlay goes, if its edit number is still the one that was cut, and nothing else
//! is read or written.

use super::areas::{self, Areas};
use super::exchange::Run;
use super::lists::RejectedEntry;
use super::outbox::{Cut, OutboxEntry};
use super::release::waits_for_parent;
use super::settle::dirty;
use onsync_core::mutation::{MutationKind, Outcome};
use onsync_core::ordered::{BTreeMap, BTreeSet};
use onsync_core::pattern::Settlement;
use onsync_core::store::local::LocalTransaction;
use onsync_core::{Key, Result};

/// Listed rejections that are looked through; with more of them each outcome is settled by itself.
const LISTED: usize = 500;

/// Outcomes to be settled one by one.
pub(super) type Rest<'a> = Vec<(&'a OutboxEntry, &'a Outcome)>;

/// Settles what it can, and gives the numbers of that and what is left.
pub(super) async fn as_expected<'a>(
    run: &mut Run<'_>,
    tx: &mut dyn LocalTransaction,
    outcomes: Vec<(&'a Cut, &'a Outcome)>,
) -> Result<(BTreeSet<u64>, Rest<'a>)> {
    let (syncer, expectations) = (run.syncer, Expectations::of(run, tx, &outcomes).await?);
    let mut rest = Vec::new();
    let mut plain: BTreeMap<&str, Vec<(&Cut, &Outcome)>> = BTreeMap::new();
    for (cut, outcome) in outcomes {
        let entry = &cut.entry;
        let seen = cut.seen.as_ref();
        let Some((base, mine)) = seen.filter(|_| expectations.are_met(entry, outcome)) else {
            rest.push((entry, outcome));
            continue;
        };
        let entity = syncer.schema.entity(&entry.mutation.entity)?;
        let dirty = dirty(entity, entry, base.as_ref(), mine.as_ref());
        match syncer.pattern(&entity.name)?.settle(&dirty, outcome) {
            Settlement::Acknowledge => plain
                .entry(&entry.mutation.entity)
                .or_default()
                .push((cut, outcome)),
            _ => rest.push((entry, outcome)),
        }
    }
    let mut settled = BTreeSet::new();
    for (name, outcomes) in plain {
        let entity = syncer.schema.entity(name)?;
        let records: Vec<(Key, u64)> = outcomes
            .iter()
            .map(|(cut, _)| (cut.entry.key.clone(), cut.entry.edit))
            .collect();
        let removed = tx.remove_unedited(entity, &records).await?;
        for ((cut, outcome), removed) in outcomes.into_iter().zip(removed) {
            if removed {
                run.summary.applied += 1;
                settled.insert(cut.entry.mutation.number);
            } else {
                rest.push((&cut.entry, outcome));
            }
        }
    }
    Ok((settled, rest))
}

/// What decides for a whole answer which of its outcomes are as expected.
struct Expectations {
    possible: bool,
    /// Records of which something is listed as rejected or perhaps applied: that is to be forgotten with an acknowledgement.
    listed: BTreeSet<(String, Key)>,
    /// Whether children are listed that wait for their parent to be created.
    children_wait: bool,
}

impl Expectations {
    async fn of(
        run: &mut Run<'_>,
        tx: &mut dyn LocalTransaction,
        outcomes: &[(&Cut, &Outcome)],
    ) -> Result<Self> {
        // A key that the server issued changes other records; a refused child waits for a parent that may come in the same answer.
        let touch_others = outcomes.iter().any(|(_, outcome)| match outcome {
            Outcome::Applied { key, .. } => key.is_some(),
            Outcome::Rejected(rejection) => waits_for_parent(rejection),
            _ => false,
        });
        let mut listed = Vec::new();
        if run.lists_rejections {
            for area in [areas::REJECTED, areas::UNKNOWN] {
                listed.extend(tx.list::<RejectedEntry>(area, None, LISTED).await?);
            }
        }
        let possible = run.undisturbed && !touch_others && listed.len() < LISTED;
        run.undisturbed &= !touch_others;
        let children_wait = listed.iter().any(|(_, entry)| waits_for_parent(&entry.rejection));
        let listed = listed.into_iter().map(|(_, entry)| (entry.entity, entry.key));
        Ok(Self {
            possible,
            listed: listed.collect(),
            children_wait,
        })
    }

    fn are_met(&self, entry: &OutboxEntry, outcome: &Outcome) -> bool {
        let done = Outcome::Applied {
            key: None,
            stored: None,
            gone: false,
        };
        let mutation = &entry.mutation;
        let releases = self.children_wait && mutation.kind == MutationKind::Create;
        let forgets = !self.listed.is_empty()
            && self
                .listed
                .contains(&(mutation.entity.clone(), entry.key.clone()));
        self.possible && *outcome == done && !releases && !forgets
    }
}
