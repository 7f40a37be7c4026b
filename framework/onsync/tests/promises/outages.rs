//! Servers that are busy for an hour, and tokens that expire: polite, resumed where it was, nothing lost.

crate::scenarios! {
    a_token_that_expires_between_pages_is_renewed_once
    a_token_that_expires_between_push_and_answer_loses_nothing
    a_refresh_that_fails_for_an_hour_is_waited_for
}

/// Scenario 17, in memory alone: it is about a thousand queues, not about stores.
#[test]
fn slow_a_thousand_devices_meet_a_server_that_is_busy_for_an_hour() {
    run::a_thousand_devices();
}

mod run {
    use crate::apps::Phone;
    use crate::world::*;
    use onsync_core::handler::Parameters;
    use onsync_core::memory::local::MemoryStore;
    use onsync_core::runtime::Runtime as _;
    use onsync_core::schema::Ids;
    use onsync_core::transport::{Answer, Credentials, CredentialsProvider, Exchange, Transport};
    use onsync_core::wire::Health;
    use onsync_core::{Error, ErrorKind, Result, portable_async};
    use onsync_engine::{App, SyncHandle};
    use onsync_testkit::fakes::{Fate, InProcess, ManualRuntime};
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    const HOUR: Duration = Duration::from_secs(3_600);
    /// The longest back-off of the default settings.
    const LONGEST: Duration = Duration::from_secs(300);

    /// A server that is busy until a moment, for all devices.
    struct Outage {
        inner: InProcess,
        runtime: ManualRuntime,
        until: Duration,
        by_second: Mutex<BTreeMap<u64, u32>>,
        by_device: Mutex<BTreeMap<usize, u32>>,
    }

    struct Line {
        outage: Arc<Outage>,
        device: usize,
    }

    #[portable_async]
    impl Transport for Line {
        async fn exchange(&self, exchange: Exchange) -> Result<Box<dyn Answer>> {
            let now = self.outage.runtime.elapsed();
            if now >= self.outage.until {
                return self.outage.inner.exchange(exchange).await;
            }
            *self
                .outage
                .by_second
                .lock()
                .unwrap()
                .entry(now.as_secs())
                .or_default() += 1;
            *self
                .outage
                .by_device
                .lock()
                .unwrap()
                .entry(self.device)
                .or_default() += 1;
            Err(Error::transient("server_busy", "503"))
        }

        async fn health(&self) -> Result<Health> {
            self.outage.inner.health().await
        }
    }

    pub(super) fn a_thousand_devices() {
        const DEVICES: usize = 1_000;
        let world = World::new(Kind::Memory, one(item(LWW, Ids::Client)));
        let outage = Arc::new(Outage {
            inner: InProcess::new(world.service.clone()),
            runtime: world.runtime.clone(),
            until: HOUR,
            by_second: Mutex::default(),
            by_device: Mutex::default(),
        });
        let apps: Vec<(App, SyncHandle)> = (0..DEVICES)
            .map(|device| {
                let (builder, _) = world.builder(|_| {});
                let line = Line {
                    outage: outage.clone(),
                    device,
                };
                let store = Arc::new(MemoryStore::new(device as u64 + 1));
                let app = world
                    .run(builder.transport(Arc::new(line)).store(store).build())
                    .unwrap();
                let handle = app.on_sync("", &Parameters::new()).unwrap();
                (app, handle)
            })
            .collect();
        world
            .runtime
            .advance(HOUR.saturating_sub(world.runtime.elapsed()));
        let most = outage.by_device.lock().unwrap().values().copied().max().unwrap();
        assert!(most <= 61, "one try and sixty retries an hour, found {most}");
        // All began in the same instant. Once the waits are at their longest, a second sees few of them.
        let by_second = outage.by_second.lock().unwrap().clone();
        let crowd = by_second
            .iter()
            .filter(|(second, _)| **second >= 900)
            .map(|(_, count)| *count)
            .max()
            .unwrap();
        let (all, seconds) = (by_second.range(900..).map(|(_, count)| count).sum::<u32>(), 2_700);
        assert!(crowd <= 40, "{crowd} in one second, {} on average", all / seconds);
        world.runtime.advance(LONGEST);
        let recovered = apps
            .iter()
            .filter(|(app, _)| app.status().up_to_date_as_of.is_some())
            .count();
        assert!(
            recovered * 100 >= DEVICES * 95,
            "{recovered} of {DEVICES} within the longest back-off"
        );
        println!(
            "most tries of one device {most}; most in one second {crowd}, {} on average; recovered {recovered}",
            all / seconds
        );
        world.runtime.advance(LONGEST);
        for (_, handle) in apps {
            assert!(world.run(handle.outcome()).into_result().is_ok());
        }
    }

    /// Gives tokens that the line below takes or refuses, and counts.
    struct Tokens {
        runtime: ManualRuntime,
        current: Mutex<u32>,
        /// Refreshing fails, with this kind, until that moment.
        broken: Mutex<Option<(ErrorKind, Duration)>>,
        refreshes: AtomicU32,
        at_once: AtomicU32,
    }

    #[portable_async]
    impl CredentialsProvider for Tokens {
        async fn credentials(&self, refused: bool) -> Result<Option<Credentials>> {
            if refused {
                assert_eq!(
                    self.at_once.fetch_add(1, Ordering::SeqCst),
                    0,
                    "one refresh at a time"
                );
                self.runtime.sleep(Duration::from_secs(1)).await;
                self.at_once.fetch_sub(1, Ordering::SeqCst);
                self.refreshes.fetch_add(1, Ordering::SeqCst);
                let broken = *self.broken.lock().unwrap();
                if let Some((kind, until)) = broken
                    && self.runtime.elapsed() < until
                {
                    return Err(Error::new(
                        kind,
                        "token_service_down",
                        "the token service does not answer",
                    ));
                }
                *self.current.lock().unwrap() += 1;
            }
            let current = *self.current.lock().unwrap();
            Ok(Some(Credentials::bearer(format!("token {current}"))))
        }
    }

    /// Refuses tokens that are older than one.
    struct Guard {
        inner: Arc<dyn Transport>,
        oldest: Arc<AtomicU32>,
    }

    #[portable_async]
    impl Transport for Guard {
        async fn exchange(&self, exchange: Exchange) -> Result<Box<dyn Answer>> {
            let token = exchange
                .credentials
                .as_ref()
                .map(|token| token.token().to_owned());
            let number = token.and_then(|token| token.rsplit(' ').next()?.parse::<u32>().ok());
            if number.is_none_or(|number| number < self.oldest.load(Ordering::SeqCst)) {
                return Err(Error::new(
                    ErrorKind::Unauthorised,
                    "unauthorised",
                    "the token has expired",
                ));
            }
            self.inner.exchange(exchange).await
        }

        async fn health(&self) -> Result<Health> {
            self.inner.health().await
        }
    }

    struct Guarded {
        phone: Phone,
        tokens: Arc<Tokens>,
        oldest: Arc<AtomicU32>,
    }

    fn guarded(world: &World, name: &str) -> Guarded {
        let (builder, lossy) = world.builder(|config| config.store.page_rows = 100);
        let oldest: Arc<AtomicU32> = Arc::default();
        let tokens = Arc::new(Tokens {
            runtime: world.runtime.clone(),
            current: Mutex::new(0),
            broken: Mutex::new(None),
            refreshes: AtomicU32::new(0),
            at_once: AtomicU32::new(0),
        });
        let guard = Guard {
            inner: lossy.clone(),
            oldest: oldest.clone(),
        };
        let builder = builder
            .transport(Arc::new(guard))
            .store(world.store(name))
            .credentials(tokens.clone());
        let app = world.run(builder.build()).unwrap();
        Guarded {
            phone: Phone::new(app, lossy, world.runtime.clone()),
            tokens,
            oldest,
        }
    }

    pub(super) fn a_token_that_expires_between_pages_is_renewed_once(kind: Kind) {
        let world = World::new(kind, one(item(LWW, Ids::Client)));
        world.fill(1_000);
        let Guarded {
            phone,
            tokens,
            oldest,
        } = guarded(&world, "pages");
        phone.lossy.script([Fate::TruncateAfter(6)]);
        let handle = phone.app.on_sync("", &Parameters::new()).unwrap();
        phone.runtime.run_until_idle();
        let arrived = phone.count("Item");
        assert!(
            (100..1_000).contains(&arrived),
            "the answer was cut off after {arrived}"
        );
        oldest.store(1, Ordering::SeqCst);
        let summary = phone.run(handle.outcome()).into_result().unwrap();
        assert_eq!(
            summary.received,
            1_000 - arrived as u64,
            "it goes on where it was"
        );
        assert_eq!(phone.count("Item"), 1_000);
        assert_eq!(tokens.refreshes.load(Ordering::SeqCst), 1);
    }

    pub(super) fn a_token_that_expires_between_push_and_answer_loses_nothing(kind: Kind) {
        let world = World::new(kind, one(item(LWW, Ids::Client)));
        let Guarded {
            phone,
            tokens,
            oldest,
        } = guarded(&world, "push");
        phone
            .run(phone.app.create("Item", fields(1, "made here", 1)))
            .unwrap();
        phone.lossy.script([Fate::DropAnswer]);
        let handle = phone.app.on_sync("", &Parameters::new()).unwrap();
        phone.runtime.run_until_idle();
        oldest.store(1, Ordering::SeqCst);
        assert_eq!(phone.run(handle.outcome()).into_result().unwrap().applied, 1);
        assert_eq!(world.contents("Item").len(), 1);
        assert_eq!(phone.app.status().waiting, 0);
        assert_eq!(tokens.refreshes.load(Ordering::SeqCst), 1);
    }

    pub(super) fn a_refresh_that_fails_for_an_hour_is_waited_for(kind: Kind) {
        for failure in [ErrorKind::Transient, ErrorKind::Unauthorised] {
            let world = World::new(kind, one(item(LWW, Ids::Client)));
            let Guarded {
                phone,
                tokens,
                oldest,
            } = guarded(&world, "hour");
            phone
                .run(phone.app.create("Item", fields(1, "made here", 1)))
                .unwrap();
            oldest.store(1, Ordering::SeqCst);
            let until = phone.runtime.elapsed() + HOUR;
            *tokens.broken.lock().unwrap() = Some((failure, until));
            let handle = phone.app.on_sync("", &Parameters::new()).unwrap();
            phone.pass(3_500);
            let tried = tokens.refreshes.load(Ordering::SeqCst);
            if failure == ErrorKind::Unauthorised {
                assert_eq!(tried, 1, "syncing pauses");
                assert!(phone.app.status().needs_credentials);
                phone.pass(200);
                phone.app.credentials_changed();
                drop(handle);
            } else {
                assert!((2..=61).contains(&tried), "{tried}");
                assert!(phone.run(handle.outcome()).into_result().is_ok());
            }
            phone.pass(400);
            assert_eq!(world.contents("Item").len(), 1, "nothing was lost");
            assert!(!phone.app.status().needs_credentials);
        }
    }
}
