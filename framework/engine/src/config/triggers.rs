//! Reads `[triggers]` and the budgets of contexts.

use super::read::Reader;
use super::settings::{BudgetSettings, TriggerSettings};
use onsync_core::Result;

/// Reads `[triggers]`.
pub(crate) fn triggers(reader: &Reader<'_>) -> Result<TriggerSettings> {
    let on = |key: &'static str| reader.text(&["triggers", key]);
    let every = ["triggers", "synchronize_every"];
    let every = if reader.root.at(&every).is_some() {
        let context = ["triggers", "synchronize_every", "context"];
        let interval = ["triggers", "synchronize_every", "interval"];
        let context = reader
            .text(&context)
            .ok_or_else(|| reader.missing(&context, "\"Online\""))?;
        Some((context, super::duration(reader, &interval)?))
    } else {
        None
    };
    Ok(TriggerSettings {
        on_start: on("synchronize_on_start"),
        on_login: on("synchronize_on_login"),
        on_online: on("synchronize_on_online"),
        on_resume: on("synchronize_on_resume"),
        on_write: on("synchronize_on_write"),
        every,
    })
}

/// Reads the budget of a context; nothing of it may be zero.
pub(crate) fn budget(reader: &Reader<'_>, context: &str) -> Result<BudgetSettings> {
    let at = |key: &'static str| ["contexts", context, "budget", key];
    let given = |key: &'static str| reader.root.at(&at(key)).is_some();
    Ok(BudgetSettings {
        time: given("time")
            .then(|| super::duration(reader, &at("time")))
            .transpose()?,
        rows: given("rows").then(|| reader.count(&at("rows"))).transpose()?,
        bytes: given("bytes").then(|| reader.size(&at("bytes"))).transpose()?,
    })
}
