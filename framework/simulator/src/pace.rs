//! Keeps a world busy: where chance brings too few writes, crashes or lost messages, steps are added as it goes on, so that every world
//! has at least what its plan wants. What was added is told, so that the world can be made again, and cut down, from its steps alone.

use crate::chance::{number, weigh};
use crate::fault::Fault;
use crate::plan::{Deal, Least, Step, Way};
use crate::shared::guard;
use crate::world::{Failure, World, broken};
use onsync_testkit::fakes::Dice;

/// So many steps are added at the end of a world before it is given up.
const PATIENCE: u32 = 2_000;

/// How messages are lost, and how often that is chosen; the first one always, each of the others in half of the worlds.
const LOSSES: [(u64, Fault); 7] = [
    (8, Fault::DropRequest),
    (2, Fault::DropAnswer),
    (2, Fault::Truncate),
    (2, Fault::LateRequest),
    (1, Fault::BlackHole),
    (1, Fault::WrongPeer),
    (1, Fault::Unavailable),
];

/// Chooses what is added.
pub(crate) struct Pace {
    dice: Dice,
    losses: Vec<(u64, Fault)>,
    /// Everything that happened so far.
    happened: Vec<Step>,
}

impl Pace {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x9ace);
        let losses = LOSSES.into_iter().enumerate();
        let losses = losses.filter(|(index, _)| *index == 0 || dice.chance(500));
        Self {
            losses: losses.map(|(_, loss)| loss).collect(),
            dice,
            happened: Vec::new(),
        }
    }

    pub(crate) fn note(&mut self, step: &Step) {
        self.happened.push(step.clone());
    }

    pub(crate) fn take(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.happened)
    }

    fn edit(&mut self, device: usize, tab: usize) -> Step {
        let deal = match self.dice.chance(500) {
            true => Deal::Create,
            false => Deal::Update,
        };
        Step::Edit {
            device,
            tab,
            deal,
            pick: self.dice.roll(),
        }
    }

    /// A request that is lost: the next one of a device, which is asked to send one unless it will do so by itself. `waits` is whether
    /// one is to be lost already.
    fn lose(&mut self, device: usize, tab: usize, waits: bool, tries: u32, steps: &mut Vec<Step>) {
        let sync = |way: Way| Step::Sync { device, tab, way };
        if !waits {
            let how = self.how();
            steps.push(Step::Lose { device, how });
            let way = [Way::Both, Way::Both, Way::Pull, Way::Push][number(self.dice.below(4))];
            if tries > 0 || self.dice.chance(600) {
                steps.push(sync(way));
            }
        } else if tries > 0 {
            if tries % 4 == 3 {
                // Open conflicts may hold the device back.
                let pick = self.dice.roll();
                steps.push(Step::Resolve { device, tab, pick });
                steps.push(sync(Way::Both));
            }
            // Longer and longer: so may a request under way, and time that is to pass between two runs.
            let longest = 60 << (tries / 8).min(10);
            let millis = 1 + self.dice.below(longest);
            steps.push(Step::Pause { millis });
        }
    }

    fn how(&mut self) -> Fault {
        weigh(&mut self.dice, &self.losses).unwrap_or(Fault::DropRequest)
    }
}

impl Least {
    /// What is wanted of it when so many of so many steps are done.
    fn after(self, done: usize, all: usize) -> Self {
        let share = |of: u64| of * done as u64 / all.max(1) as u64;
        Self {
            writes: share(self.writes),
            crashes: share(self.crashes),
            lost: share(self.lost),
        }
    }
}

impl World<'_> {
    /// Adds what is behind once so many of the plan's steps are done; at the end, until everything wanted has happened.
    ///
    /// # Errors
    /// A promise that did not hold, or that things did not happen though they were tried.
    pub(crate) fn keep_up(&mut self, done: usize) -> Result<(), Failure> {
        let all = self.plan.steps.len();
        let wanted = self.plan.least.after(done, all);
        let patience = if done < all { 1 } else { PATIENCE };
        for tries in 0..patience {
            if self.shared.reach().has(wanted) {
                return Ok(());
            }
            for step in self.added(wanted, tries) {
                self.carry_out(&step)?;
            }
        }
        if done < all || self.shared.reach().has(wanted) {
            return Ok(());
        }
        let reach = self.shared.reach();
        Err(broken(
            "enough happens",
            format!(
                "wanted {wanted:?}, found {} writes, {} crashes, {} lost messages",
                reach.writes, reach.crashes, reach.lost
            ),
        ))
    }

    /// Some steps towards what is wanted, on one device.
    fn added(&mut self, wanted: Least, tries: u32) -> Vec<Step> {
        let (writes, crashes, lost) = {
            let reach = self.shared.reach();
            (
                reach.writes < wanted.writes,
                reach.crashes < wanted.crashes,
                reach.lost < wanted.lost,
            )
        };
        let device = number(self.pace.dice.below(self.devices.len() as u64));
        let runs = |tab: usize| self.devices[device].tabs[tab].is_some();
        let (first, second) = (runs(0), runs(1));
        let tab = usize::from(second && (!first || self.pace.dice.chance(300)));
        let mut steps = Vec::new();
        if writes {
            steps.push(self.pace.edit(device, tab));
        }
        if lost {
            let waits = !guard(&self.devices[device].line).lost.is_empty();
            self.pace.lose(device, tab, waits, tries, &mut steps);
        }
        if crashes {
            // With what the device has just begun.
            steps.push(Step::Kill { device, tab });
        }
        steps
    }
}
