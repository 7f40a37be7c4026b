//! Queries over the rows of one entity.

use crate::error::{corrupt, from_js};
use crate::kept::Kept;
use crate::layout::{Form, index_property, rows_store};
use crate::plan::{Checked, Plan, check as check_query, plan};
use crate::request::{Raw, done, from_bytes, limit};
use crate::values::stored_bytes;
use js_sys::{Array, Promise, Reflect};
use onsync_core::ordered::BTreeSet;
use onsync_core::query::{Order, Query};
use onsync_core::schema::EntitySchema;
use onsync_core::store::check;
use onsync_core::{Result, Row};
use std::cmp::Ordering;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{IdbCursor, IdbCursorDirection, IdbRequest};

/// How many rows are read at a time.
const BATCH: usize = 1_000;

/// A row with the bytes of its key, by which ties are ordered.
type Found = (Vec<u8>, Row);

struct Run<'a> {
    entity: &'a EntitySchema,
    form: Form,
    checked: Checked<'a>,
    /// How many rows are wanted, those to be skipped included.
    most: usize,
}

/// The rows a query selects, in its order.
pub(crate) async fn run(kept: &mut Kept, entity: &EntitySchema, query: &Query) -> Result<Vec<Row>> {
    let checked = check_query(entity, query)?;
    let layout = kept.database.connection().await?;
    let table = layout.layout.table(&entity.name)?;
    let mut run = Run {
        entity,
        form: Form::new(table, entity)?,
        checked,
        most: query.offset.saturating_add(query.limit.unwrap_or(usize::MAX)),
    };
    let mut found = match &query.keys {
        Some(keys) => run.by_keys(kept, keys).await?,
        None => {
            let plan = plan(entity, table, query);
            if plan.scan {
                kept.database.tell_scan(query);
            }
            run.by_plan(kept, &plan).await?
        }
    };
    run.cut(&mut found);
    Ok(found.into_iter().skip(query.offset).map(|(_, row)| row).collect())
}

impl Run<'_> {
    fn holds(&self, row: &Row) -> bool {
        self.checked
            .conditions
            .iter()
            .all(|(index, condition)| condition.holds(&row[*index]))
    }

    fn compare(&self, a: &Found, b: &Found) -> Ordering {
        self.checked
            .order
            .iter()
            .map(|(index, direction)| {
                let ascending = a.1[*index].cmp(&b.1[*index]);
                match direction {
                    Order::Ascending => ascending,
                    Order::Descending => ascending.reverse(),
                }
            })
            .find(|order| order.is_ne())
            .unwrap_or_else(|| a.0.cmp(&b.0))
    }

    /// Orders what was found and lets go of what is not wanted.
    fn cut(&self, found: &mut Vec<Found>) {
        found.sort_by(|a, b| self.compare(a, b));
        found.truncate(self.most);
    }

    fn read(&self, bytes: &[u8]) -> Result<Found> {
        let row = self.form.visible(bytes)?;
        Ok((self.entity.key_of(&row).to_bytes(), row))
    }

    async fn by_keys(&self, kept: &mut Kept, keys: &[onsync_core::Key]) -> Result<Vec<Found>> {
        let mut wanted = BTreeSet::new();
        for key in keys {
            check::key(self.entity, key)?;
            wanted.insert(key.to_bytes());
        }
        let wanted: Vec<Vec<u8>> = wanted.into_iter().collect();
        let mut found = Vec::new();
        for bytes in kept
            .get_many(&rows_store(&self.entity.name), &wanted)
            .await?
            .iter()
            .flatten()
        {
            let record = self.read(bytes)?;
            if self.holds(&record.1) {
                found.push(record);
            }
        }
        Ok(found)
    }

    /// Reads the database by the plan, then what the transaction sees instead.
    async fn by_plan(&mut self, kept: &mut Kept, plan: &Plan) -> Result<Vec<Found>> {
        let store = rows_store(&self.entity.name);
        if self.most == 0 || plan.range.is_empty() && kept.patch(&store).is_none() && !kept.is_reader() {
            return Ok(Vec::new());
        }
        let (_connection, raw) = kept.look(&store).await?;
        let patch = kept.patch(&store);
        let wanted = self.most;
        // Each changed row may take a wanted one's place.
        self.most = wanted.saturating_add(patch.map_or(0, |patch| patch.len()));
        let mut found = if plan.range.is_empty() {
            Vec::new()
        } else {
            match plan.index {
                None => self.by_table(&raw, &store, plan).await?,
                Some(index) => self.by_index(&raw, &store, index, plan).await?,
            }
        };
        self.most = wanted;
        if let Some(patch) = patch {
            found.retain(|(key, _)| !patch.contains_key(key));
            for bytes in patch.values().flatten() {
                let record = self.read(bytes)?;
                if self.holds(&record.1) {
                    found.push(record);
                }
            }
        }
        Ok(found)
    }

    /// Adds those of the values that fulfil the conditions.
    fn take(&self, values: &JsValue, found: &mut Vec<Found>) -> Result<()> {
        for value in Array::from(values).iter() {
            let record = self.read(&stored_bytes(&value)?)?;
            if self.holds(&record.1) {
                found.push(record);
            }
        }
        Ok(())
    }

    /// In key order, batch by batch; without the order of the query, only the best so far are kept.
    async fn by_table(&self, raw: &Raw, store: &str, plan: &Plan) -> Result<Vec<Found>> {
        let rows = raw.store(store)?;
        if plan.ordered == Some(Order::Descending) && self.most != usize::MAX {
            let range = plan.range.to_js()?;
            return self
                .backwards(rows.open_cursor_with_range_and_direction(&range, IdbCursorDirection::Prev))
                .await;
        }
        let ordered = plan.ordered == Some(Order::Ascending);
        let mut range = plan.range.clone();
        let mut found: Vec<Found> = Vec::new();
        loop {
            let batch = if ordered && plan.exact {
                self.most.min(BATCH)
            } else {
                BATCH
            };
            let request = rows.get_all_with_key_and_limit(&range.to_js()?, limit(batch).unwrap_or(u32::MAX));
            let values = done("querying", request).await?;
            self.take(&values, &mut found)?;
            let read = Array::from(&values);
            if (read.length() as usize) < batch || (ordered && found.len() >= self.most) {
                return Ok(found);
            }
            let last = self.read(&stored_bytes(&read.get(read.length() - 1))?)?;
            range.from = None;
            range.after = Some(last.0);
            if range.is_empty() {
                return Ok(found);
            }
            if !ordered && found.len() > self.most.saturating_mul(2).max(BATCH) {
                self.cut(&mut found);
            }
        }
    }

    async fn by_index(&self, raw: &Raw, store: &str, index: usize, plan: &Plan) -> Result<Vec<Found>> {
        let index = raw
            .store(store)?
            .index(&index_property(index))
            .map_err(|exception| from_js("querying", &exception))?;
        let range = plan.range.to_js()?;
        if plan.ordered == Some(Order::Descending) && self.most != usize::MAX {
            return self
                .backwards(index.open_cursor_with_range_and_direction(&range, IdbCursorDirection::Prev))
                .await;
        }
        let ordered = plan.ordered == Some(Order::Ascending);
        // Begun again with more, until there is enough: at most a third more is read than needed.
        let mut batch = self.most.max(64);
        loop {
            let most = limit(batch).filter(|_| ordered);
            let request = match most {
                Some(most) => index.get_all_with_key_and_limit(&range, most),
                None => index.get_all_with_key(&range),
            };
            let values = done("querying", request).await?;
            let mut found = Vec::new();
            self.take(&values, &mut found)?;
            let read = Array::from(&values).length() as usize;
            if most.is_none() || read < batch || found.len() >= self.most {
                return Ok(found);
            }
            batch = batch.saturating_mul(4);
        }
    }

    /// By a cursor from the end, until there are enough and those that tie with the last.
    async fn backwards(&self, cursor: Result<IdbRequest, JsValue>) -> Result<Vec<Found>> {
        let failed = |exception: JsValue| from_js("querying", &exception);
        let request = cursor.map_err(failed)?;
        let mut found: Vec<Found> = Vec::new();
        let mut last: Option<Vec<u8>> = None;
        loop {
            let settled = Promise::new(&mut |resolve, reject| {
                request.set_onsuccess(Some(&resolve));
                request.set_onerror(Some(&reject));
            });
            JsFuture::from(settled).await.map_err(failed)?;
            let cursor = request.result().map_err(failed)?;
            if cursor.is_null() {
                return Ok(found);
            }
            let value = Reflect::get(&cursor, &"value".into()).map_err(failed)?;
            let cursor: IdbCursor = cursor.dyn_into().map_err(|_| corrupt("an index"))?;
            let key = from_bytes(&cursor.key().map_err(failed)?);
            if found.len() >= self.most && last.as_ref().is_some_and(|last| *last != key) {
                return Ok(found);
            }
            let record = self.read(&stored_bytes(&value)?)?;
            if self.holds(&record.1) {
                last = Some(key);
                found.push(record);
            }
            cursor.continue_().map_err(failed)?;
        }
    }
}
