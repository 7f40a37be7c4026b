//! A database that nobody here wrote.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use common::{attach, block_on, changed, entity, everything, in_pages, position, store, write};
use onsync_core::ValueType::{Decimal, Integer, LocalTimestamp, Text};
use onsync_core::schema::{EntitySchema, Ids};
use onsync_core::{Fields, Key, Value, ValueType};
use onsync_sqlite_server_store::introspect::introspect;
use rusqlite::Connection;
use rusqlite::types::Value as Stored;
use std::path::{Path, PathBuf};

/// A copy of the sample to write to, and whether it is the real one.
fn sample(folder: &Path, test: &str) -> (PathBuf, bool) {
    let path = folder.join("chinook.sqlite");
    let data = std::env::var_os("ONSYNC_SAMPLE_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    if std::fs::read(data.join("chinook.sqlite")).is_ok_and(|bytes| std::fs::write(&path, bytes).is_ok()) {
        return (path, true);
    }
    println!(
        "SKIPPED {test}_on_chinook: there is no chinook.sqlite in ONSYNC_SAMPLE_DATA; ran on a small sample instead"
    );
    Connection::open(&path).unwrap().execute_batch(SMALL).unwrap();
    (path, false)
}

/// The same tables with a few rows.
const SMALL: &str = "
    CREATE TABLE Artist (ArtistId INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, Name NVARCHAR(120));
    CREATE TABLE Album (AlbumId INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, Title NVARCHAR(160) NOT NULL,
        ArtistId INTEGER NOT NULL REFERENCES Artist (ArtistId));
    CREATE TABLE Track (TrackId INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, Name NVARCHAR(200) NOT NULL,
        AlbumId INTEGER REFERENCES Album (AlbumId), MediaTypeId INTEGER NOT NULL, GenreId INTEGER, Composer NVARCHAR(220),
        Milliseconds INTEGER NOT NULL, Bytes INTEGER, UnitPrice NUMERIC(10,2) NOT NULL);
    CREATE TABLE Customer (CustomerId INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, FirstName NVARCHAR(40) NOT NULL,
        LastName NVARCHAR(20) NOT NULL, Company NVARCHAR(80), Email NVARCHAR(60) NOT NULL, SupportRepId INTEGER);
    CREATE TABLE Invoice (InvoiceId INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, CustomerId INTEGER NOT NULL REFERENCES Customer (CustomerId),
        InvoiceDate DATETIME NOT NULL, BillingCity NVARCHAR(40), Total NUMERIC(10,2) NOT NULL);
    CREATE TABLE InvoiceLine (InvoiceLineId INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, InvoiceId INTEGER NOT NULL REFERENCES Invoice (InvoiceId),
        TrackId INTEGER NOT NULL REFERENCES Track (TrackId), UnitPrice NUMERIC(10,2) NOT NULL, Quantity INTEGER NOT NULL);
    CREATE TABLE PlaylistTrack (PlaylistId INTEGER NOT NULL, TrackId INTEGER NOT NULL REFERENCES Track (TrackId),
        CONSTRAINT PK_PlaylistTrack PRIMARY KEY (PlaylistId, TrackId));
    INSERT INTO Artist VALUES (1, 'AC/DC'), (2, 'Motörhead'), (3, NULL);
    INSERT INTO Album VALUES (1, 'One', 1), (2, 'Two', 2);
    INSERT INTO Track VALUES (1, 'Song', 1, 1, NULL, NULL, 1000, 1, 0.99), (2, 'Tune', 2, 1, 1, 'x', 2000, 2, 1);
    INSERT INTO Customer VALUES (1, 'Ada', 'L', NULL, 'ada@example.org', 3);
    INSERT INTO Invoice VALUES (1, 1, '2021-01-01 00:00:00', 'Köln', 1.98);
    INSERT INTO InvoiceLine VALUES (1, 1, 1, 0.99, 1), (2, 1, 2, 1, 1);
    INSERT INTO PlaylistTrack VALUES (1, 1), (1, 2), (2, 1);";

/// The tables as entities, with the attributes they really have.
fn entities(path: &Path) -> Vec<EntitySchema> {
    let tables = introspect(path).unwrap();
    let wanted = [
        "Artist",
        "Album",
        "Track",
        "Customer",
        "Invoice",
        "InvoiceLine",
        "PlaylistTrack",
    ];
    let table = |name: &&str| tables.iter().find(|table| table.name == **name).unwrap();
    let chosen = wanted.iter().map(table);
    chosen
        .map(|table| {
            let attributes: Vec<(&str, ValueType)> = table
                .columns
                .iter()
                .map(|column| (column.name.as_str(), column.suggested))
                .collect();
            let key: Vec<&str> = table.primary_key.iter().map(String::as_str).collect();
            let mut entity = entity(&table.name, &key, &attributes);
            entity.ids = if table.server_issued {
                Ids::Server
            } else {
                Ids::Client
            };
            entity
        })
        .collect()
}

const APP_SCHEMA: &str = "SELECT group_concat(type || name || coalesce(sql, ''), '|') FROM
    (SELECT * FROM sqlite_master WHERE tbl_name NOT LIKE '\\_onsync\\_%' ESCAPE '\\' AND name NOT LIKE '\\_onsync\\_%' ESCAPE '\\' ORDER BY name)";

fn dump(path: &Path) -> String {
    let connection = Connection::open(path).unwrap();
    let mut out: String = connection.query_row(APP_SCHEMA, [], |row| row.get(0)).unwrap();
    for entity in entities(path) {
        let mut statement = connection
            .prepare(&format!("SELECT * FROM {}", entity.source))
            .unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                out.push_str(&format!("{:?}|", row.get::<_, Stored>(column).unwrap()));
            }
        }
    }
    out
}

#[test]
fn the_types_are_suggested() {
    let folder = tempfile::tempdir().unwrap();
    let (path, real) = sample(folder.path(), "the_types_are_suggested");
    let tables = introspect(&path).unwrap();
    let suggested = |table: &str, column: &str| {
        let table = tables.iter().find(|found| found.name == table).unwrap();
        table
            .columns
            .iter()
            .find(|found| found.name == column)
            .unwrap()
            .clone()
    };
    assert_eq!(suggested("Track", "UnitPrice").suggested, Decimal);
    assert_eq!(suggested("Track", "TrackId").suggested, Integer);
    assert_eq!(suggested("Artist", "Name").suggested, Text);
    let date = suggested("Invoice", "InvoiceDate");
    assert_eq!(date.suggested, ValueType::Timestamp);
    assert!(date.why.contains("read as UTC"), "{}", date.why);
    let album = tables.iter().find(|table| table.name == "Album").unwrap();
    assert!(album.server_issued);
    assert_eq!(album.foreign_keys[0].parent, "Artist");
    assert_eq!(album.foreign_keys[0].parent_columns, ["ArtistId"]);
    let pairs = tables.iter().find(|table| table.name == "PlaylistTrack").unwrap();
    assert_eq!(
        (pairs.primary_key.as_slice(), pairs.server_issued),
        (&["PlaylistId".to_owned(), "TrackId".to_owned()][..], false)
    );
    if real {
        assert_eq!(
            tables.iter().find(|table| table.name == "Track").unwrap().rows,
            3_503
        );
        assert_eq!(suggested("Employee", "BirthDate").suggested, ValueType::Timestamp);
    }
}

#[test]
fn every_value_is_what_plain_sql_reads_and_attach_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, real) = sample(folder.path(), "every_value_is_what_plain_sql_reads");
    let before = dump(&path);
    let entities = entities(&path);
    let store = store(&path);
    let attached = attach(&store, &entities.iter().collect::<Vec<_>>());
    assert_eq!(attached.reset.len(), 7);
    assert!(attached.warnings.is_empty(), "{attached:?}");
    assert_eq!(dump(&path), before);
    let plain = Connection::open(&path).unwrap();
    let mut compared = 0;
    for entity in &entities {
        let rows = everything(&store, entity);
        assert_eq!(in_pages(&store, entity, 97), rows.iter().collect::<Vec<_>>());
        let columns: Vec<String> = entity
            .attributes
            .iter()
            .map(|attribute| match attribute.value_type {
                Decimal => format!("CAST({} AS TEXT)", attribute.column),
                ValueType::Timestamp => format!("strftime('%Y-%m-%dT%H:%M:%fZ', {})", attribute.column),
                _ => attribute.column.clone(),
            })
            .collect();
        let select = format!(
            "SELECT {} FROM {} ORDER BY {}",
            columns.join(", "),
            entity.source,
            entity.key.join(", ")
        );
        let mut statement = plain.prepare(&select).unwrap();
        let mut found = statement.query([]).unwrap();
        for row in rows.iter() {
            let wanted = found.next().unwrap().unwrap();
            for (column, (value, attribute)) in row.iter().zip(&entity.attributes).enumerate() {
                let place = format!("{}.{}", entity.name, attribute.name);
                match wanted.get::<_, Stored>(column).unwrap() {
                    Stored::Null => assert!(value.is_null(), "{place}"),
                    Stored::Integer(wanted) => assert_eq!(*value, Value::Integer(wanted), "{place}"),
                    // CAST writes 1.0 for the number that reads as 1.
                    Stored::Text(wanted) if attribute.value_type == Decimal => {
                        assert_eq!(value.to_string(), wanted.trim_end_matches(".0"), "{place}");
                    }
                    Stored::Text(wanted) => {
                        assert_eq!(*value, attribute.value_type.parse(&wanted).unwrap(), "{place}")
                    }
                    other => panic!("{place}: {other:?}"),
                }
                compared += 1;
            }
        }
        assert!(found.next().unwrap().is_none());
    }
    assert!(!real || compared > 60_000, "{compared}");
}

#[test]
fn records_created_here_and_by_plain_sql_meet() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = sample(folder.path(), "records_created_here_and_by_plain_sql_meet");
    let mut entities = entities(&path);
    for entity in &mut entities {
        for attribute in &mut entity.attributes {
            if attribute.name == "InvoiceDate" {
                attribute.value_type = LocalTimestamp;
            }
        }
    }
    let by_name = |name: &str| entities.iter().find(|entity| entity.name == name).unwrap();
    let store = store(&path);
    attach(&store, &entities.iter().collect::<Vec<_>>());
    let before = position(&store);
    let mut transaction = write(&store);
    let artist = block_on(transaction.insert(by_name("Artist"), &Fields::new().with("Name", "New"))).unwrap();
    let album = Fields::new()
        .with("Title", "First")
        .with("ArtistId", artist.values()[0].clone());
    let album = block_on(transaction.insert(by_name("Album"), &album)).unwrap();
    let invoice = Fields::new()
        .with("CustomerId", 1i64)
        .with(
            "InvoiceDate",
            LocalTimestamp.parse("2026-11-22T13:45:00").unwrap(),
        )
        .with("Total", Decimal.parse("13.86").unwrap());
    let invoice = block_on(transaction.insert(by_name("Invoice"), &invoice)).unwrap();
    let pair = Key(vec![Value::Integer(2), Value::Integer(2)]);
    let _ = block_on(transaction.delete(by_name("PlaylistTrack"), &pair));
    let fields = Fields::new().with("PlaylistId", 2i64).with("TrackId", 2i64);
    assert_eq!(
        block_on(transaction.insert(by_name("PlaylistTrack"), &fields)).unwrap(),
        pair
    );
    block_on(transaction.commit()).unwrap();
    let plain = Connection::open(&path).unwrap();
    let stored: String = plain
        .query_row(
            &format!("SELECT InvoiceDate || typeof(Total) || Total FROM Invoice WHERE InvoiceId = {invoice}"),
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(stored, "2026-11-22 13:45:00real13.86");
    plain
        .execute(
            "UPDATE Album SET Title = 'Second' WHERE ArtistId = ?1",
            [artist.to_string()],
        )
        .unwrap();
    plain
        .execute(
            "DELETE FROM PlaylistTrack WHERE PlaylistId = 2 AND TrackId = 2",
            [],
        )
        .unwrap();
    assert_eq!(changed(&store, by_name("Album"), before).0, [album.to_string()]);
    assert_eq!(changed(&store, by_name("PlaylistTrack"), before).1, ["2, 2"]);
    let orphan = Fields::new().with("Title", "x").with("ArtistId", 999_999i64);
    let error = block_on(write(&store).insert(by_name("Album"), &orphan)).unwrap_err();
    assert_eq!(error.code(), "constraint_violated");
}
