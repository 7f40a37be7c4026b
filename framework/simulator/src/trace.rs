//! What happened, in words, with the virtual time in front. Kept only where somebody will read it.

use onsync_core::runtime::Runtime as _;
use onsync_testkit::fakes::ManualRuntime;
use std::sync::{Mutex, PoisonError};

pub(crate) struct Trace {
    lines: Option<Mutex<Vec<String>>>,
    runtime: ManualRuntime,
}

impl Trace {
    pub(crate) fn new(runtime: ManualRuntime, on: bool) -> Self {
        Self {
            lines: on.then(Mutex::default),
            runtime,
        }
    }

    /// Writes a line down, if anybody wants it.
    pub(crate) fn say(&self, line: impl FnOnce() -> String) {
        if let Some(lines) = &self.lines {
            let now = self.runtime.elapsed().as_secs_f64();
            let line = format!("{now:>9.3} s  {}", line());
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    /// The lines so far.
    pub(crate) fn take(&self) -> Vec<String> {
        self.lines.as_ref().map_or_else(Vec::new, |lines| {
            std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }
}

/// The words of a panic.
pub(crate) fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words")
        .to_owned()
}
