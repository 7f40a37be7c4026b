#![doc = include_str!("../README.md")]

use onsync::sqlite_store::rusqlite::Connection;
use onsync::{App, Fields, Query, Result};
use onsync_example_support::{Office, step, sync};
use std::path::PathBuf;

const ENTITIES: [&str; 7] = [
    "Artist",
    "Album",
    "Track",
    "Customer",
    "Invoice",
    "InvoiceLine",
    "PlaylistTrack",
];

/// The sample database, if this machine has it.
fn sample() -> Option<PathBuf> {
    let named = std::env::var_os("ONSYNC_SAMPLE_DATA").map(PathBuf::from);
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    [named, Some(beside)]
        .into_iter()
        .flatten()
        .map(|folder| folder.join("chinook.sqlite"))
        .find(|path| path.is_file())
}

async fn open() -> Result<Office> {
    let config = include_str!("../onsync.toml");
    match sample() {
        Some(path) => {
            println!("attaching to a copy of chinook.sqlite");
            Office::open_copy(config, &path).await
        }
        None => {
            println!(
                "chinook.sqlite was not found (set ONSYNC_SAMPLE_DATA): using a small music database of our own"
            );
            Office::open_with(config, include_str!("music.sql")).await
        }
    }
}

/// Every value of every configured column, as text, in the order of keys; on the device and in the office.
fn compare(office: &Office, device: &Connection) -> Result<usize> {
    let mut compared = 0;
    for (entity, columns, order) in [
        ("Artist", "ArtistId, Name", "Name, 1"),
        ("Album", "Title, AlbumId * 0", "Title, AlbumId"),
        (
            "Track",
            "TrackId, Name, MediaTypeId, GenreId, Composer, Milliseconds, Bytes, round(UnitPrice, 2)",
            "TrackId",
        ),
        (
            "Customer",
            "CustomerId, FirstName, LastName, Company, Email",
            "CustomerId",
        ),
        (
            "Invoice",
            "InvoiceId, CustomerId, BillingCity, round(Total, 2)",
            "InvoiceId",
        ),
        (
            "InvoiceLine",
            "InvoiceLineId, InvoiceId, TrackId, Quantity",
            "InvoiceLineId",
        ),
        ("PlaylistTrack", "PlaylistId, TrackId", "PlaylistId, TrackId"),
    ] {
        // Keys of records made on the device differ there by design; they are compared by what refers to them below.
        let columns = if entity == "Artist" { "Name" } else { columns };
        let sql = format!("SELECT {columns} FROM \"{entity}\" ORDER BY {order}");
        let (here, there) = (Office::rows(device, &sql)?, office.all(&sql)?);
        assert_eq!(here.len(), there.len(), "{entity}");
        for (here, there) in here.iter().zip(&there) {
            assert_eq!(here, there, "{entity}");
        }
        compared += here.iter().map(Vec::len).sum::<usize>();
    }
    let families = "SELECT Artist.Name, Album.Title FROM Album JOIN Artist USING (ArtistId) ORDER BY 1, 2";
    assert_eq!(Office::rows(device, families)?, office.all(families)?);
    Ok(compared)
}

async fn count(device: &App) -> Result<usize> {
    let mut records = 0;
    for entity in ENTITIES {
        records += device.query(Query::entity(entity)).await?.len();
    }
    Ok(records)
}

#[tokio::main]
async fn main() -> Result<()> {
    let office = open().await?;
    let device = office.device("device").await?;

    step("First sync: seven existing tables.");
    sync("device", &device, "Online").await?;
    let local = Office::connect(&office.path_of("device"))?;
    println!(
        "   {} records, {} values compared one by one",
        count(&device).await?,
        compare(&office, &local)?
    );

    step("Offline: a new artist and an album that refers to it. The database issues both keys.");
    let artist = device
        .create("Artist", Fields::new().with("Name", "The Cellar Trio"))
        .await?;
    let album = Fields::new()
        .with("Title", "No Signal")
        .with("ArtistId", artist.values()[0].clone());
    device.create("Album", album).await?;
    sync("device", &device, "Online").await?;
    let there = office.ask("SELECT Artist.Name || ', ' || Album.Title FROM Album JOIN Artist USING (ArtistId) WHERE Title = 'No Signal'")?;
    println!("   the database has: {there}");

    step("Plain SQL in the office, and a removal from a playlist on the device.");
    office.sql("UPDATE Customer SET LastName = upper(LastName) WHERE CustomerId <= 3")?;
    office.sql("DELETE FROM InvoiceLine WHERE InvoiceLineId = 1")?;
    let first = device.query(Query::entity("PlaylistTrack").limit(1)).await?;
    for entry in first {
        let key = onsync::Key(vec![
            entry.value("PlaylistId").clone(),
            entry.value("TrackId").clone(),
        ]);
        device.delete("PlaylistTrack", key).await?;
    }
    sync("device", &device, "Online").await?;
    println!(
        "   both sides are equal: {} values compared one by one",
        compare(&office, &local)?
    );
    Ok(())
}
