//! One world: a server, devices, people and other programs, from a plan to the verdict.

use crate::device::{Device, Launch, Tab, Version, context, cut};
use crate::edits::Editor;
use crate::fault::Mischief;
use crate::foreign::Foreign;
use crate::ledger::Marked;
use crate::pace::Pace;
use crate::place::{MakePlace, Place};
use crate::plan::{Plan, PlugIns, Step, Way};
use crate::reach::Reach;
use crate::service::Service;
use crate::shared::{Shared, guard};
use crate::trace::said;
use crate::values::Facts;
use futures_util::future::{Either, select};
use onsync_core::Result;
use onsync_core::handler::Parameters;
use onsync_core::memory::faults::killed;
use onsync_core::runtime::Runtime as _;
use onsync_core::schema::Schema;
use onsync_engine::SyncHandle;
use onsync_testkit::fakes::{Dice, ManualRuntime};
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Nothing a world waits for may take longer.
const LONGEST: Duration = Duration::from_secs(2 * 3_600);

/// A promise that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which check found it.
    pub check: &'static str,
    /// What was found.
    pub message: String,
}

/// What became of one run.
#[derive(Clone, Debug)]
pub struct Run {
    /// None if every promise held.
    pub failure: Option<Failure>,
    /// What was reached.
    pub reach: Reach,
    /// What happened, in words; empty unless asked for.
    pub trace: Vec<String>,
    /// Steps of the stores: the devices', the server's.
    pub store_steps: (u64, u64),
    /// The steps that were carried out: the plan's, and those that were added to have as much as it wants.
    pub steps: Vec<Step>,
}

/// Runs a plan.
pub fn run(plan: &Plan, plug_ins: &PlugIns, make: &MakePlace, traced: bool) -> Run {
    let runtime = ManualRuntime::new(plan.seed);
    let mischief = Mischief::new(plan.fault_rates());
    let shared = Arc::new(Shared::new(
        runtime,
        mischief,
        plan.crashes.clone(),
        plan.jitter,
        traced,
    ));
    let mut steps = Vec::new();
    let work = AssertUnwindSafe(|| {
        let mut world = World::new(plan, plug_ins, make, shared.clone())?;
        let ended = world.all();
        world.end();
        steps = world.pace.take();
        ended
    });
    let failure = match std::panic::catch_unwind(work) {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(panic) => Some(Failure {
            check: "no panic, no endless work",
            message: said(panic.as_ref()),
        }),
    };
    let store_steps = shared.store_steps();
    let reach = shared.reach().clone();
    Run {
        failure,
        reach,
        trace: shared.trace.take(),
        store_steps,
        steps,
    }
}

pub(crate) fn broken(check: &'static str, message: impl Into<String>) -> Failure {
    Failure {
        check,
        message: message.into(),
    }
}

pub(crate) struct World<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) plug_ins: &'a PlugIns,
    pub(crate) shared: Arc<Shared>,
    pub(crate) place: Arc<dyn Place>,
    pub(crate) service: Arc<Service>,
    pub(crate) devices: Vec<Device>,
    pub(crate) schema: Arc<Schema>,
    pub(crate) facts: Arc<BTreeMap<String, Facts>>,
    versions: [Arc<Version>; 2],
    pub(crate) dice: Dice,
    pub(crate) pace: Pace,
    pub(crate) backup: Option<Marked>,
    /// The syncs that were asked for, where nobody asks again.
    pub(crate) asked: Vec<SyncHandle>,
}

impl<'a> World<'a> {
    fn new(
        plan: &'a Plan,
        plug_ins: &'a PlugIns,
        make: &MakePlace,
        shared: Arc<Shared>,
    ) -> Result<Self, Failure> {
        let place = make(plan.seed, &plan.schema).map_err(|error| broken("set-up", error.to_string()))?;
        let place: Arc<dyn Place> = Arc::from(place);
        let open = place.clone();
        let service = Arc::new(Service {
            shared: shared.clone(),
            open: Box::new(move || open.server()),
            schema: plan.schema.clone(),
            patterns: plug_ins.patterns.clone(),
            dice: Arc::new(Mutex::new(Dice::new(plan.seed ^ 0x5e))),
            running: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        let facts = plan
            .schema
            .entities
            .iter()
            .map(|entity| (entity.name.clone(), Facts::of(&plan.schema, entity)));
        let together = plan.schema.entities.iter().flat_map(|entity| {
            let members = entity.together.iter().flatten();
            members.map(|member| (entity.name.clone(), member.clone()))
        });
        shared.ledger().travelling = together.collect();
        Ok(Self {
            plan,
            plug_ins,
            shared,
            place,
            service,
            devices: (0..plan.devices).map(Device::new).collect(),
            schema: Arc::new(plan.schema.clone()),
            facts: Arc::new(facts.collect()),
            versions: Version::both(plan).map_err(|error| broken("set-up", error.to_string()))?,
            dice: Dice::new(plan.seed ^ 0xd1ce),
            pace: Pace::new(plan.seed),
            backup: None,
            asked: Vec::new(),
        })
    }

    /// The version of the app on a device.
    pub(crate) fn version(&self, number: usize) -> Arc<Version> {
        let upgraded = self.devices.get(number).is_some_and(|device| device.upgraded);
        self.versions[usize::from(upgraded)].clone()
    }

    /// Waits for something in virtual time, within bounds.
    pub(crate) fn wait<T>(&self, what: &str, future: impl Future<Output = T>) -> Result<T, Failure> {
        let bounded = async {
            let limit = pin!(self.shared.runtime.sleep(LONGEST));
            match select(pin!(future), limit).await {
                Either::Left((value, _)) => Some(value),
                Either::Right(_) => None,
            }
        };
        match self.shared.runtime.run(bounded) {
            Some(Some(value)) => Ok(value),
            Some(None) => Err(broken("liveness", format!("{what} took longer than {LONGEST:?}"))),
            None => Err(broken(
                "liveness",
                format!("{what} waits for something that never happens"),
            )),
        }
    }

    fn all(&mut self) -> Result<(), Failure> {
        self.wait("the server's start", self.service.server())?
            .map_err(|error| broken("set-up", error.to_string()))?;
        let plan = self.plan;
        for (done, step) in (1..).zip(&plan.steps) {
            self.carry_out(step)?;
            self.keep_up(done)?;
        }
        if self.plan.unaided {
            return self.come_back();
        }
        self.heal()?;
        self.settle()
    }

    /// One step, the plan's or an added one.
    pub(crate) fn carry_out(&mut self, step: &Step) -> Result<(), Failure> {
        self.shared.trace.say(|| format!("step {step:?}"));
        *self.shared.reach().steps.entry(step.name()).or_default() += 1;
        self.pace.note(step);
        self.step(step)?;
        for device in &mut self.devices {
            device.bury();
        }
        self.watch()
    }

    /// Everybody leaves, so that nothing of this world stays behind in memory.
    fn end(&mut self) {
        let crashes = self.shared.reach().crashes;
        for tab in self.devices.iter_mut().flat_map(|device| &mut device.tabs) {
            if let Some(tab) = tab.take() {
                tab.process.die(&self.shared);
            }
        }
        self.shared.reach().crashes = crashes;
        self.service.stop();
        self.shared.runtime.run_until_idle();
    }

    /// What must hold at any moment.
    pub(crate) fn watch(&self) -> Result<(), Failure> {
        match self.shared.ledger().broken.take() {
            Some((check, message)) => Err(broken(check, message)),
            None => Ok(()),
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), Failure> {
        match *step {
            Step::Edit {
                device,
                tab,
                deal,
                pick,
            } => self.edit(device, tab, deal, pick),
            Step::Sync { device, tab, way } => self.sync(device, tab, way),
            Step::Resolve { device, tab, pick } => self.resolve(device, tab, pick),
            Step::Pause { millis } => {
                self.shared.runtime.advance(Duration::from_millis(millis));
                Ok(())
            }
            Step::Kill { device, tab } => {
                let shared = self.shared.clone();
                self.on(device, |device| device.kill(tab, &shared));
                Ok(())
            }
            Step::KillServer => {
                self.shared.server_dies();
                Ok(())
            }
            Step::Lose { device, how } => {
                self.on(device, |device| guard(&device.line).lost.push_back(how));
                Ok(())
            }
            Step::Partition { device, seconds } => {
                let until = self.shared.runtime.elapsed() + Duration::from_secs(seconds);
                self.on(device, |device| cut(device, until));
                Ok(())
            }
            Step::Foreign { deal, pick, hold } => {
                let foreign = self.foreign(pick, hold)?;
                self.shared.runtime.spawn(Box::pin(async move {
                    // What the database refuses another program has not happened.
                    let _ = foreign.write(deal).await;
                }));
                self.shared.runtime.run_until_idle();
                Ok(())
            }
            Step::BackUp => {
                if self.place.back_up() {
                    self.backup = Some(self.shared.ledger().mark());
                }
                Ok(())
            }
            Step::Restore => self.restore(),
            Step::Prune { seconds } => self.prune(Duration::from_secs(seconds)),
            Step::Upgrade { device } => {
                let shared = self.shared.clone();
                self.on(device, |device| {
                    device.kill_all(&shared);
                    device.upgraded = true;
                });
                Ok(())
            }
            Step::Clock { minutes } => {
                let now = self.shared.runtime.now().count();
                let then = now.saturating_add(minutes.saturating_mul(60_000_000));
                if let Ok(then) = onsync_core::value::Timestamp::from_count(then) {
                    self.shared.runtime.set_clock(then);
                }
                Ok(())
            }
            Step::Copy { device }
            | Step::PutBack { device }
            | Step::Wipe { device }
            | Step::LosePower { device } => {
                self.database(step, device);
                Ok(())
            }
        }
    }

    pub(crate) fn on(&mut self, device: usize, work: impl FnOnce(&mut Device)) {
        if let Some(device) = self.devices.get_mut(device) {
            work(device);
        }
    }

    fn prune(&mut self, keep: Duration) -> Result<(), Failure> {
        let service = self.service.clone();
        let done = self.wait(
            "pruning",
            async move { service.server().await?.maintain(keep).await },
        )?;
        if let Err(error) = done {
            self.shared.trace.say(|| format!("pruning failed: {error}"));
        }
        Ok(())
    }

    fn foreign(&mut self, pick: u64, hold: u64) -> Result<Foreign, Failure> {
        let store = self
            .place
            .server()
            .map_err(|error| broken("set-up", error.to_string()))?;
        Ok(Foreign {
            store,
            schema: self.schema.clone(),
            facts: self.facts.clone(),
            shared: self.shared.clone(),
            dice: Dice::new(pick),
            hold: Duration::from_millis(hold),
        })
    }

    /// The process, started if it is not running. None where it died while it started.
    pub(crate) fn tab(&mut self, number: usize, tab: usize) -> Result<Option<&Tab>, Failure> {
        let running = |device: &Device| device.tabs.get(tab).is_some_and(Option::is_some);
        let Some(device) = self.devices.get(number) else {
            return Ok(None);
        };
        if !running(device) {
            self.start(number, tab)?;
        }
        Ok(self
            .devices
            .get(number)
            .and_then(|device| device.tabs.get(tab)?.as_ref()))
    }

    /// Starts an app. A process that dies as it starts is started again, as people do.
    fn start(&mut self, number: usize, tab: usize) -> Result<(), Failure> {
        const PATIENCE: u32 = 20;
        for _ in 0..PATIENCE {
            let Err(error) = self.try_start(number, tab)? else {
                return Ok(());
            };
            if error.code() != killed().code() {
                return Err(broken(
                    "set-up",
                    format!("device {number} does not start: {error}"),
                ));
            }
            let shared = &self.shared;
            shared
                .trace
                .say(|| format!("device {number}: died as it started"));
        }
        Err(broken(
            "set-up",
            format!("device {number} died {PATIENCE} times as it started"),
        ))
    }

    fn try_start(&mut self, number: usize, tab: usize) -> Result<Result<()>, Failure> {
        let store = self
            .place
            .device(number)
            .map_err(|error| broken("set-up", error.to_string()))?;
        let version = self.version(number);
        let launch = Launch {
            version: &version,
            plan: self.plan,
            plug_ins: self.plug_ins,
            shared: &self.shared,
            service: &self.service,
            store,
        };
        let Some(mut device) = self
            .devices
            .get_mut(number)
            .map(|device| std::mem::replace(device, Device::new(number)))
        else {
            return Ok(Ok(()));
        };
        let started = self.wait("the start of an app", device.start(tab, launch));
        if let Some(place) = self.devices.get_mut(number) {
            *place = device;
        }
        started
    }

    /// A person looks at the conflicts that a device shows, and decides each.
    pub(crate) fn resolve(&mut self, number: usize, tab: usize, pick: u64) -> Result<(), Failure> {
        let Some(running) = self.tab(number, tab)? else {
            return Ok(());
        };
        let (app, name) = (running.app.clone(), running.process.name.clone());
        let work = crate::edits::resolve(&app, number, &self.shared, &name, Dice::new(pick));
        if let Err(error) = self.wait("resolving conflicts", work)? {
            self.shared
                .trace
                .say(|| format!("{name}: resolving conflicts came to nothing: {error}"));
        }
        Ok(())
    }

    fn edit(&mut self, number: usize, tab: usize, deal: crate::plan::Deal, pick: u64) -> Result<(), Failure> {
        let Some(running) = self.tab(number, tab)? else {
            return Ok(());
        };
        let (app, name) = (running.app.clone(), running.process.name.clone());
        let version = self.version(number);
        let mut editor = Editor {
            app: &app,
            device: number,
            schema: &version.schema,
            facts: &version.facts,
            shared: &self.shared,
            dice: Dice::new(pick),
            name: &name,
        };
        if let Err(error) = self.wait("an edit", editor.edit(deal))? {
            self.shared
                .trace
                .say(|| format!("{name}: {deal:?} came to nothing: {error}"));
        }
        Ok(())
    }

    fn sync(&mut self, number: usize, tab: usize, way: Way) -> Result<(), Failure> {
        let again = self.dice.chance(300);
        let shared = self.shared.clone();
        let Some(running) = self.tab(number, tab)? else {
            return Ok(());
        };
        if again {
            running.app.credentials_changed();
        }
        match running.app.on_sync(context(way), &Parameters::new()) {
            Ok(handle) => self.asked.extend(self.plan.unaided.then_some(handle)),
            Err(error) => shared.trace.say(|| format!("no sync: {error}")),
        }
        shared.runtime.run_until_idle();
        Ok(())
    }
}
