//! Scenarios of the outbox: requests that are cut, lost, repeated in part and in other bounds.

use crate::world::*;
use onsync_core::mutation::{Mutation, Outcome, Rejection};
use onsync_core::schema::Ids;
use onsync_core::transport::{Answer, Exchange, Transport};
use onsync_core::wire::{AnswerFrame, Health, OutcomeFrame, RequestFrame};
use onsync_core::{Fields, Key, Result, portable_async};
use onsync_engine::sync::Limits;
use onsync_testkit::fakes::Fate;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

crate::scenarios! {
    an_answer_is_lost_and_the_rest_is_cut_in_other_bounds
    part_of_a_request_is_asked_for_again
    what_was_cut_is_sent_as_it_was_after_a_restart
    an_edit_during_the_exchange_stays_unsent
    a_page_between_cut_and_outcome_is_heeded
}

/// Notes every mutation that is sent, and keeps some of them from the server as long as it is told to: those are to be sent again.
struct Between {
    inner: Arc<dyn Transport>,
    sent: Mutex<Vec<Vec<Mutation>>>,
    withheld: Mutex<fn(&Mutation) -> bool>,
}

impl Between {
    fn on(device: &mut Device) -> Arc<Self> {
        let between = Arc::new(Self {
            inner: device.syncer.transport.clone(),
            sent: Mutex::default(),
            withheld: Mutex::new(|_| false),
        });
        device.syncer.transport = between.clone();
        between
    }

    fn withhold(&self, which: fn(&Mutation) -> bool) {
        *self.withheld.lock().unwrap() = which;
    }

    /// The mutations of each request, taken.
    fn sent(&self) -> Vec<Vec<Mutation>> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }
}

#[portable_async]
impl Transport for Between {
    async fn exchange(&self, mut exchange: Exchange) -> Result<Box<dyn Answer>> {
        let which = *self.withheld.lock().unwrap();
        let mut mutations = Vec::new();
        let mut withheld = Vec::new();
        exchange.frames.retain(|frame| match frame {
            RequestFrame::Mutation(mutation) => {
                mutations.push(mutation.clone());
                if which(mutation) {
                    withheld.push(mutation.id);
                }
                !which(mutation)
            }
            _ => true,
        });
        self.sent.lock().unwrap().push(mutations);
        let retry = |id| OutcomeFrame {
            id,
            outcome: Outcome::Retry(Rejection {
                code: "later".into(),
                message: "send it again".into(),
            }),
        };
        Ok(Box::new(WithRetries {
            inner: self.inner.exchange(exchange).await?,
            retries: withheld.into_iter().map(retry).collect(),
            welcomed: false,
        }))
    }

    async fn health(&self) -> Result<Health> {
        self.inner.health().await
    }
}

struct WithRetries {
    inner: Box<dyn Answer>,
    retries: Vec<OutcomeFrame>,
    welcomed: bool,
}

#[portable_async]
impl Answer for WithRetries {
    async fn next(&mut self) -> Result<Option<AnswerFrame>> {
        if self.welcomed
            && let Some(retry) = self.retries.pop()
        {
            return Ok(Some(AnswerFrame::Outcome(retry)));
        }
        self.welcomed = true;
        self.inner.next().await
    }

    fn bytes(&self) -> u64 {
        self.inner.bytes()
    }
}

fn at_most(max_mutations: usize) -> Limits {
    Limits {
        max_mutations,
        ..Limits::default()
    }
}

fn name(name: &str) -> Fields {
    Fields::new().with("name", name)
}

fn edited(world: &World, name: &str) -> usize {
    let there = world.contents("Item");
    there.values().filter(|row| row[1] == name.into()).count()
}

mod run {
    use super::*;

    /// The server has applied the first request; the next ones hold some of it, and more, in another order of bounds. What somebody
    /// else wrote since shows that nothing is applied twice.
    pub(super) fn an_answer_is_lost_and_the_rest_is_cut_in_other_bounds(kind: Kind) {
        for (first, then) in [(150, 1_000), (150, 7), (7, 150), (1, 1_000)] {
            let mut world = World::new(kind, one(item(LWW, Ids::Client)));
            world.fill(300);
            let device = world.device_with(at_most(first));
            device.sync();
            for id in 1..=200i64 {
                device.update("Item", id, &name("mine"));
            }
            device.lossy.script([Fate::DropAnswer]);
            assert!(device.try_sync().is_err());
            let applied = edited(&world, "mine");
            assert_eq!(applied, first);
            world.put("Item", &fields(1, "theirs", 5));
            for id in 201..=250i64 {
                device.update("Item", id, &name("mine"));
            }
            let mut device = world.device_on(device.store.clone(), at_most(then));
            let between = Between::on(&mut device);
            device.sync();
            device.sync();
            let all: Vec<u64> = between
                .sent()
                .iter()
                .flatten()
                .map(|mutation| mutation.number)
                .collect();
            assert_eq!(all.len(), 250, "each is sent once more: {first}, {then}");
            assert!(all.is_sorted(), "in order: {first}, {then}");
            assert_eq!(edited(&world, "mine"), 249, "{first}, {then}");
            assert_equal(&world, &device);
        }
    }

    /// Every third mutation is to be sent again, twice; the others are settled by then, and stay so.
    pub(super) fn part_of_a_request_is_asked_for_again(kind: Kind) {
        let mut world = World::new(kind, one(item(LWW, Ids::Client)));
        world.fill(260);
        let mut device = world.device_with(at_most(1_000));
        let between = Between::on(&mut device);
        device.sync();
        for id in 1..=250i64 {
            device.update("Item", id, &name("mine"));
        }
        between.withhold(|mutation| mutation.number % 3 == 0);
        let error = device.try_sync().unwrap_err();
        assert_eq!(error.code(), "server_retry");
        assert_eq!(edited(&world, "mine"), 167);
        assert_eq!(device.waiting(), 83);
        for id in 1..=167i64 {
            world.put("Item", &fields(id, "theirs", 5));
        }
        between.sent();
        between.withhold(|mutation| mutation.number % 2 == 0);
        assert!(device.try_sync().is_err());
        assert_eq!(device.waiting(), 41);
        between.withhold(|_| false);
        device.sync();
        let sent: Vec<usize> = between.sent().iter().map(Vec::len).collect();
        assert_eq!(sent, [83, 41]);
        assert_eq!(device.waiting(), 0);
        device.sync();
        assert_equal(&world, &device);
    }

    /// Edited again in between, with other limits: what was cut keeps its number, its id and its bytes.
    pub(super) fn what_was_cut_is_sent_as_it_was_after_a_restart(kind: Kind) {
        let mut world = World::new(kind, family(Ids::Server));
        let mut device = world.device_with(at_most(1_000));
        device.sync();
        let between = Between::on(&mut device);
        let item = device.create("Item", &name("parent"));
        for number in 0..220 {
            let fields = name(&format!("child {number}")).with("item_id", item.values()[0].clone());
            device.create("Part", &fields);
        }
        device.lossy.script([Fate::DropRequest]);
        assert!(device.try_sync().is_err());
        let first = between.sent();
        device.update("Item", item.clone(), &name("edited since"));
        let mut device = world.device_on(device.store.clone(), at_most(90));
        let between = Between::on(&mut device);
        device.sync();
        let then: Vec<Mutation> = between.sent().into_iter().flatten().collect();
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].len(), 221);
        assert_eq!(first[0], then[..221], "as it was cut");
        device.sync();
        device.sync();
        let parts = world.contents("Part");
        let names: BTreeMap<&Key, _> = parts.iter().map(|(key, row)| (key, &row[2])).collect();
        assert_eq!(names.len(), 220);
        assert_eq!(edited(&world, "edited since"), 1);
        assert_eq!(device.waiting(), 0);
    }

    /// The record is edited while its mutation is on the wire, and the answer is as plain as can be.
    pub(super) fn an_edit_during_the_exchange_stays_unsent(kind: Kind) {
        use onsync_core::runtime::Runtime as _;
        use std::time::Duration;
        let mut world = World::new(kind, one(item(LWW, Ids::Client)));
        world.fill(5);
        let device = world.device();
        device.sync();
        for id in 1..=3i64 {
            device.update("Item", id, &name("first"));
        }
        device.delete("Item", 4i64);
        device.lossy.script([Fate::DelayAnswer(Duration::from_secs(20))]);
        let step = device.step(onsync_core::handler::SyncDirection::Push);
        device.run(async {
            let fence = device.take_over().await.unwrap();
            let sync = device.syncer.run(fence, &step, &|_| {});
            let edit = async {
                world.runtime.sleep(Duration::from_secs(10)).await;
                let entity = device.entity("Item");
                let access = onsync_core::store::local::Access::App;
                let mut tx = device.store.begin(access).await.unwrap();
                let mut row = tx
                    .get(entity, &[Key::one(2i64)])
                    .await
                    .unwrap()
                    .remove(0)
                    .unwrap();
                row[1] = "second".into();
                tx.remove(entity, &[Key::one(2i64)]).await.unwrap();
                tx.insert(entity, &row).await.unwrap();
                tx.commit().await.unwrap();
            };
            let (summary, ()) = futures_util::future::join(sync, edit).await;
            assert_eq!(summary.unwrap().applied, 4);
        });
        let left: Vec<Key> = device
            .overlays("Item")
            .into_iter()
            .map(|overlay| overlay.key)
            .collect();
        assert_eq!(left, [Key::one(2i64)]);
        assert_eq!(edited(&world, "first"), 3);
        device.sync();
        assert_eq!((edited(&world, "first"), edited(&world, "second")), (2, 1));
        assert_equal(&world, &device);
    }

    /// The first answer is lost, a page brings what somebody wrote since, and only then the outcome arrives.
    pub(super) fn a_page_between_cut_and_outcome_is_heeded(kind: Kind) {
        use onsync_core::handler::SyncDirection;
        let mut world = World::new(kind, one(item(LWW, Ids::Client)));
        world.fill(230);
        let device = world.device();
        device.sync();
        for id in 1..=220i64 {
            device.update("Item", id, &name("mine"));
        }
        device.lossy.script([Fate::DropRequest]);
        assert!(device.try_sync().is_err());
        for id in 100..=225i64 {
            world.put("Item", &Fields::new().with("id", id).with("amount", 77i64));
        }
        device.try_sync_in(SyncDirection::Pull).unwrap();
        let row = device.get("Item", 150i64).unwrap();
        assert_eq!(
            (row.value("name"), row.value("amount")),
            (&"mine".into(), &77i64.into()),
            "what is in flight stays, what arrived is there"
        );
        device.sync();
        assert_eq!(edited(&world, "mine"), 220);
        assert_eq!(world.contents("Item")[&Key::one(150i64)][3], 77i64.into());
        assert_equal(&world, &device);
    }
}
