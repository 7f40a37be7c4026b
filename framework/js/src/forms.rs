//! Status, events and lists as plain objects with names as JavaScript writes them.

use crate::error::wanted;
use crate::values::{key_to_js, record, set, to_js};
use js_sys::{Array, JSON, Object};
use onsync::core::value::Timestamp;
use onsync::{BinEntry, DiscardedRecord, Event, RejectedChange, Result, Status};
use onsync_core::ordered::BTreeMap;
use serde_json::{Map, Value as Json, json};
use std::time::Duration;
use wasm_bindgen::JsValue;

/// Plain data with `camelCase` names.
pub(crate) fn camel(value: &impl serde::Serialize) -> Result<JsValue> {
    let value = serde_json::to_value(value).map_err(|_| wanted("data that can be told", &JsValue::NULL))?;
    from_json(&renamed(value))
}

fn from_json(value: &Json) -> Result<JsValue> {
    JSON::parse(&value.to_string()).map_err(|thrown| crate::error::from_js(&thrown))
}

fn renamed(value: Json) -> Json {
    match value {
        Json::Object(fields) => Json::Object(
            fields
                .into_iter()
                .map(|(name, value)| (camel_name(&name), renamed(value)))
                .collect::<Map<_, _>>(),
        ),
        Json::Array(values) => values.into_iter().map(renamed).collect(),
        other => other,
    }
}

fn camel_name(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

fn milliseconds(duration: Option<Duration>) -> Option<u64> {
    duration.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

fn time(at: &Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

fn times(of: &BTreeMap<String, Timestamp>) -> Map<String, Json> {
    of.iter()
        .map(|(name, at)| (name.clone(), at.to_string().into()))
        .collect()
}

/// What became of a record when a refused change was given up.
pub(crate) fn discarded(record: &DiscardedRecord) -> Result<JsValue> {
    let object = Object::new();
    set(&object, "entity", &record.entity.as_str().into());
    set(&object, "key", &key_to_js(&record.key));
    set(&object, "what", &camel(&record.what)?);
    Ok(object.into())
}

/// How syncing stands.
pub(crate) fn status(status: &Status) -> Result<JsValue> {
    let running = status.running.as_ref().map(|running| {
        let progress = running.progress.as_ref().map(|progress| {
            json!({
                "entity": progress.entity,
                "phase": progress.phase,
                "done": progress.done,
                "total": progress.total,
                "bytes": progress.bytes,
                "percent": progress.percent(),
            })
        });
        json!({ "context": running.context, "progress": progress })
    });
    let error = status.last_error.as_ref().map(|error| {
        json!({
            "context": error.context,
            "code": error.code,
            "message": error.message,
            "at": error.at.to_string(),
            "nextTry": milliseconds(error.next_try),
        })
    });
    let messages: Vec<Json> = status
        .messages()
        .into_iter()
        .map(|message| json!({ "key": message.key, "text": message.text }))
        .collect();
    from_json(&json!({
        "offline": status.is_offline(),
        "message": status.message(),
        "network": status.network,
        "serverUnreachable": status.server_unreachable,
        "running": running,
        "queued": status.queued,
        "upToDateAsOf": time(&status.up_to_date_as_of),
        "waiting": status.waiting,
        "rejected": status.rejected,
        "conflicts": status.conflicts,
        "waitingSince": time(&status.waiting_since),
        "failingSince": time(&status.failing_since),
        "stalledSince": time(&status.stalled_since),
        "fetchedAt": times(&status.fetched_at),
        "completedAt": times(&status.completed_at),
        "heldByMetered": status.held_by_metered,
        "signedOut": status.signed_out,
        "messages": messages,
        "unknown": status.unknown,
        "needsCredentials": status.needs_credentials,
        "lastError": error,
    }))
}

/// An event, with the time at which it happened.
pub(crate) fn event(at: Timestamp, event: &Event) -> Result<JsValue> {
    let mut told = serde_json::to_value(event).map_err(|_| wanted("an event", &JsValue::NULL))?;
    if let Some(told) = told.as_object_mut() {
        told.insert("at".to_owned(), at.to_string().into());
        if let Event::OnSyncError { next_try, .. } = event {
            told.insert("next_try".to_owned(), milliseconds(*next_try).into());
        }
    }
    from_json(&renamed(told))
}

/// A change the server refused, or one that may have been applied.
pub(crate) fn rejected(change: &RejectedChange) -> Result<JsValue> {
    let (object, entry) = (Object::new(), &change.entry);
    set(&object, "number", &JsValue::from_f64(entry.number as f64));
    set(&object, "entity", &entry.entity.as_str().into());
    set(&object, "key", &key_to_js(&entry.key));
    set(&object, "kind", &camel(&entry.kind)?);
    set(&object, "values", &record(&entry.values));
    set(&object, "rejection", &camel(&entry.rejection)?);
    set(
        &object,
        "mayHaveBeenApplied",
        &change.may_have_been_applied.into(),
    );
    set(&object, "fixed", &change.fixed.into());
    let held = change.dependents.iter().map(|held| {
        let told = Object::new();
        set(&told, "entity", &held.entity.as_str().into());
        set(&told, "key", &key_to_js(&held.key));
        set(&told, "relation", &held.relation.as_str().into());
        JsValue::from(told)
    });
    set(&object, "dependents", &held.collect::<Array>());
    Ok(object.into())
}

/// Values in the bin.
pub(crate) fn bin(entry: &BinEntry) -> Result<JsValue> {
    let object = Object::new();
    set(&object, "id", &entry.id.to_string().into());
    set(&object, "at", &to_js(&entry.at.into()));
    set(&object, "entity", &entry.entity.as_str().into());
    set(&object, "key", &key_to_js(&entry.key));
    set(&object, "reason", &camel(&entry.reason)?);
    set(&object, "values", &record(&entry.values));
    Ok(object.into())
}
