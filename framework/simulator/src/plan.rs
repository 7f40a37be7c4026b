//! A plan: everything that happens in a world besides the faults that chance adds, as a value that can be kept and cut down.

use crate::chance::{Kinds, number, resolvers, schema};
use crate::fault::{Fault, Rates};
use crate::shared::CrashPoint;
use onsync_core::conflict::ConflictResolver;
use onsync_core::pattern::{Direction, SyncPattern};
use onsync_core::registry::Registry;
use onsync_core::schema::{EntitySchema, OnPendingConflicts, Schema};
use onsync_core::{Error, Result};
use onsync_testkit::fakes::Dice;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The patterns of a world.
pub type Patterns = Registry<Arc<dyn SyncPattern>>;

/// The plug-ins that worlds run.
#[derive(Clone)]
pub struct PlugIns {
    /// Sync patterns, on devices and on the server.
    pub patterns: Patterns,
    /// Conflict resolvers, on devices.
    pub resolvers: Registry<Arc<dyn ConflictResolver>>,
}

impl PlugIns {
    /// These patterns, and the resolvers that come with OnSync.
    ///
    /// # Errors
    /// None in practice: those resolvers have names of their own.
    pub fn new(patterns: Patterns) -> Result<Self> {
        let mut resolvers = Registry::new("resolver");
        for resolver in onsync_core::resolvers::all() {
            resolvers.register(resolver.name(), resolver)?;
        }
        Ok(Self { patterns, resolvers })
    }
}

/// What a context sends and fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Both ways.
    Both,
    /// Sends only.
    Push,
    /// Fetches only.
    Pull,
    /// Fetches the last entity alone, without those it refers to.
    PullLast,
}

/// What an app, or another program, writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deal {
    /// A new record.
    Create,
    /// Some attributes of a record.
    Update,
    /// Another parent for a record.
    Rewire,
    /// A record goes.
    Delete,
    /// A record and two that refer to it, in one transaction.
    Family,
    /// Several records in one transaction.
    Several,
    /// A value the server refuses.
    Bad,
}

/// One step of a plan. Numbers pick among what is there when the step comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Step {
    /// An app writes.
    Edit {
        /// on this device
        device: usize,
        /// in this process
        tab: usize,
        /// what it writes
        deal: Deal,
        /// where all further chance comes from
        pick: u64,
    },
    /// An app asks for a sync.
    Sync {
        /// on this device
        device: usize,
        /// in this process
        tab: usize,
        /// which context
        way: Way,
    },
    /// A person resolves the conflicts that a device shows.
    Resolve {
        /// this one
        device: usize,
        /// in this process
        tab: usize,
        /// where all further chance comes from
        pick: u64,
    },
    /// Time passes.
    Pause {
        /// so much
        millis: u64,
    },
    /// A process is killed.
    Kill {
        /// on this device
        device: usize,
        /// this one
        tab: usize,
    },
    /// The server's process is killed.
    KillServer,
    /// The next request of a device, by any of its processes, meets this.
    Lose {
        /// this one
        device: usize,
        /// a fault of the network
        how: Fault,
    },
    /// A device has no network for a while.
    Partition {
        /// this one
        device: usize,
        /// for so long
        seconds: u64,
    },
    /// Another program writes to the server's database, and commits late.
    Foreign {
        /// what it writes
        deal: Deal,
        /// where all further chance comes from
        pick: u64,
        /// how many milliseconds its transaction stays open
        hold: u64,
    },
    /// The server's database is copied.
    BackUp,
    /// The copy takes its place.
    Restore,
    /// Old deletions are forgotten.
    Prune {
        /// those older than this
        seconds: u64,
    },
    /// A device gets the app's next version, which knows one more attribute.
    Upgrade {
        /// this one
        device: usize,
    },
    /// A device's database is copied.
    Copy {
        /// this one
        device: usize,
    },
    /// The copy takes its place.
    PutBack {
        /// on this device
        device: usize,
    },
    /// A device's database is removed.
    Wipe {
        /// this one
        device: usize,
    },
    /// A device loses its power.
    LosePower {
        /// this one
        device: usize,
    },
    /// The wall clock jumps.
    Clock {
        /// by so much, forwards or back
        minutes: i64,
    },
}

impl Step {
    /// The name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Edit { .. } => "edit",
            Self::Sync { .. } => "sync",
            Self::Resolve { .. } => "resolve",
            Self::Pause { .. } => "pause",
            Self::Kill { .. } => "kill",
            Self::KillServer => "kill server",
            Self::Lose { .. } => "lose a message",
            Self::Partition { .. } => "partition",
            Self::Foreign { .. } => "foreign write",
            Self::BackUp => "back up server",
            Self::Restore => "restore server",
            Self::Prune { .. } => "prune",
            Self::Upgrade { .. } => "upgrade",
            Self::Copy { .. } => "copy device",
            Self::PutBack { .. } => "put device back",
            Self::Wipe { .. } => "wipe device",
            Self::LosePower { .. } => "lose power",
            Self::Clock { .. } => "clock",
        }
    }

    /// The device it is about.
    pub fn device(&self) -> Option<usize> {
        match self {
            Self::Edit { device, .. }
            | Self::Sync { device, .. }
            | Self::Resolve { device, .. }
            | Self::Kill { device, .. }
            | Self::Lose { device, .. }
            | Self::Partition { device, .. }
            | Self::Upgrade { device }
            | Self::Copy { device }
            | Self::PutBack { device }
            | Self::Wipe { device }
            | Self::LosePower { device } => Some(*device),
            _ => None,
        }
    }
}

/// How much happens in a world at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Least {
    /// Writes of apps that are accepted.
    pub writes: u64,
    /// Processes that die.
    pub crashes: u64,
    /// Requests whose answer is not heard to its end.
    pub lost: u64,
}

impl Least {
    /// What every world by chance has.
    pub const WANTED: Self = Self {
        writes: 40,
        crashes: 3,
        lost: 40,
    };

    /// Whether nothing in particular is wanted.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Everything a world is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Where all chance comes from.
    pub seed: u64,
    /// What syncs.
    pub schema: Schema,
    /// The attribute of each entity that the first version of the app does not know.
    pub late: BTreeMap<String, String>,
    /// The resolver of each entity whose conflicts are not all left to people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resolvers: BTreeMap<String, String>,
    /// How many devices.
    pub devices: usize,
    /// What happens.
    pub steps: Vec<Step>,
    /// How often what fails, by name, in ten thousand.
    pub rates: BTreeMap<String, u64>,
    /// Rows a page.
    pub page_rows: u32,
    /// Bytes of changes a request.
    pub request_bytes: usize,
    /// Rows that a whole refresh stages.
    pub refresh_limit: usize,
    /// Whether messages and stores take uneven time, so that things happen in between.
    pub jitter: bool,
    /// Nobody asks for a sync when all is well again: devices come back by themselves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unaided: bool,
    /// Where processes die, in a sweep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crashes: Vec<CrashPoint>,
    /// How much happens at least: steps are added where the others do not bring it.
    #[serde(default, skip_serializing_if = "Least::is_nothing")]
    pub least: Least,
}

impl Plan {
    /// The plan of a seed, over a schema that the seed chooses too.
    ///
    /// # Errors
    /// `missing_part` where no pattern is registered.
    pub fn new(seed: u64, patterns: &Patterns) -> Result<Self> {
        let mut dice = Dice::new(seed);
        let (schema, late) = schema(&mut dice, patterns)?;
        let mut plan = Self::over(seed, schema, late, &mut dice);
        plan.resolvers = resolvers(&mut Dice::new(seed ^ 0x7e50), &plan.schema);
        plan.least = Least::WANTED;
        let writes = |entity: &EntitySchema| {
            let pattern = patterns.get(&entity.pattern);
            pattern.is_ok_and(|pattern| pattern.direction() != Direction::ReadOnly)
        };
        if !plan.schema.entities.iter().any(writes) {
            plan.least.writes = 0;
        }
        Ok(plan)
    }

    /// The plan that has only the steps of a run of it, those too that were added.
    pub fn with_steps(&self, steps: Vec<Step>) -> Self {
        Self {
            steps,
            least: Least::default(),
            ..self.clone()
        }
    }

    /// The plan of a seed over a given schema, with these resolvers by entity.
    pub fn with_schema(seed: u64, schema: Schema, resolvers: BTreeMap<String, String>) -> Self {
        Self {
            resolvers,
            ..Self::over(seed, schema, BTreeMap::new(), &mut Dice::new(seed))
        }
    }

    fn over(seed: u64, schema: Schema, late: BTreeMap<String, String>, dice: &mut Dice) -> Self {
        let devices = number(2 + dice.below(4).min(dice.below(4)));
        let rates = Rates::swarm(dice);
        let kinds = Kinds::swarm(dice, devices, !late.is_empty());
        let steps = (0..60 + dice.below(60)).map(|_| kinds.step(dice)).collect();
        let mut plan = Self {
            seed,
            schema,
            late,
            resolvers: BTreeMap::new(),
            devices,
            steps,
            rates: BTreeMap::new(),
            page_rows: [1, 2, 5, 1_000][number(dice.below(4))],
            request_bytes: [1, 400, 1_000, 1 << 20][number(dice.below(4))],
            refresh_limit: [0, 4, 20_000][number(dice.below(3))],
            jitter: dice.chance(800),
            unaided: false,
            crashes: Vec::new(),
            least: Least::default(),
        };
        plan.set_rates(&rates);
        plan
    }

    /// The plan of a partition: devices edit and ask for syncs while messages are lost and more and more of them have no network at all,
    /// until all has been cut off for a while. Then all is well, and nobody asks again.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn partition(seed: u64, patterns: &Patterns) -> Result<Self> {
        let mut plan = Self::new(seed, patterns)?;
        let mut dice = Dice::new(seed ^ 0x9a97);
        let lost = [
            Fault::Offline,
            Fault::DropRequest,
            Fault::DropAnswer,
            Fault::Truncate,
            Fault::Unavailable,
        ];
        let rates: Vec<(Fault, u64)> = lost.iter().map(|fault| (*fault, dice.below(2_500))).collect();
        plan.set_rates(&Rates::only(&rates));
        plan.unaided = true;
        plan.least = Least::default();
        plan.steps.retain(|step| {
            matches!(
                step,
                Step::Edit { tab: 0, .. }
                    | Step::Sync { tab: 0, .. }
                    | Step::Pause { .. }
                    | Step::Foreign { .. }
            )
        });
        for entity in &mut plan.schema.entities {
            entity.on_pending_conflicts = OnPendingConflicts::Continue;
        }
        let cut = plan.steps.len() / 2;
        let behind = plan.steps.split_off(cut);
        let all = |device| Step::Partition {
            device,
            seconds: 86_400,
        };
        plan.steps.extend((0..plan.devices).map(all));
        plan.steps.extend(behind);
        for device in 0..plan.devices {
            plan.steps.push(Step::Sync {
                device,
                tab: 0,
                way: Way::Both,
            });
        }
        plan.steps.push(Step::Pause {
            millis: 1 + dice.below(600_000),
        });
        Ok(plan)
    }

    /// How often what fails.
    pub fn fault_rates(&self) -> Rates {
        let rates = self
            .rates
            .iter()
            .filter_map(|(name, rate)| Some((*Fault::ALL.iter().find(|fault| fault.name() == name)?, *rate)));
        Rates::only(&rates.collect::<Vec<_>>())
    }

    /// Replaces the rates.
    pub fn set_rates(&mut self, rates: &Rates) {
        self.rates = rates
            .on()
            .map(|fault| (fault.name().to_owned(), rates.of(fault)))
            .collect();
    }

    /// What the next version of the app knows, or the first one.
    pub(crate) fn schema_of(&self, upgraded: bool) -> Schema {
        let mut schema = self.schema.clone();
        if !upgraded {
            for entity in &mut schema.entities {
                if let Some(late) = self.late.get(&entity.name) {
                    entity.attributes.retain(|attribute| attribute.name != *late);
                }
            }
        }
        schema
    }

    /// As text, to be kept.
    ///
    /// # Errors
    /// None in practice: a plan is plain data.
    pub fn to_text(&self) -> Result<String> {
        serde_json::to_string_pretty(self)
            .map_err(|error| Error::fatal("unencodable", "a plan could not be written").with_source(error))
    }

    /// From text.
    ///
    /// # Errors
    /// `invalid_value` for what is no plan.
    pub fn from_text(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| {
            Error::rejected("invalid_value", "this is no plan of the simulator").with_source(error)
        })
    }
}
