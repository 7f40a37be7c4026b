//! The exhaustive crash sweep: one fixed scenario, with a crash at every single step of every store.

use crate::campaign::{Campaign, Findings};
use crate::chance::number;
use crate::place::MakePlace;
use crate::plan::{Deal, Least, Patterns, Plan, PlugIns, Step, Way};
use crate::shared::CrashPoint;
use crate::world::{Failure, run};
use onsync_core::Result;
use onsync_core::schema::{Ids, Schema};
use onsync_testkit::fakes::Dice;
use std::collections::BTreeMap;

/// Two devices, a server and another program: creates, updates, deletes and families, pushed and pulled both ways, with small pages
/// and small requests. Nothing fails but what the sweep adds.
pub fn scenario(schema: Schema, late: BTreeMap<String, String>) -> Plan {
    let deals = [
        Deal::Family,
        Deal::Create,
        Deal::Update,
        Deal::Several,
        Deal::Delete,
        Deal::Rewire,
        Deal::Update,
        Deal::Bad,
    ];
    let mut steps = Vec::new();
    for (round, deal) in (0u64..).zip(deals.iter().chain(&deals)) {
        let device = usize::from(round % 3 == 2);
        let pick = 1_000 + round;
        steps.push(Step::Edit {
            device,
            tab: 0,
            deal: *deal,
            pick,
        });
        steps.push(Step::Foreign {
            deal: deals[(usize::try_from(round).unwrap_or_default() + 3) % deals.len()],
            pick: 2_000 + round,
            hold: 0,
        });
        if round % 2 == 1 {
            steps.push(Step::Sync {
                device,
                tab: 0,
                way: Way::Both,
            });
            steps.push(Step::Edit {
                device,
                tab: 0,
                deal: Deal::Update,
                pick: 3_000 + round,
            });
            steps.push(Step::Pause { millis: 3_000 });
        }
    }
    for device in [1, 0] {
        steps.push(Step::Sync {
            device,
            tab: 0,
            way: Way::Both,
        });
        steps.push(Step::Pause { millis: 5_000 });
    }
    Plan {
        seed: 42,
        schema,
        late,
        resolvers: BTreeMap::new(),
        devices: 2,
        steps,
        rates: BTreeMap::new(),
        page_rows: 2,
        request_bytes: 600,
        refresh_limit: 4,
        jitter: false,
        unaided: false,
        crashes: Vec::new(),
        least: Least::default(),
    }
}

/// A scenario for each pattern that writes and each way to make keys.
///
/// # Errors
/// As [`Plan::new`].
pub fn scenarios(patterns: &Patterns) -> Result<Vec<Plan>> {
    let mut plans: BTreeMap<(String, bool), Plan> = BTreeMap::new();
    for seed in 1..2_000 {
        let plan = Plan::new(seed, patterns)?;
        let Some(first) = plan.schema.entities.first() else {
            continue;
        };
        let whole = plan.schema.relations.len() == 1 && plan.schema.entities.len() == 3;
        if whole {
            let name = (first.pattern.clone(), first.ids == Ids::Server);
            plans
                .entry(name)
                .or_insert_with(|| scenario(plan.schema, BTreeMap::new()));
        }
    }
    Ok(plans.into_values().collect())
}

/// Every single crash of a scenario.
///
/// # Errors
/// The scenario's own failure, without any crash.
pub fn points(plan: &Plan, plug_ins: &PlugIns, make: &MakePlace) -> Result<Vec<CrashPoint>, Failure> {
    let clean = run(plan, plug_ins, make, false);
    if let Some(failure) = clean.failure {
        return Err(failure);
    }
    let (device, server) = clean.store_steps;
    let on = |server: bool, last: u64| (1..=last).map(move |step| CrashPoint { server, step });
    Ok(on(false, device).chain(on(true, server)).collect())
}

/// So many pairs of crashes of a scenario, by chance: the second one meets what the first one left.
pub fn pairs(points: &[CrashPoint], count: usize, seed: u64) -> Vec<Vec<CrashPoint>> {
    let mut dice = Dice::new(seed);
    let mut one = || points.get(number(dice.below(points.len() as u64))).copied();
    (0..count)
        .filter_map(|_| {
            let mut pair = vec![one()?, one()?];
            pair.sort_unstable();
            Some(pair)
        })
        .collect()
}

/// Runs a scenario once for each of these sets of crashes.
pub fn sweep(
    plan: &Plan,
    crashes: &[Vec<CrashPoint>],
    plug_ins: &PlugIns,
    make: &MakePlace,
    threads: usize,
) -> Findings {
    let with = |number: u64| {
        let index = usize::try_from(number).unwrap_or_default();
        Ok(Plan {
            crashes: crashes.get(index).cloned().unwrap_or_default(),
            ..plan.clone()
        })
    };
    let campaign = Campaign {
        plug_ins,
        make,
        plan: &with,
        seeds: 0..crashes.len() as u64,
        threads,
        time: None,
        repeats: false,
        keep_going: true,
    };
    campaign.run(&|_| {})
}
