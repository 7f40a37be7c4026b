//! `onsync torture`: simulated worlds over the user's own configuration and plug-ins, until a promise breaks or the time is over.

mod files;

use crate::arguments::{CONFIG, Torture};
use crate::exit::{Exit, Failure, Outcome};
use crate::open;
use crate::screen::{Screen, counted, number};
use files::{Files, Maker, one_process_a_device};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use onsync::Config;
use onsync::Registries;
use onsync::config::StoreSettings;
use onsync::core::pattern::Direction;
use onsync::core::resolvers::MANUAL;
use onsync::core::schema::Schema;
use onsync_core::Error;
use onsync_simulator::campaign::{Campaign, Failed, Findings};
use onsync_simulator::{MakePlace, MemoryPlace, Plan, PlugIns, Run, run as run_world, shrink};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// What is checked at the end of each world, in words, and what it takes for a world to try it.
const CHECKED: [(&str, Needs); 9] = [
    ("no edit was lost unseen", Needs::Writes),
    ("nothing took effect twice", Needs::Writes),
    (
        "every device ended equal to the server, but for what it lists",
        Needs::Nothing,
    ),
    (
        "what was deleted stayed deleted, and nothing else was",
        Needs::Nothing,
    ),
    ("references held", Needs::Relations),
    ("conflicts were not decided silently", Needs::Writes),
    ("every sync ended in bounded time", Needs::Nothing),
    ("the status said what was there", Needs::Nothing),
    ("nothing panicked", Needs::Nothing),
];

/// What a configuration must have for a check to be one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// An entity that devices write.
    Writes,
    /// A relation.
    Relations,
}

/// The store whose contract the stores of worlds keep.
const SQLITE: &str = "sqlite";

/// A failing plan is cut down in at most so many runs.
const CUTS: usize = 2_000;

/// Runs the command.
pub(crate) fn run(screen: Screen, registries: &Registries, path: &Path, flags: &Torture) -> Outcome {
    let config = open::device_config(path)?;
    open::names_are_known(&config, registries)?;
    registries.check_resolvers(&config).map_err(Failure::usage)?;
    let resolvers = resolvers(&config);
    let kind = &config.store.kind;
    let store = match flags.store {
        true => Some(
            config
                .look_up(&registries.stores, kind, &["store", "kind"])?
                .clone(),
        ),
        false => None,
    };
    let settings = config.store.clone();
    let plug_ins = PlugIns {
        patterns: registries.patterns.clone(),
        resolvers: registries.resolvers.clone(),
    };
    let schema = config.schema;
    if !schema.entities.iter().any(|entity| !entity.local) {
        return Err(Failure::usage(Error::unsupported(
            "unknown_entity",
            "there is no entity that travels yet, and nothing to torture; `onsync add <Entity> --from <database>` writes entities",
        )));
    }
    // Plug-ins that panic are findings, told with their world.
    std::panic::set_hook(Box::new(|_| {}));
    let torturer = Torturer {
        screen,
        path,
        plug_ins,
        schema,
        resolvers,
        store,
        settings,
        flags,
    };
    match flags.seed {
        Some(seed) => torturer.one(seed),
        None => torturer.all(),
    }
}

struct Torturer<'a> {
    screen: Screen,
    path: &'a Path,
    plug_ins: PlugIns,
    schema: Schema,
    /// The resolver of each entity that names one.
    resolvers: BTreeMap<String, String>,
    /// Makes the configured store, where worlds have it.
    store: Option<Maker>,
    /// What the configuration says of it.
    settings: StoreSettings,
    flags: &'a Torture,
}

/// The resolver of each entity that leaves not all conflicts to people.
fn resolvers(config: &Config) -> BTreeMap<String, String> {
    let entities = config.schema.entities.iter().filter(|entity| !entity.local);
    let named = entities.filter_map(|entity| {
        let resolver = config.text_at(&["entities", &entity.name, "resolver"])?;
        (resolver != MANUAL).then(|| (entity.name.clone(), resolver))
    });
    named.collect()
}

impl Torturer<'_> {
    /// Whether devices write an entity at all.
    fn writes(&self) -> bool {
        self.schema
            .entities
            .iter()
            .filter(|entity| !entity.local)
            .any(|entity| {
                let pattern = self.plug_ins.patterns.get(&entity.pattern);
                pattern.is_ok_and(|pattern| pattern.direction() != Direction::ReadOnly)
            })
    }

    fn has(&self, needs: Needs) -> bool {
        match needs {
            Needs::Nothing => true,
            Needs::Writes => self.writes(),
            Needs::Relations => !self.schema.relations.is_empty(),
        }
    }

    fn plan(&self, seed: u64) -> Plan {
        let plan = Plan::with_schema(seed, self.schema.clone(), self.resolvers.clone());
        match self.store {
            Some(_) => one_process_a_device(plan),
            None => plan,
        }
    }

    /// Where the databases of worlds are.
    fn place(&self) -> Box<MakePlace> {
        match self.store.clone() {
            Some(maker) => {
                let settings = self.settings.clone();
                Box::new(move |seed, _| Files::make(seed, &maker, &settings))
            }
            None => Box::new(MemoryPlace::make),
        }
    }

    fn world(&self, plan: &Plan) -> Run {
        run_world(plan, &self.plug_ins, &*self.place(), true)
    }

    /// One world, told.
    fn one(&self, seed: u64) -> Outcome {
        let run = self.world(&self.plan(seed));
        self.tell(&run);
        self.screen
            .json(&json!({ "seed": seed, "failure": failure(&run), "trace": run.trace }));
        match run.failure {
            Some(_) => Ok(Exit::Failed),
            None => {
                self.screen.line(self.screen.green("every promise held"));
                Ok(Exit::Done)
            }
        }
    }

    /// World after world.
    fn all(&self) -> Outcome {
        let findings = self.campaign();
        if findings.runs == 0 {
            return Err(Failure::usage(Error::unsupported(
                "no_world",
                "no world was finished in that time, so nothing was shown; give it more with `--time`",
            )));
        }
        self.say_what_was_tried(&findings);
        let Some(first) = findings.failed.first() else {
            if findings.reach.writes == 0 && self.writes() {
                return Err(Failure::usage(Error::unsupported(
                    "no_write",
                    "no write of a device was accepted in any world, so nothing was shown; `onsync torture --seed 1` tells why",
                )));
            }
            for (checked, needs) in CHECKED {
                if self.has(needs) {
                    self.screen
                        .line(format!("  {} {checked}", self.screen.green("held")));
                }
            }
            for (name, asked) in &findings.reach.resolvers {
                self.screen.line(format!(
                    "  {} the resolver `{name}`, with {}",
                    self.screen.green("tried"),
                    counted(*asked, "conflict", "conflicts")
                ));
            }
            if self.store.is_some() {
                self.screen.line(format!(
                    "  {} the store `{}`, in files of a temporary folder",
                    self.screen.green("tried"),
                    self.settings.kind
                ));
            }
            for not_tried in &self.not_tried(&findings) {
                self.screen
                    .line(format!("  {} {not_tried}", self.screen.yellow("not tried")));
            }
            self.screen.json(&self.as_json(&findings, None));
            return Ok(Exit::Done);
        };
        let short = self.shortest(first);
        let failed = self.world(&short);
        self.tell(&failed);
        self.screen
            .line(format!("again: {}", self.screen.cyan(self.again(first.seed))));
        self.screen
            .json(&self.as_json(&findings, Some((first.seed, &failed))));
        Ok(Exit::Failed)
    }

    /// What of the configuration had no part in the worlds, in words: the network of worlds is the simulator's, as their stores are
    /// unless asked otherwise, and a resolver has nothing to do where no changes meet.
    fn not_tried(&self, findings: &Findings) -> Vec<String> {
        let asked = |name: &String| findings.reach.resolvers.contains_key(name.as_str());
        let resolvers = self.resolvers.iter().filter(|(_, name)| !asked(name));
        let resolvers = resolvers.map(|(entity, name)| {
            format!("the resolver `{name}` of `{entity}`: no conflict arose; more `--time` gives more worlds")
        });
        let kind = &self.settings.kind;
        let store = (self.store.is_none() && kind != SQLITE)
            .then(|| format!("the store `{kind}`; `--store` tries it"));
        resolvers.chain(store).collect()
    }

    /// The command that runs the world of a seed again.
    fn again(&self, seed: u64) -> String {
        let store = if self.store.is_some() { " --store" } else { "" };
        match self.path == Path::new(CONFIG) {
            true => format!("onsync torture{store} --seed {seed}"),
            false => format!(
                "onsync --config {} torture{store} --seed {seed}",
                self.path.display()
            ),
        }
    }

    fn campaign(&self) -> Findings {
        let time = self.flags.time;
        let plan = |seed| Ok(self.plan(seed));
        let place = self.place();
        let campaign = Campaign {
            plug_ins: &self.plug_ins,
            make: &*place,
            plan: &plan,
            seeds: self.flags.from
                ..self
                    .flags
                    .from
                    .saturating_add(self.flags.worlds.unwrap_or(u64::MAX)),
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            time: Some(time),
            // A store of one's own may make keys by chance of its own.
            repeats: self.store.is_none(),
            keep_going: false,
        };
        let bar = self.bar(time);
        let findings = campaign.run(&|findings: &Findings| {
            bar.set_position(millis(findings.took));
            if findings.runs.is_multiple_of(16) {
                bar.set_message(format!(
                    "{}, {}",
                    counted(findings.runs, "world", "worlds"),
                    counted(findings.reach.crashes, "crash", "crashes")
                ));
            }
        });
        bar.finish_and_clear();
        findings
    }

    /// On a terminal, the time that is over.
    fn bar(&self, time: Duration) -> ProgressBar {
        let bar = ProgressBar::new(millis(time));
        if self.screen.is_json() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        match ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}") {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }

    fn say_what_was_tried(&self, findings: &Findings) {
        let reach = &findings.reach;
        self.screen.line(format!(
            "{} in {:.0} s: {} accepted, {}, {}, {} of them lost, cut off or refused",
            self.screen.bold(counted(findings.runs, "world", "worlds")),
            findings.took.as_secs_f64(),
            counted(reach.writes, "write", "writes"),
            counted(reach.crashes, "process died", "processes died"),
            counted(reach.requests, "request", "requests"),
            number(reach.lost)
        ));
        let tried: Vec<String> = faults(findings)
            .into_iter()
            .map(|(fault, times)| format!("{fault} {}", number(times)))
            .collect();
        self.screen
            .line(format!("  {}", self.screen.dim(tried.join(" · "))));
    }

    /// The failing plan with as little in it as still fails in the same way.
    fn shortest(&self, failed: &Failed) -> Plan {
        self.screen.line(format!(
            "{}: {}",
            self.screen.red(failed.failure.check),
            failed.failure.message
        ));
        self.screen.line("looking for the shortest way there …");
        let plan = self.plan(failed.seed);
        shrink(&plan, failed.failure.check, &self.plug_ins, &*self.place(), CUTS)
    }

    fn tell(&self, run: &Run) {
        for line in &run.trace {
            self.screen.line(line);
        }
        if let Some(failure) = &run.failure {
            self.screen.line(format!(
                "{}: {}",
                self.screen
                    .red(format!("the promise \"{}\" broke", failure.check)),
                failure.message
            ));
        }
    }

    fn as_json(&self, findings: &Findings, failed: Option<(u64, &Run)>) -> Value {
        let reach = &findings.reach;
        json!({
            "worlds": findings.runs,
            "seconds": findings.took.as_secs_f64(),
            "writes": reach.writes,
            "crashes": reach.crashes,
            "requests": reach.requests,
            "lost": reach.lost,
            "faults": faults(findings),
            "held": failed.is_none(),
            "resolvers": findings.reach.resolvers,
            "not_tried": self.not_tried(findings),
            "seed": failed.map(|(seed, _)| seed),
            "failure": failed.and_then(|(_, run)| failure(run)),
            "trace": failed.map(|(_, run)| run.trace.clone()),
        })
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// How often each fault struck.
fn faults(findings: &Findings) -> BTreeMap<&'static str, u64> {
    let mut faults = BTreeMap::new();
    for ((fault, _), times) in &findings.reach.cells {
        *faults.entry(fault.name()).or_default() += times;
    }
    faults
}

fn failure(run: &Run) -> Option<Value> {
    let failure = run.failure.as_ref()?;
    Some(json!({ "check": failure.check, "message": failure.message }))
}
