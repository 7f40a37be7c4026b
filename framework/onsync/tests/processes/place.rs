//! A folder with a served database and devices' stores, read with plain SQL.

use onsync_core::handler::{Summary, SyncDirection};
use onsync_core::pattern::SyncPattern;
use onsync_core::portable_async;
use onsync_core::schema::{Attribute, EntitySchema, Ids, OnDelete, OnPendingConflicts, Relation, Schema};
use onsync_core::transport::{Credentials, CredentialsProvider};
use onsync_core::{Error, ErrorKind, Fields, Key, Result, ValueType};
use onsync_engine::config::ContextSettings;
use onsync_engine::{App, OnSyncBuilder};
use onsync_http_transport::{HttpTransport, HttpTransportOptions};
use onsync_pattern_read_write_conflict_detection::ConflictDetection;
use onsync_pattern_read_write_last_write_wins::LastWriteWins;
use onsync_pattern_read_write_one_to_many::OneToMany;
use onsync_sqlite_store::rusqlite::{self, Connection, types::Value as Sql};
use onsync_sqlite_store::{SqliteStore, SqliteStoreOptions};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(crate) const LWW: &str = "read-write-last-write-wins";
pub(crate) const DETECTION: &str = "read-write-conflict-detection";
pub(crate) const FAMILY: &str = "read-write-one-to-many";

/// A context that is asked for again right after its end counts as a loop, so they are taken in turn.
const CONTEXTS: usize = 512;

/// The patterns a role may name.
pub(crate) fn patterns() -> [Arc<dyn SyncPattern>; 3] {
    [
        Arc::new(LastWriteWins),
        Arc::new(ConflictDetection),
        Arc::new(OneToMany),
    ]
}

/// `Item(id, name, note, amount)`, `Part(id, item_id, name)` that refers to it, and for families `Screw(id, part_id, name)` that refers to a part;
/// keys come from devices or from the server (`ids`), and the `pattern` is last-write-wins where none is named.
pub(crate) fn schema(role: &Json) -> Schema {
    let ids = if role["ids"] == "server" {
        Ids::Server
    } else {
        Ids::Client
    };
    let pattern = role["pattern"].as_str().unwrap_or(LWW);
    let entity = |name: &str, attributes: &[(&str, ValueType)]| {
        let attributes = attributes
            .iter()
            .map(|(name, kind)| Attribute::new(*name, *kind))
            .collect();
        EntitySchema {
            ids,
            on_pending_conflicts: OnPendingConflicts::Continue,
            ..EntitySchema::new(name, pattern, &["id"], attributes)
        }
    };
    let (integer, text) = (ValueType::Integer, ValueType::Text);
    let item = [
        ("id", integer),
        ("name", text),
        ("note", text),
        ("amount", integer),
    ];
    let part = [("id", integer), ("item_id", integer), ("name", text)];
    let screw = [("id", integer), ("part_id", integer), ("name", text)];
    let relation = |child: &str, attribute: &str, parent: &str| Relation {
        name: parent.to_lowercase(),
        child: child.into(),
        attribute: attribute.into(),
        parent: parent.into(),
        on_delete: OnDelete::Restrict,
    };
    let mut schema = Schema {
        entities: vec![entity("Item", &item), entity("Part", &part)],
        relations: vec![relation("Part", "item_id", "Item")],
    };
    if pattern == FAMILY {
        schema.entities.push(entity("Screw", &screw));
        schema.relations.push(relation("Screw", "part_id", "Part"));
    }
    schema
}

/// What somebody else's database looks like: its own triggers keep a log of every effect on it.
const DDL: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE Item (id INTEGER PRIMARY KEY, name TEXT, note TEXT, amount INTEGER);
    CREATE TABLE Part (id INTEGER PRIMARY KEY, item_id INTEGER, name TEXT);
    CREATE TABLE Screw (id INTEGER PRIMARY KEY, part_id INTEGER, name TEXT);
    CREATE TABLE effect (what TEXT NOT NULL);
    CREATE TRIGGER item_made AFTER INSERT ON Item BEGIN INSERT INTO effect VALUES ('made ' || NEW.name); END;
    CREATE TRIGGER item_changed AFTER UPDATE ON Item BEGIN
        INSERT INTO effect SELECT 'name ' || NEW.name WHERE NEW.name IS NOT OLD.name;
        INSERT INTO effect SELECT 'note ' || NEW.note WHERE NEW.note IS NOT OLD.note;
        INSERT INTO effect SELECT 'amount ' || NEW.amount WHERE NEW.amount IS NOT OLD.amount;
    END;
    CREATE TRIGGER item_gone AFTER DELETE ON Item BEGIN INSERT INTO effect VALUES ('gone ' || OLD.id); END;
    CREATE TRIGGER part_made AFTER INSERT ON Part BEGIN INSERT INTO effect VALUES ('part ' || NEW.name); END;
    CREATE TRIGGER screw_made AFTER INSERT ON Screw BEGIN INSERT INTO effect VALUES ('screw ' || NEW.name); END;
";

/// A folder with the served database in it.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// `count` items on the server, each with a note of `length` characters.
    pub(crate) fn new(count: i64, length: i64) -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let connection = open(&place.server());
        connection.execute_batch(DDL).unwrap();
        connection
            .execute(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
                 INSERT INTO Item SELECT i, 'item ' || i, substr(replace(hex(zeroblob(?2)), '0', 'n'), 1, ?2), i FROM n WHERE ?1 > 0",
                [count, length],
            )
            .unwrap();
        connection.execute("DELETE FROM effect", []).unwrap();
        place
    }

    pub(crate) fn server(&self) -> PathBuf {
        self.path("server.sqlite")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A connection of another program to the served database.
    pub(crate) fn connection(&self) -> Connection {
        open(&self.server())
    }

    /// Every effect on the served database that is not of another program, with how often it happened.
    pub(crate) fn effects(&self) -> BTreeMap<String, i64> {
        let connection = self.connection();
        let mut statement = connection
            .prepare("SELECT what, count(*) FROM effect GROUP BY what")
            .unwrap();
        let rows = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        rows.map(rusqlite::Result::unwrap).collect()
    }

    /// Nothing took effect twice, and each of these did once.
    #[track_caller]
    pub(crate) fn assert_effects(&self, wanted: impl IntoIterator<Item = String>) {
        let effects = self.effects();
        for (what, count) in &effects {
            assert_eq!(*count, 1, "{what} took effect {count} times");
        }
        for what in wanted {
            assert!(
                effects.contains_key(&what),
                "{what} is missing among {} effects",
                effects.len()
            );
        }
    }

    /// Both files are sound and hold the same, value by value, references followed.
    #[track_caller]
    pub(crate) fn assert_equal(&self, store: &Path) {
        for file in [&self.server(), store] {
            let found: String = open(file)
                .query_row("PRAGMA integrity_check", [], |row| row.get(0))
                .unwrap();
            assert_eq!(found, "ok", "{}", file.display());
        }
        let (there, here) = (contents(&self.server()), contents(store));
        assert_eq!(there.len(), here.len(), "as many records on both sides");
        for (there, here) in there.iter().zip(&here) {
            assert_eq!(there, here, "server, device");
        }
    }
}

pub(crate) fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(60)).unwrap();
    connection
}

/// All records without their keys, which differ where a device made them; a part names its item instead.
pub(crate) fn contents(path: &Path) -> Vec<Vec<Sql>> {
    let sql = "SELECT 'Item', name, note, amount FROM Item
        UNION ALL SELECT 'Part', p.name, i.name, NULL FROM Part p LEFT JOIN Item i ON i.id = p.item_id ORDER BY 1, 2, 3, 4";
    let connection = open(path);
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement
        .query_map([], |row| (0..4).map(|at| row.get(at)).collect())
        .unwrap();
    rows.map(rusqlite::Result::unwrap).collect()
}

/// A device in this process.
pub(crate) struct Device {
    pub(crate) app: App,
    pub(crate) store: SqliteStore,
}

/// The settings of a device with a store file, keys by devices, and nothing special.
pub(crate) fn settings(store: &Path, url: &str) -> Json {
    json!({ "role": "device", "path": store, "url": url, "ids": "client" })
}

struct Token(String);

#[portable_async]
impl CredentialsProvider for Token {
    async fn credentials(&self, refused: bool) -> Result<Option<Credentials>> {
        if refused {
            return Err(Error::new(
                ErrorKind::Unauthorised,
                "unauthorised",
                "the token was refused",
            ));
        }
        Ok(Some(Credentials::bearer(self.0.clone())))
    }
}

impl Device {
    /// Opens a device: `path`, `url`, `ids`, and if wanted `pattern`, `page_rows`, `max_bytes`, `token`, `time_out_ms`.
    pub(crate) fn of_role(role: &Json) -> Self {
        Self::try_of_role(role).unwrap()
    }

    pub(crate) fn try_of_role(role: &Json) -> Result<Self> {
        let mut options = SqliteStoreOptions::at(role["path"].as_str().unwrap());
        options.max_bytes = role["max_bytes"].as_u64();
        let store = SqliteStore::from_options(options);
        let mut transport = HttpTransportOptions::new(role["url"].as_str().unwrap());
        if let Some(millis) = role["time_out_ms"].as_u64() {
            transport.time_out = Duration::from_millis(millis);
        }
        let mut builder = OnSyncBuilder::by_hand(schema(role))?
            .pattern(LastWriteWins)?
            .pattern(ConflictDetection)?
            .pattern(OneToMany)?;
        let config = builder.config_mut();
        config.retry.enabled = false;
        if let Some(millis) = role["time_out_ms"].as_u64() {
            config.transport.time_out = Duration::from_millis(millis);
        }
        if let Some(rows) = role["page_rows"].as_u64() {
            config.store.page_rows = u32::try_from(rows).unwrap();
        }
        for context in 0..CONTEXTS {
            let everything = ContextSettings::default();
            config.contexts.insert(format!("Test{context}"), everything);
        }
        let fetches = ContextSettings {
            direction: SyncDirection::Pull,
            ..ContextSettings::default()
        };
        config.contexts.insert("Fetch".to_owned(), fetches);
        if let Some(token) = role["token"].as_str() {
            builder = builder.credentials(Arc::new(Token(token.to_owned())));
        }
        let app = builder
            .store(Arc::new(store.clone()))
            .transport(Arc::new(HttpTransport::new(transport)?))
            .build_blocking()?;
        Ok(Self { app, store })
    }

    pub(crate) fn try_sync(&self) -> Result<Summary> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed) % CONTEXTS;
        self.app
            .blocking()
            .on_sync(&format!("Test{next}"), &Default::default())?
            .into_result()
    }

    #[track_caller]
    pub(crate) fn sync(&self) -> Summary {
        self.try_sync().unwrap()
    }

    /// Syncs until both sides can be equal: what was cut, then what had been edited meanwhile. Then nothing waits and nothing
    /// was refused.
    #[track_caller]
    pub(crate) fn settle(&self) {
        self.sync();
        self.sync();
        self.assert_clean();
    }

    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        let waiting = self.app.blocking().waiting(10).unwrap();
        assert!(waiting.is_empty(), "{waiting:?}");
        let rejected = wait(self.app.rejected(10)).unwrap();
        assert!(rejected.is_empty(), "{rejected:?}");
    }

    /// Creates, changes and deletes a few records each in transactions of their own. Every value is unique to the series:
    /// [`effects_of`] lists what must then happen on the server.
    pub(crate) fn edit(&self, series: &str) -> Result<()> {
        let number: i64 = series.parse().unwrap();
        let app = self.app.blocking();
        let ids = self.app.schema().entities[0].ids;
        for nth in 0..EDITS {
            let mut item = Fields::new()
                .with("name", format!("new {series}.{nth}"))
                .with("amount", nth);
            let mut part = Fields::new().with("name", format!("{series}.{nth}"));
            if ids == Ids::Client {
                let id = 1_000_000 + number * EDITS + nth;
                item = item.with("id", id);
                part = part.with("id", id);
            }
            app.transaction(|tx| {
                let key = tx.create("Item", item)?;
                tx.create("Part", part.with("item_id", key.values()[0].clone()))
            })?;
            let unique = 1_000 + number * EDITS + nth;
            let changes = Fields::new()
                .with("amount", unique)
                .with("name", format!("changed {series}.{nth}"));
            app.update("Item", Key::one(number * RECORDS + nth + 1), changes)?;
        }
        for key in deleted_by(number) {
            app.delete("Item", Key::one(key))?;
        }
        Ok(())
    }
}

/// Runs a future to its end on this thread.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(future)
}

/// How many records a series of edits makes, and how many it changes.
const EDITS: i64 = 6;

/// How many of the records that are there a series changes or deletes; none belongs to two series.
pub(crate) const RECORDS: i64 = 8;

fn deleted_by(number: i64) -> std::ops::RangeInclusive<i64> {
    number * RECORDS + EDITS + 1..=number * RECORDS + RECORDS
}

/// What a series of edits does to the server's database, each once.
pub(crate) fn effects_of(series: i64) -> Vec<String> {
    let mut effects = Vec::new();
    for nth in 0..EDITS {
        effects.push(format!("made new {series}.{nth}"));
        effects.push(format!("part {series}.{nth}"));
        effects.push(format!("name changed {series}.{nth}"));
        effects.push(format!("amount {}", 1_000 + series * EDITS + nth));
    }
    effects.extend(deleted_by(series).map(|key| format!("gone {key}")));
    effects
}

/// Numbers that look like chance, the same ones each time.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }

    /// Lets a while pass: the moment of a fault, not the wait for anything.
    pub(crate) fn pass(&mut self, longest: Duration) {
        let micros = u64::try_from(longest.as_micros()).unwrap();
        std::thread::sleep(Duration::from_micros(self.below(micros)));
    }
}
