//! Work that JavaScript asks for on something that is only lent, such as a transaction: it is sent to where that is.

use crate::error::{JsResult, from_js, to_js};
use futures_util::future::{Either, LocalBoxFuture, select};
use js_sys::{Function, Promise};
use onsync::{Error, Result};
use std::pin::pin;
use tokio::sync::{mpsc, oneshot};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// One piece of work on a `T`.
type Piece<T> = Box<dyn for<'t> FnOnce(&'t mut T) -> LocalBoxFuture<'t, ()>>;

/// What an object for JavaScript holds of something lent.
pub(crate) struct Asker<T: ?Sized>(mpsc::UnboundedSender<Piece<T>>);

/// Where the pieces arrive.
pub(crate) struct Pieces<T: ?Sized>(mpsc::UnboundedReceiver<Piece<T>>);

pub(crate) fn channel<T: ?Sized>() -> (Asker<T>, Pieces<T>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Asker(sender), Pieces(receiver))
}

impl<T: ?Sized + 'static> Asker<T> {
    /// Has work done on it, in the order of asking.
    pub(crate) async fn ask<R: 'static>(
        &self,
        work: impl for<'t> FnOnce(&'t mut T) -> LocalBoxFuture<'t, Result<R>> + 'static,
    ) -> JsResult<R> {
        let over = || {
            to_js(Error::fatal(
                "transaction_over",
                "this was used after the function it was lent to had ended; await what you begin in it",
            ))
        };
        let (sender, receiver) = oneshot::channel();
        let piece: Piece<T> = Box::new(move |lent| {
            Box::pin(async move {
                // Nobody listens any more where the asker was given up.
                let _told = sender.send(work(lent).await);
            })
        });
        self.0.send(piece).map_err(|_| over())?;
        receiver.await.map_err(|_| over())?.map_err(to_js)
    }
}

impl<T: ?Sized> Pieces<T> {
    /// Does what is asked for until a promise has ended, and gives its value.
    pub(crate) async fn serve(mut self, lent: &mut T, until: Promise) -> Result<JsValue> {
        let mut until = pin!(JsFuture::from(until));
        loop {
            match select(until.as_mut(), pin!(self.0.recv())).await {
                Either::Left((ended, _)) => return ended.map_err(|thrown| from_js(&thrown)),
                Either::Right((Some(piece), _)) => piece(lent).await,
                // The object is gone; what remains is the promise.
                Either::Right((None, _)) => return until.await.map_err(|thrown| from_js(&thrown)),
            }
        }
    }
}

/// Calls a function of the app that may be async.
pub(crate) fn call(function: &Function, arguments: &[JsValue]) -> Result<Promise> {
    let list: js_sys::Array = arguments.iter().collect();
    let result = function
        .apply(&JsValue::UNDEFINED, &list)
        .map_err(|thrown| from_js(&thrown))?;
    Ok(match result.dyn_into::<Promise>() {
        Ok(promise) => promise,
        Err(value) => Promise::resolve(&value),
    })
}
