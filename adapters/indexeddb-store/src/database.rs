//! The database: opening, following a schema, and being opened again after another tab changed it.

use crate::error::{corrupt, from_js, wiped};
use crate::layout::{AREAS, BIRTH, LAYOUT, Layout, META, UNDO, index_property, overlays_store, rows_store};
use crate::request::{Mode, Raw, all_done, done, failure, from_bytes, to_js};
use crate::values::row_value;
use js_sys::{Promise, Reflect};
use onsync_core::ordered::BTreeSet;
use onsync_core::platform::BoxFuture;
use onsync_core::query::Query;
use onsync_core::schema::Schema;
use onsync_core::store::local::Opened;
use onsync_core::{Error, Result};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use uuid::Uuid;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Event, IdbDatabase, IdbFactory, IdbKeyRange, IdbObjectStore, IdbOpenDbRequest};

/// How often opening is tried while other tabs change the database.
const TRIES: usize = 20;
/// How many rows an index is filled with at a time.
const FILL: u32 = 500;

/// One connection, closed when another tab wants to change the database, and when it is dropped.
pub(crate) struct Connection {
    pub(crate) database: IdbDatabase,
    pub(crate) layout: Layout,
    closed: Rc<Cell<bool>>,
    _callback: Closure<dyn FnMut(Event)>,
}

impl Connection {
    fn new(database: IdbDatabase, layout: Layout) -> Self {
        let closed: Rc<Cell<bool>> = Rc::default();
        let (flag, handle) = (closed.clone(), database.clone());
        let callback = Closure::new(move |_: Event| {
            flag.set(true);
            handle.close();
        });
        let function = Some(callback.as_ref().unchecked_ref());
        database.set_onversionchange(function);
        database.set_onclose(function);
        Self {
            database,
            layout,
            closed,
            _callback: callback,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.database.set_onversionchange(None);
        self.database.set_onclose(None);
        self.database.close();
    }
}

/// One database by its name.
pub(crate) struct Database {
    pub(crate) name: String,
    connection: RefCell<Option<Rc<Connection>>>,
    birth: RefCell<Option<Vec<u8>>>,
    scans: RefCell<BTreeSet<String>>,
}

impl Database {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            connection: RefCell::default(),
            birth: RefCell::default(),
            scans: RefCell::default(),
        }
    }

    /// Opens or creates the database and makes it follow a schema.
    pub(crate) async fn open(&self, schema: &Schema) -> Result<Opened> {
        *self.connection.borrow_mut() = None;
        let change: Rc<RefCell<Opened>> = Rc::default();
        let mut version = None;
        for _ in 0..TRIES {
            let upgrade = {
                let (schema, change) = (schema.clone(), change.clone());
                move |database: IdbDatabase, raw: Raw, created: bool| -> BoxFuture<'static, Result<()>> {
                    Box::pin(async move {
                        *change.borrow_mut() = upgrade(&database, &raw, &schema, created).await?;
                        Ok(())
                    })
                }
            };
            let database = match open_at(&self.name, version, upgrade).await {
                Err(error) if error.kind().may_pass() => {
                    version = None;
                    continue;
                }
                database => database?,
            };
            let (layout, birth) = read(&self.name, &database).await?;
            let (wanted, _) = layout.adopt(schema)?;
            if wanted == layout {
                *self.birth.borrow_mut() = Some(birth);
                *self.connection.borrow_mut() = Some(Rc::new(Connection::new(database, layout)));
                return Ok(change.take());
            }
            version = Some(database.version() as u32 + 1);
            database.close();
        }
        Err(Error::transient(
            "store_busy",
            format!(
                "other tabs keep changing the database `{}`; close those that run another version of the app",
                self.name
            ),
        ))
    }

    /// The open connection; another one after somebody else had the database changed.
    pub(crate) async fn connection(&self) -> Result<Rc<Connection>> {
        let open = self.connection.borrow().clone();
        if let Some(open) = open.filter(|open| !open.closed.get()) {
            return Ok(open);
        }
        let Some(birth) = self.birth.borrow().clone() else {
            return Err(Error::fatal(
                "store_not_open",
                "this store has never been opened; call `open` with the schema first",
            ));
        };
        let name = self.name.clone();
        let gone = move |_: IdbDatabase, _: Raw, _: bool| -> BoxFuture<'static, Result<()>> {
            Box::pin(async move { Err(wiped(&name)) })
        };
        let database = open_at(&self.name, None, gone).await?;
        let (layout, found) = read(&self.name, &database).await?;
        if found != birth {
            database.close();
            return Err(wiped(&self.name));
        }
        let connection = Rc::new(Connection::new(database, layout));
        *self.connection.borrow_mut() = Some(connection.clone());
        Ok(connection)
    }

    /// Tells once of each query that reads a whole table.
    pub(crate) fn tell_scan(&self, query: &Query) {
        let conditions = query
            .conditions
            .iter()
            .map(|condition| condition.attribute.as_str());
        let names: Vec<&str> = conditions
            .chain(query.order.iter().map(|(attribute, _)| attribute.as_str()))
            .collect();
        let shape = format!("{}({})", query.entity, names.join(", "));
        if self.scans.borrow_mut().insert(shape) {
            tracing::info!(
                entity = query.entity,
                attributes = names.join(", "),
                "a query reads the whole table; an index on these attributes helps"
            );
        }
    }

    /// Begins a transaction on object stores, over another connection if this one was closed.
    pub(crate) async fn begin(&self, stores: &[&str], mode: Mode) -> Result<(Rc<Connection>, Raw)> {
        let mut again = true;
        loop {
            let connection = self.connection().await?;
            match Raw::begin(&connection.database, stores, mode) {
                Ok(raw) => return Ok((connection, raw)),
                Err(_) if again => {
                    again = false;
                    connection.closed.set(true);
                }
                Err(exception) => return Err(from_js("beginning a transaction", &exception)),
            }
        }
    }
}

fn factory() -> Result<IdbFactory> {
    let found = Reflect::get(&js_sys::global(), &"indexedDB".into());
    found.ok().and_then(|found| found.dyn_into().ok()).ok_or_else(|| {
        Error::fatal(
            "store_unavailable",
            "wanted the browser's IndexedDB, found none; a private window of an old browser has none",
        )
    })
}

/// Opens a database at a version, or as it is. `upgrade` runs when it is new or older, in the transaction that changes it.
async fn open_at<U>(name: &str, version: Option<u32>, upgrade: U) -> Result<IdbDatabase>
where
    U: FnOnce(IdbDatabase, Raw, bool) -> BoxFuture<'static, Result<()>> + 'static,
{
    let doing = "opening the database";
    let factory = factory()?;
    let request: IdbOpenDbRequest = match version {
        Some(version) => factory.open_with_u32(name, version),
        None => factory.open(name),
    }
    .map_err(|exception| from_js(doing, &exception))?;
    let failed: Rc<RefCell<Option<Error>>> = Rc::default();
    let upgrading = {
        let (request, failed) = (request.clone(), failed.clone());
        Closure::once(move |event: Event| {
            let old = Reflect::get(&event, &"oldVersion".into())
                .ok()
                .and_then(|old| old.as_f64());
            let (Ok(database), Some(transaction)) = (request.result(), request.transaction()) else {
                return;
            };
            let raw = Raw::of_upgrade(transaction.clone());
            let work = upgrade(database.unchecked_into(), raw, old == Some(0.0));
            spawn_local(async move {
                if let Err(error) = work.await {
                    *failed.borrow_mut() = Some(error);
                    // It fails where the transaction has ended already, which is as good.
                    let _ended = transaction.abort();
                }
            });
        })
    };
    request.set_onupgradeneeded(Some(upgrading.as_ref().unchecked_ref()));
    let database = name.to_owned();
    let blocked = Closure::<dyn FnMut(Event)>::new(move |_: Event| {
        tracing::warn!(
            database,
            "waiting for another tab to close the database, whose schema changes"
        );
    });
    request.set_onblocked(Some(blocked.as_ref().unchecked_ref()));
    let settled = Promise::new(&mut |resolve, reject| {
        request.set_onsuccess(Some(&resolve));
        request.set_onerror(Some(&reject));
    });
    let result = JsFuture::from(settled).await;
    request.set_onupgradeneeded(None);
    request.set_onblocked(None);
    if let Some(error) = failed.borrow_mut().take() {
        return Err(error);
    }
    match result {
        Ok(_) => request
            .result()
            .map(JsCast::unchecked_into)
            .map_err(|exception| from_js(doing, &exception)),
        Err(event) => Err(from_js(doing, &failure(&request, event))),
    }
}

/// The layout that stands in the database, and the bytes made with it.
async fn read(name: &str, database: &IdbDatabase) -> Result<(Layout, Vec<u8>)> {
    let raw = Raw::begin(database, &[META], Mode::Read).map_err(|_| {
        Error::unsupported(
            "store_schema",
            format!("the database `{name}` of this site is not OnSync's; use another name in `store.path`"),
        )
    })?;
    let meta = raw.store(META)?;
    let layout = read_layout(&meta).await?;
    let birth = done("reading", meta.get(&to_js(BIRTH))).await?;
    Ok((layout, from_bytes(&birth)))
}

async fn read_layout(meta: &IdbObjectStore) -> Result<Layout> {
    let found = done("reading the layout", meta.get(&to_js(LAYOUT))).await?;
    if found.is_undefined() {
        return Ok(Layout::default());
    }
    onsync_core::json::from_slice(&from_bytes(&found))
        .map_err(|cause| corrupt("the layout").with_source(cause))
}

/// What opening changes, within the transaction that IndexedDB gives for it.
async fn upgrade(database: &IdbDatabase, raw: &Raw, schema: &Schema, created: bool) -> Result<Opened> {
    let change = |exception: JsValue| from_js("changing the schema", &exception);
    if created {
        for name in [META, AREAS, UNDO] {
            database.create_object_store(name).map_err(change)?;
        }
    }
    let meta = raw.store(META)?;
    if created {
        let birth = to_js(Uuid::new_v4().as_bytes());
        done("writing", meta.put_with_key(&birth, &to_js(BIRTH))).await?;
    }
    let before = read_layout(&meta).await?;
    let (layout, extended) = before.adopt(schema)?;
    for (entity, table) in &layout.entities {
        let known = before.entities.get(entity);
        let rows = if known.is_some() {
            raw.store(&rows_store(entity))?
        } else {
            database
                .create_object_store(&overlays_store(entity))
                .map_err(change)?;
            database
                .create_object_store(&rows_store(entity))
                .map_err(change)?
        };
        let indexed = known.map_or(0, |known| known.indexes.len());
        for index in indexed..table.indexes.len() {
            let name = index_property(index);
            rows.create_index_with_str(&name, &name).map_err(change)?;
        }
        if known.is_some() && indexed < table.indexes.len() {
            fill(&rows, table).await?;
        }
    }
    let text = serde_json::to_vec(&layout)
        .map_err(|cause| Error::fatal("store_failed", "the layout cannot be written").with_source(cause))?;
    done("writing", meta.put_with_key(&to_js(&text), &to_js(LAYOUT))).await?;
    Ok(Opened {
        created,
        extended,
        ..Opened::default()
    })
}

/// Writes all rows again, with the keys of new indexes.
async fn fill(rows: &IdbObjectStore, table: &crate::layout::Table) -> Result<()> {
    let doing = "filling an index";
    let mut after: Option<JsValue> = None;
    loop {
        let range = match &after {
            Some(after) => IdbKeyRange::lower_bound_with_open(after, true)
                .map(JsValue::from)
                .map_err(|exception| from_js(doing, &exception))?,
            None => JsValue::UNDEFINED,
        };
        let asked = |request: Result<_, JsValue>| request.map_err(|exception| from_js(doing, &exception));
        let requests = vec![
            asked(rows.get_all_keys_with_key_and_limit(&range, FILL))?,
            asked(rows.get_all_with_key_and_limit(&range, FILL))?,
        ];
        let found = all_done(doing, requests).await?;
        let [keys, values] = found.as_slice() else {
            return Ok(());
        };
        let keys = js_sys::Array::from(keys);
        for (key, value) in keys.iter().zip(js_sys::Array::from(values).iter()) {
            let bytes = crate::values::stored_bytes(&value)?;
            let value = row_value(table, &bytes)?;
            asked(rows.put_with_key(&value, &key))?;
        }
        if keys.length() < FILL {
            return Ok(());
        }
        after = Some(keys.get(keys.length() - 1));
    }
}
