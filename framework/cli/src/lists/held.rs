//! Records that wait because another one is refused or in conflict.

use super::table::{Cell, Look, Table};
use super::{plain_key, record};
use crate::screen::{Screen, counted, number};
use onsync::HeldRecord;
use serde_json::{Value as Json, json};

/// So many are listed by name.
const LISTED: usize = 20;

/// Lists them below what they wait for; nothing where nothing waits.
pub(super) fn tell_held(screen: Screen, held: &[HeldRecord]) {
    if held.is_empty() {
        return;
    }
    let count = counted(held.len() as u64, "record is", "records are");
    screen.line(format!(
        "\n{}",
        screen.yellow(format!("{count} held because of it:"))
    ));
    let mut table = Table::new(&["record", "waits to", "because its", "is not on the server"], 3);
    let (listed, left_out) = held.split_at(held.len().min(LISTED));
    for held in listed {
        table.row(vec![
            Cell::of(Look::Name, record(&held.entity, &held.key)),
            held.kind.as_str().into(),
            held.relation.clone().into(),
            record(&held.parent_entity, &held.parent).into(),
        ]);
    }
    table.show(screen);
    if !left_out.is_empty() {
        screen.line(screen.dim(format!(
            "… and {} more; --json has all",
            number(left_out.len() as u64)
        )));
    }
}

/// Them as plain JSON.
pub(super) fn held_as_json(held: &[HeldRecord]) -> Json {
    held.iter()
        .map(|held| {
            json!({
                "entity": held.entity,
                "key": plain_key(&held.key),
                "kind": held.kind,
                "relation": held.relation,
                "parent_entity": held.parent_entity,
                "parent": plain_key(&held.parent),
            })
        })
        .collect()
}
