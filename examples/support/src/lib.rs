#![doc = include_str!("../README.md")]

pub mod page;

use onsync::config::Config;
use onsync::sqlite_store::rusqlite::Connection;
use onsync::{App, Error, Fields, Query, Registries, Result, Summary};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// An office with an existing database, served on loopback.
pub struct Office {
    folder: TempDir,
    url: String,
    config: Config,
    registries: Registries,
}

fn failed(what: &str, cause: impl std::fmt::Display) -> Error {
    Error::fatal("example_failed", format!("{what}: {cause}"))
}

impl Office {
    /// Makes the database of companies and serves what the configuration says of it.
    ///
    /// # Errors
    /// Whatever goes wrong, with what was tried.
    pub async fn open(config: &str) -> Result<Self> {
        Self::open_with(config, include_str!("office.sql")).await
    }

    /// Makes an existing database with this SQL and serves it.
    ///
    /// # Errors
    /// Whatever goes wrong, with what was tried.
    pub async fn open_with(config: &str, sql: &str) -> Result<Self> {
        Self::open_with_plugins(config, sql, onsync::registries()).await
    }

    /// Makes an existing database with this SQL and serves it, with plug-ins that devices know too.
    ///
    /// # Errors
    /// Whatever goes wrong, with what was tried.
    pub async fn open_with_plugins(config: &str, sql: &str, registries: Registries) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(|error| failed("a temporary folder", error))?;
        let connection = Self::connect(&folder.path().join("office.sqlite"))?;
        connection
            .execute_batch(sql)
            .map_err(|error| failed("the office's tables", error))?;
        Self::serve(config, folder, registries).await
    }

    /// Serves a copy of a database that exists.
    ///
    /// # Errors
    /// Whatever goes wrong, with what was tried.
    pub async fn open_copy(config: &str, database: &Path) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(|error| failed("a temporary folder", error))?;
        let bytes = std::fs::read(database).map_err(|error| failed("the sample database", error))?;
        std::fs::write(folder.path().join("office.sqlite"), bytes)
            .map_err(|error| failed("its copy", error))?;
        Self::serve(config, folder, onsync::registries()).await
    }

    async fn serve(config: &str, folder: TempDir, registries: Registries) -> Result<Self> {
        let mut config = Config::from_text(config)?;
        let database = folder.path().join("office.sqlite");
        config.server.database = Some(format!("sqlite:{}", database.display()));
        config.server.authentication = onsync::config::Authentication::None;
        let served = onsync::server::from_config(&config, &registries).await?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(|error| failed("a port on loopback", error))?;
        let address = listener
            .local_addr()
            .map_err(|error| failed("the port's address", error))?;
        tokio::spawn(onsync::server::serve(
            listener,
            served.router,
            std::future::pending(),
        ));
        Ok(Self {
            folder,
            url: format!("http://{address}"),
            config,
            registries,
        })
    }

    /// Opens a database with plain SQL, through the same copy of SQLite that OnSync uses.
    ///
    /// # Errors
    /// SQLite's.
    pub fn connect(path: &Path) -> Result<Connection> {
        Connection::open(path).map_err(|error| failed("a database", error))
    }

    /// All rows of a query on the office's database, every value as text.
    ///
    /// # Errors
    /// SQLite's.
    pub fn all(&self, sql: &str) -> Result<Vec<Vec<String>>> {
        Self::rows(&self.connection()?, sql)
    }

    /// All rows of a query, every value as text.
    ///
    /// # Errors
    /// SQLite's.
    pub fn rows(connection: &Connection, sql: &str) -> Result<Vec<Vec<String>>> {
        type Rows = std::result::Result<Vec<Vec<String>>, onsync::sqlite_store::rusqlite::Error>;
        let read = || -> Rows {
            let mut statement = connection.prepare(sql)?;
            let width = statement.column_count();
            let rows = statement.query_map([], |row| {
                (0..width)
                    .map(|index| {
                        Ok(format!(
                            "{:?}",
                            row.get::<_, onsync::sqlite_store::rusqlite::types::Value>(index)?
                        ))
                    })
                    .collect()
            })?;
            rows.collect()
        };
        read().map_err(|error| failed(sql, error))
    }

    /// Somebody in the office writes plain SQL; OnSync is not asked.
    ///
    /// # Errors
    /// SQLite's.
    pub fn sql(&self, sql: &str) -> Result<()> {
        self.connection()?
            .execute_batch(sql)
            .map_err(|error| failed(sql, error))
    }

    /// One column of one row of the office's database.
    ///
    /// # Errors
    /// SQLite's.
    pub fn ask(&self, sql: &str) -> Result<String> {
        self.connection()?
            .query_row(sql, [], |row| row.get::<_, String>(0))
            .map_err(|error| failed(sql, error))
    }

    fn connection(&self) -> Result<Connection> {
        Self::connect(&self.folder.path().join("office.sqlite"))
    }

    /// Where a device's database is.
    pub fn path_of(&self, device: &str) -> PathBuf {
        self.folder.path().join(format!("{device}.sqlite"))
    }

    /// A device with a database of its own that speaks to the office.
    ///
    /// # Errors
    /// Those of the store and the configuration.
    pub async fn device(&self, name: &str) -> Result<App> {
        onsync::builder(self.config_of(name), self.registries.clone())?
            .build()
            .await
    }

    /// The configuration of a device, for those who change something before they open it.
    pub fn config_of(&self, device: &str) -> Config {
        let mut config = self.config.clone();
        config.transport.url = Some(self.url.clone());
        config.store.path = Some(self.path_of(device).display().to_string());
        config
    }

    /// Where the office is served.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// Syncs a context and prints what travelled.
///
/// # Errors
/// The run's.
pub async fn sync(device: &str, app: &App, context: &str) -> Result<Summary> {
    let summary = app
        .on_sync(context, &Default::default())?
        .outcome()
        .await
        .into_result()?;
    println!(
        "   {device} on_sync({context:?}): {} request(s), {} sent and applied, {} records received, {} removed, {} bytes in",
        summary.requests, summary.applied, summary.received, summary.removed, summary.bytes_received
    );
    Ok(summary)
}

/// Prints a step of the story.
pub fn step(text: &str) {
    println!("\n→ {text}");
}

/// Prints the companies a device holds.
///
/// # Errors
/// Those of the store.
pub async fn show(device: &str, app: &App) -> Result<Vec<Fields>> {
    let companies = app.query(Query::entity("LocalCompany")).await?;
    println!("   {device} holds {} companies:", companies.len());
    for company in &companies {
        println!(
            "     {:>20}  {:<22} {}",
            company.value("id").to_string(),
            company.value("name").to_string(),
            company.value("city")
        );
    }
    Ok(companies)
}
