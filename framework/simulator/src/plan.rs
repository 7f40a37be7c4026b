//! A plan: everything that happens in a world besides the faults that chance adds, as a value that can be kept and cut down.

use crate::fault::{Fault, Rates};
use crate::shared::CrashPoint;
use onsync_core::pattern::{Direction, SyncPattern};
use onsync_core::registry::Registry;
use onsync_core::schema::{Attribute, EntitySchema, Ids, LocalEdits, OnDelete, Relation, Schema};
use onsync_core::{Error, Result, ValueType};
use onsync_testkit::fakes::Dice;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The patterns of a world.
pub type Patterns = Registry<Arc<dyn SyncPattern>>;

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
            Self::Pause { .. } => "pause",
            Self::Kill { .. } => "kill",
            Self::KillServer => "kill server",
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
            | Self::Kill { device, .. }
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

/// Everything a world is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Where all chance comes from.
    pub seed: u64,
    /// What syncs.
    pub schema: Schema,
    /// The attribute of each entity that the first version of the app does not know.
    pub late: BTreeMap<String, String>,
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
    /// Where processes die, in a sweep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crashes: Vec<CrashPoint>,
}

impl Plan {
    /// The plan of a seed, over a schema that the seed chooses too.
    ///
    /// # Errors
    /// `missing_part` where no pattern is registered.
    pub fn new(seed: u64, patterns: &Patterns) -> Result<Self> {
        let mut dice = Dice::new(seed);
        let (schema, late) = schema(&mut dice, patterns)?;
        Ok(Self::over(seed, schema, late, &mut dice))
    }

    /// The plan of a seed over a given schema.
    pub fn with_schema(seed: u64, schema: Schema) -> Self {
        Self::over(seed, schema, BTreeMap::new(), &mut Dice::new(seed))
    }

    fn over(seed: u64, schema: Schema, late: BTreeMap<String, String>, dice: &mut Dice) -> Self {
        let devices = number(2 + dice.below(4));
        let rates = Rates::swarm(dice);
        let kinds = Kinds::swarm(dice, devices, !late.is_empty());
        let steps = (0..90 + dice.below(60)).map(|_| kinds.step(dice)).collect();
        let mut plan = Self {
            seed,
            schema,
            late,
            devices,
            steps,
            rates: BTreeMap::new(),
            page_rows: [1, 2, 5, 1_000][number(dice.below(4))],
            request_bytes: [1, 400, 1_000, 1 << 20][number(dice.below(4))],
            refresh_limit: [0, 4, 20_000][number(dice.below(3))],
            jitter: dice.chance(800),
            crashes: Vec::new(),
        };
        plan.set_rates(&rates);
        plan
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
        serde_json::from_str(text)
            .map_err(|error| Error::rejected("invalid_value", "this is no plan of the simulator").with_source(error))
    }
}

fn number(value: u64) -> usize {
    usize::try_from(value).unwrap_or_default()
}

/// How often each kind of step comes.
struct Kinds {
    devices: u64,
    tabs: u64,
    /// Weight and kind.
    weights: Vec<(u64, Kind)>,
    deals: Vec<(u64, Deal)>,
    longest_pause: u64,
}

#[derive(Clone, Copy)]
enum Kind {
    Edit,
    Sync,
    Pause,
    Kill,
    KillServer,
    Partition,
    Foreign,
    BackUp,
    Restore,
    Prune,
    Upgrade,
    Copy,
    PutBack,
    Wipe,
    LosePower,
    Clock,
}

fn weigh<T: Copy>(dice: &mut Dice, weights: &[(u64, T)]) -> Option<T> {
    let total = weights.iter().map(|(weight, _)| weight).sum();
    let mut left = dice.below(total);
    for (weight, kind) in weights {
        if left < *weight {
            return Some(*kind);
        }
        left -= weight;
    }
    None
}

impl Kinds {
    fn swarm(dice: &mut Dice, devices: usize, upgrades: bool) -> Self {
        let rare = |dice: &mut Dice, per_mille: u32, weight: u64| if dice.chance(per_mille) { weight } else { 0 };
        let restores = rare(dice, 200, 4);
        // Devices put back from copies: see docs/reliability.md, what is open.
        let copies = 0;
        let weights = vec![
            (400, Kind::Edit),
            (250, Kind::Sync),
            (150, Kind::Pause),
            (30, Kind::Kill),
            (rare(dice, 500, 10), Kind::KillServer),
            (rare(dice, 500, 15), Kind::Partition),
            (rare(dice, 700, 80), Kind::Foreign),
            (restores * 2, Kind::BackUp),
            (restores, Kind::Restore),
            (rare(dice, 400, 15), Kind::Prune),
            (if upgrades { rare(dice, 500, 15) } else { 0 }, Kind::Upgrade),
            (copies * 2, Kind::Copy),
            (copies, Kind::PutBack),
            (rare(dice, 150, 5), Kind::Wipe),
            (rare(dice, 300, 10), Kind::LosePower),
            (rare(dice, 200, 10), Kind::Clock),
        ];
        let deals = vec![
            (30, Deal::Create),
            (35, Deal::Update),
            (rare(dice, 500, 8), Deal::Rewire),
            (rare(dice, 700, 15), Deal::Delete),
            (rare(dice, 500, 10), Deal::Family),
            (rare(dice, 500, 8), Deal::Several),
            (rare(dice, 300, 5), Deal::Bad),
        ];
        Self {
            devices: devices as u64,
            tabs: 1 + dice.below(2),
            weights,
            deals,
            longest_pause: [500, 5_000, 60_000][number(dice.below(3))],
        }
    }

    fn step(&self, dice: &mut Dice) -> Step {
        let kind = weigh(dice, &self.weights).unwrap_or(Kind::Sync);
        let device = number(dice.below(self.devices));
        let tab = number(dice.below(self.tabs));
        let pick = dice.roll();
        match kind {
            Kind::Edit => Step::Edit {
                device,
                tab,
                deal: weigh(dice, &self.deals).unwrap_or(Deal::Update),
                pick,
            },
            Kind::Sync => Step::Sync {
                device,
                tab,
                way: [Way::Both, Way::Both, Way::Both, Way::Push, Way::Pull][number(dice.below(5))],
            },
            Kind::Pause => Step::Pause {
                millis: 1 + dice.below(self.longest_pause),
            },
            Kind::Kill => Step::Kill { device, tab },
            Kind::KillServer => Step::KillServer,
            Kind::Partition => Step::Partition {
                device,
                seconds: 1 + dice.below(120),
            },
            Kind::Foreign => Step::Foreign {
                deal: weigh(dice, &self.deals).unwrap_or(Deal::Update),
                pick,
                hold: if dice.chance(200) { dice.below(2_000) } else { 0 },
            },
            Kind::BackUp => Step::BackUp,
            Kind::Restore => Step::Restore,
            Kind::Prune => Step::Prune {
                seconds: dice.below(60),
            },
            Kind::Upgrade => Step::Upgrade { device },
            Kind::Copy => Step::Copy { device },
            Kind::PutBack => Step::PutBack { device },
            Kind::Wipe => Step::Wipe { device },
            Kind::LosePower => Step::LosePower { device },
            Kind::Clock => Step::Clock {
                minutes: i64::try_from(dice.below(2_000_000)).unwrap_or_default() - 1_000_000,
            },
        }
    }
}

/// Keys of one kind: who issues them, and their type.
fn keys(dice: &mut Dice) -> (Ids, ValueType) {
    [
        (Ids::Client, ValueType::Integer),
        (Ids::Client, ValueType::Uuid),
        (Ids::Client, ValueType::Text),
        (Ids::Server, ValueType::Integer),
        (Ids::Server, ValueType::Integer),
        (Ids::Server, ValueType::Text),
        (Ids::Server, ValueType::Uuid),
    ][number(dice.below(7))]
}

fn one_of<'a>(dice: &mut Dice, names: &'a [String]) -> Option<&'a String> {
    names.get(number(dice.below(names.len() as u64)))
}

/// `Item`, `Part` that refers to it, and `Log` that only the server writes, as far as there are patterns for them.
fn schema(dice: &mut Dice, patterns: &Patterns) -> Result<(Schema, BTreeMap<String, String>)> {
    let (mut writers, mut readers) = (Vec::new(), Vec::new());
    for name in patterns.names() {
        match patterns.get(name)?.direction() {
            Direction::ReadWrite => writers.push(name.to_owned()),
            Direction::ReadOnly => readers.push(name.to_owned()),
        }
    }
    let mut schema = Schema::default();
    let mut late = BTreeMap::new();
    let item_keys = keys(dice);
    let texts = |names: &[&str]| -> Vec<Attribute> {
        names
            .iter()
            .map(|name| Attribute::new(*name, ValueType::Text))
            .collect()
    };
    if let Some(pattern) = one_of(dice, &writers) {
        let mut attributes = vec![Attribute::new("id", item_keys.1)];
        attributes.extend(texts(&["tag", "a", "b"]));
        attributes.push(Attribute::new("amount", ValueType::Integer));
        if dice.chance(300) {
            late.insert("Item".to_owned(), "amount".to_owned());
        }
        let together = if dice.chance(200) { vec![vec!["a".to_owned(), "b".to_owned()]] } else { Vec::new() };
        schema.entities.push(EntitySchema {
            ids: item_keys.0,
            together,
            ..EntitySchema::new("Item", pattern, &["id"], attributes)
        });
    }
    if let Some(pattern) = one_of(dice, &writers).filter(|_| dice.chance(700)) {
        let part_keys = keys(dice);
        let mut attributes = vec![
            Attribute::new("id", part_keys.1),
            Attribute::new("item", item_keys.1),
        ];
        attributes.extend(texts(&["tag", "a"]));
        schema.entities.push(EntitySchema {
            ids: part_keys.0,
            ..EntitySchema::new("Part", pattern, &["id"], attributes)
        });
        schema.relations.push(Relation {
            name: "part_item".into(),
            child: "Part".into(),
            attribute: "item".into(),
            parent: "Item".into(),
            on_delete: [OnDelete::Restrict, OnDelete::Cascade, OnDelete::SetNull][number(dice.below(3))],
        });
    }
    if let Some(pattern) = one_of(dice, &readers).filter(|_| writers.is_empty() || dice.chance(600)) {
        let mut attributes = vec![Attribute::new("id", ValueType::Integer)];
        attributes.extend(texts(&["tag", "a"]));
        schema.entities.push(EntitySchema {
            local_edits: if dice.chance(300) { LocalEdits::Keep } else { LocalEdits::Refuse },
            ..EntitySchema::new("Log", pattern, &["id"], attributes)
        });
    }
    if schema.entities.is_empty() {
        return Err(Error::fatal("missing_part", "a world needs at least one pattern; register one"));
    }
    schema.check()?;
    Ok((schema, late))
}
