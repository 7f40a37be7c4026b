//! Scenario 33: what an app replaces and displaces by SQL of its own reaches the server, under each pattern that writes.

use crate::device::Device;
use crate::world::*;
use onsync_core::schema::Ids;
use onsync_core::{Fields, Key};
use onsync_engine::sync::Limits;
use onsync_sqlite_store::rusqlite::Connection;
use onsync_sqlite_store::{SqliteStore, SqliteStoreOptions};
use onsync_testkit::fakes::Fate;
use std::sync::Arc;

const STATEMENTS: [&str; 4] = [
    "UPDATE Item SET note = 'first' WHERE id = 1",
    "UPDATE OR REPLACE Item SET note = 'second' WHERE id = 1",
    "INSERT OR REPLACE INTO Item (id, name, note, amount) VALUES (1, 'replaced', 'third', 7)",
    // A record of this name is there: it is displaced.
    "UPDATE OR REPLACE Item SET name = 'name 3' WHERE id = 2",
];

/// Which syncs lie between the statements.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    Sync,
    LostAnswer,
}

fn sync(device: &Device, between: Between) {
    match between {
        Between::Nothing => {}
        Between::Sync => drop(device.sync()),
        Between::LostAnswer => {
            device.lossy.script([Fate::DropAnswer]);
            assert!(device.try_sync().is_err());
        }
    }
}

#[test]
fn what_sql_replaces_and_displaces_reaches_the_server() {
    for pattern in WRITING {
        for between in [Between::Nothing, Between::Sync, Between::LostAnswer] {
            let mut world = World::new(Kind::Sqlite, one(item(pattern, Ids::Client)));
            world.fill(4);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("device.sqlite");
            let open = || Arc::new(SqliteStore::new(&path, SqliteStoreOptions::default()));
            let device = world.device_on(open(), Limits::default());
            device.sync();
            drop(device);
            // The app's own index, by which a statement may displace another record.
            let index = "CREATE UNIQUE INDEX own ON Item (name)";
            Connection::open(&path).unwrap().execute_batch(index).unwrap();
            let store = open();
            let device = world.device_on(store.clone(), Limits::default());
            let connection = store.connection().unwrap();
            for statement in STATEMENTS {
                connection.execute_batch(statement).unwrap();
                sync(&device, between);
            }
            device.sync();
            device.sync();
            let label = format!("{pattern}, {between:?}");
            let there = world.contents("Item");
            let row = |id: i64| there.get(&Key::one(id)).cloned();
            let replaced = vec![1i64.into(), "replaced".into(), "third".into(), 7i64.into()];
            assert_eq!(row(1), Some(replaced), "{label}");
            assert_eq!(row(2).unwrap()[1], "name 3".into(), "{label}");
            assert_eq!(row(3), None, "{label}: displaced");
            assert_eq!(there.len(), 3, "{label}");
            assert_eq!(device.overlays("Item"), [], "{label}");
            assert_equal(&world, &device);
            let other = world.device();
            other.sync();
            other.update("Item", 4i64, &Fields::new().with("note", "goes on"));
            other.sync();
            device.sync();
            assert_equal(&world, &device);
        }
    }
}
