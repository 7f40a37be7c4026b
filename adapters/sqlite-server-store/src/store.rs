//! The store: attaching, beginning to read and to write, and noticing when tracking was damaged.

use crate::connections::{Pool, open_writer};
use crate::error::{Doing, transaction_lost};
use crate::options::SqliteServerStoreOptions;
use crate::plan::Plans;
use crate::snapshot::Snapshot;
use crate::survey::{Survey, survey};
use crate::tracking;
use crate::transaction::Transaction;
use onsync_core::schema::Schema;
use onsync_core::store::server::{Attached, ServerSnapshot, ServerStore, ServerTransaction};
use onsync_core::{Error, Result, portable_async};
use rusqlite::Connection;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OwnedMutexGuard;

/// An existing SQLite database as a server store.
///
/// Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct SqliteServerStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    options: Arc<SqliteServerStoreOptions>,
    /// the one connection that writes; a fair lock, so that no request waits for ever
    writer: Arc<tokio::sync::Mutex<Option<Connection>>>,
    pool: Pool,
    state: Mutex<State>,
    look_again: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// what was attached
    schema: Option<Arc<Schema>>,
    plans: Option<Arc<Plans>>,
}

impl Shared {
    /// The next reader or writer compares tables and tracking again.
    pub(crate) fn look_again(&self) {
        self.look_again.store(true, Ordering::SeqCst);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The plans for the state that an open transaction sees; none if tracking must be repaired first.
    fn plans(&self, connection: &Connection) -> Result<Option<Arc<Plans>>> {
        let version: i64 = connection
            .prepare_cached("PRAGMA schema_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .doing("reading the version of the schema")?;
        let (schema, known) = {
            let state = self.state();
            (state.schema.clone(), state.plans.clone())
        };
        let again = self.look_again.load(Ordering::SeqCst);
        if let Some(known) = known.filter(|known| known.version == version && !again) {
            return Ok(Some(known));
        }
        let survey = match &schema {
            Some(schema) => survey(connection, schema)?,
            None => Survey::default(),
        };
        if !tracking::is_intact(connection, &survey)? {
            return Ok(None);
        }
        let plans = Arc::new(Plans {
            version,
            entities: survey.entities,
        });
        self.look_again.store(false, Ordering::SeqCst);
        self.state().plans = Some(plans.clone());
        Ok(Some(plans))
    }

    async fn lock_writer(&self) -> Result<OwnedMutexGuard<Option<Connection>>> {
        let mut writer = self.writer.clone().lock_owned().await;
        if writer.is_none() {
            *writer = Some(open_writer(&self.options)?);
        }
        Ok(writer)
    }

    /// Makes and repairs what OnSync needs, for a schema or for the one attached before.
    async fn install(&self, schema: Option<&Schema>) -> Result<Attached> {
        let attached = self.state().schema.clone();
        let schema = schema.or(attached.as_deref());
        let writer = self.lock_writer().await?;
        in_transaction(&writer, |connection| {
            let found = match schema {
                Some(schema) => survey(connection, schema)?,
                None => Survey::default(),
            };
            tracking::migrate(connection)?;
            Ok(Attached {
                reset: tracking::repair(connection, &found)?,
                warnings: found.warnings,
            })
        })
    }
}

/// Runs something in a transaction of its own.
fn in_transaction<T>(
    writer: &OwnedMutexGuard<Option<Connection>>,
    run: impl FnOnce(&Connection) -> Result<T>,
) -> Result<T> {
    let connection = writer.as_ref().ok_or_else(transaction_lost)?;
    let transaction =
        rusqlite::Transaction::new_unchecked(connection, rusqlite::TransactionBehavior::Immediate)
            .doing("beginning to write")?;
    let result = run(&transaction)?;
    transaction.commit().doing("committing")?;
    Ok(result)
}

/// How often a reader or writer repairs tracking that breaks again before it gives up.
const REPAIRS: usize = 5;

fn unsteady() -> Error {
    Error::transient(
        "store_busy",
        "another program keeps changing the schema of the database; it is tried again; finish the schema change first",
    )
}

impl SqliteServerStore {
    /// A store on the database file that the options name. Nothing is opened yet: [`attach`](ServerStore::attach) is the
    /// first to look.
    pub fn new(options: SqliteServerStoreOptions) -> Self {
        let options = Arc::new(options);
        Self {
            shared: Arc::new(Shared {
                pool: Pool::new(options.clone()),
                options,
                writer: Arc::default(),
                state: Mutex::default(),
                look_again: AtomicBool::default(),
            }),
        }
    }
}

#[portable_async]
impl ServerStore for SqliteServerStore {
    async fn attach(&self, schema: &Schema) -> Result<Attached> {
        let attached = self.shared.install(Some(schema)).await?;
        {
            let mut state = self.shared.state();
            state.schema = Some(Arc::new(schema.clone()));
            state.plans = None;
        }
        let names: HashMap<&str, usize> = schema
            .entities
            .iter()
            .enumerate()
            .map(|(place, entity)| (entity.name.as_str(), place))
            .collect();
        let mut attached = attached;
        attached
            .reset
            .sort_by_key(|name| names.get(name.as_str()).copied());
        Ok(attached)
    }

    async fn read(&self) -> Result<Box<dyn ServerSnapshot>> {
        for _ in 0..REPAIRS {
            let reader = self.shared.pool.begin()?;
            if let Some(plans) = self.shared.plans(reader.connection()?)? {
                return Ok(Box::new(Snapshot {
                    reader,
                    plans,
                    shared: self.shared.clone(),
                }));
            }
            drop(reader);
            self.shared.install(None).await?;
        }
        Err(unsteady())
    }

    async fn write(&self) -> Result<Box<dyn ServerTransaction>> {
        for _ in 0..REPAIRS {
            let writer = self.shared.lock_writer().await?;
            let connection = writer.as_ref().ok_or_else(transaction_lost)?;
            connection
                .execute_batch("BEGIN IMMEDIATE")
                .doing("beginning to write")?;
            // From here on, dropping the transaction rolls back.
            let plans = self.shared.plans(connection);
            let empty = Arc::new(Plans {
                version: 0,
                entities: HashMap::new(),
            });
            let found = plans.as_ref().ok().cloned().flatten();
            let transaction = Transaction::new(writer, found.clone().unwrap_or(empty));
            plans?;
            if found.is_some() {
                return Ok(Box::new(transaction));
            }
            drop(transaction);
            self.shared.install(None).await?;
        }
        Err(unsteady())
    }

    async fn prune(&self, up_to: u64) -> Result<u64> {
        let schema = self.shared.state().schema.clone();
        let Some(schema) = schema else { return Ok(0) };
        let writer = self.shared.lock_writer().await?;
        in_transaction(&writer, |connection| {
            let found = survey(connection, &schema)?;
            tracking::migrate(connection)?;
            if !tracking::is_intact(connection, &found)? {
                tracking::repair(connection, &found)?;
            }
            let up_to = up_to.min(tracking::position(connection)?);
            tracking::prune(connection, &found, up_to)
        })
    }
}
