//! Users who sign in and out: one store for each, nothing of one shown to another, nothing lost without a choice.

crate::scenarios! {
    a_user_who_is_not_known_here_needs_the_server_once
    each_user_has_a_store_of_their_own
    one_store_is_one_user_s_until_it_is_given_up
    handles_from_before_are_refused
    signing_out_with_unsent_work_is_a_choice
    what_is_given_up_is_wiped_also_after_a_kill
    signing_in_runs_its_context_and_signing_out_stops_what_runs
    a_restarted_app_knows_who_is_signed_in
    a_process_that_was_signed_out_by_another_touches_nothing
}

mod run {
    use crate::apps::Phone;
    use crate::world::*;
    use onsync_core::handler::Parameters;
    use onsync_core::memory::local::MemoryStore;
    use onsync_core::query::Query;
    use onsync_core::runtime::Runtime as _;
    use onsync_core::schema::Ids;
    use onsync_core::store::local::{Access, LocalStore};
    use onsync_core::transport::{Credentials, CredentialsProvider};
    use onsync_core::{Result, portable_async};
    use onsync_engine::config::ContextSettings;
    use onsync_engine::{App, LogoutPolicy};
    use onsync_sqlite_store::{SqliteStore, SqliteStoreOptions};
    use onsync_testkit::fakes::Fate;
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    struct Token;

    #[portable_async]
    impl CredentialsProvider for Token {
        async fn credentials(&self, _refused: bool) -> Result<Option<Credentials>> {
            Ok(Some(Credentials::bearer("token")))
        }
    }

    fn token() -> Arc<dyn CredentialsProvider> {
        Arc::new(Token)
    }

    /// An app with a store per user; stores in memory are found again by their path.
    fn phone_of_users(world: &World) -> Phone {
        let (builder, lossy) = world.builder(|config| {
            config.store.kind = "per-user".to_owned();
            config.store.path = Some(world.folder.path().join("{user}.db").display().to_string());
            config
                .contexts
                .insert("Login".to_owned(), ContextSettings::default());
        });
        let memory: Mutex<BTreeMap<String, MemoryStore>> = Mutex::default();
        let kind = world.kind;
        let builder = builder
            .store_kind("per-user", move |settings| {
                let path = settings.path.clone().unwrap();
                Ok(match kind {
                    Kind::Memory => {
                        let mut stores = memory.lock().unwrap();
                        let seed = stores.len() as u64 + 1;
                        Arc::new(
                            stores
                                .entry(path)
                                .or_insert_with(|| MemoryStore::new(seed))
                                .clone(),
                        ) as Arc<dyn LocalStore>
                    }
                    Kind::Sqlite => Arc::new(SqliteStore::new(path, SqliteStoreOptions::default())),
                })
            })
            .unwrap();
        let app = world.run(builder.build()).unwrap();
        Phone::new(app, lossy, world.runtime.clone())
    }

    fn world(kind: Kind) -> World {
        World::new(kind, one(item(LWW, Ids::Client)))
    }

    fn create(phone: &Phone, id: i64) {
        phone
            .run(phone.app.create("Item", fields(id, &format!("secret {id}"), id)))
            .unwrap();
    }

    fn login(phone: &Phone, user: &str) -> Result<()> {
        phone.run(phone.app.login(user, token()))
    }

    fn logout(phone: &Phone, policy: LogoutPolicy) -> Result<onsync_engine::Unsent> {
        phone.run(phone.app.logout(policy))
    }

    pub(super) fn a_user_who_is_not_known_here_needs_the_server_once(kind: Kind) {
        let world = world(kind);
        let phone = phone_of_users(&world);
        assert!(phone.app.status().signed_out);
        let refused = phone
            .run(phone.app.create("Item", fields(1, "x", 1)))
            .unwrap_err();
        assert_eq!(refused.code(), "signed_out");
        phone.lossy.script([Fate::Offline]);
        assert_eq!(login(&phone, "anna").unwrap_err().code(), "first_login_offline");
        assert!(phone.app.status().signed_out && phone.app.user().is_none());
        login(&phone, "anna").unwrap();
        assert_eq!(phone.app.user().as_deref(), Some("anna"));
        create(&phone, 1);
        logout(&phone, LogoutPolicy::Keep).unwrap();
        phone.lossy.script([Fate::Offline; 50]);
        login(&phone, "anna").unwrap();
        assert_eq!(phone.count("Item"), 1, "known here: no network is needed");
        assert_eq!(
            login(&phone, "berta").unwrap_err().code(),
            "another_user_signed_in"
        );
        assert_eq!(login(&phone, "").unwrap_err().code(), "invalid_user");
    }

    pub(super) fn each_user_has_a_store_of_their_own(kind: Kind) {
        let world = world(kind);
        let phone = phone_of_users(&world);
        for user in ["anna", "Anna", "../anna", "%61nna"] {
            login(&phone, user).unwrap();
            assert_eq!(phone.count("Item"), 0, "{user} sees nothing of the others");
            assert_eq!(phone.app.status().waiting, 0);
            create(&phone, 1);
            assert_eq!(logout(&phone, LogoutPolicy::Keep).unwrap().waiting, 1);
        }
        login(&phone, "berta").unwrap();
        phone.sync("");
        assert_eq!(world.contents("Item").len(), 0, "nobody sends what is another's");
        logout(&phone, LogoutPolicy::Send).unwrap();
        login(&phone, "anna").unwrap();
        assert_eq!(phone.count("Item"), 1);
        phone.sync("");
        assert_eq!(world.contents("Item").len(), 1);
    }

    pub(super) fn one_store_is_one_user_s_until_it_is_given_up(kind: Kind) {
        let world = world(kind);
        let phone = world.phone("shared", |_| {});
        assert!(
            !phone.app.status().signed_out,
            "an app without users notices nothing of them"
        );
        assert_eq!(
            logout(&phone, LogoutPolicy::Keep).unwrap_err().code(),
            "not_signed_in"
        );
        create(&phone, 1);
        login(&phone, "anna").unwrap();
        assert_eq!(phone.count("Item"), 1, "what was there becomes hers");
        logout(&phone, LogoutPolicy::Keep).unwrap();
        assert_eq!(
            login(&phone, "berta").unwrap_err().code(),
            "store_of_another_user"
        );
        login(&phone, "anna").unwrap();
        assert_eq!(logout(&phone, LogoutPolicy::Discard).unwrap().waiting, 1);
        login(&phone, "berta").unwrap();
        assert_eq!((phone.count("Item"), phone.app.status().waiting), (0, 0));
    }

    pub(super) fn handles_from_before_are_refused(kind: Kind) {
        let world = world(kind);
        let phone = phone_of_users(&world);
        login(&phone, "anna").unwrap();
        create(&phone, 1);
        let mut live = phone.app.watch(Query::entity("Item")).unwrap();
        assert_eq!(phone.run(live.next()).unwrap().len(), 1);
        let runtime = phone.runtime.clone();
        let torn = phone.app.transaction(async |tx| {
            tx.create("Item", fields(2, "never", 2)).await?;
            runtime.sleep(Duration::from_secs(5)).await;
            tx.create("Item", fields(3, "never", 3)).await
        });
        let changed = async {
            runtime.sleep(Duration::from_secs(1)).await;
            phone.app.logout(LogoutPolicy::Keep).await?;
            phone.app.login("berta", token()).await
        };
        let (torn, changed) = phone.run(futures_util::future::join(torn, changed));
        assert_eq!(torn.unwrap_err().code(), "signed_out");
        changed.unwrap();
        let within = phone.run(
            phone
                .app
                .transaction(async |_| phone.app.logout(LogoutPolicy::Keep).await),
        );
        assert_eq!(within.unwrap_err().code(), "transaction_within_itself");
        assert_eq!(phone.app.user().as_deref(), Some("berta"));
        create(&phone, 3);
        assert_eq!(phone.run(live.next()).unwrap_err().code(), "signed_out");
        assert_eq!(phone.count("Item"), 1);
        logout(&phone, LogoutPolicy::Keep).unwrap();
        login(&phone, "anna").unwrap();
        assert_eq!(phone.count("Item"), 1, "the transaction was undone");
    }

    pub(super) fn signing_out_with_unsent_work_is_a_choice(kind: Kind) {
        let world = world(kind);
        let phone = phone_of_users(&world);
        login(&phone, "anna").unwrap();
        create(&phone, 1);
        phone.lossy.script([Fate::Offline]);
        let refused = logout(&phone, LogoutPolicy::Send).unwrap_err();
        assert_eq!(refused.code(), "unsent_changes");
        assert!(refused.message().contains("1 waiting"), "{refused}");
        assert_eq!(phone.app.user().as_deref(), Some("anna"), "still signed in");
        assert!(logout(&phone, LogoutPolicy::Send).unwrap().is_nothing());
        assert_eq!(world.contents("Item").len(), 1);
    }

    pub(super) fn what_is_given_up_is_wiped_also_after_a_kill(kind: Kind) {
        let world = world(kind);
        world.fill(2_010);
        let store = world.store("wiped");
        let build = || {
            let (builder, lossy) = world.builder(|_| {});
            let app: App = world.run(builder.store(store.clone()).build()).unwrap();
            Phone::new(app, lossy, world.runtime.clone())
        };
        let phone = build();
        login(&phone, "anna").unwrap();
        phone.sync("");
        create(&phone, 9_000);
        phone.lossy.script([Fate::DropAnswer]);
        let _ = phone.run(phone.app.on_sync("", &Parameters::new()).unwrap().outcome());
        create(&phone, 9_001);
        logout(&phone, LogoutPolicy::Discard).unwrap();
        let left = |store: &Arc<dyn LocalStore>| {
            world.run(async {
                let mut tx = store.begin(Access::Read).await.unwrap();
                let mut left = tx.count(world.schema.entity("Item").unwrap()).await.unwrap();
                for area in ["outbox", "checkpoint", "created", "bin"] {
                    left += tx.area_scan(area, None, 10).await.unwrap().len() as u64;
                }
                (left, tx.area_scan("state", None, 10).await.unwrap())
            })
        };
        let names = |state: &[(Vec<u8>, Vec<u8>)]| -> Vec<String> {
            let keys = state.iter().map(|(key, _)| String::from_utf8_lossy(key));
            keys.map(|key| key.into_owned()).collect()
        };
        let (records, state) = left(&store);
        assert_eq!(
            (records, names(&state)),
            (0, vec!["fence".to_owned()]),
            "the fence alone outlives a user"
        );
        drop(phone);
        // Killed before the wipe was done: the note that it is to be done is there, and it is done when the store is opened.
        let phone = build();
        login(&phone, "anna").unwrap();
        phone.sync("");
        world.run(async {
            let mut tx = store.begin(Access::Sync { durable: true }).await.unwrap();
            let found = tx.area_get("state", b"claim").await.unwrap().unwrap();
            // `discarded` is the last field of the claim: MessagePack's false becomes its true.
            let mut bytes = found.clone();
            *bytes.last_mut().unwrap() = 0xc3;
            assert_ne!(bytes, found);
            tx.area_put("state", b"claim", &bytes).await.unwrap();
            tx.commit().await.unwrap();
        });
        drop(phone);
        world.runtime.run_until_idle();
        let (_, annas) = left(&store);
        let phone = build();
        let (records, state) = left(&store);
        assert_eq!(
            (records, names(&state)),
            (0, vec!["fence".to_owned(), "instance".to_owned()])
        );
        assert!(!annas.contains(&state[1]), "the store has a new name");
        login(&phone, "berta").unwrap();
        assert_eq!(phone.count("Item"), 0);
    }

    pub(super) fn signing_in_runs_its_context_and_signing_out_stops_what_runs(kind: Kind) {
        let world = world(kind);
        world.fill(10);
        let phone = world.phone("triggered", |config| {
            config
                .contexts
                .insert("Login".to_owned(), ContextSettings::default());
            config.triggers.on_login = Some("Login".to_owned());
        });
        login(&phone, "anna").unwrap();
        phone.pass(1);
        assert_eq!(phone.events(), ["start Login", "complete Login"]);
        assert_eq!(phone.count("Item"), 10);
        world.fill(20);
        phone.lossy.script([Fate::DelayAnswer(Duration::from_secs(20))]);
        let handle = phone.app.on_sync("", &Parameters::new()).unwrap();
        phone.pass(5);
        logout(&phone, LogoutPolicy::Keep).unwrap();
        phone.pass(60);
        assert!(matches!(
            phone.run(handle.outcome()),
            onsync_engine::Outcome::Discarded
        ));
        phone.lossy.script([Fate::Offline]);
        login(&phone, "anna").unwrap();
        assert_eq!(phone.count("Item"), 10, "the run ended with the session");
        phone.sync("Login");
        assert_eq!(phone.count("Item"), 20);
    }

    pub(super) fn a_restarted_app_knows_who_is_signed_in(kind: Kind) {
        let world = world(kind);
        let store = world.store("restarted");
        let build = || {
            let (builder, lossy) = world.builder(|_| {});
            let app = world.run(builder.store(store.clone()).build()).unwrap();
            Phone::new(app, lossy, world.runtime.clone())
        };
        let phone = build();
        login(&phone, "anna").unwrap();
        create(&phone, 1);
        drop(phone);
        world.runtime.run_until_idle();
        let phone = build();
        assert_eq!(
            (phone.app.user().as_deref(), phone.count("Item")),
            (Some("anna"), 1)
        );
        logout(&phone, LogoutPolicy::Keep).unwrap();
        drop(phone);
        world.runtime.run_until_idle();
        let phone = build();
        assert!(phone.app.status().signed_out && phone.app.user().is_none());
        assert_eq!(phone.app.status().to_string(), "signed out");
        login(&phone, "anna").unwrap();
        assert_eq!(phone.count("Item"), 1);
    }

    pub(super) fn a_process_that_was_signed_out_by_another_touches_nothing(kind: Kind) {
        let world = world(kind);
        let store = world.store("two");
        let build = || {
            let (builder, lossy) = world.builder(|_| {});
            let app = world.run(builder.store(store.clone()).build()).unwrap();
            Phone::new(app, lossy, world.runtime.clone())
        };
        let first = build();
        login(&first, "anna").unwrap();
        let second = build();
        assert_eq!(second.app.user().as_deref(), Some("anna"));
        logout(&first, LogoutPolicy::Discard).unwrap();
        let refused = second.outcome("").into_result().unwrap_err();
        assert_eq!(refused.code(), "signed_out");
        login(&first, "berta").unwrap();
        create(&first, 1);
        logout(&second, LogoutPolicy::Discard).unwrap();
        assert_eq!(first.count("Item"), 1, "it is berta's store now");
        first.sync("");
        assert_eq!(world.contents("Item").len(), 1);
    }
}
