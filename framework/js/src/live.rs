//! Live results, in the form of an external store: `subscribe` and `snapshot`.

use crate::error::to_js;
use crate::forms;
use crate::plugins::conflict_to_js;
use crate::values::records;
use js_sys::{Array, Function};
use onsync::core::runtime::Runtime;
use onsync::runtime_browser::BrowserRuntime;
use onsync::{App, BinEntry, BinFilter, LiveList, OpenConflict, Query, RejectedChange};
use onsync_core::ordered::BTreeMap;
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen_futures::spawn_local;

/// How long a query that failed is left alone.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// Those who are told that something has changed.
#[derive(Default)]
pub(crate) struct Subscribers {
    functions: RefCell<BTreeMap<u32, Function>>,
    next: Cell<u32>,
    left: Notify,
}

impl Subscribers {
    pub(crate) fn is_empty(&self) -> bool {
        self.functions.borrow().is_empty()
    }

    /// Adds a function; the result takes it away again.
    pub(crate) fn add(self: &Rc<Self>, function: Function) -> JsValue {
        let number = self.next.get();
        self.next.set(number + 1);
        self.functions.borrow_mut().insert(number, function);
        let all = Rc::downgrade(self);
        let leave = move || {
            if let Some(all) = all.upgrade() {
                all.functions.borrow_mut().remove(&number);
                all.left.notify_one();
            }
        };
        Closure::<dyn Fn()>::new(leave).into_js_value()
    }

    /// Calls all of them. One that throws is told to the console and harms no other.
    pub(crate) fn tell(&self, argument: &JsValue) {
        let functions: Vec<Function> = self.functions.borrow().values().cloned().collect();
        for function in functions {
            if let Err(thrown) = function.call1(&JsValue::UNDEFINED, argument) {
                web_sys::console::error_1(&thrown);
            }
        }
    }

    /// Ends when nobody is left.
    pub(crate) async fn until_empty(&self) {
        while !self.is_empty() {
            self.left.notified().await;
        }
    }
}

/// What is given again whenever it has changed.
pub(crate) enum Of {
    Query(Query),
    Conflicts,
    Rejected(usize),
    Bin(BinFilter),
}

/// The engine's side of it.
enum Feed {
    Query(onsync::LiveQuery),
    Conflicts(LiveList<OpenConflict>),
    Rejected(LiveList<RejectedChange>),
    Bin(LiveList<BinEntry>),
}

impl Of {
    fn feed(&self, app: &App) -> onsync::Result<Feed> {
        Ok(match self {
            Self::Query(query) => Feed::Query(app.watch(query.clone())?),
            Self::Conflicts => Feed::Conflicts(app.watch_conflicts()?),
            Self::Rejected(limit) => Feed::Rejected(app.watch_rejected(*limit)?),
            Self::Bin(filter) => Feed::Bin(app.watch_bin(filter.clone())?),
        })
    }
}

impl Feed {
    async fn next(&mut self) -> onsync::Result<JsValue> {
        fn told<T>(list: &[T], form: impl Fn(&T) -> onsync::Result<JsValue>) -> onsync::Result<JsValue> {
            let told: onsync::Result<Array> = list.iter().map(form).collect();
            Ok(told?.into())
        }
        match self {
            Self::Query(query) => Ok(records(&query.next().await?)),
            Self::Conflicts(list) => told(&list.next().await?, conflict_to_js),
            Self::Rejected(list) => told(&list.next().await?, forms::rejected),
            Self::Bin(list) => told(&list.next().await?, forms::bin),
        }
    }
}

struct Live {
    app: App,
    of: Of,
    subscribers: Rc<Subscribers>,
    running: Cell<bool>,
    snapshot: RefCell<JsValue>,
    error: RefCell<JsValue>,
}

/// A query or a list that is given again whenever it has changed, whoever changed it: this tab, another one, or a sync.
#[wasm_bindgen(skip_typescript)]
pub struct LiveQuery(Rc<Live>);

impl LiveQuery {
    pub(crate) fn new(app: App, of: Of) -> Self {
        Self(Rc::new(Live {
            app,
            of,
            subscribers: Rc::default(),
            running: Cell::new(false),
            snapshot: RefCell::new(JsValue::UNDEFINED),
            error: RefCell::new(JsValue::NULL),
        }))
    }
}

#[wasm_bindgen]
impl LiveQuery {
    /// Calls a function after each change of the snapshot, the first one included; the result ends that.
    pub fn subscribe(&self, changed: Function) -> JsValue {
        let leave = self.0.subscribers.add(changed);
        if !self.0.running.replace(true) {
            spawn_local(follow(self.0.clone()));
        }
        leave
    }

    /// The last result: the same array until it changes; undefined before the first.
    pub fn snapshot(&self) -> JsValue {
        self.0.snapshot.borrow().clone()
    }

    /// Why there is no newer result, if the last try failed; otherwise null.
    pub fn error(&self) -> JsValue {
        self.0.error.borrow().clone()
    }
}

async fn follow(live: Rc<Live>) {
    let work = async {
        let mut feed = match live.of.feed(&live.app) {
            Ok(feed) => feed,
            Err(error) => return failed(&live, error),
        };
        loop {
            match feed.next().await {
                Ok(found) => {
                    *live.error.borrow_mut() = JsValue::NULL;
                    *live.snapshot.borrow_mut() = found;
                    live.subscribers.tell(&JsValue::UNDEFINED);
                }
                Err(error) => {
                    failed(&live, error);
                    BrowserRuntime::new().sleep(AFTER_ERROR).await;
                }
            }
        }
    };
    futures_util::future::select(pin!(work), pin!(live.subscribers.until_empty())).await;
    live.running.set(false);
}

fn failed(live: &Live, error: onsync::Error) {
    *live.error.borrow_mut() = to_js(error);
    live.subscribers.tell(&JsValue::UNDEFINED);
}
