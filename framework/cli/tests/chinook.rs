//! A database nobody here wrote: added, served, synced to a device, compared value by value.
#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod support;

use std::path::{Path, PathBuf};
use support::{Device, Place, Served, rows};

const ENTITIES: [&str; 7] = [
    "Artist",
    "Album",
    "Track",
    "Customer",
    "Invoice",
    "InvoiceLine",
    "PlaylistTrack",
];

/// A few rows of the same tables, for where the real file is not.
const SAMPLE: &str = include_str!("support/music.sql");

/// The real file, if it is there.
fn real() -> Option<PathBuf> {
    let folder = std::env::var_os("ONSYNC_SAMPLE_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let file = folder.join("chinook.sqlite");
    file.is_file().then_some(file)
}

/// A place with a copy of the file, and whether it is the real one.
fn music(test: &str) -> (Place, bool) {
    let place = Place::new();
    match real() {
        Some(file) => {
            std::fs::copy(file, place.path("music.db")).unwrap();
            (place, true)
        }
        None => {
            println!(
                "SKIPPED {test}: chinook.sqlite is not in ONSYNC_SAMPLE_DATA; the project's own small sample was used"
            );
            place.database("music.db", SAMPLE);
            (place, false)
        }
    }
}

/// Every value is the same on both sides. A moment is stored as the server's database has it there, and in OnSync's own form here.
#[track_caller]
fn assert_equal(server: &rusqlite::Connection, local: &rusqlite::Connection, entity: &str) {
    let plain = |value: &String| {
        let value = value.strip_suffix(".000000Z").unwrap_or(value);
        value.replacen(
            'T',
            " ",
            usize::from(value.len() == 19 && value.as_bytes()[10] == b'T'),
        )
    };
    let content = |connection| -> Vec<Vec<String>> {
        let mut rows: Vec<Vec<String>> = content(connection, entity)
            .iter()
            .map(|row| row.iter().map(plain).collect())
            .collect();
        rows.sort();
        rows
    };
    let (server, local) = (content(server), content(local));
    assert_eq!(server.len(), local.len(), "{entity}");
    for (wanted, found) in server.iter().zip(&local) {
        assert_eq!(wanted, found, "{entity}");
    }
}

/// All columns of an entity in its own order, from the server's or the device's database.
fn content(connection: &rusqlite::Connection, entity: &str) -> Vec<Vec<String>> {
    let columns: Vec<String> = rows(
        connection,
        &format!("SELECT name FROM pragma_table_info('{entity}') ORDER BY name"),
    )
    .concat()
    .into_iter()
    .map(|column| format!("\"{column}\""))
    .collect();
    let columns = columns.join(", ");
    rows(connection, &format!("SELECT {columns} FROM \"{entity}\""))
}

#[test]
fn slow_a_foreign_database_reaches_a_device_and_edits_travel_both_ways() {
    let (place, is_real) = music("slow_a_foreign_database_reaches_a_device_and_edits_travel_both_ways");
    let mut add = vec!["add"];
    add.extend(ENTITIES);
    add.extend(["--from", "music.db"]);
    place
        .onsync(&add)
        .expect(0)
        .says("relation artist: Album.ArtistId → Artist");

    let served = Served::start(&place, &[], &[]);
    let device = Device::of(&place, &served.url);
    device.onsync(&["sync"]).expect(0);
    let (server, local) = (place.database("music.db", ""), device.store());
    for entity in ENTITIES {
        assert_equal(&server, &local, entity);
    }
    if is_real {
        assert_eq!(rows(&local, "SELECT count(*) FROM \"Track\""), [["3503"]]);
        assert_eq!(rows(&local, "SELECT count(*) FROM \"InvoiceLine\""), [["2240"]]);
    }

    local
        .execute(
            "UPDATE \"Track\" SET \"Composer\" = 'nobody' WHERE \"TrackId\" = 1",
            [],
        )
        .unwrap();
    local
        .execute(
            "DELETE FROM \"PlaylistTrack\" WHERE \"PlaylistId\" = 1 AND \"TrackId\" = 2",
            [],
        )
        .unwrap();
    local
        .execute("INSERT INTO \"Artist\" (\"Name\") VALUES ('The Offliners')", [])
        .unwrap();
    let artist = local.last_insert_rowid();
    local
        .execute(
            "INSERT INTO \"Album\" (\"Title\", \"ArtistId\") VALUES ('No Signal', ?1)",
            [artist],
        )
        .unwrap();
    server
        .execute("UPDATE Track SET UnitPrice = 1.5 WHERE TrackId = 2", [])
        .unwrap();
    server
        .execute("UPDATE Customer SET City = 'Elsewhere' WHERE CustomerId = 1", [])
        .unwrap();
    let ran = device.onsync(&["sync", "--json"]).expect(0).json();
    assert_eq!(ran["summary"]["applied"], 4, "{ran}");
    // Once more: what the server made of the creates is known then.
    device.onsync(&["sync"]).expect(0);

    assert_eq!(
        rows(
            &server,
            "SELECT a.Title FROM Album a JOIN Artist USING (ArtistId) WHERE Name = 'The Offliners'"
        ),
        [["No Signal"]]
    );
    for entity in ["Track", "Customer", "Invoice", "InvoiceLine", "PlaylistTrack"] {
        assert_equal(&server, &local, entity);
    }
    // Keys made on the device stay on the device; everything else is equal.
    for (entity, other) in [("Artist", "\"Name\""), ("Album", "\"Title\"")] {
        let names = format!("SELECT {other} FROM \"{entity}\" ORDER BY 1");
        assert_eq!(rows(&server, &names), rows(&local, &names), "{entity}");
    }
}
