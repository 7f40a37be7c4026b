//! Other programs that write to the served database while a device pulls (scenario 1).

use crate::children::ServerProcess;
use crate::place::{Chance, Device, Place, open, settings};
use onsync_sqlite_store::rusqlite::{Connection, params};
use serde_json::json;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const WRITERS: u64 = 32;
/// Transactions each writer makes at least; it goes on until the device has synced often enough among them.
const TRANSACTIONS: u64 = 12;
const SYNCS: usize = 3;
/// Transactions after which a writer ends in any case.
const PATIENCE: u64 = 20_000;

/// One transaction of a few statements, which holds the write lock a little.
fn commit_one(connection: &mut Connection, chance: &mut Chance, writer: u64) {
    // The lock is waited for at the beginning: SQLite lets nobody wait who has read before.
    let transaction = connection
        .transaction_with_behavior(onsync_sqlite_store::rusqlite::TransactionBehavior::Immediate)
        .unwrap();
    for _ in 0..=chance.below(3) {
        let id = i64::try_from(chance.below(300)).unwrap() + 1;
        let value = i64::try_from(chance.below(1 << 40)).unwrap();
        match chance.below(4) {
            0 => transaction.execute("DELETE FROM Item WHERE id = ?1", [id]),
            1 => transaction.execute(
                "UPDATE Item SET amount = ?2 WHERE id BETWEEN ?1 AND ?1 + 4",
                params![id, value],
            ),
            _ => transaction.execute(
                "INSERT INTO Item VALUES (?1, ?2, NULL, ?3)
                 ON CONFLICT (id) DO UPDATE SET name = excluded.name, amount = excluded.amount",
                params![id, format!("writer {writer}"), value],
            ),
        }
        .unwrap();
        chance.pass(Duration::from_millis(2));
    }
    transaction.commit().unwrap();
}

fn write(path: &Path, seed: u64, writer: u64, syncs: &AtomicUsize) {
    let mut connection = open(path);
    let mut chance = Chance(seed * WRITERS + writer);
    for made in 0..PATIENCE {
        if made >= TRANSACTIONS && syncs.load(Ordering::SeqCst) >= SYNCS {
            break;
        }
        commit_one(&mut connection, &mut chance, writer);
        chance.pass(Duration::from_millis(5));
    }
}

fn pull_while_others_write(seed: u64) {
    let place = Place::new(200, 10);
    let server = ServerProcess::start(&place.server(), "client", None);
    let mut settings = settings(&place.path("device.sqlite"), &server.url());
    settings["page_rows"] = json!(7);
    let device = Device::of_role(&settings);
    let (finished, syncs) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (finished, syncs, path) = (&finished, &syncs, place.server());
            scope.spawn(move || {
                // Counted also when it fails, so that the device does not pull for ever.
                let _count = Count(finished);
                write(&path, seed, writer, syncs);
            });
        }
        while finished.load(Ordering::SeqCst) < usize::try_from(WRITERS).unwrap() {
            device.sync();
            syncs.fetch_add(1, Ordering::SeqCst);
        }
    });
    let syncs = syncs.into_inner();
    assert!(syncs >= SYNCS, "only {syncs} syncs while others wrote");
    device.sync();
    place.assert_equal(&place.path("device.sqlite"));
    device.assert_clean();
}

struct Count<'a>(&'a AtomicUsize);

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_pull_among_writers_misses_nothing() {
    for seed in 0..3 {
        pull_while_others_write(seed);
    }
}

#[test]
fn slow_fifty_pulls_among_writers_miss_nothing() {
    for seed in 100..150 {
        pull_while_others_write(seed);
    }
}
