//! OnSync's own tables in the served database: made, compared, repaired, reset and pruned here.

use crate::error::Doing;
use crate::plan::EntityPlan;
use crate::sql;
use crate::survey::{Survey, TrackedTable};
use onsync_core::{Error, Result};
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;

const MIGRATIONS: [(i64, &str); 1] = [(1, include_str!("../migrations/001_init.sql"))];

/// Brings OnSync's tables to the newest version; a transaction is open.
pub(crate) fn migrate(connection: &Connection) -> Result<()> {
    let run = || {
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS \"_onsync_migrations\" (\"version\" INTEGER PRIMARY KEY) ",
        )?;
        let done: i64 = connection.query_row(
            "SELECT coalesce(max(version), 0) FROM \"_onsync_migrations\"",
            [],
            |row| row.get(0),
        )?;
        for (version, script) in MIGRATIONS.iter().filter(|(version, _)| *version > done) {
            connection.execute_batch(script)?;
            connection.execute("INSERT INTO \"_onsync_migrations\" VALUES (?1)", [version])?;
        }
        Ok(done)
    };
    let done = rusqlite::Result::<i64>::doing(run(), "making OnSync's tables")?;
    let newest = MIGRATIONS.len() as i64;
    if done > newest {
        return Err(Error::unsupported(
            "store_too_new",
            format!(
                "wanted OnSync's tables of version {newest} or older, found version {done}; update this server"
            ),
        ));
    }
    Ok(())
}

/// Whether OnSync's tables are there at all.
pub(crate) fn is_migrated(connection: &Connection) -> Result<bool> {
    connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_onsync_migrations')",
            [],
            |row| row.get(0),
        )
        .doing("looking for OnSync's tables")
}

/// What stands in the database under OnSync's names.
struct Standing {
    objects: BTreeMap<String, String>,
    /// key columns and key order by table
    tables: BTreeMap<String, (String, String)>,
}

impl Standing {
    fn read(connection: &Connection) -> Result<Self> {
        let run = || {
            let objects = connection
                .prepare("SELECT name, coalesce(sql, '') FROM sqlite_master WHERE name LIKE '\\_onsync\\_%' ESCAPE '\\'")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            let tables = connection
                .prepare("SELECT source, key_columns, key_order FROM \"_onsync_tables\"")?
                .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?
                .collect::<rusqlite::Result<_>>()?;
            Ok(Self { objects, tables })
        };
        rusqlite::Result::<Self>::doing(run(), "looking at change tracking")
    }

    fn has(&self, object: &(String, String)) -> bool {
        self.objects.get(&object.0) == Some(&object.1)
    }

    /// Triggers that stand for a table and are not wanted.
    fn obsolete(&self, tracked: &TrackedTable) -> Vec<String> {
        let wanted = tracked.tracking.triggers();
        let prefix = format!(
            "CREATE TRIGGER {}",
            sql::name(&format!("_onsync_{}_", tracked.tracking.table.name))
        );
        let prefix = prefix.trim_end_matches('"');
        self.objects
            .iter()
            .filter(|(_, create)| create.starts_with(prefix))
            .map(|(name, _)| name.clone())
            .filter(|name| {
                is_ours(name, &tracked.tracking.table.name) && !wanted.iter().any(|(known, _)| known == name)
            })
            .collect()
    }
}

/// Whether a trigger name is one that this store makes for this table, and not for one with a longer name.
fn is_ours(trigger: &str, table: &str) -> bool {
    let Some(suffix) = trigger.strip_prefix(&format!("_onsync_{table}_")) else {
        return false;
    };
    let numbered = ["before_insert_", "before_update_"].iter().any(|event| {
        suffix
            .strip_prefix(event)
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    });
    numbered || ["after_insert", "after_update", "after_update_key", "after_delete"].contains(&suffix)
}

fn key_columns(tracked: &TrackedTable) -> String {
    serde_json::Value::from(tracked.tracking.key.clone()).to_string()
}

fn key_order(tracked: &TrackedTable) -> &'static str {
    if tracked.native_order {
        "native"
    } else {
        "computed"
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Intact,
    /// nothing was missed, something is to be tidied
    Untidy,
    /// never tracked before
    New,
    /// something may have been missed
    Broken,
}

fn state(standing: &Standing, tracked: &TrackedTable) -> State {
    let Some((columns, order)) = standing.tables.get(&tracked.tracking.table.name) else {
        return State::New;
    };
    let complete = tracked
        .tracking
        .tables()
        .iter()
        .chain(&tracked.tracking.triggers())
        .all(|object| standing.has(object));
    let reordered = order == "native" && !tracked.native_order;
    if !complete || *columns != key_columns(tracked) || reordered {
        State::Broken
    } else if order != key_order(tracked) || !standing.obsolete(tracked).is_empty() {
        State::Untidy
    } else {
        State::Intact
    }
}

/// Whether everything a survey wants stands as it should.
pub(crate) fn is_intact(connection: &Connection, survey: &Survey) -> Result<bool> {
    if !is_migrated(connection)? {
        return Ok(false);
    }
    let standing = Standing::read(connection)?;
    Ok(survey
        .tracked
        .iter()
        .all(|tracked| state(&standing, tracked) == State::Intact))
}

/// Installs what is missing; a writing transaction is open. Returns the entities whose devices fetch again.
pub(crate) fn repair(connection: &Connection, survey: &Survey) -> Result<Vec<String>> {
    let standing = Standing::read(connection)?;
    let mut reset = Vec::new();
    for tracked in &survey.tracked {
        let state = state(&standing, tracked);
        if state == State::Intact {
            continue;
        }
        install(connection, &standing, tracked, state).doing("installing change tracking")?;
        if matches!(state, State::New | State::Broken) {
            reset.extend(tracked.entities.iter().cloned());
        }
        if state == State::Broken {
            tracing::warn!(table = %tracked.tracking.table.name, "change tracking was incomplete and was repaired; devices fetch again");
        }
    }
    Ok(reset)
}

fn install(
    connection: &Connection,
    standing: &Standing,
    tracked: &TrackedTable,
    state: State,
) -> rusqlite::Result<()> {
    let tracking = &tracked.tracking;
    for name in standing.obsolete(tracked) {
        connection.execute_batch(&format!("DROP TRIGGER {}", sql::name(&name)))?;
    }
    let tables = tracking.tables();
    if !tables.iter().all(|object| standing.has(object)) {
        connection.execute_batch(&format!(
            "DROP TABLE IF EXISTS {}",
            sql::name(&tracking.changes())
        ))?;
        for (_, create) in &tables {
            connection.execute_batch(create)?;
        }
    }
    for object in tracking.triggers() {
        if !standing.has(&object) {
            let (name, create) = object;
            connection.execute_batch(&format!("DROP TRIGGER IF EXISTS {}; {create}", sql::name(&name)))?;
        }
    }
    let source = &tracking.table.name;
    if state == State::Broken {
        // Checkpoints up to now may have missed something; those from here on have not.
        connection.execute("UPDATE \"_onsync_position\" SET position = position + 1", [])?;
        connection.execute(
            "UPDATE \"_onsync_tables\" SET horizon = p.position, newest = p.position \
             FROM \"_onsync_position\" AS p WHERE source = ?1",
            [source],
        )?;
    } else if state == State::New {
        connection.execute(
            "INSERT INTO \"_onsync_tables\" (source, key_columns, key_order, horizon, newest) \
             SELECT ?1, '', '', position, 0 FROM \"_onsync_position\"",
            [source],
        )?;
    }
    connection.execute(
        "UPDATE \"_onsync_tables\" SET key_columns = ?2, key_order = ?3 WHERE source = ?1",
        [source, &key_columns(tracked), key_order(tracked)],
    )?;
    Ok(())
}

/// The position of the open transaction.
pub(crate) fn position(connection: &Connection) -> Result<u64> {
    connection
        .prepare_cached("SELECT position FROM \"_onsync_position\"")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .doing("reading the position")
}

/// The newest position at which a table changed.
pub(crate) fn newest(connection: &Connection, plan: &EntityPlan) -> Result<u64> {
    let select = format!(
        "SELECT max(newest, coalesce((SELECT max(position) FROM {} WHERE scope = ''), 0)) FROM \"_onsync_tables\" WHERE source = ?1",
        sql::name(&plan.changes)
    );
    of_table(connection, &select, plan)
}

/// The position below which checkpoints must fetch again.
pub(crate) fn horizon(connection: &Connection, plan: &EntityPlan) -> Result<u64> {
    of_table(
        connection,
        "SELECT horizon FROM \"_onsync_tables\" WHERE source = ?1",
        plan,
    )
}

fn of_table(connection: &Connection, select: &str, plan: &EntityPlan) -> Result<u64> {
    connection
        .prepare_cached(select)
        .and_then(|mut statement| statement.query_row([&plan.table], |row| row.get(0)).optional())
        .doing("reading how far a table's changes are kept")
        .map(Option::unwrap_or_default)
}

/// Forgets deletions at and below a position; a writing transaction is open. Returns how many.
pub(crate) fn prune(connection: &Connection, survey: &Survey, up_to: u64) -> Result<u64> {
    let mut forgotten = 0;
    for tracked in &survey.tracked {
        forgotten += prune_table(connection, tracked, up_to).doing("forgetting old deletions")?;
    }
    Ok(forgotten)
}

fn prune_table(connection: &Connection, tracked: &TrackedTable, up_to: u64) -> rusqlite::Result<u64> {
    let tracking = &tracked.tracking;
    let changes = sql::name(&tracking.changes());
    let table = sql::name(&tracking.table.name);
    let same = tracking.key.iter().filter_map(|column| {
        let key = tracking.change_key(column)?;
        let column = sql::name(column);
        Some(format!(
            "s.{column} = {changes}.{key} AND s.{column} = {changes}.{key} COLLATE BINARY"
        ))
    });
    // So that its key is not given again.
    let highest = tracked.issues_keys.then(|| tracking.highest_row_id()).flatten();
    let kept = highest.map_or_else(String::new, |highest| format!(" AND {changes}.key_1 < {highest}"));
    let gone = format!(
        "{changes}.scope = '' AND {changes}.position <= ?1 AND NOT EXISTS (SELECT 1 FROM {table} AS s WHERE {}){kept}",
        sql::join(same, " AND ")
    );
    let newest: i64 = connection.query_row(
        &format!("SELECT coalesce(max(position), 0) FROM {changes} WHERE scope = ''"),
        [],
        |row| row.get(0),
    )?;
    let horizon: Option<i64> = connection.query_row(
        &format!("SELECT max(position) FROM {changes} WHERE {gone}"),
        [up_to],
        |row| row.get(0),
    )?;
    let Some(horizon) = horizon else { return Ok(0) };
    let forgotten = connection.execute(&format!("DELETE FROM {changes} WHERE {gone}"), [up_to])?;
    connection.execute(
        "UPDATE \"_onsync_tables\" SET horizon = max(horizon, ?2), newest = max(newest, ?3) WHERE source = ?1",
        rusqlite::params![tracking.table.name, horizon, newest],
    )?;
    Ok(forgotten as u64)
}
