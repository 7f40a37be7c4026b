//! `onsync bin --server`: what devices' changes replaced or removed without having seen it.

use super::arguments::{BinAction, Filter};
use super::bin::{Shown, list, show, since, tell_removed, tell_restored, unsure};
use super::find_id;
use crate::exit::{Exit, Failure, Outcome};
use crate::open;
use crate::screen::Screen;
use crate::serve::failure;
use onsync::Registries;
use onsync::config::Authentication;
use onsync::server::{Server, ServerBinEntry, ServerBinFilter, builder};
use onsync_core::Error;
use serde_json::json;
use std::path::Path;

/// Runs the command.
pub(super) async fn run(screen: Screen, registries: &Registries, path: &Path, action: &BinAction) -> Outcome {
    match action {
        BinAction::List { filter, limit } => {
            let wanted = server_filter(filter)?;
            let found = server(registries, path).await?.bin(&wanted).await?;
            list(screen, found.into_iter().map(Shown::from).collect(), *limit)
        }
        BinAction::Show { id } => {
            let entry = entry(&server(registries, path).await?, id).await?;
            show(screen, &entry.into(), None);
            Ok(Exit::Done)
        }
        BinAction::Restore { ids } => {
            let server = server(registries, path).await?;
            let mut restored = Vec::new();
            for id in ids {
                let entry = entry(&server, id).await?;
                let key = server.restore(entry.id).await?;
                restored.push((entry.id, entry.entity, key));
            }
            tell_restored(screen, &restored, "devices get it with their next sync");
            Ok(Exit::Done)
        }
        BinAction::Empty { filter, yes } => {
            let wanted = server_filter(filter)?;
            let server = server(registries, path).await?;
            if *yes {
                let removed = server.empty_bin(&wanted).await?;
                return Ok(tell_removed(screen, removed));
            }
            Err(unsure(server.bin(&wanted).await?.len()))
        }
    }
}

/// The server, without anybody who could speak to it.
async fn server(registries: &Registries, path: &Path) -> Result<Server, Failure> {
    let mut config = open::server_config(path, true)?;
    open::names_are_known(&config, registries)?;
    // Whoever may read the database's file may do this; nobody's token is needed.
    config.server.authentication = Authentication::None;
    let builder = builder(&config, registries).map_err(failure)?;
    builder.build().await.map_err(failure)
}

fn server_filter(filter: &Filter) -> Result<ServerBinFilter, Failure> {
    if filter.reason.is_some() {
        return Err(Failure::usage(Error::rejected(
            "reason_without_meaning",
            "wanted --reason with the device's bin, found --server: all that is there was replaced or removed by a device's change",
        )));
    }
    Ok(ServerBinFilter {
        entity: filter.entity.clone(),
        since: filter.since.as_deref().map(since).transpose()?,
        ..ServerBinFilter::default()
    })
}

async fn entry(server: &Server, given: &str) -> Result<ServerBinEntry, Failure> {
    let entries = server.bin(&ServerBinFilter::default()).await?;
    let id = find_id(given, entries.iter().map(|entry| entry.id), "entry of the bin")?;
    Ok(server.bin_entry(id).await?)
}

impl From<ServerBinEntry> for Shown {
    fn from(entry: ServerBinEntry) -> Self {
        let what = if entry.deleted { "deleted" } else { "overwritten" };
        Self {
            id: entry.id,
            at: entry.at,
            entity: entry.entity,
            key: entry.key,
            why: format!("{what} by {}", entry.by),
            values: entry.values,
            more: json!({ "deleted": entry.deleted, "by": entry.by, "mutation": entry.mutation }),
        }
    }
}
