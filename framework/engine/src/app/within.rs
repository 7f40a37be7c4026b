//! Notices that a transaction's own work asks its app to write: with one writer, it would wait for itself for ever.

use onsync_core::{Error, Result};
use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

thread_local! {
    /// Whether the work of a transaction is being polled on this thread.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Work that is known to run within a transaction while it is polled.
pub(super) struct Within<F>(Pin<Box<F>>);

impl<F: Future> Within<F> {
    pub(super) fn new(work: F) -> Self {
        Self(Box::pin(work))
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let outer = INSIDE.replace(true);
        let result = self.0.as_mut().poll(context);
        INSIDE.set(outer);
        result
    }
}

/// Refuses to wait for the writer within a transaction that has it.
///
/// # Errors
/// `transaction_within_itself`.
pub(super) fn check() -> Result<()> {
    if !INSIDE.get() {
        return Ok(());
    }
    Err(Error::fatal(
        "transaction_within_itself",
        "a write through the app was asked for within the app's own transaction, which would wait for itself; write through the \
         transaction, `tx.create(…)` instead of `app.create(…)`",
    ))
}
