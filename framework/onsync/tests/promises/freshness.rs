//! What the status says about how new things are, with several processes on one store.

use crate::world::*;
use onsync_core::handler::SyncDirection;
use onsync_core::schema::Ids;
use onsync_engine::Status;
use onsync_engine::config::ContextSettings;

fn keys(status: &Status) -> Vec<&'static str> {
    status.messages().into_iter().map(|message| message.key).collect()
}

/// Another process pushes, which makes what was fetched before older than what the server has: nobody says "up to date" any more, also not
/// after a restart, whoever wrote notes last.
#[test]
fn what_another_process_sends_makes_nobody_say_up_to_date() {
    let world = World::new(Kind::Sqlite, one(item(LWW, Ids::Client)));
    world.fill(3);
    let send = |config: &mut onsync_engine::Config| {
        let settings = ContextSettings {
            direction: SyncDirection::Push,
            ..ContextSettings::default()
        };
        config.contexts.insert("Send".to_owned(), settings);
    };
    let first = world.phone("shared", send);
    first.sync("");
    first.pass(60);
    let second = world.phone("shared", send);
    second.runtime.run_until_idle();
    assert!(first.app.status().up_to_date_as_of.is_some());
    assert_eq!(
        second.app.status().up_to_date_as_of,
        first.app.status().up_to_date_as_of
    );

    second
        .run(second.app.create("Item", fields(10, "sent by the second", 1)))
        .unwrap();
    assert_eq!(second.sync("Send").applied, 1);
    assert_eq!(second.app.status().up_to_date_as_of, None);
    first.pass(5);
    assert_eq!(first.app.status().up_to_date_as_of, None);
    assert_eq!(keys(&first.app.status()), ["not_all_fetched"]);

    // The first one notes something of its own, late, and knows nothing of what the second has fetched by then.
    first
        .run(first.app.create("Item", fields(11, "waits", 1)))
        .unwrap();
    first.pass(60);
    let third = world.phone("shared", send);
    third.runtime.run_until_idle();
    assert_eq!(third.app.status().up_to_date_as_of, None);
    assert!(third.app.status().completed_at.contains_key("Send"));
    second.sync("");
    first.pass(60);
    assert!(first.app.status().up_to_date_as_of.is_some());
    assert_eq!(first.app.status().completed_at, second.app.status().completed_at);
}

/// After a push-only run the headline is neither "up to date" nor as if nothing had ever been synced.
#[test]
fn after_sending_only_the_status_says_what_was_done_and_what_was_not() {
    let world = World::new(Kind::Memory, one(item(LWW, Ids::Client)));
    let phone = world.phone("sends", |config| {
        let settings = ContextSettings {
            direction: SyncDirection::Push,
            ..ContextSettings::default()
        };
        config.contexts.insert("Send".to_owned(), settings);
    });
    assert_eq!(keys(&phone.app.status()), ["not_synced_yet"]);
    phone.run(phone.app.create("Item", fields(1, "sent", 1))).unwrap();
    phone.sync("Send");
    let status = phone.app.status();
    assert_eq!(
        status.message(),
        "last sync at 2026-01-01T00:00:00Z; not everything the server has was fetched"
    );
    phone.sync("");
    assert_eq!(keys(&phone.app.status()), ["up_to_date"]);
}
