#![doc = include_str!("../README.md")]

mod database;
mod site;

use clap::Parser;
use onsync::config::{Authentication, Config};
use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Serves the field-service web app and its sync server from one address.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen. Browsers take `localhost` and 127.0.0.1 for safe without HTTPS.
    #[arg(long, default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// The office's database; without it a temporary one.
    #[arg(long)]
    database: Option<PathBuf>,
    /// How many customers a new database has.
    #[arg(long, default_value_t = 200)]
    customers: u32,
    /// How many visits a new database has.
    #[arg(long, default_value_t = 40)]
    visits: u32,
    /// The pattern of visits, in place of the configuration's, to see the app with another one.
    #[arg(long)]
    pattern: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let database = arguments
        .database
        .clone()
        .unwrap_or_else(|| folder.path().join("office.sqlite"));
    database::make(&database, arguments.customers, arguments.visits)?;

    let configuration = site::configuration(arguments.pattern.as_deref())?;
    let mut config = Config::from_text(&configuration)?;
    config.server.database = Some(format!("sqlite:{}", database.display()));
    // A demo without users: whoever reaches the address may read and write.
    config.server.authentication = Authentication::None;
    let served = onsync::server::from_config(&config, &onsync::registries()).await?;
    let router = served.router.merge(site::router(&configuration)?);

    let listener = tokio::net::TcpListener::bind(arguments.listen).await?;
    println!("The office's database: {}", database.display());
    println!(
        "Field service is at http://localhost:{}",
        listener.local_addr()?.port()
    );
    let stop = async {
        // Without signals it runs until it is killed.
        let _asked = tokio::signal::ctrl_c().await;
    };
    onsync::server::serve(listener, router, stop).await?;
    Ok(())
}
