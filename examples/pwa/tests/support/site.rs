//! A server of the test's own with its database, from one address with the npm package.

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use onsync::config::{Authentication, Config};
use onsync::server::{ServerBuilder, StaticTokens, http_options};
use onsync::sqlite_store::rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tower_http::services::ServeDir;

/// It serves until this is dropped.
pub(crate) struct Site {
    /// Where it is.
    pub(crate) address: String,
    /// The office's database.
    pub(crate) database: PathBuf,
    _folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Site {
    /// Serves a database made by SQL. Whoever has a user's name for a token is that user.
    pub(crate) fn serve(configuration: &str, office: &str, package: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("office.sqlite");
        Connection::open(&database)
            .unwrap()
            .execute_batch(office)
            .unwrap();
        let mut config = Config::from_text(configuration).unwrap();
        config.server.database = Some(format!("sqlite:{}", database.display()));
        // Replaced below; from a configuration tokens come through the environment.
        config.server.authentication = Authentication::None;
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let address = runtime.block_on(async {
            let tokens = ["everybody", "ada", "ben"]
                .iter()
                .fold(StaticTokens::new(), |tokens, name| tokens.with(name, *name));
            let builder: ServerBuilder = onsync::server::builder(&config, &onsync::registries()).unwrap();
            let server = builder.authenticator(tokens).build().await.unwrap();
            let sync = onsync::server::router(Arc::new(server), http_options(&config)).unwrap();
            let shared: serde_json::Value = toml::from_str(configuration).unwrap();
            let told = move || async move { axum::Json(shared).into_response() };
            let files = Router::new()
                .route("/config.json", get(told))
                .nest_service("/onsync", ServeDir::new(package));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let served = onsync::server::serve(listener, sync.merge(files), std::future::pending());
            tokio::spawn(served);
            format!("http://localhost:{port}")
        });
        Self {
            address,
            database,
            _folder: folder,
            _runtime: runtime,
        }
    }
}
