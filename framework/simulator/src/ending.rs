//! The end of a world: all is well, everybody syncs until nothing changes, and the promises are checked.

use crate::checks::{Found, FoundDevice, Judge, Lists};
use crate::device::{Contents, LONGEST_WAIT, cut};
use crate::foreign;
use crate::world::{Failure, World, broken};
use onsync_core::handler::Parameters;
use onsync_core::pattern::Direction;
use onsync_core::runtime::Runtime as _;
use onsync_core::{Error, ErrorKind};
use onsync_engine::Outcome;
use std::time::Duration;

/// Late messages are over after this.
const LAST_MESSAGE: Duration = Duration::from_secs(120);
/// So many syncs in a row must do, once all is well.
const ROUNDS: usize = 12;
/// A device whose conflicts hold it back asks its people so often: each sync may bring another one.
const MOST_DECISIONS: u32 = 100;

impl World<'_> {
    /// All is well from now on; what is still on its way arrives.
    pub(crate) fn heal(&mut self) -> Result<(), Failure> {
        self.shared.trace.say(|| "all is well from now on".to_owned());
        self.shared.mischief.heal();
        for device in &self.devices {
            cut(device, Duration::ZERO);
        }
        self.shared.runtime.advance(LAST_MESSAGE);
        for number in 0..self.devices.len() {
            self.devices[number].bury();
            let upgraded = !self.plan.late.is_empty() && !self.devices[number].upgraded;
            if upgraded && self.dice.chance(500) {
                let shared = self.shared.clone();
                self.on(number, |device| {
                    device.kill_all(&shared);
                    device.upgraded = true;
                });
            }
            self.tab(number, 0)?;
            if let Some(tab) = self.devices[number].any() {
                tab.app.credentials_changed();
            }
        }
        self.watch()
    }

    /// The network is there again and nobody asks for anything: what was asked for before comes to its end by itself, and once
    /// each device has fetched what the others sent, all are equal, within twice the longest wait.
    pub(crate) fn come_back(&mut self) -> Result<(), Failure> {
        self.shared.trace.say(|| "the network is there again".to_owned());
        self.shared.mischief.heal();
        for device in &self.devices {
            cut(device, Duration::ZERO);
        }
        let healed = self.shared.runtime.elapsed();
        for handle in std::mem::take(&mut self.asked) {
            self.wait("a sync that was asked for before", handle.outcome())?;
        }
        self.settle()?;
        let took = self.shared.runtime.elapsed().saturating_sub(healed);
        if took > 2 * LONGEST_WAIT {
            let message = format!("all devices were equal {took:?} after the network was there again");
            return Err(broken("bounded time", message));
        }
        Ok(())
    }

    /// People decide the conflicts that are open.
    fn decide(&mut self, number: usize) -> Result<(), Failure> {
        let pick = self.dice.roll();
        self.resolve(number, 0, pick)
    }

    /// A sync of a device, to its end. Where open conflicts hold it, people decide them.
    fn finish(&mut self, number: usize, tries: u32) -> Result<(), Failure> {
        let Some(tab) = self.tab(number, 0)? else {
            return Err(broken("set-up", "a device did not start though all is well"));
        };
        let app = tab.app.clone();
        let handle = app
            .on_sync("", &Parameters::new())
            .map_err(|error| broken("liveness", format!("device {number} refuses to sync: {error}")))?;
        let before = self.shared.runtime.elapsed();
        let outcome = self.wait("a sync while all is well", handle.outcome())?;
        let took = self.shared.runtime.elapsed().saturating_sub(before);
        match outcome {
            Outcome::Failed(error) if error.kind() == ErrorKind::ConflictsPending && tries > 0 => {
                self.decide(number)?;
                self.finish(number, tries - 1)
            }
            Outcome::Completed(_) if took <= 2 * LONGEST_WAIT => Ok(()),
            Outcome::Completed(_) => Err(broken(
                "bounded time",
                format!("device {number} needed {took:?} for a sync though all was well"),
            )),
            other => Err(broken(
                "liveness",
                format!("device {number} does not sync though all is well: {other:?}"),
            )),
        }
    }

    /// Syncs until nothing changes any more, then compares everything.
    pub(crate) fn settle(&mut self) -> Result<(), Failure> {
        let mut last = None;
        for _ in 0..ROUNDS {
            for number in 0..self.devices.len() {
                self.decide(number)?;
                self.finish(number, MOST_DECISIONS)?;
                self.watch()?;
            }
            let found = self.find()?;
            let events = self.shared.ledger().events.len();
            let same = |(then, before): &(usize, Found)| *then == events && found.is_as(before);
            if last.as_ref().is_some_and(same) {
                return self.judge(&found);
            }
            last = Some((events, found));
        }
        Err(broken(
            "idle",
            format!("after {ROUNDS} rounds of syncs things still change though nobody edits"),
        ))
    }

    fn find(&self) -> Result<Found, Failure> {
        let failed = |error: Error| broken("set-up", format!("the stores cannot be read: {error}"));
        let server = self.place.server().map_err(failed)?;
        let mut found = Found::default();
        for entity in self.schema.entities.iter().filter(|entity| !entity.local) {
            let rows = self.wait("reading the server", foreign::rows(server.as_ref(), entity))?;
            found.server.insert(entity.name.clone(), rows.map_err(failed)?);
        }
        for device in &self.devices {
            let schema = self.version(device.number).schema.clone();
            let store = self.place.device(device.number).map_err(failed)?;
            let opened = self.wait("opening a device's store", store.open(&schema))?;
            opened.map_err(failed)?;
            let contents = self.wait("reading a device", Contents::read(store.as_ref(), &schema))?;
            let Some(tab) = device.any() else {
                return Err(broken("set-up", "a device is not running though all is well"));
            };
            let lists = self.wait("reading a device's lists", Lists::read(&tab.app))?;
            found.devices.push(FoundDevice {
                number: device.number,
                schema,
                contents: contents.map_err(failed)?,
                lists: lists.map_err(failed)?,
                status: tab.app.status(),
            });
        }
        Ok(found)
    }

    fn judge(&self, found: &Found) -> Result<(), Failure> {
        let entities = self.schema.entities.iter();
        let only_sent = entities
            .filter(|entity| {
                let pattern = self.plug_ins.patterns.get(&entity.pattern);
                pattern.is_ok_and(|pattern| pattern.direction() == Direction::SendOnly)
            })
            .map(|entity| entity.name.clone())
            .collect();
        let ledger = self.shared.ledger();
        let judge = Judge {
            schema: &self.schema,
            facts: &self.facts,
            ledger: &ledger,
            found,
            only_sent: &only_sent,
            restored: self.backup.is_some(),
        };
        judge.all().map_err(|(check, message)| Failure { check, message })
    }
}
