//! The way between a device and the server: it takes time, and it fails as drawn.

use crate::fault::{Fault, Phase, Site};
use crate::shared::{Shared, guard};
use onsync_core::mutation::{Outcome, ServerRecord};
use onsync_core::runtime::Runtime as _;
use onsync_core::transport::{Answer, Exchange, Transport};
use onsync_core::wire::{AnswerFrame, Health, RequestFrame};
use onsync_core::{Error, Result, Value, portable_async};
use onsync_testkit::fakes::{Dice, Fate, Lossy};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The network as one process of a device has it.
pub(crate) struct Network {
    pub(crate) name: String,
    pub(crate) device: usize,
    pub(crate) lossy: Lossy,
    pub(crate) shared: Arc<Shared>,
    pub(crate) dice: Mutex<Dice>,
    /// Over all processes of the device.
    pub(crate) line: Arc<Mutex<Line>>,
}

/// What becomes of a device's requests, whatever chance does to them.
#[derive(Default)]
pub(crate) struct Line {
    /// Until when there is no way to the server.
    pub(crate) cut_until: Duration,
    /// What the next requests meet, in order.
    pub(crate) lost: VecDeque<Fault>,
}

fn phase(exchange: &Exchange) -> Phase {
    let pushes = exchange
        .frames
        .iter()
        .any(|frame| matches!(frame, RequestFrame::Mutation(_)));
    let pulls = exchange
        .frames
        .iter()
        .any(|frame| matches!(frame, RequestFrame::Entity(entity) if entity.pull));
    match (pushes, pulls) {
        (true, false) => Phase::Push,
        (true, true) => Phase::PushPull,
        (false, _) => Phase::Pull,
    }
}

fn fate(fault: Option<Fault>, dice: &mut Dice) -> Fate {
    let up_to = |dice: &mut Dice, seconds: u64| Duration::from_millis(1 + dice.below(seconds * 1_000));
    match fault {
        Some(Fault::Offline) => Fate::Offline,
        Some(Fault::DropRequest) => Fate::DropRequest,
        Some(Fault::DropAnswer) => Fate::DropAnswer,
        Some(Fault::Duplicate) => Fate::Duplicate,
        Some(Fault::LateDuplicate) => Fate::LateDuplicate(up_to(dice, 60)),
        Some(Fault::DelayRequest) => Fate::DelayRequest(up_to(dice, 20)),
        Some(Fault::LateRequest) => Fate::LateRequest(up_to(dice, 60)),
        Some(Fault::DelayAnswer) => Fate::DelayAnswer(up_to(dice, 20)),
        Some(Fault::Truncate) => Fate::TruncateAfter(usize::try_from(dice.below(9)).unwrap_or_default()),
        Some(Fault::BlackHole) => Fate::BlackHole(Duration::from_secs(60)),
        Some(Fault::WrongPeer) => Fate::WrongPeer,
        Some(Fault::Unauthorised) => Fate::Status(401),
        Some(Fault::Forbidden) => Fate::Status(403),
        Some(Fault::Conflict) => Fate::Status(409),
        Some(Fault::Gone) => Fate::Status(410),
        Some(Fault::TooLarge) => Fate::Status(413),
        Some(Fault::TooMany) => Fate::Status(429),
        Some(Fault::Unavailable) => Fate::Status(503),
        Some(_) | None => Fate::Arrives,
    }
}

/// Counts a request as lost unless its answer is heard to its end, whatever became of it: a fault of the network, a server that died
/// or refused it, or a process that died as it waited.
struct Ear {
    shared: Arc<Shared>,
    heard: bool,
}

impl Drop for Ear {
    fn drop(&mut self) {
        if !self.heard {
            self.shared.reach().lost += 1;
        }
    }
}

fn told(exchange: &Exchange) -> String {
    let mut mutations = Vec::new();
    let mut pulled = Vec::new();
    for frame in &exchange.frames {
        match frame {
            RequestFrame::Mutation(mutation) => mutations.push(format!(
                "#{} {} {} {:?}",
                mutation.number,
                mutation.kind.as_str(),
                mutation.entity,
                mutation.record
            )),
            RequestFrame::Entity(entity) if entity.pull => {
                let from = if entity.checkpoint.is_some() {
                    ""
                } else {
                    " from the start"
                };
                pulled.push(format!("{}{from}", entity.entity));
            }
            _ => {}
        }
    }
    format!(
        "sends [{}], asks for [{}]",
        mutations.join("; "),
        pulled.join(", ")
    )
}

impl Network {
    fn faults() -> Vec<Fault> {
        let all = Fault::ALL.iter().copied();
        all.filter(|fault| fault.site() == Site::Network).collect()
    }

    async fn travel(&self) {
        let wait = if self.shared.jitter {
            1 + guard(&self.dice).below(25)
        } else {
            1
        };
        self.shared.runtime.sleep(Duration::from_millis(wait)).await;
    }
}

#[portable_async]
impl Transport for Network {
    async fn exchange(&self, exchange: Exchange) -> Result<Box<dyn Answer>> {
        let phase = phase(&exchange);
        self.shared.reach().requests += 1;
        let ear = Ear {
            shared: self.shared.clone(),
            heard: false,
        };
        let is_cut = guard(&self.line).cut_until > self.shared.runtime.elapsed();
        if is_cut && !self.shared.mischief.is_healed() {
            self.shared.struck(Fault::Offline, phase, &self.name);
            return Err(Error::offline(
                "server_unreachable",
                "this device of the world has no network",
            ));
        }
        self.travel().await;
        let fate = {
            let mut dice = guard(&self.dice);
            let fault = match guard(&self.line).lost.pop_front() {
                Some(planned) if !self.shared.mischief.is_healed() => Some(planned),
                _ => self.shared.mischief.draw(&mut dice, &Self::faults()),
            };
            if let Some(fault) = fault {
                self.shared.struck(fault, phase, &self.name);
            }
            fate(fault, &mut dice)
        };
        self.shared
            .trace
            .say(|| format!("{}: {} → {fate:?}", self.name, told(&exchange)));
        self.lossy.script([fate]);
        let inner = self.lossy.exchange(exchange).await?;
        Ok(Box::new(SlowAnswer {
            inner,
            ear,
            name: self.name.clone(),
            device: self.device,
            shared: self.shared.clone(),
            dice: Dice::new(guard(&self.dice).roll()),
        }))
    }

    async fn health(&self) -> Result<Health> {
        self.lossy.health().await
    }
}

/// Frames take their time.
struct SlowAnswer {
    inner: Box<dyn Answer>,
    ear: Ear,
    name: String,
    device: usize,
    shared: Arc<Shared>,
    dice: Dice,
}

fn heard(frame: &AnswerFrame) -> String {
    match frame {
        // What is sealed is another one each time.
        AnswerFrame::Welcome(welcome) if welcome.restored => "welcome: the server was restored".to_owned(),
        AnswerFrame::Welcome(_) => "welcome".to_owned(),
        AnswerFrame::Outcome(outcome) => format!("outcome {:?}", outcome.outcome),
        AnswerFrame::Page(page) => format!(
            "page of {} ({}): {} rows, deleted {:?}, removed {:?}, created {:?}",
            page.entity,
            match &page.kind {
                onsync_core::page::PageKind::Delta => "delta".to_owned(),
                onsync_core::page::PageKind::Snapshot(range) => format!(
                    "snapshot {} … {}",
                    range.after.as_ref().map_or(String::new(), ToString::to_string),
                    range.to.as_ref().map_or(String::new(), ToString::to_string)
                ),
            },
            (0..page.rows.len())
                .map(|row| {
                    let values: Vec<String> = page.rows.row(row).iter().map(ToString::to_string).collect();
                    format!("({})", values.join(", "))
                })
                .collect::<Vec<_>>()
                .join(" "),
            page.deleted,
            page.removed,
            page.created
        ),
        other => format!("{other:?}"),
    }
}

/// The records' values that a frame tells.
fn values(frame: &AnswerFrame) -> Vec<Value> {
    let of = |record: &ServerRecord| record.fields.iter().map(|(_, value)| value.clone()).collect();
    match frame {
        AnswerFrame::Page(page) => (0..page.rows.len()).flat_map(|row| page.rows.row(row)).collect(),
        AnswerFrame::Outcome(told) => match &told.outcome {
            Outcome::Applied {
                stored: Some(record), ..
            }
            | Outcome::Conflict {
                theirs: Some(record), ..
            } => of(record),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

#[portable_async]
impl Answer for SlowAnswer {
    async fn next(&mut self) -> Result<Option<AnswerFrame>> {
        let frame = self.inner.next().await;
        self.ear.heard |= matches!(&frame, Ok(None | Some(AnswerFrame::End {})));
        if let Ok(Some(frame)) = &frame {
            self.shared.ledger().hears(self.device, values(frame));
            self.shared
                .trace
                .say(|| format!("{}: hears {}", self.name, heard(frame)));
        }
        if self.shared.jitter && matches!(&frame, Ok(Some(AnswerFrame::Page(_) | AnswerFrame::Outcome(_)))) {
            let wait = self.dice.below(6);
            if wait > 0 {
                self.shared.runtime.sleep(Duration::from_millis(wait)).await;
            }
        }
        frame
    }

    fn bytes(&self) -> u64 {
        self.inner.bytes()
    }
}
