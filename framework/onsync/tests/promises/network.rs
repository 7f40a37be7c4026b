//! Whole apps and their network: edits wait for it, go when it comes, and a flapping one starts one run.

crate::scenarios! {
    edits_wait_for_the_network_and_go_when_it_comes
    a_network_that_flaps_starts_one_run
    a_successful_probe_ends_a_wait_at_once
    a_captive_portal_is_told_apart_and_loses_nothing
    a_network_event_makes_the_probe_ask_at_once
    a_context_that_is_not_on_metered_waits_for_another_network
}

mod run {
    use crate::apps::Phone;
    use crate::world::*;
    use onsync_core::network::{NetworkKind, NetworkMonitor, NetworkStatus, OfflineReason};
    use onsync_core::schema::Ids;
    use onsync_core::transport::{Answer, Exchange, Transport};
    use onsync_core::wire::Health;
    use onsync_core::{Error, ErrorKind, Result, portable_async};
    use onsync_engine::config::ContextSettings;
    use onsync_engine::{CombinedMonitor, Config, Held, Outcome};
    use onsync_network_manual::ManualMonitor;
    use onsync_network_probe::{ProbeMonitor, ProbeMonitorOptions};
    use onsync_testkit::fakes::InProcess;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    /// The way to the server: none when it is open, else what stands in it.
    struct Gate {
        server: InProcess,
        shut: Mutex<Option<(&'static str, usize)>>,
    }

    impl Gate {
        fn open(&self) {
            *self.shut.lock().unwrap() = None;
        }

        fn shut(&self, code: &'static str) {
            *self.shut.lock().unwrap() = Some((code, 0));
        }

        /// How often somebody knocked since it was shut.
        fn knocks(&self) -> usize {
            self.shut.lock().unwrap().map_or(0, |(_, knocks)| knocks)
        }

        fn pass(&self) -> Result<()> {
            match self.shut.lock().unwrap().as_mut() {
                None => Ok(()),
                Some((code, knocks)) => {
                    *knocks += 1;
                    Err(Error::new(ErrorKind::Offline, *code, "the gate is shut"))
                }
            }
        }
    }

    #[portable_async]
    impl Transport for Gate {
        async fn exchange(&self, exchange: Exchange) -> Result<Box<dyn Answer>> {
            self.pass()?;
            self.server.exchange(exchange).await
        }

        async fn health(&self) -> Result<Health> {
            self.pass()?;
            self.server.health().await
        }
    }

    /// A phone that is told its network, and probes its server if asked to.
    struct Field {
        world: World,
        phone: Phone,
        gate: Arc<Gate>,
        network: ManualMonitor,
    }

    impl Field {
        fn new(kind: Kind, probes: bool, configure: impl FnOnce(&mut Config)) -> Self {
            let world = World::new(kind, one(item(LWW, Ids::Client)));
            let gate = Arc::new(Gate {
                server: InProcess::new(world.service.clone()),
                shut: Mutex::default(),
            });
            let network = ManualMonitor::default();
            let runtime = Arc::new(world.runtime.clone());
            let mut monitor: Arc<dyn NetworkMonitor> = Arc::new(network.clone());
            if probes {
                let options = ProbeMonitorOptions::default();
                let probe = ProbeMonitor::start(gate.clone(), runtime.clone(), options);
                monitor = Arc::new(CombinedMonitor::new(
                    vec![monitor, Arc::new(probe)],
                    runtime.as_ref(),
                ));
            }
            let (builder, lossy) = world.builder(|config| {
                let whole = ContextSettings::default();
                config.contexts.insert("Online".to_owned(), whole);
                configure(config);
            });
            let builder = builder.transport(gate.clone()).network_monitor(monitor);
            let app = world.run(builder.store(world.store("phone")).build()).unwrap();
            let phone = Phone::new(app, lossy, world.runtime.clone());
            Self {
                world,
                phone,
                gate,
                network,
            }
        }

        fn set(&self, status: NetworkStatus) {
            self.network.set(status);
            self.world.runtime.run_until_idle();
        }

        fn write(&self, id: i64) {
            let fields = fields(id, "written here", id);
            self.phone.run(self.phone.app.create("Item", fields)).unwrap();
        }

        fn there(&self) -> usize {
            self.world.contents("Item").len()
        }
    }

    fn on_online(config: &mut Config) {
        config.triggers.on_online = Some("Online".to_owned());
    }

    const NONE: OfflineReason = OfflineReason::NoNetwork;

    pub(super) fn edits_wait_for_the_network_and_go_when_it_comes(kind: Kind) {
        let field = Field::new(kind, false, on_online);
        field.gate.shut("server_unreachable");
        field.set(NetworkStatus::offline(NONE));
        for id in 0..10 {
            field.write(id);
        }
        field.phone.pass(86_400);
        assert_eq!(
            (field.there(), field.gate.knocks()),
            (0, 0),
            "nothing is tried without a network"
        );
        let status = field.phone.app.status();
        assert_eq!(status.message(), "you are offline · 10 changes waiting");
        field.gate.open();
        field.set(NetworkStatus::online(NetworkKind::Wifi));
        field.phone.pass(3);
        assert_eq!(field.there(), 10);
        assert!(field.phone.app.status().message().starts_with("up to date as of"));
    }

    pub(super) fn a_network_that_flaps_starts_one_run(kind: Kind) {
        let field = Field::new(kind, false, on_online);
        field.set(NetworkStatus::offline(NONE));
        field.write(1);
        field.phone.events();
        for _ in 0..100 {
            field.set(NetworkStatus::online(NetworkKind::Wifi));
            field.world.runtime.advance(Duration::from_millis(100));
            field.set(NetworkStatus::offline(NONE));
            field.world.runtime.advance(Duration::from_millis(100));
        }
        field.set(NetworkStatus::online(NetworkKind::Wifi));
        field.phone.pass(60);
        assert_eq!(field.phone.events(), ["start Online", "complete Online"]);
        assert_eq!(field.there(), 1);
    }

    pub(super) fn a_successful_probe_ends_a_wait_at_once(kind: Kind) {
        let field = Field::new(kind, true, |config| {
            config.retry.interval = Duration::from_secs(86_400);
            config.retry.cap = Duration::from_secs(86_400);
        });
        field.write(1);
        field.gate.shut("server_unreachable");
        let run = field.phone.app.on_sync("Online", &Default::default()).unwrap();
        field.phone.pass(600);
        let status = field.phone.app.status();
        assert_eq!(status.network.reason, Some(OfflineReason::ServerUnreachable));
        assert_eq!(
            status.message(),
            "the server cannot be reached · 1 change waiting"
        );
        assert!(
            field.gate.knocks() < 30,
            "{} knocks in ten minutes",
            field.gate.knocks()
        );
        field.gate.open();
        field.phone.pass(60);
        assert_eq!(field.there(), 1, "the next probe is at most a minute away");
        assert!(matches!(field.phone.run(run.outcome()), Outcome::Completed(_)));
    }

    pub(super) fn a_captive_portal_is_told_apart_and_loses_nothing(kind: Kind) {
        let field = Field::new(kind, true, on_online);
        field.gate.shut("not_onsync");
        field.write(1);
        field.phone.pass(5);
        let status = field.phone.app.status();
        assert_eq!(status.network.reason, Some(OfflineReason::CaptivePortal));
        assert!(
            status.message().contains("the network may want you to sign in"),
            "{status}"
        );
        assert_eq!((field.phone.count("Item"), field.there()), (1, 0));
        field.gate.open();
        field.phone.pass(65);
        assert_eq!(field.there(), 1, "signed in, and the waiting edit went by itself");
    }

    pub(super) fn a_network_event_makes_the_probe_ask_at_once(kind: Kind) {
        let field = Field::new(kind, true, |_| {});
        field.phone.pass(2);
        field.set(NetworkStatus::offline(NONE));
        assert_eq!(field.phone.app.status().network.reason, Some(NONE));
        field.gate.shut("server_unreachable");
        field.phone.pass(3_600);
        assert_eq!(field.gate.knocks(), 0, "nothing is asked without a network");
        field.set(NetworkStatus::online(NetworkKind::Wifi));
        let network = field.phone.app.status().network;
        assert_eq!(network.reason, Some(OfflineReason::ServerUnreachable));
        field.gate.open();
        field.set(NetworkStatus::online(NetworkKind::Ethernet));
        field.phone.pass(1);
        let network = field.phone.app.status().network;
        assert_eq!((network.online, network.kind), (true, NetworkKind::Ethernet));
    }

    pub(super) fn a_context_that_is_not_on_metered_waits_for_another_network(kind: Kind) {
        let field = Field::new(kind, false, |config| {
            let photos = ContextSettings {
                not_on_metered: true,
                ..ContextSettings::default()
            };
            config.contexts.insert("Photos".to_owned(), photos);
        });
        field.set(NetworkStatus::online(NetworkKind::Cellular));
        field.write(1);
        let run = field.phone.app.on_sync("Photos", &Default::default()).unwrap();
        assert_eq!(run.held(), Some(Held::Metered));
        field.phone.pass(3_600);
        assert_eq!(field.there(), 0);
        let status = field.phone.app.status();
        assert!(
            status
                .message()
                .ends_with("waiting for a network that costs nothing by volume"),
            "{status}"
        );
        field.set(NetworkStatus::online(NetworkKind::Wifi));
        assert!(matches!(field.phone.run(run.outcome()), Outcome::Completed(_)));
        assert_eq!(field.there(), 1);
    }
}
