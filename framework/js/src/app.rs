//! The class `OnSync`: an open app.

use crate::error::{JsResult, to_js, wanted};
use crate::forms;
use crate::live::{LiveQuery, Of, Subscribers};
use crate::log;
use crate::plugins::{Resolver, Token};
use crate::query::query;
use crate::sync::{Handler, SyncHandle};
use crate::transaction::Transaction;
use crate::values::{entries, fields, key, key_to_js, parameters, record, records, set};
use crate::work::{call, channel};
use js_sys::{Array, Function, JSON, Object, Reflect};
use onsync::config::Config;
use onsync::core::schema::{EntitySchema, Schema};
use onsync::runtime_browser::Resumes;
use onsync::{App, Error, Key};
use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;

/// How many entries the lists give unless told otherwise.
pub(crate) const LIST: usize = 1_000;

/// An open app in a page or worker.
#[wasm_bindgen(skip_typescript)]
pub struct OnSync {
    app: RefCell<Option<App>>,
    schema: Rc<Schema>,
    _resumes: Resumes,
}

fn option(options: &JsValue, name: &str) -> JsValue {
    Reflect::get(options, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

fn function(options: &JsValue, name: &str) -> onsync::Result<Option<Function>> {
    let value = option(options, name);
    if value.is_undefined() || value.is_null() {
        return Ok(None);
    }
    value
        .dyn_into()
        .map(Some)
        .map_err(|value| wanted("a function", &value).at(format!("options.{name}")))
}

async fn open(config: &JsValue, options: &JsValue) -> onsync::Result<App> {
    let text = JSON::stringify(config).map_err(|_| wanted("the configuration as an object", config))?;
    let value: serde_json::Value = serde_json::from_str(&String::from(text))
        .map_err(|_| wanted("the configuration as an object", config))?;
    let mut value = value;
    if let Some(root) = value.as_object_mut() {
        // What a browser has, unless the configuration names something else.
        for (table, kind) in [("store", "indexeddb"), ("network", "browser")] {
            let table = root.entry(table).or_insert_with(|| serde_json::json!({}));
            if let Some(table) = table.as_object_mut() {
                table.entry("kind").or_insert_with(|| kind.into());
            }
        }
    }
    let config = Config::from_value(value)?;
    let mut registries = crate::own::registries()?;
    let resolvers = option(options, "resolvers");
    if resolvers.is_object() {
        for (name, decide) in entries(&resolvers)? {
            let decide: Function = decide
                .dyn_into()
                .map_err(|value| wanted("a function", &value).at(format!("options.resolvers.{name}")))?;
            registries
                .resolvers
                .register(name.clone(), Arc::new(Resolver::new(name, decide)))?;
        }
    }
    let mut builder = onsync::builder(config, registries)?.runtime(onsync::runtime_browser::runtime()?);
    if let Some(token) = function(options, "credentials")? {
        builder = builder.credentials(Arc::new(Token(token)));
    }
    if let Some(handler) = function(options, "onSync")? {
        builder = builder.handler(Arc::new(Handler(handler)));
    }
    builder.build().await
}

impl OnSync {
    pub(crate) fn app(&self) -> JsResult<App> {
        self.app.borrow().clone().ok_or_else(|| {
            to_js(Error::fatal(
                "app_closed",
                "this app was closed; open another one",
            ))
        })
    }

    pub(crate) fn entity(&self, name: &str) -> JsResult<&EntitySchema> {
        self.schema.entity(name).map_err(to_js)
    }

    pub(crate) fn key(&self, entity: &str, name: &JsValue) -> JsResult<Key> {
        key(self.entity(entity)?, name).map_err(to_js)
    }

    fn many(&self, entity: &str, list: &Array) -> JsResult<Vec<onsync::Fields>> {
        let known = self.entity(entity)?;
        list.iter()
            .map(|values| fields(known, &values).map_err(to_js))
            .collect()
    }
}

/// Entries of a list as plain objects.
pub(crate) fn list<T>(entries: &[T], form: impl Fn(&T) -> onsync::Result<JsValue>) -> JsResult<Array> {
    entries.iter().map(|entry| form(entry).map_err(to_js)).collect()
}

#[wasm_bindgen]
impl OnSync {
    /// Opens the app of a configuration, given as an object.
    pub async fn open(config: JsValue, options: JsValue) -> JsResult<OnSync> {
        log::start(option(&options, "log").as_string().as_deref());
        let app = open(&config, &options).await.map_err(to_js)?;
        for warning in &app.opened().warnings {
            tracing::warn!("{warning}");
        }
        let seen = app.clone();
        Ok(Self {
            schema: Rc::new(app.schema().clone()),
            _resumes: Resumes::new(move || seen.resumed()),
            app: RefCell::new(Some(app)),
        })
    }

    /// What was found when the store was opened.
    pub fn opened(&self) -> JsResult {
        let app = self.app()?;
        let opened = app.opened();
        let told = Object::new();
        set(&told, "created", &opened.created.into());
        set(
            &told,
            "extended",
            &opened.extended.iter().map(JsValue::from).collect::<Array>(),
        );
        set(
            &told,
            "warnings",
            &opened.warnings.iter().map(JsValue::from).collect::<Array>(),
        );
        Ok(told.into())
    }

    /// Creates a record and gives its key.
    pub async fn create(&self, entity: String, values: JsValue) -> JsResult {
        let values = fields(self.entity(&entity)?, &values).map_err(to_js)?;
        let app = self.app()?;
        Ok(key_to_js(&app.create(&entity, values).await.map_err(to_js)?))
    }

    /// Creates many records in one transaction.
    #[wasm_bindgen(js_name = createMany)]
    pub async fn create_many(&self, entity: String, many: Array) -> JsResult<Array> {
        let (app, many) = (self.app()?, self.many(&entity, &many)?);
        let keys = app.create_many(&entity, many).await.map_err(to_js)?;
        Ok(keys.iter().map(key_to_js).collect())
    }

    /// Changes attributes of many records in one transaction.
    #[wasm_bindgen(js_name = updateMany)]
    pub async fn update_many(&self, entity: String, many: Array) -> JsResult<()> {
        let (app, known) = (self.app()?, self.entity(&entity)?);
        let many: JsResult<Vec<_>> = many
            .iter()
            .map(|pair| {
                let pair: Array = pair
                    .dyn_into()
                    .map_err(|found| to_js(wanted("pairs of a key and values", &found)))?;
                let values = fields(known, &pair.get(1)).map_err(to_js)?;
                Ok((key(known, &pair.get(0)).map_err(to_js)?, values))
            })
            .collect();
        app.update_many(&entity, many?).await.map_err(to_js)
    }

    /// Deletes many records in one transaction, and says how many there were.
    #[wasm_bindgen(js_name = deleteMany)]
    pub async fn delete_many(&self, entity: String, names: Array) -> JsResult<usize> {
        let names: JsResult<Vec<_>> = names.iter().map(|name| self.key(&entity, &name)).collect();
        self.app()?.delete_many(&entity, names?).await.map_err(to_js)
    }

    /// Changes attributes of a record.
    pub async fn update(&self, entity: String, name: JsValue, values: JsValue) -> JsResult<()> {
        let (name, values) = (
            self.key(&entity, &name)?,
            fields(self.entity(&entity)?, &values).map_err(to_js)?,
        );
        self.app()?.update(&entity, name, values).await.map_err(to_js)
    }

    /// Changes the record with the key in the values, or creates it.
    #[wasm_bindgen(js_name = createOrUpdate)]
    pub async fn create_or_update(&self, entity: String, values: JsValue) -> JsResult {
        let values = fields(self.entity(&entity)?, &values).map_err(to_js)?;
        let app = self.app()?;
        Ok(key_to_js(
            &app.create_or_update(&entity, values).await.map_err(to_js)?,
        ))
    }

    /// Changes or creates many records in one transaction.
    #[wasm_bindgen(js_name = createOrUpdateMany)]
    pub async fn create_or_update_many(&self, entity: String, many: Array) -> JsResult<Array> {
        let (app, many) = (self.app()?, self.many(&entity, &many)?);
        let keys = app.create_or_update_many(&entity, many).await.map_err(to_js)?;
        Ok(keys.iter().map(key_to_js).collect())
    }

    /// Deletes a record; false if there is none.
    pub async fn delete(&self, entity: String, name: JsValue) -> JsResult<bool> {
        let name = self.key(&entity, &name)?;
        self.app()?.delete(&entity, name).await.map_err(to_js)
    }

    /// One record by its key; null if there is none.
    pub async fn get(&self, entity: String, name: JsValue) -> JsResult {
        let (app, name) = (self.app()?, self.key(&entity, &name)?);
        let found = app.get(&entity, name).await.map_err(to_js)?;
        Ok(found.as_ref().map_or(JsValue::NULL, record))
    }

    /// The records a query selects.
    pub async fn query(&self, what: JsValue) -> JsResult {
        let (app, query) = (self.app()?, query(&self.schema, &what).map_err(to_js)?);
        Ok(records(&app.query(query).await.map_err(to_js)?))
    }

    /// A query that gives its result again whenever it has changed.
    pub fn watch(&self, what: JsValue) -> JsResult<LiveQuery> {
        let query = query(&self.schema, &what).map_err(to_js)?;
        Ok(LiveQuery::new(self.app()?, Of::Query(query)))
    }

    /// Reads and writes in one transaction, which is lent to a function.
    pub async fn transaction(&self, work: Function) -> JsResult {
        let (app, schema) = (self.app()?, self.schema.clone());
        let done = app.transaction(async move |tx| {
            let (asker, pieces) = channel();
            let until = call(&work, &[Transaction::new(asker, schema).into()])?;
            pieces.serve(tx, until).await
        });
        done.await.map_err(to_js)
    }

    /// Asks for a sync and returns at once.
    #[wasm_bindgen(js_name = onSync)]
    pub fn on_sync(&self, context: Option<String>, values: JsValue) -> JsResult<SyncHandle> {
        let parameters = parameters(&values).map_err(to_js)?;
        let handle = self.app()?.on_sync(&context.unwrap_or_default(), &parameters);
        handle.map(SyncHandle::new).map_err(to_js)
    }

    /// Hears every event; the result ends that.
    pub fn listen(&self, listener: Function) -> JsResult {
        let subscription = self
            .app()?
            .on_event(move |at, event| match forms::event(at, event) {
                Ok(told) => {
                    if let Err(thrown) = listener.call1(&JsValue::UNDEFINED, &told) {
                        web_sys::console::error_1(&thrown);
                    }
                }
                Err(error) => web_sys::console::error_1(&to_js(error)),
            });
        let held = RefCell::new(Some(subscription));
        let leave = move || drop(held.borrow_mut().take());
        Ok(wasm_bindgen::prelude::Closure::<dyn Fn()>::new(leave).into_js_value())
    }

    /// How syncing stands.
    pub fn status(&self) -> JsResult {
        forms::status(&self.app()?.status()).map_err(to_js)
    }

    /// Calls a function with the status, now and after each change; the result ends that.
    #[wasm_bindgen(js_name = subscribeStatus)]
    pub fn subscribe_status(&self, changed: Function) -> JsResult {
        let mut watch = self.app()?.watch_status();
        let subscribers: Rc<Subscribers> = Rc::default();
        let leave = subscribers.add(changed);
        spawn_local(async move {
            let work = async {
                while let Some(status) = watch.next().await {
                    match forms::status(&status) {
                        Ok(status) => subscribers.tell(&status),
                        Err(error) => web_sys::console::error_1(&to_js(error)),
                    }
                }
            };
            futures_util::future::select(pin!(work), pin!(subscribers.until_empty())).await;
        });
        Ok(leave)
    }

    /// Where a record with unsent changes stands; null for a clean one.
    #[wasm_bindgen(js_name = recordState)]
    pub async fn record_state(&self, entity: String, name: JsValue) -> JsResult {
        let (app, name) = (self.app()?, self.key(&entity, &name)?);
        let state = app.record_state(&entity, name).await.map_err(to_js)?;
        Ok(state.map_or(JsValue::NULL, |state| state.as_str().into()))
    }

    /// Records with changes the server does not have.
    pub async fn waiting(&self, limit: Option<u32>) -> JsResult<Array> {
        let waiting = self
            .app()?
            .waiting(limit.map_or(LIST, |limit| limit as usize))
            .await
            .map_err(to_js)?;
        list(&waiting, |(entity, key, state)| {
            let told = Object::new();
            set(&told, "entity", &entity.as_str().into());
            set(&told, "key", &key_to_js(key));
            set(&told, "state", &state.as_str().into());
            Ok(told.into())
        })
    }

    /// The server has something new: syncs a context soon.
    pub fn hint(&self, context: String) -> JsResult<()> {
        self.app()?.hint(&context).map_err(to_js)
    }

    /// There are new credentials: syncing that waited for them goes on.
    #[wasm_bindgen(js_name = credentialsChanged)]
    pub fn credentials_changed(&self) -> JsResult<()> {
        self.app()?.credentials_changed();
        Ok(())
    }

    /// The app is looked at again. A page notices that by itself; a worker is told so by its page.
    pub fn resumed(&self) -> JsResult<()> {
        self.app()?.resumed();
        Ok(())
    }

    /// Closes the app. What was begun ends; nothing new is taken.
    pub fn close(&self) {
        drop(self.app.borrow_mut().take());
    }
}
