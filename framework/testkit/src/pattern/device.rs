//! The device half: what is sent, what an arrival does to unsent edits, what an outcome does.

use super::domain::{Arrival, State, arrivals, entity, outcomes, page_kinds, row, states};
use crate::suite::{CaseResult, Failure};
use crate::{check, check_eq};
use onsync_core::mutation::{MutationKind, Outcome};
use onsync_core::pattern::{Action, Direction, Settlement, SyncPattern};
use onsync_core::schema::EntitySchema;

fn is_read_only(pattern: &dyn SyncPattern) -> bool {
    pattern.direction() == Direction::ReadOnly
}

fn unsent_states() -> impl Iterator<Item = State> {
    states().into_iter().filter(|state| state.in_flight.is_none())
}

/// A record equal to its base, and one made and deleted here, send nothing.
pub async fn request_sends_nothing_where_nothing_differs(pattern: &dyn SyncPattern) -> CaseResult {
    let entity = entity(pattern.name());
    let same = row("0", "0", "0", "0");
    for content in [Some(same), None] {
        let state = State {
            base: content.clone(),
            mine: content,
            in_flight: None,
        };
        check_eq!(pattern.request(&state.dirty(&entity)), None, "{state:?}");
    }
    Ok(())
}

/// Local attributes never travel, so they are no reason to send.
pub async fn request_sends_nothing_where_only_local_attributes_differ(
    pattern: &dyn SyncPattern,
) -> CaseResult {
    let entity = entity(pattern.name());
    let state = State {
        base: Some(row("0", "0", "0", "0")),
        mine: Some(row("0", "0", "0", "1")),
        in_flight: None,
    };
    check_eq!(pattern.request(&state.dirty(&entity)), None, "{state:?}");
    Ok(())
}

/// Every difference between base and mine is sent, with the right kind.
pub async fn request_of_a_read_write_pattern_sends_every_difference(pattern: &dyn SyncPattern) -> CaseResult {
    if is_read_only(pattern) {
        return Ok(());
    }
    let entity = entity(pattern.name());
    for state in unsent_states() {
        let request = pattern.request(&state.dirty(&entity));
        let wanted = match (&state.base, &state.mine) {
            (None, Some(_)) => Some(MutationKind::Create),
            (Some(_), None) => Some(MutationKind::Delete),
            (Some(_), Some(_)) if !state.unsent(&entity).is_empty() => Some(MutationKind::Update),
            _ => None,
        };
        check_eq!(request.as_ref().map(|change| change.kind), wanted, "{state:?}");
        let Some(change) = request else { continue };
        if change.kind != MutationKind::Delete {
            for index in state.unsent(&entity) {
                check!(
                    change.attributes.contains(&index),
                    "attribute {index} differs and is not sent: {state:?} → {change:?}"
                );
            }
        }
    }
    Ok(())
}

/// Positions exist, come once, and are of attributes that are not local.
pub async fn request_names_only_attributes_that_travel(pattern: &dyn SyncPattern) -> CaseResult {
    let entity = entity(pattern.name());
    for state in unsent_states() {
        let Some(change) = pattern.request(&state.dirty(&entity)) else {
            continue;
        };
        for (place, index) in change.attributes.iter().enumerate() {
            let attribute = entity.attributes.get(*index);
            check!(
                attribute.is_some_and(|attribute| !attribute.local),
                "attribute {index} does not travel: {state:?} → {change:?}"
            );
            check!(
                !change.attributes[..place].contains(index),
                "attribute {index} is named twice: {change:?}"
            );
        }
    }
    Ok(())
}

/// `b` and `c` are one group: who sends one sends both.
pub async fn request_sends_what_travels_together_as_one(pattern: &dyn SyncPattern) -> CaseResult {
    let entity = entity(pattern.name());
    for state in unsent_states() {
        let Some(change) = pattern.request(&state.dirty(&entity)) else {
            continue;
        };
        check_eq!(
            change.attributes.contains(&2),
            change.attributes.contains(&3),
            "`b` and `c` travel together: {state:?} → {change:?}"
        );
    }
    Ok(())
}

/// Read-only means that nothing is sent.
pub async fn a_read_only_pattern_never_requests(pattern: &dyn SyncPattern) -> CaseResult {
    if !is_read_only(pattern) {
        return Ok(());
    }
    let entity = entity(pattern.name());
    for state in states() {
        check_eq!(pattern.request(&state.dirty(&entity)), None, "{state:?}");
    }
    Ok(())
}

/// Calls `look` with every state, arrival and action of the small world.
fn for_every_plan(
    pattern: &dyn SyncPattern,
    mut look: impl FnMut(&EntitySchema, &State, &Arrival, &Action) -> CaseResult,
) -> CaseResult {
    let entity = entity(pattern.name());
    for state in states() {
        for arrival in arrivals() {
            for kind in page_kinds() {
                let action = pattern.plan(&state.dirty(&entity), arrival.incoming(), &kind);
                look(&entity, &state, &arrival, &action)?;
            }
        }
    }
    Ok(())
}

fn lost(what: impl std::fmt::Display, state: &State, arrival: &Arrival, action: &Action) -> Failure {
    Failure::new(format!(
        "{what}\n      state   {state:?}\n      arrival {arrival:?}\n      action  {action:?}"
    ))
}

/// `Accept` forgets: what it forgets must have been sent or be equal.
pub async fn plan_accepts_only_where_no_attribute_is_unsent(pattern: &dyn SyncPattern) -> CaseResult {
    for_every_plan(pattern, |entity, state, arrival, action| {
        let Some(mine) = state.mine.as_ref().filter(|_| *action == Action::Accept) else {
            return Ok(());
        };
        for index in state.unsent(entity) {
            let equal = matches!(arrival, Arrival::Row(row) if row[index] == mine[index]);
            if !equal {
                return Err(lost(
                    format!("the unsent attribute {index} is forgotten"),
                    state,
                    arrival,
                    action,
                ));
            }
        }
        Ok(())
    })
}

/// A delete that the server does not know of is not forgotten, unless the record is deleted there too.
pub async fn plan_accepts_only_where_no_delete_is_unsent(pattern: &dyn SyncPattern) -> CaseResult {
    for_every_plan(pattern, |entity, state, arrival, action| {
        let forgets = *action == Action::Accept && !matches!(arrival, Arrival::Deleted);
        if forgets && state.has_unsent_delete(entity) {
            return Err(lost("the unsent delete is forgotten", state, arrival, action));
        }
        Ok(())
    })
}

/// After a `Rebase` the app sees its unsent values.
pub async fn plan_rebases_without_losing_an_unsent_attribute(pattern: &dyn SyncPattern) -> CaseResult {
    for_every_plan(pattern, |entity, state, arrival, action| {
        let (Some(mine), Action::Rebase { visible }) = (&state.mine, action) else {
            return Ok(());
        };
        for index in state.unsent(entity) {
            if visible.as_ref().map(|row| &row[index]) != Some(&mine[index]) {
                return Err(lost(
                    format!("the unsent attribute {index} is not visible any more"),
                    state,
                    arrival,
                    action,
                ));
            }
        }
        Ok(())
    })
}

/// After a `Rebase` a record deleted here stays deleted.
pub async fn plan_rebases_without_reviving_what_was_deleted_here(pattern: &dyn SyncPattern) -> CaseResult {
    for_every_plan(pattern, |_, state, arrival, action| match action {
        Action::Rebase { visible: Some(_) } if state.mine.is_none() => Err(lost(
            "the deleted record is visible again",
            state,
            arrival,
            action,
        )),
        _ => Ok(()),
    })
}

/// After a `Rebase` attributes nobody edited here show what arrived.
pub async fn plan_rebases_attributes_not_edited_here_to_what_arrived(
    pattern: &dyn SyncPattern,
) -> CaseResult {
    for_every_plan(pattern, |entity, state, arrival, action| {
        let (
            Action::Rebase {
                visible: Some(visible),
            },
            Arrival::Row(incoming),
        ) = (action, arrival)
        else {
            return Ok(());
        };
        let dirty = state.dirty(entity);
        let unsent = state.unsent(entity);
        for index in 0..entity.attributes.len() {
            let edited = entity
                .together_with(index)
                .into_iter()
                .any(|member| dirty.is_edited(member) || unsent.contains(&member));
            if !edited && visible[index] != incoming[index] {
                return Err(lost(
                    format!("attribute {index}, not edited here, does not show what arrived"),
                    state,
                    arrival,
                    action,
                ));
            }
        }
        Ok(())
    })
}

/// What was sent and is not answered stays visible: a device reads its own writes.
pub async fn plan_keeps_what_is_in_flight_visible(pattern: &dyn SyncPattern) -> CaseResult {
    if is_read_only(pattern) {
        return Ok(());
    }
    for_every_plan(pattern, |entity, state, arrival, action| {
        let (Some(sent), Arrival::Row(incoming)) = (&state.in_flight, arrival) else {
            return Ok(());
        };
        let shown = match action {
            Action::Accept => Some(incoming),
            Action::Rebase { visible } => visible.as_ref(),
            Action::Discard(_) | Action::Conflict(_) | Action::Keep => return Ok(()),
        };
        if state.mine.is_none() && shown.is_some() {
            return Err(lost(
                "what was deleted here is visible again",
                state,
                arrival,
                action,
            ));
        }
        let (Some(mine), Some(shown)) = (&state.mine, shown) else {
            return Ok(());
        };
        for (name, _) in sent.values.iter() {
            let Some(index) = entity.index_of(name) else {
                continue;
            };
            if shown[index] != mine[index] {
                return Err(lost(
                    format!("`{name}` is in flight and not visible any more"),
                    state,
                    arrival,
                    action,
                ));
            }
        }
        Ok(())
    })
}

/// Both sides hold the same: there is nothing to decide.
pub async fn plan_finds_no_conflict_in_identical_content(pattern: &dyn SyncPattern) -> CaseResult {
    for_every_plan(pattern, |entity, state, arrival, action| {
        let same = match (&state.mine, arrival) {
            (Some(mine), Arrival::Row(row)) => entity.agree(mine, row),
            (None, Arrival::Deleted) => true,
            _ => false,
        };
        if same && state.in_flight.is_none() && matches!(action, Action::Conflict(_)) {
            return Err(lost("a conflict between equals", state, arrival, action));
        }
        Ok(())
    })
}

/// What arrives may be what this device has sent itself, or what its edits are based on.
pub async fn plan_finds_no_conflict_with_an_own_echo(pattern: &dyn SyncPattern) -> CaseResult {
    for_every_plan(pattern, |entity, state, arrival, action| {
        let expected = state.expected(entity);
        let is = |known: &Option<onsync_core::Row>| match (known, arrival) {
            (Some(known), Arrival::Row(row)) => entity.agree(known, row),
            _ => false,
        };
        if (is(&expected) || is(&state.base)) && matches!(action, Action::Conflict(_)) {
            return Err(lost("a conflict with oneself", state, arrival, action));
        }
        Ok(())
    })
}

/// Where nothing is unsent there is nothing that could be in conflict.
pub async fn plan_finds_a_conflict_only_with_an_unsent_edit(pattern: &dyn SyncPattern) -> CaseResult {
    for_every_plan(pattern, |entity, state, arrival, action| {
        let edited = !state.unsent(entity).is_empty() || state.has_unsent_delete(entity);
        let open = edited || state.in_flight.is_some();
        if !open && matches!(action, Action::Conflict(_)) {
            return Err(lost("a conflict without an edit", state, arrival, action));
        }
        Ok(())
    })
}

/// A read-only pattern would never send what it kept, so an arrival ends the edit: in the bin, or equal.
pub async fn plan_of_a_read_only_pattern_never_keeps_edits_for_sending(
    pattern: &dyn SyncPattern,
) -> CaseResult {
    if !is_read_only(pattern) {
        return Ok(());
    }
    for_every_plan(pattern, |_, state, arrival, action| match action {
        Action::Rebase { .. } | Action::Conflict(_) => Err(lost(
            "an edit that is never sent is kept as if it were",
            state,
            arrival,
            action,
        )),
        Action::Accept | Action::Discard(_) | Action::Keep => Ok(()),
    })
}

/// Calls `look` with every state that has something in flight, and every outcome that `pick` takes.
fn for_every_settlement(
    pattern: &dyn SyncPattern,
    pick: impl Fn(&Outcome) -> bool,
    mut fine: impl FnMut(&EntitySchema, &State, &Settlement) -> bool,
) -> CaseResult {
    let entity = entity(pattern.name());
    for state in states().into_iter().filter(|state| state.in_flight.is_some()) {
        for outcome in outcomes().into_iter().filter(|outcome| pick(outcome)) {
            let settlement = pattern.settle(&state.dirty(&entity), &outcome);
            check!(
                fine(&entity, &state, &settlement),
                "this must not follow:\n      state   {state:?}\n      outcome {outcome:?}\n      settled {settlement:?}"
            );
        }
    }
    Ok(())
}

fn is_applied(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Applied { .. })
}

/// `Forget` leaves no trace, so nothing may be unsent then.
pub async fn settle_of_applied_drops_no_later_edit(pattern: &dyn SyncPattern) -> CaseResult {
    for_every_settlement(pattern, is_applied, |entity, state, settlement| {
        let later = !state.unsent(entity).is_empty() || state.has_unsent_delete(entity);
        *settlement != Settlement::Forget || !later
    })
}

/// What took effect is not sent again and not listed as refused; a conflict only where it was edited since.
pub async fn settle_of_applied_lists_no_failure(pattern: &dyn SyncPattern) -> CaseResult {
    for_every_settlement(
        pattern,
        is_applied,
        |entity, state, settlement| match settlement {
            Settlement::Acknowledge | Settlement::Forget | Settlement::Discard(_) => true,
            Settlement::Conflict(_) => !state.unsent(entity).is_empty() || state.has_unsent_delete(entity),
            Settlement::Reject(_) | Settlement::Retry | Settlement::Unknown => false,
        },
    )
}

/// Nothing was done: an edit goes to the bin, to the list or into a conflict. A delete has what it wanted.
pub async fn settle_of_gone_leaves_no_edit_unaccounted(pattern: &dyn SyncPattern) -> CaseResult {
    let gone = |outcome: &Outcome| *outcome == Outcome::Gone;
    for_every_settlement(pattern, gone, |_, state, settlement| match settlement {
        Settlement::Discard(_) | Settlement::Conflict(_) | Settlement::Reject(_) => true,
        Settlement::Acknowledge | Settlement::Forget => {
            let deletes = |sent: &onsync_core::pattern::InFlight| sent.kind == MutationKind::Delete;
            state.mine.is_none() && state.in_flight.as_ref().is_some_and(deletes)
        }
        Settlement::Retry | Settlement::Unknown => false,
    })
}

/// A refusal is never dropped unreported.
pub async fn settle_of_rejected_is_listed_or_in_the_bin(pattern: &dyn SyncPattern) -> CaseResult {
    let rejected = |outcome: &Outcome| matches!(outcome, Outcome::Rejected(_));
    for_every_settlement(pattern, rejected, |_, _, settlement| {
        matches!(settlement, Settlement::Reject(_) | Settlement::Discard(_))
    })
}

/// A conflict is durable, or the losing edit is in the bin.
pub async fn settle_of_conflict_is_never_silent(pattern: &dyn SyncPattern) -> CaseResult {
    let conflict = |outcome: &Outcome| matches!(outcome, Outcome::Conflict { .. });
    for_every_settlement(pattern, conflict, |_, _, settlement| {
        matches!(
            settlement,
            Settlement::Conflict(_) | Settlement::Discard(_) | Settlement::Reject(_)
        )
    })
}

/// Nothing was done and nothing is remembered there: the same mutation is sent again.
pub async fn settle_of_retry_sends_again(pattern: &dyn SyncPattern) -> CaseResult {
    let retry = |outcome: &Outcome| matches!(outcome, Outcome::Retry(_));
    for_every_settlement(pattern, retry, |_, _, settlement| {
        *settlement == Settlement::Retry
    })
}

/// Nobody knows whether it was applied: neither sent again nor forgotten.
pub async fn settle_of_renew_is_listed_as_unknown(pattern: &dyn SyncPattern) -> CaseResult {
    let renew = |outcome: &Outcome| *outcome == Outcome::Renew;
    for_every_settlement(pattern, renew, |_, _, settlement| {
        *settlement == Settlement::Unknown
    })
}
