//! What chance chooses: the kinds of steps and how often they come, entities, keys and relations.

use crate::plan::{Deal, Patterns, Step, Way};
use onsync_core::pattern::Direction;
use onsync_core::schema::{
    Attribute, EntitySchema, Ids, LocalEdits, OnDelete, OnPendingConflicts, Relation, Schema,
};
use onsync_core::{Error, Result, ValueType};
use onsync_testkit::fakes::Dice;
use std::collections::BTreeMap;

pub(crate) fn number(value: u64) -> usize {
    usize::try_from(value).unwrap_or_default()
}

/// How often each kind of step comes.
pub(crate) struct Kinds {
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
    Resolve,
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

pub(crate) fn weigh<T: Copy>(dice: &mut Dice, weights: &[(u64, T)]) -> Option<T> {
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
    pub(crate) fn swarm(dice: &mut Dice, devices: usize, upgrades: bool) -> Self {
        let rare =
            |dice: &mut Dice, per_mille: u32, weight: u64| if dice.chance(per_mille) { weight } else { 0 };
        // Of dice of its own, so that worlds without copies are what they are.
        let mut apart = Dice::new(dice.clone().roll());
        let (restores, copies) = (rare(&mut apart, 200, 5), rare(&mut apart, 200, 5));
        let weights = vec![
            (400, Kind::Edit),
            (250, Kind::Sync),
            (rare(dice, 500, 30), Kind::Resolve),
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

    pub(crate) fn step(&self, dice: &mut Dice) -> Step {
        let kind = weigh(dice, &self.weights).unwrap_or(Kind::Sync);
        let device = number(dice.below(self.devices));
        let tab = number(dice.below(self.tabs));
        let pick = dice.roll();
        let ways = [
            Way::Both,
            Way::Both,
            Way::Both,
            Way::Both,
            Way::Both,
            Way::Push,
            Way::Push,
            Way::Pull,
            Way::Pull,
            Way::PullLast,
        ];
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
                way: ways[number(dice.below(10))],
            },
            Kind::Resolve => Step::Resolve { device, tab, pick },
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

/// For some entities that detect conflicts, a resolver that comes with OnSync.
pub(crate) fn resolvers(dice: &mut Dice, schema: &Schema) -> BTreeMap<String, String> {
    let mut chosen = BTreeMap::new();
    for entity in &schema.entities {
        let resolver = ["manual", "server-wins", "client-wins", "merge-attributes"][number(dice.below(4))];
        if resolver != "manual" && dice.chance(500) {
            chosen.insert(entity.name.clone(), resolver.to_owned());
        }
    }
    chosen
}

/// `Item`, `Part` that refers to it, and `Log` that only the server writes, as far as there are patterns for them.
pub(crate) fn schema(dice: &mut Dice, patterns: &Patterns) -> Result<(Schema, BTreeMap<String, String>)> {
    let (mut writers, mut readers) = (Vec::new(), Vec::new());
    for name in patterns.names() {
        match patterns.get(name)?.direction() {
            Direction::ReadWrite => writers.push(name.to_owned()),
            Direction::ReadOnly => readers.push(name.to_owned()),
            // What is sent and leaves the device can not be compared at the end.
            Direction::SendOnly => {}
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
        let together = if dice.chance(200) {
            vec![vec!["a".to_owned(), "b".to_owned()]]
        } else {
            Vec::new()
        };
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
            local_edits: if dice.chance(300) {
                LocalEdits::Keep
            } else {
                LocalEdits::Refuse
            },
            ..EntitySchema::new("Log", pattern, &["id"], attributes)
        });
    }
    if schema.entities.is_empty() {
        return Err(Error::fatal(
            "missing_part",
            "a world needs at least one pattern; register one",
        ));
    }
    for entity in &mut schema.entities {
        if dice.chance(700) {
            entity.on_pending_conflicts = OnPendingConflicts::Continue;
        }
    }
    schema.check()?;
    Ok((schema, late))
}
