//! Serves the page, the module, the configuration and the sync from one address.

use crate::append_only::AppendOnly;
use axum::routing::get;
use axum::{Json, Router};
use onsync::config::{Authentication, Config};
use onsync::sqlite_store::rusqlite::Connection;
use std::error::Error;
use std::path::Path;
use tower_http::services::ServeDir;

/// The same file as that of the device without a browser.
const CONFIGURATION: &str = include_str!("../../custom-pattern/onsync.toml");

const TABLES: &str =
    "CREATE TABLE readings (id INTEGER PRIMARY KEY, meter TEXT NOT NULL, value INTEGER NOT NULL)";

/// Where `cargo xtask js` puts the module of this crate.
const MODULE: &str = "../../target/js/onsync-example-custom-pattern-web";

pub(crate) async fn serve() -> Result<(), Box<dyn Error>> {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let module = crate_folder.join(MODULE);
    if !module.join("readings_bg.wasm").is_file() {
        let build = "cargo xtask js --package onsync-example-custom-pattern-web";
        return Err(format!("wanted the web app's module, found none; run `{build}` first").into());
    }
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("office.sqlite");
    Connection::open(&database)?.execute_batch(TABLES)?;

    let mut registries = onsync::registries();
    registries.pattern(AppendOnly)?;
    let mut config = Config::from_text(CONFIGURATION)?;
    config.server.database = Some(format!("sqlite:{}", database.display()));
    // An example without users: whoever reaches the address may write.
    config.server.authentication = Authentication::None;
    let served = onsync::server::from_config(&config, &registries).await?;

    let configuration: serde_json::Value = toml::from_str(CONFIGURATION)?;
    let pages = Router::new()
        .route("/config.json", get(move || async move { Json(configuration) }))
        .nest_service("/module", ServeDir::new(module))
        .fallback_service(ServeDir::new(crate_folder.join("web")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("The office's database: {}", database.display());
    println!(
        "The meter is at http://localhost:{}",
        listener.local_addr()?.port()
    );
    let stop = async {
        // Without signals it runs until it is killed.
        let _asked = tokio::signal::ctrl_c().await;
    };
    onsync::server::serve(listener, served.router.merge(pages), stop).await?;
    Ok(())
}
