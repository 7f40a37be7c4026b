//! A request's mutations: tried as one transaction, halved on failure until the culprit stands alone.

use crate::apply::Applied;
use crate::echo::Echo;
use crate::held::Held;
use crate::metrics;
use crate::order::{Unit, units};
use crate::receipt::{self, Listed, Owner};
use crate::repeat::reused;
use crate::request::{Item, Request, Target};
use crate::server::Inner;
use crate::standing::Standing;
use onsync_core::error::{Error, ErrorKind, Result};
use onsync_core::mutation::{Outcome, Rejection};
use onsync_core::policy::{AppliedMutation, Principal};
use onsync_core::wire::OutcomeFrame;

/// The mutations of one request on their way into the database.
pub(crate) struct Batch<'a> {
    /// The server.
    pub(crate) server: &'a Inner,
    /// Who asks.
    pub(crate) principal: &'a Principal,
    /// The request.
    pub(crate) request: &'a Request,
    /// The device instance that asks.
    pub(crate) owner: Owner,
}

/// Why a transaction was undone.
struct Failure {
    /// At which mutation, if at one.
    at: Option<usize>,
    cause: Cause,
}

enum Cause {
    /// The database as a whole could not be written: that is nobody's fault here.
    Store(Error),
    /// A statement or a hook failed, or the commit refused what was written.
    Error(Error),
    /// A member of an atomic group was not applied.
    Member(Outcome),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            at: None,
            cause: Cause::Error(error),
        }
    }
}

impl Failure {
    fn of_store(error: Error) -> Self {
        Self {
            at: None,
            cause: match error.kind() {
                ErrorKind::Rejected => Cause::Error(error),
                _ => Cause::Store(error),
            },
        }
    }
}

type Outcomes = Vec<(usize, Outcome)>;

impl Batch<'_> {
    /// Applies all mutations and returns their outcomes in the order of the request, and what the device has with them.
    ///
    /// # Errors
    /// `store_unavailable`, `store_busy` where only what the device has settled is to be noted.
    pub(crate) async fn run(&self) -> Result<(Vec<OutcomeFrame>, Echo)> {
        let items = &self.request.items;
        let mut outcomes: Vec<Option<Outcome>> = items.iter().map(|item| self.unavailable(item)).collect();
        let places: Vec<usize> = (0..items.len())
            .filter(|place| outcomes[*place].is_none())
            .collect();
        if places.is_empty() {
            let (store, settled_to) = (self.server.store.as_ref(), self.request.hello.settled_to);
            receipt::settle(store, self.principal, self.owner, settled_to).await?;
        }
        let units = units(items, &places, &self.server.catalog.schema);
        let mut echo = Echo::default();
        let mut waiting = vec![units.as_slice()];
        let mut held = Held::default();
        for (item, _) in items
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| outcome.is_some())
        {
            held.add(item);
        }
        while let Some(next) = waiting.pop() {
            let made = match self.attempt(next, &held, &mut echo).await {
                Ok(made) => made,
                Err(failure) if may_pass(&failure) => {
                    waiting.push(next);
                    let left = waiting.drain(..).flatten().flat_map(|unit| unit.members.iter());
                    left.map(|place| (*place, retry(&failure))).collect()
                }
                Err(_) if next.len() > 1 => {
                    metrics::undone();
                    let (first, second) = next.split_at(next.len() / 2);
                    waiting.extend([second, first]);
                    continue;
                }
                Err(failure) => match next.first() {
                    Some(unit) => self.refuse(unit, failure).await,
                    None => continue,
                },
            };
            for (place, outcome) in made {
                if matches!(outcome, Outcome::Retry(_)) {
                    held.add(&items[place]);
                }
                held.conflicts.add_conflict(&items[place], &outcome);
                outcomes[place] = Some(outcome);
            }
        }
        let frames = items.iter().zip(outcomes).map(|(item, outcome)| {
            // Every place is in exactly one unit, and every unit was tried.
            let outcome =
                outcome.unwrap_or_else(|| try_again("not_tried", "the change was not tried; send it again"));
            metrics::answered(self.request, item, &outcome);
            let id = item.mutation.id;
            OutcomeFrame { id, outcome }
        });
        Ok((frames.collect(), echo))
    }

    /// Mutations of an entity that cannot be served are kept by the device until it can.
    fn unavailable(&self, item: &Item) -> Option<Outcome> {
        let error = self.request.asked.get(item.asked)?.target.as_ref().err()?;
        Some(try_again(error.code(), error.message()))
    }

    fn target(&self, item: &Item) -> Result<&Target> {
        match self.request.asked.get(item.asked).map(|asked| &asked.target) {
            Some(Ok(target)) => Ok(target),
            Some(Err(error)) => Err(error.clone()),
            None => Err(Error::rejected(
                "invalid_request",
                "the mutation's entity is not in the request",
            )),
        }
    }

    /// Tries some units as one transaction, in which what the device has settled is noted and a history mark made as well.
    async fn attempt(&self, units: &[Unit], held: &Held, echo: &mut Echo) -> Result<Outcomes, Failure> {
        let mut transaction = self.server.store.write().await.map_err(Failure::of_store)?;
        let told = self.request.hello.settled_to;
        let settled_to = receipt::settle_in(transaction.as_mut(), self.principal, self.owner, told)
            .await
            .map_err(Failure::of_store)?;
        let (mut outcomes, mut settled, mut made) = (Vec::new(), Vec::new(), Vec::new());
        let (mut fresh, mut effects) = (Vec::new(), Vec::new());
        let mut found = 0;
        let mut conflicts = held.conflicts.clone();
        let waits = |unit: &Unit| unit.members.iter().any(|place| self.is_held(*place, held));
        let free = units.iter().filter(|unit| !waits(unit));
        let places = free.flat_map(|unit| unit.members.iter().copied());
        let standings = self.open(transaction.as_mut(), places, settled_to).await?;
        for unit in units {
            if waits(unit) {
                outcomes.extend(unit.members.iter().map(|place| (*place, parent_waiting())));
                continue;
            }
            for place in &unit.members {
                let item = &self.request.items[*place];
                let target = self.target(item)?;
                let standing = standings.get(&item.mutation.id).copied();
                let standing = standing.unwrap_or(Standing::Repeated);
                let refused = conflicts.referred_to_by(item, &self.server.catalog.schema);
                let refused = refused.map(|attribute| in_conflict(item, attribute));
                let one = self
                    .apply(transaction.as_mut(), item, target, standing, refused)
                    .await;
                let applied = one.map_err(|error| Failure {
                    at: Some(*place),
                    cause: Cause::Error(error),
                })?;
                check_group(unit, *place, &applied)?;
                conflicts.add_conflict(item, &applied.outcome);
                found += usize::from(!applied.new);
                if let Some(effect) = applied.effect {
                    if applied.new {
                        fresh.push(effect.clone());
                    }
                    effects.push(effect);
                }
                if let Some((key, version)) = applied.settled {
                    settled.push((item.mutation.entity.as_str(), key, version));
                }
                made.extend(applied.receipt);
                outcomes.push((*place, applied.outcome));
            }
        }
        let receipts = made.len();
        receipt::list(transaction.as_mut(), self.owner, made).await?;
        if !fresh.is_empty() {
            for hooks in &self.server.hooks {
                hooks.before_commit(transaction.as_mut(), &fresh).await?;
            }
        }
        let history = &self.server.history;
        history
            .ride_along(transaction.as_mut())
            .await
            .map_err(Failure::of_store)?;
        transaction.commit().await.map_err(Failure::of_store)?;
        metrics::receipts(receipts, found);
        for (entity, key, version) in settled {
            echo.note(entity, key, version);
        }
        self.after_commit(&effects).await;
        Ok(outcomes)
    }

    fn is_held(&self, place: usize, held: &Held) -> bool {
        held.holds(&self.request.items[place], &self.server.catalog.schema)
    }

    /// Also for what was applied earlier: a process that died between commit and hook is made up for by the repetition.
    async fn after_commit(&self, effects: &[AppliedMutation]) {
        if effects.is_empty() {
            return;
        }
        for hooks in &self.server.hooks {
            hooks.after_commit(effects).await;
        }
    }

    /// A unit that failed alone: what is its own fault is remembered as rejected, all else is sent again later.
    async fn refuse(&self, unit: &Unit, failure: Failure) -> Outcomes {
        let outcomes = match refusals(unit, &failure) {
            Some(outcomes) => outcomes,
            None => {
                return unit
                    .members
                    .iter()
                    .map(|place| (*place, retry(&failure)))
                    .collect();
            }
        };
        match self.remember(&outcomes).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                let failure = Failure::from(error);
                unit.members
                    .iter()
                    .map(|place| (*place, retry(&failure)))
                    .collect()
            }
        }
    }

    /// Stores receipts of refusals in a transaction of their own.
    async fn remember(&self, outcomes: &Outcomes) -> Result<Outcomes> {
        let mut transaction = self.server.store.write().await?;
        let mut remembered = Vec::with_capacity(outcomes.len());
        for (place, outcome) in outcomes {
            let item = &self.request.items[*place];
            let outcome = self.remember_one(transaction.as_mut(), item, outcome).await?;
            remembered.push((*place, outcome));
        }
        transaction.commit().await?;
        metrics::receipts(remembered.len(), 0);
        Ok(remembered)
    }

    async fn remember_one(
        &self,
        transaction: &mut dyn onsync_core::store::server::ServerTransaction,
        item: &Item,
        outcome: &Outcome,
    ) -> Result<Outcome> {
        let id = item.mutation.id;
        if matches!(outcome, Outcome::Renew) || *outcome == reused() {
            return Ok(outcome.clone());
        }
        let receipt = self.receipt(item, None, outcome);
        let opened = receipt::open(transaction, vec![(id, receipt)]).await?;
        if opened.get(&id) == Some(&true) {
            receipt::list(transaction, self.owner, vec![Listed::of(item, outcome)]).await?;
            return Ok(outcome.clone());
        }
        // Somebody sent it at the same time, and was quicker.
        let target = self.target(item)?;
        Ok(self.repeated(transaction, item, target).await?.outcome)
    }
}

/// A member of a larger group that is decided now and not applied undoes the whole group.
fn check_group(unit: &Unit, place: usize, applied: &Applied) -> Result<(), Failure> {
    let fine = unit.members.len() < 2 || !applied.new || matches!(applied.outcome, Outcome::Applied { .. });
    match fine {
        true => Ok(()),
        false => Err(Failure {
            at: Some(place),
            cause: Cause::Member(applied.outcome.clone()),
        }),
    }
}

/// Whether everything that is left is sent again later.
fn may_pass(failure: &Failure) -> bool {
    match &failure.cause {
        Cause::Store(_) => true,
        Cause::Error(error) => error.kind().may_pass(),
        Cause::Member(_) => false,
    }
}

/// What a unit that failed alone ends as; none if it may succeed another time.
fn refusals(unit: &Unit, failure: &Failure) -> Option<Outcomes> {
    let own = match &failure.cause {
        Cause::Member(outcome) => outcome.clone(),
        Cause::Error(error) if error.kind() == ErrorKind::Rejected => {
            Outcome::rejected(error.code(), error.message())
        }
        Cause::Error(_) | Cause::Store(_) => return None,
    };
    let others = match own {
        Outcome::Renew => Outcome::Renew,
        _ => Outcome::rejected(
            "group_failed",
            "another change of the same group was refused, and they succeed or fail together",
        ),
    };
    let outcome = |place: &usize| match failure.at {
        Some(at) if at != *place => others.clone(),
        _ => own.clone(),
    };
    Some(
        unit.members
            .iter()
            .map(|place| (*place, outcome(place)))
            .collect(),
    )
}

/// The faults of the server itself are told by code only.
fn retry(failure: &Failure) -> Outcome {
    match &failure.cause {
        Cause::Error(error) | Cause::Store(error) => {
            if !error.kind().may_pass() {
                tracing::error!(code = error.code(), error = %error, "a change could not be processed");
            }
            try_again(
                error.code(),
                "the server could not process this change now; it is sent again later",
            )
        }
        Cause::Member(_) => try_again("group_failed", "the group is sent again later"),
    }
}

/// What refers to a record that the device made, and that is in conflict with one of the same key.
fn in_conflict(item: &Item, attribute: &str) -> Rejection {
    Rejection {
        code: "parent_in_conflict".to_owned(),
        message: format!(
            "`{}.{attribute}` refers to a record that is in conflict; this change is sent again once that is decided",
            item.mutation.entity
        ),
    }
}

fn parent_waiting() -> Outcome {
    try_again(
        "parent_waiting",
        "this change needs another one that is sent again later; so is this",
    )
}

fn try_again(code: &str, message: &str) -> Outcome {
    Outcome::Retry(Rejection {
        code: code.to_owned(),
        message: message.to_owned(),
    })
}
