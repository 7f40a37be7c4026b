//! What the lifecycle remembers over a restart, and when it writes that down.

use super::{Lifecycle, State};
use crate::status::Status;
use crate::sync::Notes;
use onsync_core::ordered::BTreeMap;
use onsync_core::value::Timestamp;
use std::time::Duration;

/// Notes that are only for display are written at most this often: a sync without anything to do writes nothing otherwise.
const NOTE_EVERY: Duration = Duration::from_secs(30);

/// Whether there is something to write down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unnoted {
    Nothing,
    Soon,
    Now,
}

fn times(noted: &BTreeMap<String, i64>) -> impl Iterator<Item = (String, Timestamp)> {
    noted
        .iter()
        .filter_map(|(name, at)| Some((name.clone(), Timestamp::from_count(*at).ok()?)))
}

fn counts(times: &BTreeMap<String, Timestamp>) -> BTreeMap<String, i64> {
    times
        .iter()
        .map(|(name, at)| (name.clone(), at.count()))
        .collect()
}

impl Lifecycle {
    /// Something is to be written down.
    pub(super) fn unnoted(&self, when: Unnoted) {
        let mut state = self.state();
        state.unnoted = state.unnoted.max(when);
    }

    /// Notes whether anything waits, and says since when without a break.
    pub(super) fn note_waiting(&self, waiting: bool) -> Option<Timestamp> {
        let now = self.runtime.now();
        let mut state = self.state();
        let since = waiting.then(|| state.waiting_since.unwrap_or(now));
        if since != state.waiting_since {
            state.waiting_since = since;
            state.unnoted = state.unnoted.max(Unnoted::Soon);
        }
        since
    }

    /// Takes up what was noted before the app was started.
    pub(crate) async fn remember(&self) {
        let Some(notes) = self.notes().await else { return };
        let (now, clock) = (self.runtime.elapsed(), self.runtime.now().count());
        {
            let mut state = self.state();
            state.budget.resume(&notes.retries, now, clock);
            let since = notes.waiting_since.and_then(|at| Timestamp::from_count(at).ok());
            state.waiting_since = since.or(state.waiting_since);
        }
        self.take_up(&notes);
    }

    /// Takes up what another process on the store has noted meanwhile: what it fetched, and what it sent without fetching.
    pub(crate) async fn remember_others(&self) {
        if let Some(notes) = self.notes().await {
            self.take_up(&notes);
        }
    }

    async fn notes(&self) -> Option<Notes> {
        match self.steps.notes().await {
            Ok(notes) => Some(notes),
            Err(error) => {
                tracing::warn!(code = error.code(), "what was noted in the store cannot be read");
                None
            }
        }
    }

    /// Goes by the notes, but for what this process has changed and not noted yet.
    fn take_up(&self, notes: &Notes) {
        let completed = {
            let mut state = self.state();
            let State {
                completed,
                fetched,
                own,
                ..
            } = &mut *state;
            completed.extend(times(&notes.completed).filter(|(name, _)| !own.completed.contains(name)));
            fetched.retain(|name, _| own.fetched.contains(name));
            fetched.extend(times(&notes.fetched).filter(|(name, _)| !own.fetched.contains(name)));
            completed.clone()
        };
        self.show_freshness(completed);
    }

    /// Puts into the status how new everything is.
    pub(super) fn show_freshness(&self, completed: BTreeMap<String, Timestamp>) {
        let up_to_date = self.up_to_date_as_of();
        let (fetched, since) = {
            let state = self.state();
            (state.fetched.clone(), state.waiting_since)
        };
        let differs = |status: &Status| {
            status.up_to_date_as_of != up_to_date
                || (status.waiting > 0 && status.waiting_since != since)
                || status.completed_at != completed
                || status.fetched_at != fetched
        };
        self.hub.update_if(differs, |status| {
            status.completed_at.clone_from(&completed);
            status.fetched_at.clone_from(&fetched);
            status.up_to_date_as_of = up_to_date;
            if status.waiting > 0 {
                status.waiting_since = since;
            }
        });
    }

    /// Writes down what has changed, if it is time to.
    pub(super) async fn keep_notes(&self) {
        let (now, clock) = (self.runtime.elapsed(), self.runtime.now().count());
        let (notes, own) = {
            let mut state = self.state();
            let long_ago = state
                .noted
                .is_none_or(|noted| now.saturating_sub(noted) >= NOTE_EVERY);
            match state.unnoted {
                Unnoted::Nothing => return,
                Unnoted::Soon if !long_ago => return,
                Unnoted::Soon | Unnoted::Now => {}
            }
            state.unnoted = Unnoted::Nothing;
            state.noted = Some(now);
            let notes = Notes {
                retries: state.budget.by_clock(now, clock),
                completed: counts(&state.completed),
                fetched: counts(&state.fetched),
                waiting_since: state.waiting_since.map(Timestamp::count),
            };
            (notes, std::mem::take(&mut state.own))
        };
        if let Err(error) = self.steps.keep_notes(&notes, &own).await {
            tracing::debug!(code = error.code(), "notes could not be kept");
            let mut state = self.state();
            state.own.add(own);
            state.unnoted = state.unnoted.max(Unnoted::Soon);
        }
    }

    /// Notes that a run of a context ended well, or not.
    pub(super) fn note_end(&self, context: &str, well: bool) {
        let now = self.runtime.now();
        let mut state = self.state();
        if well {
            state.completed.insert(context.to_owned(), now);
            state.own.completed.insert(context.to_owned());
            state.failing_since = None;
            // The first is written at once: a program that syncs and ends leaves word of it.
            let when = match state.ended_well {
                true => Unnoted::Soon,
                false => Unnoted::Now,
            };
            state.ended_well = true;
            state.unnoted = state.unnoted.max(when);
        } else {
            state.failing_since.get_or_insert(now);
        }
        let completed = state.completed.clone();
        let failing = state.failing_since;
        drop(state);
        self.hub.update_if(
            |status| status.failing_since != failing,
            |status| status.failing_since = failing,
        );
        self.show_freshness(completed);
    }

    /// Looks whether syncing stands still.
    pub(super) fn look_for_stall(&self) {
        let now = self.runtime.now();
        self.hub.update_if(
            |status| status.stalled_since != status.stalled(now),
            |status| status.stalled_since = status.stalled(now),
        );
    }
}
