//! One consistent view of the memory server store.

use super::access::Access;
use super::state::State;
use crate::error::{Error, Result};
use crate::memory::map::behind;
use crate::page::KeyRange;
use crate::record::{Key, Row};
use crate::rows::RowSet;
use crate::schema::EntitySchema;
use crate::store::server::{DeltaRows, Extent, PageLimit, ServerSnapshot, SnapshotRows};
use crate::value::Value;
use onsync_macros::portable_async;
use std::sync::Arc;

pub(super) struct MemorySnapshot {
    pub(super) state: Arc<State>,
}

/// Counts what a page holds against its limit.
struct Meter {
    limit: PageLimit,
    rows: usize,
    bytes: usize,
}

impl Meter {
    fn new(limit: PageLimit) -> Result<Self> {
        if limit.rows == 0 {
            return Err(Error::unsupported(
                "invalid_limit",
                "a page holds at least one row; ask for one or more",
            ));
        }
        Ok(Self {
            limit,
            rows: 0,
            bytes: 0,
        })
    }

    /// Whether one more fits; it is counted then. The first always fits.
    fn takes(&mut self, values: &[Value]) -> bool {
        let bytes = self.bytes + values.iter().map(Value::size).sum::<usize>();
        let fits = self.rows == 0 || (self.rows < self.limit.rows && bytes <= self.limit.bytes);
        if fits {
            self.rows += 1;
            self.bytes = bytes;
        }
        fits
    }
}

impl MemorySnapshot {
    fn access<'a>(&'a self, extent: &Extent<'a>) -> Result<(Access<'a>, RowSet)> {
        let access = Access::new(&self.state, extent.entity)?;
        if !extent.scope.is_empty() && access.table.scope.is_none() {
            return Err(Error::unsupported(
                "unknown_scope",
                format!(
                    "table `{}` has no scope, and `{}` is asked for; declare the scope's column",
                    access.table.name, extent.scope
                ),
            ));
        }
        let mut types = Vec::with_capacity(extent.attributes.len());
        for attribute in extent.attributes {
            types.push(access.column(*attribute)?.1);
        }
        Ok((access, RowSet::new(types, 0)))
    }
}

#[portable_async]
impl ServerSnapshot for MemorySnapshot {
    async fn position(&mut self) -> Result<u64> {
        Ok(self.state.position)
    }

    async fn newest(&mut self, entity: &EntitySchema) -> Result<u64> {
        Ok(Access::new(&self.state, entity)?.table.tracking.newest)
    }

    async fn horizon(&mut self, entity: &EntitySchema) -> Result<u64> {
        Ok(Access::new(&self.state, entity)?.table.tracking.horizon)
    }

    async fn snapshot(
        &mut self,
        extent: &Extent<'_>,
        range: &KeyRange,
        limit: PageLimit,
    ) -> Result<SnapshotRows> {
        let (access, mut rows) = self.access(extent)?;
        let table = access.table;
        for key in range.after.iter().chain(&range.to) {
            table.check_key(key)?;
        }
        let after = range.after.as_ref().map(Key::to_bytes);
        let to = range.to.as_ref().map(Key::to_bytes);
        let mut meter = Meter::new(limit)?;
        let mut last = None;
        let within = table.rows.scan(behind(after.as_deref()));
        for (_, row) in within.take_while(|(key, _)| to.as_deref().is_none_or(|to| key.as_ref() <= to)) {
            if access.is_deleted(row) || !table.is_in(row, extent.scope) {
                continue;
            }
            let values: Row = access.values(row, extent.attributes)?;
            if !meter.takes(&values) {
                return Ok(SnapshotRows {
                    rows,
                    more_after: crate::mutant!("pages-skip-a-record", last, Some(table.key_of(row))),
                });
            }
            rows.push(values)?;
            last = Some(table.key_of(row));
        }
        Ok(SnapshotRows {
            rows,
            more_after: None,
        })
    }

    async fn delta(&mut self, extent: &Extent<'_>, after: u64, limit: PageLimit) -> Result<DeltaRows> {
        let (access, rows) = self.access(extent)?;
        let table = access.table;
        if after < table.tracking.horizon {
            return Err(Error::rejected(
                "checkpoint_expired",
                format!(
                    "changes up to position {} may be forgotten, and those above {after} are asked for; read a snapshot",
                    table.tracking.horizon
                ),
            )
            .at(&extent.entity.name));
        }
        let mut meter = Meter::new(limit)?;
        let mut delta = DeltaRows {
            rows,
            deleted: Vec::new(),
            removed: Vec::new(),
            up_to: after.max(self.state.position),
            more: false,
        };
        let mut included = after;
        for (position, bytes) in table.tracking.since(
            extent.scope,
            crate::mutant!("deltas-begin-one-too-late", after, after + 1),
        ) {
            let key = Key::from_bytes(bytes)?;
            let row = table.rows.get(bytes).filter(|row| !access.is_deleted(row));
            let row_in_scope = row.filter(|row| table.is_in(row, extent.scope));
            let values = match row_in_scope {
                Some(row) => access.values(row, extent.attributes)?,
                None => key.0.clone(),
            };
            if !meter.takes(&values) {
                delta.more = true;
                delta.up_to = crate::mutant!("a-page-claims-more-than-it-holds", included, delta.up_to);
                break;
            }
            match (row, row_in_scope) {
                (_, Some(_)) => delta.rows.push(values)?,
                (Some(_), None) => delta.removed.push(key),
                (None, None) => delta.deleted.push(key),
            }
            included = position;
        }
        Ok(delta)
    }

    async fn count(&mut self, extent: &Extent<'_>) -> Result<Option<u64>> {
        let (access, _) = self.access(extent)?;
        let rows = access.table.rows.iter().map(|(_, row)| row);
        let counted = rows.filter(|row| !access.is_deleted(row) && access.table.is_in(row, extent.scope));
        Ok(Some(counted.count() as u64))
    }

    async fn area_get(&mut self, area: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.state.areas.get(area, key))
    }

    async fn area_scan(
        &mut self,
        area: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        Ok(self.state.areas.scan(area, after, limit))
    }
}
