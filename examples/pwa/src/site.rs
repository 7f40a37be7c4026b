//! The pages: files of this example, the npm package of OnSync, and the configuration for the page.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

/// The configuration that device and server share.
const CONFIGURATION: &str = include_str!("../onsync.toml");

/// What the page may do. `wasm-unsafe-eval` is for WebAssembly; nothing else is needed beyond the page's own files.
const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data:; base-uri 'none'; form-action 'none'";

fn folder(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// The configuration, with another pattern for visits where one is named. Only conflict detection knows resolvers.
pub(crate) fn configuration(pattern: Option<&str>) -> Result<String, Box<dyn Error>> {
    let mut table: toml::Table = toml::from_str(CONFIGURATION)?;
    let visit = table
        .get_mut("entities")
        .and_then(|entities| entities.get_mut("Visit"))
        .and_then(toml::Value::as_table_mut);
    if let (Some(visit), Some(pattern)) = (visit, pattern) {
        visit.insert("pattern".to_owned(), pattern.into());
        if pattern != "read-write-conflict-detection" {
            visit.remove("resolver");
            visit.remove("on_pending_conflicts");
        }
    }
    Ok(toml::to_string(&table)?)
}

/// Routes of everything but sync.
pub(crate) fn router(configuration: &str) -> Result<Router, Box<dyn Error>> {
    let (web, package) = (folder("web"), folder("../../target/js/onsync"));
    if !package.join("onsync_bg.wasm").is_file() {
        return Err(
            "wanted the npm package in target/js/onsync, found none; run `cargo xtask js` first".into(),
        );
    }
    let configuration: serde_json::Value = toml::from_str(configuration)?;
    let configuration = configuration.to_string();
    // Another version of any file is another service worker, which fetches all of them anew.
    let worker = std::fs::read_to_string(web.join("sw.js"))?
        .replace("VERSION", &version(&[&web, &package], &configuration)?);
    let json = [(header::CONTENT_TYPE, "application/json")];
    let script = [(header::CONTENT_TYPE, "text/javascript")];
    Ok(Router::new()
        .route(
            "/config.json",
            get(move || async move { (json, configuration).into_response() }),
        )
        .route(
            "/sw.js",
            get(move || async move { (script, worker).into_response() }),
        )
        .nest_service("/onsync", ServeDir::new(package))
        .fallback_service(ServeDir::new(web))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-cache"),
        )))
}

fn version(folders: &[&PathBuf], configuration: &str) -> Result<String, Box<dyn Error>> {
    let mut hash = DefaultHasher::new();
    configuration.hash(&mut hash);
    for folder in folders {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        files.sort();
        for file in files.iter().filter(|file| file.is_file()) {
            std::fs::read(file)?.hash(&mut hash);
        }
    }
    Ok(format!("{:016x}", hash.finish()))
}
