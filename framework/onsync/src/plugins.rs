//! The plug-ins that come with OnSync, by the names that configurations use.

use onsync_core::Result;
use onsync_core::memory::local::MemoryStore;
#[cfg(any(feature = "browser", feature = "network"))]
use onsync_core::network::NetworkMonitor;
use onsync_core::store::local::LocalStore;
#[cfg(any(feature = "browser", feature = "network"))]
use onsync_engine::NetworkMonitorParts;
use onsync_engine::Registries;
use onsync_engine::config::StoreSettings;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;

/// Registries with everything the features of this crate bring: patterns, stores, transports. Add your own to them.
///
/// ```
/// let registries = onsync::registries();
/// # #[cfg(feature = "patterns")] {
/// let names: Vec<&str> = registries.patterns.names().collect();
/// for name in ["read-only", "read-only-optimized", "read-write-conflict-detection", "read-write-last-write-wins", "read-write-one-to-many"] {
///     assert!(names.contains(&name));
/// }
/// # }
/// ```
#[expect(
    clippy::missing_panics_doc,
    reason = "it does not panic: the built-in names differ from each other"
)]
pub fn registries() -> Registries {
    let mut registries = Registries::new();
    #[expect(
        clippy::expect_used,
        reason = "registering fails for a name given twice only, and each stands once below"
    )]
    fill(&mut registries).expect("the names of the built-in plug-ins differ");
    registries
}

fn fill(registries: &mut Registries) -> Result<()> {
    #[cfg(feature = "patterns")]
    {
        registries.pattern(onsync_pattern_read_only::ReadOnly)?;
        registries.pattern(onsync_pattern_read_only_optimized::ReadOnlyOptimized)?;
        registries.pattern(onsync_pattern_read_write_last_write_wins::LastWriteWins)?;
        registries.pattern(onsync_pattern_read_write_conflict_detection::ConflictDetection)?;
        registries.pattern(onsync_pattern_read_write_one_to_many::OneToMany)?;
    }
    for resolver in onsync_core::resolvers::all() {
        registries.resolvers.register(resolver.name(), resolver)?;
    }
    registries.store("memory", memory)?;
    #[cfg(feature = "sqlite")]
    registries.store("sqlite", sqlite)?;
    #[cfg(feature = "browser")]
    {
        registries.store("indexeddb", indexeddb)?;
        registries.network_monitor(onsync_network_browser::NAME, browser)?;
    }
    #[cfg(feature = "http")]
    registries.transport(onsync_http_transport::NAME, http)?;
    #[cfg(any(feature = "browser", feature = "network"))]
    {
        registries.network_monitor(onsync_network_manual::NAME, manual)?;
        registries.network_monitor(onsync_network_probe::NAME, probe)?;
    }
    #[cfg(feature = "network")]
    registries.network_monitor(onsync_network_os::NAME, os)?;
    Ok(())
}

/// A store that is gone with the process.
#[expect(clippy::unnecessary_wraps, reason = "the form of a factory")]
fn memory(_: &StoreSettings) -> Result<Arc<dyn LocalStore>> {
    // Each hasher state of the standard library is seeded anew.
    let seed = std::hash::RandomState::new().build_hasher().finish();
    Ok(Arc::new(MemoryStore::new(seed)))
}

#[cfg(feature = "sqlite")]
fn sqlite(settings: &StoreSettings) -> Result<Arc<dyn LocalStore>> {
    let mut options = settings.options::<onsync_sqlite_store::SqliteStoreOptions>()?;
    if let Some(path) = &settings.path {
        options.path = path.into();
    }
    Ok(Arc::new(onsync_sqlite_store::SqliteStore::from_options(options)))
}

#[cfg(feature = "browser")]
fn indexeddb(settings: &StoreSettings) -> Result<Arc<dyn LocalStore>> {
    let mut options = settings.options::<onsync_indexeddb_store::IndexedDbStoreOptions>()?;
    if let Some(path) = &settings.path {
        options.name.clone_from(path);
    }
    onsync_indexeddb_store::store(options)
}

#[cfg(feature = "http")]
fn http(
    settings: &onsync_engine::config::TransportSettings,
) -> Result<Arc<dyn onsync_core::transport::Transport>> {
    use onsync_core::Error;
    use onsync_http_transport::{Compression, HttpTransport, HttpTransportOptions, WireFormat};
    let url = settings.url.clone().ok_or_else(|| {
        Error::unsupported(
            "config_missing_key",
            "wanted the server's address, such as `url = \"https://sync.example.org\"`, found none",
        )
        .at("transport.url")
    })?;
    let mut table = settings.options.clone();
    if let Some(table) = table.as_object_mut() {
        table.insert("url".to_owned(), url.into());
    }
    let mut filled = settings.clone();
    filled.options = table;
    let mut options = filled.options::<HttpTransportOptions>()?;
    options.time_out = settings.time_out;
    options.format = match settings.encoding.as_str() {
        "json" => WireFormat::JsonLines,
        _ => WireFormat::Binary,
    };
    options.compression = match settings.compression.as_str() {
        "none" => Compression::Off,
        "gzip" => {
            return Err(Error::unsupported(
                "not_yet_supported",
                "requests are compressed by zstd in this version; use `compression = \"zstd\"`, or \"none\"",
            )
            .at("transport.compression"));
        }
        _ => options.compression,
    };
    HttpTransport::new(options)
        .map(|transport| Arc::new(transport) as Arc<dyn onsync_core::transport::Transport>)
        .map_err(|error| error.at("transport"))
}

#[cfg(feature = "browser")]
#[expect(clippy::unnecessary_wraps, reason = "the form of a factory")]
fn browser(_: &NetworkMonitorParts) -> Result<Arc<dyn NetworkMonitor>> {
    Ok(Arc::new(onsync_network_browser::BrowserMonitor::start()))
}

#[cfg(any(feature = "browser", feature = "network"))]
fn manual(parts: &NetworkMonitorParts) -> Result<Arc<dyn NetworkMonitor>> {
    let options = parts.options()?;
    Ok(Arc::new(onsync_network_manual::ManualMonitor::from_options(
        &options,
    )))
}

#[cfg(feature = "network")]
fn os(parts: &NetworkMonitorParts) -> Result<Arc<dyn NetworkMonitor>> {
    let options = parts.options()?;
    Ok(Arc::new(onsync_network_os::OsMonitor::start_or_assume(options)))
}

#[cfg(any(feature = "browser", feature = "network"))]
fn probe(parts: &NetworkMonitorParts) -> Result<Arc<dyn NetworkMonitor>> {
    Ok(Arc::new(onsync_network_probe::ProbeMonitor::start(
        parts.transport.clone(),
        parts.runtime.clone(),
        parts.options()?,
    )))
}
