//! The server half: what an answer holds, what a mutation does.

use super::domain::{currents, entity, mutations, view};
use crate::suite::CaseResult;
use crate::{check, check_eq};
use onsync_core::Fields;
use onsync_core::mutation::{Mutation, MutationKind};
use onsync_core::pattern::{Direction, Progress, Selection, SyncPattern, Verdict};
use onsync_core::schema::EntitySchema;

/// A device without a usable checkpoint gets everything.
pub async fn select_without_progress_is_full(pattern: &dyn SyncPattern) -> CaseResult {
    if pattern.direction() == Direction::SendOnly {
        return Ok(());
    }
    check_eq!(pattern.select(None), Selection::Full, "without a checkpoint");
    Ok(())
}

/// A change above the device's position is delivered.
pub async fn select_is_not_nothing_when_something_changed(pattern: &dyn SyncPattern) -> CaseResult {
    if pattern.direction() == Direction::SendOnly {
        return Ok(());
    }
    for (position, newest) in [(0, 1), (1, 2), (41, 42), (0, u64::MAX), (u64::MAX - 1, u64::MAX)] {
        let selection = pattern.select(Some(Progress { position, newest }));
        check!(
            selection != Selection::Nothing,
            "position {position}, newest {newest}: the change is never delivered"
        );
    }
    Ok(())
}

/// A sync with nothing to do costs nothing; positions grow with changes of other entities too.
pub async fn select_is_nothing_when_nothing_changed(pattern: &dyn SyncPattern) -> CaseResult {
    for (position, newest) in [(0, 0), (1, 1), (42, 42), (42, 7), (u64::MAX, u64::MAX)] {
        check_eq!(
            pattern.select(Some(Progress { position, newest })),
            Selection::Nothing,
            "position {position}, newest {newest}"
        );
    }
    Ok(())
}

/// Whatever a device sends, a read-only entity is not changed by it.
pub async fn a_read_only_pattern_rejects_every_mutation(pattern: &dyn SyncPattern) -> CaseResult {
    if pattern.direction() != Direction::ReadOnly {
        return Ok(());
    }
    for_every_verdict(pattern, |_, current, mutation, verdict| {
        check!(
            matches!(verdict, Verdict::Reject(_)),
            "{current:?}, {mutation:?}: wanted a rejection, found {verdict:?}"
        );
        Ok(())
    })
}

/// Calls `look` with every verdict of the small world.
fn for_every_verdict(
    pattern: &dyn SyncPattern,
    mut look: impl FnMut(&EntitySchema, Option<&Fields>, &Mutation, &Verdict) -> CaseResult,
) -> CaseResult {
    let entity = entity(pattern.name());
    for current in currents() {
        for mutation in mutations(&entity) {
            let verdict = pattern.decide(&view(&entity, current.as_ref()), &mutation);
            look(&entity, current.as_ref(), &mutation, &verdict)?;
        }
    }
    Ok(())
}

/// `Insert` is for a create of a record that does not exist.
pub async fn decide_inserts_only_what_is_not_there(pattern: &dyn SyncPattern) -> CaseResult {
    for_every_verdict(pattern, |_, current, mutation, verdict| {
        let allowed = current.is_none() && mutation.kind == MutationKind::Create;
        check!(
            *verdict != Verdict::Insert || allowed,
            "{current:?}, {mutation:?}: inserted"
        );
        Ok(())
    })
}

/// `Update` and `Delete` are for records that exist, and a delete is only made where one was asked for.
pub async fn decide_touches_only_what_is_there(pattern: &dyn SyncPattern) -> CaseResult {
    for_every_verdict(pattern, |_, current, mutation, verdict| {
        let touches = matches!(verdict, Verdict::Update(_) | Verdict::Delete);
        check!(
            !touches || current.is_some(),
            "{mutation:?}: {verdict:?} of a record that does not exist"
        );
        check!(
            *verdict != Verdict::Delete || mutation.kind == MutationKind::Delete,
            "{mutation:?} deletes"
        );
        Ok(())
    })
}

/// A mutation names what it changes; nothing else is written.
pub async fn decide_writes_only_attributes_the_mutation_names(pattern: &dyn SyncPattern) -> CaseResult {
    for_every_verdict(pattern, |_, current, mutation, verdict| {
        if let Verdict::Update(fields) = verdict {
            for (name, _) in fields.iter() {
                check!(
                    mutation.values.has(name),
                    "{current:?}, {mutation:?}: `{name}` is written and not named"
                );
            }
        }
        Ok(())
    })
}

/// The key of an existing record is not written.
pub async fn decide_writes_no_key(pattern: &dyn SyncPattern) -> CaseResult {
    for_every_verdict(pattern, |entity, current, mutation, verdict| {
        if let (Verdict::Update(fields), Some(current)) = (verdict, current) {
            for name in &entity.key {
                check!(
                    !fields.has(name) || fields.value(name) == current.value(name),
                    "{mutation:?}: the key attribute `{name}` is changed"
                );
            }
        }
        Ok(())
    })
}

/// `Nothing` counts as applied, so the server must be as the mutation wants it.
pub async fn decide_says_nothing_only_where_the_server_is_as_wanted(pattern: &dyn SyncPattern) -> CaseResult {
    for_every_verdict(pattern, |_, current, mutation, verdict| {
        if *verdict != Verdict::Nothing {
            return Ok(());
        }
        let as_wanted = match (mutation.kind, current) {
            (MutationKind::Delete, current) => current.is_none(),
            (_, None) => false,
            (_, Some(current)) => mutation
                .values
                .iter()
                .all(|(name, value)| current.value(name) == value),
        };
        check!(
            as_wanted,
            "{current:?}, {mutation:?}: counts as applied and is not"
        );
        Ok(())
    })
}

/// A change of the very version it is based on is contested by nobody.
pub async fn decide_finds_no_conflict_with_the_version_it_is_based_on(
    pattern: &dyn SyncPattern,
) -> CaseResult {
    for_every_verdict(pattern, |entity, current, mutation, verdict| {
        let version = view(entity, current).version;
        let uncontested =
            mutation.kind != MutationKind::Create && version.is_some() && version == mutation.base_version;
        check!(
            !(uncontested && matches!(verdict, Verdict::Conflict(_))),
            "{current:?}, {mutation:?}: a conflict with nobody"
        );
        Ok(())
    })
}

/// The record holds what the mutation would write.
pub async fn decide_finds_no_conflict_in_identical_content(pattern: &dyn SyncPattern) -> CaseResult {
    for_every_verdict(pattern, |_, current, mutation, verdict| {
        let same = match (mutation.kind, current) {
            (MutationKind::Delete, current) => current.is_none(),
            (_, None) => false,
            (_, Some(current)) => mutation
                .values
                .iter()
                .all(|(name, value)| current.value(name) == value),
        };
        check!(
            !(same && matches!(verdict, Verdict::Conflict(_))),
            "{current:?}, {mutation:?}: a conflict between equals"
        );
        Ok(())
    })
}

/// The state after an effect gives no second effect that differs from the first.
pub async fn decide_applied_again_changes_nothing(pattern: &dyn SyncPattern) -> CaseResult {
    let entity = entity(pattern.name());
    for current in currents() {
        for mutation in mutations(&entity) {
            let verdict = pattern.decide(&view(&entity, current.as_ref()), &mutation);
            let after = effect(current.as_ref(), &mutation, &verdict);
            let again = pattern.decide(&view(&entity, after.as_ref()), &mutation);
            check_eq!(
                effect(after.as_ref(), &mutation, &again),
                after,
                "{current:?}, {mutation:?}: {verdict:?}, then {again:?}"
            );
        }
    }
    Ok(())
}

/// The record after a verdict.
pub(crate) fn effect(current: Option<&Fields>, mutation: &Mutation, verdict: &Verdict) -> Option<Fields> {
    match verdict {
        Verdict::Insert => Some(mutation.values.clone()),
        Verdict::Delete => None,
        Verdict::Update(fields) => current.map(|current| {
            let mut after = current.clone();
            for (name, value) in fields.iter() {
                after.set(name, value.clone());
            }
            after
        }),
        Verdict::Nothing | Verdict::Gone | Verdict::Conflict(_) | Verdict::Reject(_) => current.cloned(),
    }
}
