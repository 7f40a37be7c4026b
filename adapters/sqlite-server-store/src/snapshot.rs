//! Reading one consistent view.

use crate::areas;
use crate::connections::Reader;
use crate::error::Doing;
use crate::pages::{FORM_CHANGED, PageBuilder, read_key};
use crate::plan::{EntityPlan, Plans};
use crate::sql;
use crate::store::Shared;
use crate::tracking;
use onsync_core::page::KeyRange;
use onsync_core::schema::EntitySchema;
use onsync_core::store::server::{DeltaRows, Extent, PageLimit, ServerSnapshot, SnapshotRows};
use onsync_core::{Error, Key, Result, portable_async};
use rusqlite::types::Value as Stored;
use rusqlite::{Connection, params_from_iter};
use std::sync::Arc;

/// A view of the database, held for one page.
pub(crate) struct Snapshot {
    pub(crate) reader: Reader,
    pub(crate) plans: Arc<Plans>,
    pub(crate) shared: Arc<Shared>,
}

impl Snapshot {
    fn plan(&self, extent: &Extent<'_>) -> Result<Arc<EntityPlan>> {
        if !extent.scope.is_empty() {
            return Err(Error::unsupported(
                "unknown_scope",
                format!(
                    "entity `{}` has no scope; ask for it with the empty scope value",
                    extent.entity.name
                ),
            ));
        }
        self.plans.entity(extent.entity).cloned()
    }

    /// Has the tables looked at again where a page found keys in a form that spoils their order.
    fn noticing<T>(&self, result: Result<T>) -> Result<T> {
        if result.as_ref().is_err_and(|error| error.code() == FORM_CHANGED) {
            self.shared.look_again();
        }
        result
    }
}

#[portable_async]
impl ServerSnapshot for Snapshot {
    async fn position(&mut self) -> Result<u64> {
        tracking::position(self.reader.connection()?)
    }

    async fn newest(&mut self, entity: &EntitySchema) -> Result<u64> {
        tracking::newest(self.reader.connection()?, self.plans.entity(entity)?)
    }

    async fn horizon(&mut self, entity: &EntitySchema) -> Result<u64> {
        tracking::horizon(self.reader.connection()?, self.plans.entity(entity)?)
    }

    async fn snapshot(
        &mut self,
        extent: &Extent<'_>,
        range: &KeyRange,
        limit: PageLimit,
    ) -> Result<SnapshotRows> {
        let plan = self.plan(extent)?;
        let page = snapshot_page(self.reader.connection()?, &plan, extent.attributes, range, limit);
        self.noticing(page)
    }

    async fn delta(&mut self, extent: &Extent<'_>, after: u64, limit: PageLimit) -> Result<DeltaRows> {
        let plan = self.plan(extent)?;
        let page = delta_page(self.reader.connection()?, &plan, extent, after, limit);
        self.noticing(page)
    }

    async fn count(&mut self, extent: &Extent<'_>) -> Result<Option<u64>> {
        let plan = self.plan(extent)?;
        let filter = plan
            .present
            .as_ref()
            .map_or_else(String::new, |present| format!(" WHERE {present}"));
        let select = format!("SELECT count(*) FROM {}{filter}", sql::name(&plan.table));
        self.reader
            .connection()?
            .prepare_cached(&select)
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .doing("counting records")
            .map(Some)
    }

    async fn area_get(&mut self, area: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        areas::get(self.reader.connection()?, area, key)
    }

    async fn area_scan(
        &mut self,
        area: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        areas::scan(self.reader.connection()?, area, after, limit)
    }
}

fn check_limit(limit: PageLimit) -> Result<()> {
    if limit.rows > 0 {
        return Ok(());
    }
    Err(Error::unsupported(
        "invalid_limit",
        "wanted a page of at least one row, found a limit of none; ask for one or more",
    ))
}

/// `column > ?1`, `(a, b) <= (?3, ?4)` or, where the table sorts otherwise, the same over canonical bytes.
fn bound(plan: &EntityPlan, key: &Key, comparison: &str, parameters: &mut Vec<Stored>) -> Result<String> {
    if !plan.native_order {
        parameters.push(Stored::Blob(key.to_bytes()));
        return Ok(format!(
            "{} {comparison} ?{}",
            plan.order_expression(),
            parameters.len()
        ));
    }
    plan.check_key(key)?;
    let mut places = Vec::new();
    for (attribute, value) in plan.key.iter().zip(key.values()) {
        parameters.push(attribute.encode(value)?);
        places.push(format!("?{}", parameters.len()));
    }
    Ok(format!(
        "({}) {comparison} ({})",
        key_columns(plan),
        sql::join(places, ", ")
    ))
}

fn key_columns(plan: &EntityPlan) -> String {
    let table = sql::name(&plan.table);
    let columns = plan
        .key
        .iter()
        .map(|attribute| format!("{table}.{}", sql::name(&attribute.column)));
    sql::join(columns, ", ")
}

fn snapshot_page(
    connection: &Connection,
    plan: &EntityPlan,
    attributes: &[usize],
    range: &KeyRange,
    limit: PageLimit,
) -> Result<SnapshotRows> {
    let table = sql::name(&plan.table);
    check_limit(limit)?;
    let rows = limit.rows;
    let mut page = PageBuilder::new(plan, attributes, rows.min(10_000))?;
    let mut parameters = Vec::new();
    let mut conditions: Vec<String> = plan.present.iter().cloned().collect();
    if let Some(after) = &range.after {
        conditions.push(bound(plan, after, ">", &mut parameters)?);
    }
    if let Some(to) = &range.to {
        conditions.push(bound(plan, to, "<=", &mut parameters)?);
    }
    let filter = if conditions.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", sql::join(conditions, " AND "))
    };
    let order = if plan.native_order {
        key_columns(plan)
    } else {
        plan.order_expression()
    };
    parameters.push(Stored::Integer(
        i64::try_from(rows).unwrap_or(i64::MAX).saturating_add(1),
    ));
    let select = format!(
        "SELECT {} FROM {table}{filter} ORDER BY {order} LIMIT ?{}",
        page.select(&table),
        parameters.len()
    );
    let doing = |error| failed_page(plan, error, "reading a page");
    let mut statement = connection.prepare_cached(&select).map_err(doing)?;
    let mut found = statement.query(params_from_iter(parameters)).map_err(doing)?;
    let mut more = false;
    while let Some(row) = found.next().map_err(doing)? {
        if page.len() == rows || (page.len() > 0 && page.bytes() >= limit.bytes) {
            more = true;
            break;
        }
        page.push(row, 0)?;
        if page.is_over(limit) {
            page.pop();
            more = true;
            break;
        }
    }
    let last = page.last_key();
    Ok(SnapshotRows {
        rows: page.finish()?,
        more_after: last.filter(|_| more),
    })
}

/// A key that is not of its type fails inside the query where keys are computed.
fn failed_page(plan: &EntityPlan, error: rusqlite::Error, doing: &str) -> Error {
    let text = error.to_string();
    let Some(at) = text.find(crate::key_function::INVALID) else {
        return crate::error::from_sqlite(error, doing);
    };
    let columns = plan.key.iter().map(|attribute| &attribute.column);
    Error::corrupt(
        "stored_value_invalid",
        format!(
            "wanted every key of table `{}` in column {} to be {}, found one that is not; correct the stored value",
            plan.table,
            onsync_core::error::list_names(columns),
            &text[at + crate::key_function::INVALID.len()..]
        ),
    )
}

fn delta_page(
    connection: &Connection,
    plan: &EntityPlan,
    extent: &Extent<'_>,
    after: u64,
    limit: PageLimit,
) -> Result<DeltaRows> {
    check_limit(limit)?;
    let horizon = tracking::horizon(connection, plan)?;
    if after < horizon {
        return Err(Error::rejected(
            "checkpoint_expired",
            format!(
                "wanted changes above position {after}, found that those up to {horizon} may be forgotten; read a snapshot"
            ),
        )
        .at(&plan.name));
    }
    let mut page = PageBuilder::new(plan, extent.attributes, limit.rows.min(1_000))?;
    let select = delta_select(plan, &page);
    let doing = |error| crate::error::from_sqlite(error, "reading changes");
    let mut statement = connection.prepare_cached(&select).map_err(doing)?;
    let mut found = statement
        .query(rusqlite::params![
            extent.scope,
            i64::try_from(after).unwrap_or(i64::MAX)
        ])
        .map_err(doing)?;
    let mut deleted: Vec<Key> = Vec::new();
    let mut deleted_bytes = 0;
    let mut up_to = after;
    let mut more = false;
    let keys = plan.key.len();
    while let Some(row) = found.next().map_err(doing)? {
        let position: u64 = row.get(0).map_err(doing)?;
        // Rows displaced by one statement may share a position; a piece never ends between them.
        let may_end = position != up_to && page.len() + deleted.len() > 0;
        let full = page.len() + deleted.len() >= limit.rows || page.bytes() + deleted_bytes >= limit.bytes;
        if may_end && full {
            more = true;
            break;
        }
        if row.get(1 + keys).map_err(doing)? {
            page.push(row, 2 + keys)?;
            if may_end && page.bytes() + deleted_bytes > limit.bytes {
                page.pop();
                more = true;
                break;
            }
        } else {
            let key = read_key(plan, row, 1)?;
            let size = key.values().iter().map(onsync_core::Value::size).sum::<usize>();
            if may_end && page.bytes() + deleted_bytes + size > limit.bytes {
                more = true;
                break;
            }
            deleted_bytes += size;
            deleted.push(key);
        }
        up_to = position;
    }
    if !more {
        up_to = tracking::position(connection)?.max(after);
    }
    Ok(DeltaRows {
        rows: page.finish()?,
        deleted,
        removed: Vec::new(),
        up_to,
        more,
    })
}

/// Position, key, whether the record is there, and its attributes, for each change row above a position.
fn delta_select(plan: &EntityPlan, page: &PageBuilder<'_>) -> String {
    let table = sql::name(&plan.table);
    let keys = plan.change_keys.iter().map(|key| format!("c.{key}"));
    let same = plan.key.iter().zip(&plan.change_keys).map(|(attribute, key)| {
        let column = format!("{table}.{}", sql::name(&attribute.column));
        if attribute.loose_text {
            format!("{column} = c.{key} AND {column} = c.{key} COLLATE BINARY")
        } else {
            format!("{column} = c.{key}")
        }
    });
    let first = plan
        .key
        .first()
        .map_or_else(String::new, |attribute| sql::name(&attribute.column));
    format!(
        "SELECT c.position, {}, {table}.{first} IS NOT NULL, {} FROM {} AS c LEFT JOIN {table} ON {}{} \
         WHERE c.scope = ?1 AND c.position > ?2 ORDER BY c.position",
        sql::join(keys, ", "),
        page.select(&table),
        sql::name(&plan.changes),
        sql::join(same, " AND "),
        plan.and_present()
    )
}
