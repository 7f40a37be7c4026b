//! Runs: what `onSync` returns, and what the app's own handler drives.

use crate::error::{JsResult, from_js, to_js, wanted};
use crate::forms;
use crate::values::{parameters, parameters_to_js};
use crate::work::call;
use futures_util::future::{Either, select};
use js_sys::{Array, Function};
use onsync::{Error, Selection, Summary, SyncDirection};
use onsync_core::portable_async;
use std::cell::RefCell;
use std::pin::pin;
use tokio::sync::{mpsc, oneshot};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;

/// A run that was asked for. Letting go of it does not stop the run.
#[wasm_bindgen(skip_typescript)]
pub struct SyncHandle(RefCell<Option<onsync::SyncHandle>>);

impl SyncHandle {
    pub(crate) fn new(handle: onsync::SyncHandle) -> Self {
        Self(RefCell::new(Some(handle)))
    }
}

#[wasm_bindgen]
impl SyncHandle {
    /// The run's summary when it has ended well; throws when it has not.
    pub async fn outcome(&self) -> JsResult {
        let handle = self.0.borrow_mut().take().ok_or_else(|| {
            to_js(Error::fatal(
                "outcome_taken",
                "the outcome was asked for twice; keep the promise of the first time",
            ))
        })?;
        let summary = handle.outcome().await.into_result().map_err(to_js)?;
        forms::camel(&summary).map_err(to_js)
    }
}

/// What a run is asked to do next.
enum Ask {
    Sync(Selection, SyncDirection),
    Again(String, onsync::Parameters),
}

type Answer = oneshot::Sender<onsync::Result<Summary>>;

/// The run that the app's own handler drives. It is of no use after the handler has ended.
#[wasm_bindgen(skip_typescript)]
pub struct SyncRun(mpsc::UnboundedSender<(Ask, Answer)>);

impl SyncRun {
    async fn ask(&self, ask: Ask) -> JsResult<Summary> {
        let over = || {
            to_js(Error::fatal(
                "transaction_over",
                "this run was used after its handler had ended; await what you begin in it",
            ))
        };
        let (sender, receiver) = oneshot::channel();
        self.0.send((ask, sender)).map_err(|_| over())?;
        receiver.await.map_err(|_| over())?.map_err(to_js)
    }
}

#[wasm_bindgen]
impl SyncRun {
    /// Syncs entities (all of them if none are named) in a direction: `"both"`, `"push"` or `"pull"`.
    pub async fn sync(&self, entities: JsValue, direction: Option<String>) -> JsResult {
        let selection = if entities.is_undefined() || entities.is_null() {
            Selection::All
        } else {
            let names: Option<Vec<String>> = Array::from(&entities)
                .iter()
                .map(|name| name.as_string())
                .collect();
            Selection::Entities(names.ok_or_else(|| to_js(wanted("a list of entities", &entities)))?)
        };
        let direction = match direction.as_deref() {
            None | Some("both") => SyncDirection::Both,
            Some("push") => SyncDirection::Push,
            Some("pull") => SyncDirection::Pull,
            Some(other) => {
                return Err(to_js(wanted("\"both\", \"push\" or \"pull\"", &other.into())));
            }
        };
        let summary = self.ask(Ask::Sync(selection, direction)).await?;
        forms::camel(&summary).map_err(to_js)
    }

    /// Asks for another run after this one.
    #[wasm_bindgen(js_name = onSync)]
    pub async fn on_sync(&self, context: String, values: JsValue) -> JsResult<()> {
        let parameters = parameters(&values).map_err(to_js)?;
        self.ask(Ask::Again(context, parameters)).await.map(|_| ())
    }
}

/// The app's own handler.
pub(crate) struct Handler(pub(crate) Function);

#[portable_async]
impl onsync::OnSync for Handler {
    async fn on_sync(
        &self,
        run: &dyn onsync::SyncRun,
        context: &str,
        parameters: &onsync::Parameters,
    ) -> onsync::Result<()> {
        let (sender, mut asked) = mpsc::unbounded_channel();
        let arguments = [
            SyncRun(sender).into(),
            context.into(),
            parameters_to_js(parameters),
        ];
        let mut until = pin!(JsFuture::from(call(&self.0, &arguments)?));
        loop {
            let (ask, answer): (Ask, Answer) = match select(until.as_mut(), pin!(asked.recv())).await {
                Either::Left((ended, _)) => return ended.map(|_| ()).map_err(|thrown| from_js(&thrown)),
                Either::Right((Some(asked), _)) => asked,
                // The run is let go of; what remains is the handler's end.
                Either::Right((None, _)) => {
                    return until.await.map(|_| ()).map_err(|thrown| from_js(&thrown));
                }
            };
            let done = match ask {
                Ask::Sync(selection, direction) => run.sync(selection, direction).await,
                Ask::Again(context, parameters) => {
                    run.on_sync(&context, &parameters).map(|()| Summary::default())
                }
            };
            // Nobody listens any more where the promise was given up.
            let _told = answer.send(done);
        }
    }
}
