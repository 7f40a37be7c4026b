//! What a conformance suite is: a table of named cases, a runner that reports every failing one, and a failure with its place.

use onsync_core::platform::BoxFuture;
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

/// How long one case may take before it counts as hanging.
pub const CASE_LIMIT: Duration = Duration::from_secs(60);

/// How a case ends.
pub type CaseResult = Result<(), Failure>;

/// Why a case failed, and where in the suite.
#[derive(Clone, Debug)]
pub struct Failure {
    message: String,
    at: &'static Location<'static>,
}

impl Failure {
    /// A failure here.
    #[track_caller]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            at: Location::caller(),
        }
    }

    #[track_caller]
    fn panicked(panic: &(dyn Any + Send)) -> Self {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Self::new(format!(
            "it panicked: {}",
            text.unwrap_or("with something that is no text")
        ))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}:{}]", self.message, self.at.file(), self.at.line())
    }
}

impl From<onsync_core::Error> for Failure {
    #[track_caller]
    fn from(error: onsync_core::Error) -> Self {
        Self::new(format!("unexpected error `{}`: {error}", error.code()))
    }
}

/// Checks that a result is an error with this code.
///
/// # Errors
/// Says what was found instead.
#[track_caller]
pub fn refused<T>(result: onsync_core::Result<T>, code: &str) -> CaseResult {
    match result {
        Err(error) if error.code() == code => Ok(()),
        Err(error) => Err(Failure::new(format!(
            "wanted the error `{code}`, found `{}`: {error}",
            error.code()
        ))),
        Ok(_) => Err(Failure::new(format!(
            "wanted the error `{code}`, found that it was done"
        ))),
    }
}

/// Ends the case with a failure unless the condition holds.
#[macro_export]
macro_rules! check {
    ($condition:expr, $($why:tt)+) => {
        if !$condition {
            return Err($crate::suite::Failure::new(format!($($why)+)));
        }
    };
}

/// Ends the case with a failure unless what was found is what was wanted.
#[macro_export]
macro_rules! check_eq {
    ($found:expr, $wanted:expr, $($why:tt)+) => {
        match (&$found, &$wanted) {
            (found, wanted) => {
                if !(*found == *wanted) {
                    return Err($crate::suite::Failure::new(format!(
                        "{}\n      wanted {wanted:?}\n      found  {found:?}",
                        format_args!($($why)+)
                    )));
                }
            }
        }
    };
}

/// The function of a case.
pub type CaseFn<P> = for<'a> fn(&'a P) -> BoxFuture<'a, CaseResult>;

/// One sentence of a contract, as a function that takes an implementation to task.
pub struct Case<P: ?Sized> {
    /// The sentence.
    pub name: &'static str,
    /// What checks it.
    pub run: CaseFn<P>,
}

impl<P: ?Sized> Clone for Case<P> {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            run: self.run,
        }
    }
}

/// All cases of one contract. `P` is the *place* a case gets: what makes fresh instances of the implementation.
pub struct Suite<P: ?Sized> {
    /// The contract.
    pub name: &'static str,
    /// The cases.
    pub cases: Vec<Case<P>>,
}

/// What a run of a suite found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The suite.
    pub suite: &'static str,
    /// The cases that held.
    pub passed: Vec<&'static str>,
    /// The cases that did not, with the reason.
    pub failed: Vec<(&'static str, Failure)>,
}

impl Report {
    /// Panics with the name and reason of every failing case, and when no case was run at all.
    ///
    /// # Panics
    /// See above: that is what it is for.
    #[track_caller]
    #[expect(clippy::panic, reason = "a test fails by panicking")]
    pub fn assert(&self) {
        let ran = self.passed.len() + self.failed.len();
        if ran == 0 {
            panic!("the suite {} ran no case: nothing was checked", self.suite);
        }
        if !self.failed.is_empty() {
            panic!(
                "{} of {ran} cases of the suite {} failed:{self}",
                self.failed.len(),
                self.suite
            );
        }
    }

    /// The names of the failing cases.
    pub fn failed_names(&self) -> Vec<&'static str> {
        self.failed.iter().map(|(name, _)| *name).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, failure) in &self.failed {
            write!(f, "\n  - {name}\n      {failure}")?;
        }
        Ok(())
    }
}

impl<P: ?Sized + 'static> Suite<P> {
    /// Runs every case, each with a place of its own, on a thread of its own. `execute` runs a future to its end: [`block_on`], or
    /// what the implementation needs (a tokio runtime).
    pub fn run<M, X>(&self, make: M, execute: X) -> Report
    where
        M: Fn() -> Box<P> + Send + Sync + 'static,
        X: Fn(BoxFuture<'_, CaseResult>) -> CaseResult + Send + Sync + 'static,
    {
        let (make, execute) = (Arc::new(make), Arc::new(execute));
        let mut report = Report {
            suite: self.name,
            passed: Vec::new(),
            failed: Vec::new(),
        };
        for case in &self.cases {
            match run_case(case, make.clone(), execute.clone()) {
                Ok(()) => report.passed.push(case.name),
                Err(failure) => report.failed.push((case.name, failure)),
            }
        }
        report
    }

    /// Runs every case within the task that asks, for platforms without threads. Nothing ends a case that hangs, and a panic ends all.
    pub async fn run_here(&self, make: impl Fn() -> Box<P>) -> Report {
        let mut report = Report {
            suite: self.name,
            passed: Vec::new(),
            failed: Vec::new(),
        };
        for case in &self.cases {
            let place = make();
            match (case.run)(&place).await {
                Ok(()) => report.passed.push(case.name),
                Err(failure) => report.failed.push((case.name, failure)),
            }
        }
        report
    }

    /// The same suite with the case of this name alone; with no case if there is none, which no report passes.
    #[must_use]
    pub fn only(mut self, name: &str) -> Self {
        self.cases.retain(|case| case.name == name);
        self
    }
}

fn run_case<P, M, X>(case: &Case<P>, make: Arc<M>, execute: Arc<X>) -> CaseResult
where
    P: ?Sized + 'static,
    M: Fn() -> Box<P> + Send + Sync + 'static,
    X: Fn(BoxFuture<'_, CaseResult>) -> CaseResult + Send + Sync + 'static,
{
    let (sender, receiver) = channel();
    let run = case.run;
    let thread = thread::Builder::new().name(case.name.to_owned()).spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let place = make();
            execute(run(&place))
        }));
        let result = result.unwrap_or_else(|panic| Err(Failure::panicked(panic.as_ref())));
        // Nobody listens any more when the case has outlived its limit.
        let _ = sender.send(result);
    });
    if let Err(error) = thread {
        return Err(Failure::new(format!("no thread for the case: {error}")));
    }
    receiver
        .recv_timeout(CASE_LIMIT)
        .unwrap_or_else(|ended| match ended {
            RecvTimeoutError::Timeout => Err(Failure::new(format!(
                "it hung: no end after {} s",
                CASE_LIMIT.as_secs()
            ))),
            RecvTimeoutError::Disconnected => Err(Failure::new("its thread died")),
        })
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future to its end on this thread, without any runtime.
pub fn block_on<T>(mut future: BoxFuture<'_, T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Builds the table of a suite from its list of cases; used by the `…_cases!` macros.
#[doc(hidden)]
#[macro_export]
macro_rules! __table {
    ([$suite:literal $place:ty] $($module:ident { $($case:ident)* })*) => {
        $crate::suite::Suite {
            name: $suite,
            cases: vec![$($(
                $crate::suite::Case::<$place> {
                    name: stringify!($case),
                    run: |place| Box::pin($module::$case(place)),
                },
            )*)*],
        }
    };
}

/// Writes one `#[test]` per case; used by the `…_tests!` macros.
#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    ([$suite:ident $place:ty, $make:expr, $execute:expr] $($module:ident { $($case:ident)* })*) => {
        mod $suite {
            use super::*;
            $($(
                #[test]
                fn $case() {
                    let make = || -> Box<$place> { Box::new($make) };
                    $crate::$suite::suite()
                        .only(stringify!($case))
                        .run(make, $execute)
                        .assert();
                }
            )*)*
        }
    };
}

/// Writes one async test per case, marked by an attribute; used by the `…_tests_here!` macros.
#[doc(hidden)]
#[macro_export]
macro_rules! __tests_here {
    ([$suite:ident $place:ty, $make:expr, $attribute:meta] $($module:ident { $($case:ident)* })*) => {
        mod $suite {
            use super::*;
            $($(
                #[$attribute]
                async fn $case() {
                    $crate::$suite::suite()
                        .only(stringify!($case))
                        .run_here(|| -> Box<$place> { Box::new($make) })
                        .await
                        .assert();
                }
            )*)*
        }
    };
}
