//! What is told at `info` and above holds no record values and no tokens, and the spans have their documented names.

crate::scenarios! {
    what_is_told_holds_no_secrets
}

mod run {
    use crate::apps::Phone;
    use crate::world::*;
    use onsync_core::handler::Parameters;
    use onsync_core::schema::{Attribute, EntitySchema};
    use onsync_core::transport::{Credentials, CredentialsProvider};
    use onsync_core::{Fields, Key, Result, Value, ValueType, portable_async};
    use onsync_testkit::fakes::Fate;
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::format::FmtSpan;

    const SECRET: &str = "xyzzy-secret";

    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<u8>>>);

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    struct Token;

    #[portable_async]
    impl CredentialsProvider for Token {
        async fn credentials(&self, _refused: bool) -> Result<Option<Credentials>> {
            Ok(Some(Credentials::bearer(format!("{SECRET}-token"))))
        }
    }

    fn secret(number: i64) -> Fields {
        Fields::new()
            .with("id", format!("{SECRET}-key-{number}"))
            .with("name", format!("{SECRET}-name-{number}"))
    }

    /// A day of an app: edits, faults, rejections, lists, signing in and out.
    fn live(kind: Kind) {
        let attributes = vec![
            Attribute::new("id", ValueType::Text),
            Attribute::new("name", ValueType::Text),
        ];
        let world = World::new(kind, one(EntitySchema::new("Item", LWW, &["id"], attributes)));
        let phone = world.phone("told", |_| {});
        phone.run(phone.app.login("somebody", Arc::new(Token))).unwrap();
        let create = |phone: &Phone, number| phone.run(phone.app.create("Item", secret(number)));
        for number in 0..20 {
            create(&phone, number).unwrap();
        }
        phone
            .lossy
            .script([Fate::Offline, Fate::DropAnswer, Fate::TruncateAfter(2)]);
        let handle = phone.app.on_sync("", &Parameters::new()).unwrap();
        phone.run(handle.outcome());
        world.put("Item", &secret(100));
        if kind == Kind::Sqlite {
            // The server's database refuses one of them, and says what it refuses.
            let Database::Sqlite(path) = &world.database else {
                panic!("a file")
            };
            onsync_sqlite_store::rusqlite::Connection::open(path)
                .unwrap()
                .execute_batch(
                    "CREATE TRIGGER refuse BEFORE UPDATE ON Item WHEN NEW.name LIKE '%refused%'
                     BEGIN SELECT RAISE(ABORT, 'xyzzy-secret-constraint'); END;",
                )
                .unwrap();
        }
        let refused = Fields::new().with("name", format!("{SECRET}-refused"));
        phone
            .run(
                phone
                    .app
                    .update("Item", Key(vec![Value::Text(format!("{SECRET}-key-1"))]), refused),
            )
            .unwrap();
        let _ = phone.outcome("");
        let _ = phone.run(
            phone
                .app
                .delete("Item", Key(vec![Value::Text(format!("{SECRET}-key-2"))])),
        );
        let _ = create(&phone, 3).unwrap_err();
        let _ = phone.outcome("");
        let _ = phone.run(phone.app.rejected(10)).unwrap();
        let _ = phone
            .run(phone.app.logout(onsync_engine::LogoutPolicy::Discard))
            .unwrap();
    }

    fn told(kind: Kind, level: tracing_subscriber::filter::LevelFilter) -> String {
        let told = Told::default();
        let subscriber = {
            let writer = told.clone();
            tracing_subscriber::fmt()
                .with_max_level(level)
                .with_ansi(false)
                .with_span_events(FmtSpan::NEW)
                .with_writer(move || writer.clone())
                .finish()
        };
        let _told_here = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber);
        live(kind);
        let bytes = told.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    pub(super) fn what_is_told_holds_no_secrets(kind: Kind) {
        use tracing_subscriber::filter::LevelFilter;
        let info = told(kind, LevelFilter::INFO);
        let leaks: Vec<&str> = info.lines().filter(|line| line.contains(SECRET)).collect();
        assert!(leaks.is_empty(), "{leaks:#?}");
        assert!(
            info.contains("a run ended") && info.contains("sync_run"),
            "{info}"
        );
        let debug = told(kind, LevelFilter::DEBUG);
        for span in [
            "sync_run{context=",
            "sync_exchange{entities=",
            "sync_apply{entity=",
            "sync{instance=",
        ] {
            assert!(debug.contains(span), "{span} is documented and not told");
        }
    }
}
