//! Every function is pure and total.

use super::domain::{State, arrivals, currents, entity, mutations, outcomes, page_kinds, row, states, view};
use crate::suite::CaseResult;
use crate::{check, check_eq};
use onsync_core::mutation::MutationKind;
use onsync_core::pattern::{InFlight, Incoming, Progress, SyncPattern};
use onsync_core::schema::{Attribute, EntitySchema};
use onsync_core::{Fields, Row, ValueType};

/// What a pattern answers to every input of the small world, in order.
fn answers(pattern: &dyn SyncPattern, backwards: bool) -> Vec<String> {
    let entity = entity(pattern.name());
    let mut asked: Vec<Box<dyn Fn() -> String + '_>> = Vec::new();
    for state in states() {
        let (entity, copy) = (&entity, state.clone());
        asked.push(Box::new(move || {
            format!("{:?}", pattern.request(&copy.dirty(entity)))
        }));
        for outcome in outcomes() {
            let copy = state.clone();
            asked.push(Box::new(move || {
                format!("{:?}", pattern.settle(&copy.dirty(entity), &outcome))
            }));
        }
        for arrival in arrivals() {
            for kind in page_kinds() {
                let (copy, arrival) = (state.clone(), arrival.clone());
                asked.push(Box::new(move || {
                    format!(
                        "{:?}",
                        pattern.plan(&copy.dirty(entity), arrival.incoming(), &kind)
                    )
                }));
            }
        }
    }
    for mutation in mutations(&entity) {
        for current in currents() {
            let (entity, mutation) = (&entity, mutation.clone());
            asked.push(Box::new(move || {
                format!("{:?}", pattern.decide(&view(entity, current.as_ref()), &mutation))
            }));
        }
    }
    for (position, newest) in [(0, 0), (0, 1), (5, 5), (5, 9), (9, 5)] {
        asked.push(Box::new(move || {
            format!("{:?}", pattern.select(Some(Progress { position, newest })))
        }));
    }
    if backwards {
        let mut all: Vec<String> = asked.iter().rev().map(|ask| ask()).collect();
        all.reverse();
        all
    } else {
        asked.iter().map(|ask| ask()).collect()
    }
}

/// Whatever was asked before, the same question gets the same answer.
pub async fn the_same_input_gives_the_same_output(pattern: &dyn SyncPattern) -> CaseResult {
    let first = answers(pattern, false);
    let second = answers(pattern, true);
    let third = answers(pattern, false);
    for (index, answer) in first.iter().enumerate() {
        check_eq!(
            second[index],
            *answer,
            "question {index}, asked again in another order"
        );
        check_eq!(third[index], *answer, "question {index}, asked a third time");
    }
    check!(!first.is_empty(), "nothing was asked");
    let constant = (pattern.direction(), pattern.view(), pattern.whole_refresh());
    check_eq!(
        (pattern.direction(), pattern.view(), pattern.whole_refresh()),
        constant,
        "direction, view and whole_refresh are constants"
    );
    Ok(())
}

/// Rows that are too short or too long, and values in flight for attributes that are not configured.
pub async fn no_function_panics_on_any_input(pattern: &dyn SyncPattern) -> CaseResult {
    let full = entity(pattern.name());
    let empty = EntitySchema::new("Nothing", pattern.name(), &[], Vec::new());
    let one = EntitySchema::new(
        "Tag",
        pattern.name(),
        &["id"],
        vec![Attribute::new("id", ValueType::Integer)],
    );
    let mut long = row("1", "2", "3", "4");
    long.push("5".into());
    let rows: [Option<Row>; 5] = [
        None,
        Some(Vec::new()),
        Some(vec![1i64.into(), "1".into(), "1".into()]),
        Some(row("0", "1", "2", "3")),
        Some(long),
    ];
    let flights = [MutationKind::Create, MutationKind::Update, MutationKind::Delete].map(|kind| {
        Some(InFlight {
            kind,
            values: Fields::new().with("b", "1").with("unknown", "1"),
        })
    });
    for entity in [&full, &empty, &one] {
        for base in &rows {
            for mine in &rows {
                for in_flight in flights.iter().chain([&None]) {
                    let state = State {
                        base: base.clone(),
                        mine: mine.clone(),
                        in_flight: in_flight.clone(),
                    };
                    ask_everything(pattern, entity, &state, &rows);
                }
            }
        }
        for mutation in mutations(&full) {
            for current in currents().into_iter().chain([Some(Fields::new())]) {
                pattern.decide(&view(entity, current.as_ref()), &mutation);
            }
        }
    }
    for position in [0, 1, u64::MAX] {
        for newest in [0, 1, u64::MAX] {
            pattern.select(Some(Progress { position, newest }));
        }
    }
    Ok(())
}

fn ask_everything(pattern: &dyn SyncPattern, entity: &EntitySchema, state: &State, rows: &[Option<Row>]) {
    let dirty = state.dirty(entity);
    pattern.request(&dirty);
    for outcome in outcomes() {
        pattern.settle(&dirty, &outcome);
    }
    for kind in page_kinds() {
        pattern.plan(&dirty, Incoming::Deleted, &kind);
        pattern.plan(&dirty, Incoming::Removed, &kind);
        for row in rows.iter().flatten() {
            pattern.plan(&dirty, Incoming::Row(row), &kind);
        }
    }
}

/// Lower-case words with hyphens, as the built-in ones.
pub async fn the_name_is_one_that_configuration_can_hold(pattern: &dyn SyncPattern) -> CaseResult {
    let name = pattern.name();
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    check!(
        !name.is_empty() && name.len() <= 128 && name.chars().all(fine),
        "a pattern's name is lower-case words with hyphens, found {name:?}"
    );
    Ok(())
}
