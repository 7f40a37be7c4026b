//! `onsync conflicts`: what was changed here and on the server, side by side, and how it ends.

use super::arguments::{Conflicts, ConflictsAction, Resolve};
use super::held::{held_as_json, tell_held};
use super::table::{Cell, Look, Table};
use super::{
    cut, device, find_id, moment, more_than, nothing, plain_key, record, short, shown, synced_device,
};
use crate::exit::{Exit, Failure, Outcome};
use crate::screen::Screen;
use onsync::{App, Error, Fields, OpenConflict, Registries, Resolution, Value};
use onsync_core::mutation::ConflictKind;
use serde_json::{Value as Json, json};
use std::path::Path;

const NONE: &str = "no conflict is open";

/// Runs the command.
pub(crate) async fn run(screen: Screen, registries: &Registries, path: &Path, flags: &Conflicts) -> Outcome {
    let user = flags.user.as_deref();
    match &flags.action {
        ConflictsAction::List { entity, limit } => {
            let Some(app) = device(registries, path, user).await? else {
                return nothing(screen, NONE, "conflicts");
            };
            let found = app.conflicts(entity.as_deref(), usize::MAX).await?;
            list(screen, found, *limit)
        }
        ConflictsAction::Show { id } => {
            let app = synced_device(registries, path, user).await?;
            let conflict = find(&app, id).await?;
            let held = app
                .held_by_conflict(&conflict.entity, conflict.key.clone())
                .await?;
            show(screen, &conflict);
            tell_held(screen, &held);
            let mut value = as_json(&conflict);
            value["held"] = held_as_json(&held);
            screen.json(&value);
            Ok(Exit::Done)
        }
        ConflictsAction::Resolve(how) => {
            let app = synced_device(registries, path, user).await?;
            resolve(screen, &app, how).await
        }
    }
}

async fn find(app: &App, given: &str) -> Result<OpenConflict, Failure> {
    let open = app.conflicts(None, usize::MAX).await?;
    let id = find_id(given, open.iter().map(|conflict| conflict.id), "conflict")?;
    open.into_iter()
        .find(|conflict| conflict.id == id)
        .ok_or_else(|| Error::fatal("internal", "a conflict that was found is not there").into())
}

/// Which changes met.
fn met(kind: ConflictKind) -> &'static str {
    match kind {
        ConflictKind::UpdateUpdate => "changed on both sides",
        ConflictKind::UpdateDelete => "changed here, deleted there",
        ConflictKind::DeleteUpdate => "deleted here, changed there",
        ConflictKind::CreateCreate => "made on both sides",
    }
}

fn list(screen: Screen, open: Vec<OpenConflict>, limit: usize) -> Outcome {
    let (open, left_out) = cut(open, limit);
    if open.is_empty() {
        return nothing(screen, NONE, "conflicts");
    }
    let mut table = Table::new(&["id", "when (UTC)", "record", "what", "attributes"], 3);
    for conflict in &open {
        let changed = conflict.attributes.iter();
        let names: Vec<&str> = changed
            .filter(|attribute| attribute.changed_here || attribute.changed_there)
            .map(|attribute| attribute.name.as_str())
            .collect();
        table.row(vec![
            Cell::of(Look::Name, short(conflict.id)),
            Cell::of(Look::Dim, moment(conflict.at)),
            record(&conflict.entity, &conflict.key).into(),
            Cell::of(Look::Warn, met(conflict.kind)),
            names.join(", ").into(),
        ]);
    }
    table.show(screen);
    more_than(screen, left_out);
    screen.line(screen.dim("`onsync conflicts show ID` has both sides; then `resolve`"));
    let open: Vec<Json> = open.iter().map(as_json).collect();
    screen.json(&json!({ "conflicts": open, "more": left_out > 0 }));
    Ok(Exit::Done)
}

fn show(screen: Screen, conflict: &OpenConflict) {
    screen.line(format!(
        "{}  {}  {}",
        screen.cyan(record(&conflict.entity, &conflict.key)),
        screen.yellow(met(conflict.kind)),
        screen.dim(format!("{} UTC", moment(conflict.at)))
    ));
    screen.line(screen.dim(format!("id {}", conflict.id)));
    if conflict.in_flight {
        screen.line(
            screen.yellow(
                "a change of it is on its way, and may end the conflict: `onsync sync`, then resolve",
            ),
        );
    }
    screen.line("");
    let mut table = Table::new(&["attribute", "was", "here (mine)", "server (theirs)"], 12);
    for attribute in &conflict.attributes {
        let side = |value: &Option<Value>, changed: bool, without: &str| match value {
            None => Cell::of(Look::Dim, without),
            Some(value) if changed => Cell::of(Look::Warn, shown(value)),
            Some(value) => shown(value).into(),
        };
        table.row(vec![
            Cell::of(Look::Name, attribute.name.as_str()),
            side(&attribute.base, false, ""),
            side(&attribute.mine, attribute.changed_here, "deleted"),
            side(&attribute.theirs, attribute.changed_there, "deleted"),
        ]);
    }
    table.show(screen);
}

async fn resolve(screen: Screen, app: &App, how: &Resolve) -> Outcome {
    let conflict = find(app, &how.id).await?;
    let resolution = resolution(app, &conflict, how)?;
    let key = app
        .resolve_conflict(&conflict.entity, conflict.key.clone(), resolution)
        .await?;
    let what = match how.theirs {
        true => "is as the server has it; what was here is in the bin",
        false => "is decided; it is sent with the next sync, and checked again: `onsync sync`",
    };
    screen.line(format!("{} {what}", screen.cyan(record(&conflict.entity, &key))));
    screen.json(&json!({ "resolved": conflict.id, "entity": conflict.entity, "key": plain_key(&key) }));
    Ok(Exit::Done)
}

fn resolution(app: &App, conflict: &OpenConflict, how: &Resolve) -> Result<Resolution, Failure> {
    if how.theirs {
        return Ok(Resolution::TakeTheirs);
    }
    if how.set.is_empty() && how.null.is_empty() {
        return Ok(Resolution::KeepMine);
    }
    let entity = app.schema().entity(&conflict.entity)?;
    let mut fields = Fields::new();
    if how.mine {
        let here = conflict
            .attributes
            .iter()
            .filter(|attribute| attribute.changed_here);
        for attribute in here {
            fields.set(&attribute.name, attribute.mine.clone().unwrap_or_default());
        }
    }
    for text in &how.set {
        let Some((name, text)) = text.split_once('=') else {
            return Err(Failure::usage(Error::rejected(
                "invalid_assignment",
                format!("wanted `attribute=value`, found `{text}`"),
            )));
        };
        let index = entity.require(name).map_err(Failure::usage)?;
        let value = entity.attributes[index].value_type.parse(text);
        fields.set(name, value.map_err(|error| Failure::usage(error.at(name)))?);
    }
    for name in &how.null {
        entity.require(name).map_err(Failure::usage)?;
        fields.set(name, Value::Null);
    }
    Ok(Resolution::Merge(fields))
}

fn as_json(conflict: &OpenConflict) -> Json {
    let plain = |value: &Option<Value>| value.as_ref().map(Value::to_json);
    let attributes = conflict.attributes.iter().map(|attribute| {
        json!({
            "name": attribute.name,
            "base": plain(&attribute.base),
            "mine": plain(&attribute.mine),
            "theirs": plain(&attribute.theirs),
            "changed_here": attribute.changed_here,
            "changed_there": attribute.changed_there,
        })
    });
    json!({
        "id": conflict.id,
        "entity": conflict.entity,
        "key": plain_key(&conflict.key),
        "kind": conflict.kind,
        "at": conflict.at.to_string(),
        "in_flight": conflict.in_flight,
        "attributes": attributes.collect::<Vec<_>>(),
    })
}
