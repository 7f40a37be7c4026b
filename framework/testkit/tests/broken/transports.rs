//! Transports with one planted fault each.

use crate::refused;
use onsync_core::transport::{Answer, Credentials, Exchange, Transport};
use onsync_core::wire::{AnswerFrame, Health};
use onsync_core::{Error, Result, portable_async};
use onsync_testkit::fakes::{MemoryTransport, ScriptedServer};
use onsync_testkit::suite::block_on;
use onsync_testkit::transport::TransportPlace;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    TakesACutAnswerForAWholeOne,
    CollectsTheAnswerFirst,
    RepeatsByItself,
    RemembersCredentials,
    TakesAnyPageForAnAnswer,
    ForgetsRetryAfter,
    CallsEverythingTransient,
}

struct Place(Fault);

#[portable_async]
impl TransportPlace for Place {
    async fn connect(&self, server: Arc<ScriptedServer>) -> Result<Arc<dyn Transport>> {
        Ok(Arc::new(Broken::around(self.0, MemoryTransport::new(server))))
    }

    async fn to_nobody(&self) -> Result<Arc<dyn Transport>> {
        Ok(Arc::new(Broken::around(self.0, MemoryTransport::to_nobody())))
    }
}

struct Broken {
    fault: Fault,
    inner: MemoryTransport,
    remembered: Mutex<Option<Credentials>>,
}

impl Broken {
    fn around(fault: Fault, inner: MemoryTransport) -> Self {
        Self {
            fault,
            inner,
            remembered: Mutex::default(),
        }
    }

    fn changed(&self, error: Error) -> Error {
        match self.fault {
            Fault::ForgetsRetryAfter => Error::new(error.kind(), error.code().to_owned(), error.message()),
            Fault::CallsEverythingTransient => Error::transient(error.code().to_owned(), error.message()),
            _ => error,
        }
    }
}

#[portable_async]
impl Transport for Broken {
    async fn exchange(&self, mut exchange: Exchange) -> Result<Box<dyn Answer>> {
        if self.fault == Fault::RemembersCredentials {
            let mut remembered = self.remembered.lock().expect("no holder panics");
            if exchange.credentials.is_some() {
                remembered.clone_from(&exchange.credentials);
            }
            exchange.credentials.clone_from(&remembered);
        }
        let first = self.inner.exchange(exchange.clone()).await;
        let answer = match first {
            Err(_) if self.fault == Fault::RepeatsByItself => self.inner.exchange(exchange).await,
            Err(error) if self.fault == Fault::TakesAnyPageForAnAnswer && error.code() == "not_onsync" => {
                return Ok(Box::new(Collected(VecDeque::from([AnswerFrame::End {}]))));
            }
            other => other,
        };
        let mut answer = answer.map_err(|error| self.changed(error))?;
        if self.fault == Fault::CollectsTheAnswerFirst {
            let mut frames = VecDeque::new();
            while let Some(frame) = answer.next().await? {
                frames.push_back(frame);
            }
            return Ok(Box::new(Collected(frames)));
        }
        Ok(Box::new(BrokenAnswer {
            fault: self.fault,
            inner: answer,
        }))
    }

    async fn health(&self) -> Result<Health> {
        self.inner.health().await.map_err(|error| self.changed(error))
    }
}

struct Collected(VecDeque<AnswerFrame>);

#[portable_async]
impl Answer for Collected {
    async fn next(&mut self) -> Result<Option<AnswerFrame>> {
        Ok(self.0.pop_front())
    }

    fn bytes(&self) -> u64 {
        1
    }
}

struct BrokenAnswer {
    fault: Fault,
    inner: Box<dyn Answer>,
}

#[portable_async]
impl Answer for BrokenAnswer {
    async fn next(&mut self) -> Result<Option<AnswerFrame>> {
        match self.inner.next().await {
            Err(error)
                if self.fault == Fault::TakesACutAnswerForAWholeOne && error.code() == "answer_truncated" =>
            {
                Ok(None)
            }
            other => other,
        }
    }

    fn bytes(&self) -> u64 {
        self.inner.bytes()
    }
}

/// Cases that would wait for ever on this fault are left out: a test should not last until their limit.
#[track_caller]
fn check(fault: Fault, caught_by: &[&str]) {
    let mut suite = onsync_testkit::transport::suite();
    if fault == Fault::CollectsTheAnswerFirst {
        let hangs = [
            "the_answer_begins_while_the_rest_is_on_its_way",
            "dropping_the_answer_ends_the_exchange",
        ];
        suite.cases.retain(|case| !hangs.contains(&case.name));
    }
    let make = move || -> Box<dyn TransportPlace> { Box::new(Place(fault)) };
    refused(&suite.run(make, block_on), caught_by);
}

#[test]
fn a_transport_that_takes_a_cut_answer_for_a_whole_one() {
    check(
        Fault::TakesACutAnswerForAWholeOne,
        &[
            "an_answer_that_ends_early_fails",
            "an_answer_cut_within_a_frame_fails",
        ],
    );
}

#[test]
fn a_transport_that_collects_the_answer_first() {
    check(
        Fault::CollectsTheAnswerFirst,
        &["memory_does_not_grow_with_the_answer"],
    );
}

#[test]
fn a_transport_that_repeats_by_itself() {
    check(Fault::RepeatsByItself, &["a_failed_exchange_is_not_repeated"]);
}

#[test]
fn a_transport_that_remembers_credentials() {
    check(
        Fault::RemembersCredentials,
        &["without_credentials_none_are_sent"],
    );
}

#[test]
fn a_transport_that_takes_any_page_for_an_answer() {
    check(
        Fault::TakesAnyPageForAnAnswer,
        &["a_page_for_people_is_not_onsync", "an_empty_body_is_not_onsync"],
    );
}

#[test]
fn a_transport_that_forgets_retry_after() {
    check(
        Fault::ForgetsRetryAfter,
        &["a_busy_server_is_transient_with_its_wish"],
    );
}

#[test]
fn a_transport_that_calls_everything_transient() {
    check(
        Fault::CallsEverythingTransient,
        &[
            "refused_credentials_are_unauthorised",
            "nobody_listening_is_offline",
        ],
    );
}
