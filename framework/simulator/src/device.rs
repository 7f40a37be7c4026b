//! A device of a world: its processes, and what its app and its store show.

use crate::device_store::{Process, ProcessRuntime, SimStore};
use crate::network::{Line, Network};
use crate::plan::{Plan, PlugIns, Way};
use crate::resolvers::watched;
use crate::service::Service;
use crate::shared::{Shared, guard};
use crate::values::Facts;
use onsync_core::handler::{Event, Selection, SyncDirection};
use onsync_core::page::KeyRange;
use onsync_core::query::Query;
use onsync_core::schema::Schema;
use onsync_core::store::local::{Access, LocalStore, Overlay};
use onsync_core::{Key, Result, Row};
use onsync_engine::config::ContextSettings;
use onsync_engine::{App, Config, OnSyncBuilder, Registries, Subscription};
use onsync_testkit::fakes::{Dice, InProcess, Lossy};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The longest wait between two tries on devices of worlds.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A running process of a device's app.
pub(crate) struct Tab {
    pub(crate) app: App,
    pub(crate) process: Arc<Process>,
    _listener: Subscription,
}

/// One device.
pub(crate) struct Device {
    pub(crate) number: usize,
    /// Whether the app's second version runs here.
    pub(crate) upgraded: bool,
    /// Running processes; none where one died or was never started.
    pub(crate) tabs: Vec<Option<Tab>>,
    /// Its way to the server.
    pub(crate) line: Arc<Mutex<Line>>,
    /// When its database was copied, in the ledger's time.
    pub(crate) copied: Option<(u64, bool)>,
    starts: u64,
}

/// The name of the context that goes this way.
pub(crate) fn context(way: Way) -> &'static str {
    match way {
        Way::Both => "",
        Way::Push => "push",
        Way::Pull => "pull",
        Way::PullLast => "pull last",
    }
}

/// A version of the app: what it knows, made once for all its processes.
pub(crate) struct Version {
    pub(crate) schema: Arc<Schema>,
    pub(crate) facts: BTreeMap<String, Facts>,
    config: Config,
}

impl Version {
    /// The first version, and the one that devices upgrade to.
    pub(crate) fn both(plan: &Plan) -> Result<[Arc<Self>; 2]> {
        let first = Arc::new(Self::new(plan, plan.schema_of(false))?);
        let next = match plan.late.is_empty() {
            true => first.clone(),
            false => Arc::new(Self::new(plan, plan.schema_of(true))?),
        };
        Ok([first, next])
    }

    fn new(plan: &Plan, schema: Schema) -> Result<Self> {
        let entities = schema.entities.iter();
        let facts = entities.map(|entity| (entity.name.clone(), Facts::of(&schema, entity)));
        Ok(Self {
            facts: facts.collect(),
            config: config(plan, schema.clone())?,
            schema: Arc::new(schema),
        })
    }
}

fn config(plan: &Plan, schema: Schema) -> Result<Config> {
    let last = schema.entities.iter().rfind(|entity| !entity.local);
    let last = last.map(|entity| entity.name.clone());
    let mut config = Config::from_schema(schema)?;
    for (entity, resolver) in &plan.resolvers {
        config.set_resolver(entity, resolver);
    }
    config.retry.interval = Duration::from_secs(1);
    config.retry.cap = LONGEST_WAIT;
    config.retry.attempts_per_hour = 10_000;
    config.store.page_rows = plan.page_rows;
    config.limits.max_request_bytes = plan.request_bytes;
    // The clocks of worlds jump by years.
    config.limits.bin_keep = Duration::from_secs(100 * 365 * 86_400);
    config.limits.refresh_limit = plan.refresh_limit;
    for (name, direction) in [("push", SyncDirection::Push), ("pull", SyncDirection::Pull)] {
        let settings = ContextSettings {
            direction,
            ..ContextSettings::default()
        };
        config.contexts.insert(name.to_owned(), settings);
    }
    if let Some(last) = last {
        let settings = ContextSettings {
            entities: Selection::Entities(vec![last]),
            direction: SyncDirection::Pull,
            ..ContextSettings::default()
        };
        config.contexts.insert("pull last".to_owned(), settings);
    }
    Ok(config)
}

/// What it takes to start a process of an app.
pub(crate) struct Launch<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) plug_ins: &'a PlugIns,
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) service: &'a Arc<Service>,
    pub(crate) store: Arc<dyn LocalStore>,
    pub(crate) version: &'a Version,
}

impl Device {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            number,
            upgraded: false,
            tabs: (0..2).map(|_| None).collect(),
            line: Arc::default(),
            copied: None,
            starts: 0,
        }
    }

    /// Takes note of processes that died by themselves.
    pub(crate) fn bury(&mut self) {
        for tab in &mut self.tabs {
            if tab.as_ref().is_some_and(|tab| tab.process.is_dead()) {
                *tab = None;
            }
        }
    }

    /// Kills a process, if it runs.
    pub(crate) fn kill(&mut self, tab: usize, shared: &Shared) {
        if let Some(tab) = self.tabs.get_mut(tab).and_then(Option::take) {
            shared.trace.say(|| format!("{}: killed", tab.process.name));
            tab.process.die(shared);
        }
    }

    pub(crate) fn kill_all(&mut self, shared: &Shared) {
        for tab in 0..self.tabs.len() {
            self.kill(tab, shared);
        }
    }

    /// Starts a process of the app.
    pub(crate) async fn start(&mut self, tab: usize, launch: Launch<'_>) -> Result<()> {
        self.starts += 1;
        let shared = launch.shared;
        let name = match tab {
            0 => format!("device {}", self.number),
            tab => format!("device {}, tab {tab}", self.number),
        };
        shared.trace.say(|| format!("{name}: starts"));
        let seed = launch.plan.seed ^ (self.number as u64) << 40 ^ (tab as u64) << 36 ^ self.starts << 8;
        let process = Arc::new(Process::new(name.clone(), Dice::new(seed)));
        let store = SimStore {
            inner: launch.store,
            process: process.clone(),
            shared: shared.clone(),
        };
        let runtime = Arc::new(shared.runtime.clone());
        let network = Network {
            name: name.clone(),
            device: self.number,
            lossy: Lossy::new(Arc::new(InProcess::new(launch.service.clone())), runtime),
            shared: shared.clone(),
            dice: Mutex::new(Dice::new(seed ^ 1)),
            line: self.line.clone(),
        };
        let mut registries = Registries::new();
        registries.patterns = launch.plug_ins.patterns.clone();
        registries.resolvers = watched(&launch.plug_ins.resolvers, self.number, shared)?;
        let app = OnSyncBuilder::new(launch.version.config.clone(), registries)
            .store(Arc::new(store))
            .transport(Arc::new(network))
            .runtime(Arc::new(ProcessRuntime {
                inner: shared.runtime.clone(),
                process: process.clone(),
            }))
            .build()
            .await?;
        let told = shared.clone();
        let listener = app.on_event(move |_, event| match event {
            Event::OnSyncComplete { context, .. } => {
                told.trace.say(|| format!("{name}: sync {context:?} complete"));
            }
            Event::OnSyncError {
                context,
                error_code,
                error_message,
                next_try,
            } => told.trace.say(|| {
                format!(
                    "{name}: sync {context:?} failed: {error_code}: {error_message}; next try {next_try:?}"
                )
            }),
            _ => {}
        });
        if let Some(place) = self.tabs.get_mut(tab) {
            *place = Some(Tab {
                app,
                process,
                _listener: listener,
            });
        }
        Ok(())
    }

    /// A running process.
    pub(crate) fn any(&self) -> Option<&Tab> {
        self.tabs.iter().flatten().next()
    }
}

/// What a device's store holds, read past everything that fails.
#[derive(PartialEq)]
pub(crate) struct Contents {
    pub(crate) rows: BTreeMap<String, Vec<Row>>,
    pub(crate) overlays: BTreeMap<String, Vec<Overlay>>,
    /// How many entries stand in these areas.
    pub(crate) areas: BTreeMap<&'static str, usize>,
}

impl Contents {
    pub(crate) async fn read(store: &dyn LocalStore, schema: &Schema) -> Result<Self> {
        let mut tx = store.begin(Access::Read).await?;
        let mut contents = Self {
            rows: BTreeMap::new(),
            overlays: BTreeMap::new(),
            areas: BTreeMap::new(),
        };
        for entity in &schema.entities {
            let rows = tx.query(entity, &Query::entity(&entity.name)).await?;
            contents.rows.insert(entity.name.clone(), rows);
            let overlays = tx.overlays_in(entity, &KeyRange::all(), usize::MAX / 2).await?;
            contents.overlays.insert(entity.name.clone(), overlays);
        }
        for area in ["outbox", "in_flight", "stage"] {
            let found = tx.area_scan(area, None, usize::MAX).await?;
            contents.areas.insert(area, found.len());
        }
        Ok(contents)
    }

    /// The overlay of a record.
    pub(crate) fn overlay(&self, entity: &str, key: &Key) -> Option<&Overlay> {
        self.overlays
            .get(entity)?
            .iter()
            .find(|overlay| overlay.key == *key)
    }
}

/// Has no network until then.
pub(crate) fn cut(device: &Device, until: Duration) {
    guard(&device.line).cut_until = until;
}
