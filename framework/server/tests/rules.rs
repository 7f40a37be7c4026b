//! The app's own rules: who may, what is valid, what else happens.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod support;

use onsync_core::memory::server::MemoryServerStore;
use onsync_core::mutation::{MutationKind, Outcome, Rejection};
use onsync_core::policy::{AppliedMutation, Authorizer, Principal, ServerHooks, Validator};
use onsync_core::schema::EntitySchema;
use onsync_core::store::server::ServerTransaction;
use onsync_core::wire::AnswerState;
use onsync_core::{Error, Fields, Key, Result, portable_async};
use std::sync::{Arc, Mutex};
use support::{Device, applied, builder, foreign_put, named, short, stored};

/// Companies belong to the user their `city` names; only their owner sees them.
struct Owners;

impl Owners {
    fn own(principal: &Principal, record: &Fields) -> bool {
        record.value("city").to_string() == principal.user
    }
}

impl Authorizer for Owners {
    fn may_read(&self, _: &Principal, entity: &EntitySchema) -> bool {
        entity.name != "Item"
    }

    fn may_write(
        &self,
        principal: &Principal,
        _: &EntitySchema,
        before: Option<&Fields>,
        after: Option<&Fields>,
    ) -> bool {
        [before, after]
            .into_iter()
            .flatten()
            .all(|record| Self::own(principal, record))
    }

    fn may_see(&self, principal: &Principal, entity: &EntitySchema, record: &Fields) -> bool {
        entity.name != "Company" || Self::own(principal, record)
    }
}

#[tokio::test]
async fn records_of_others_are_as_if_they_were_not_there() {
    let store = MemoryServerStore::new(1);
    let server = builder(&store).authorizer(Owners).build().await.unwrap();
    let owned = |name: &str, owner: &str| named(name).with("city", owner);
    let mut ada = Device::new("ada");
    let create = ada.create("Company", 1, owned("hers", "ada"));
    assert_eq!(ada.push_one(&server, &create).await, applied());
    let mut bob = Device::new("bob");
    let mutations = vec![
        bob.update("Company", 1, named("stolen")),
        bob.update("Company", 99, named("nowhere")),
        bob.delete("Company", 1),
        bob.delete("Company", 99),
        bob.create("Company", 2, owned("for ada", "ada")),
        bob.create("Company", 1, owned("same key", "bob")),
    ];
    let outcomes = bob.push(&server, &mutations).await;
    assert_eq!(outcomes[0], outcomes[1], "not yours is as not there");
    assert_eq!(outcomes[2], outcomes[3], "not yours is as not there");
    assert_eq!(
        (short(&outcomes[0]), short(&outcomes[2])),
        ("gone".to_owned(), "applied".to_owned())
    );
    assert_eq!(short(&outcomes[4]), "not_allowed");
    assert_eq!(short(&outcomes[5]), "constraint_violated");
    // Giving a record away is a write to what one may not have afterwards.
    let give = ada.update("Company", 1, Fields::new().with("city", "bob"));
    assert_eq!(short(&ada.push_one(&server, &give).await), "not_allowed");
    assert_eq!(stored(&store, "Company", "name"), [(1, "hers".to_owned())]);
    assert!(!format!("{outcomes:?}").contains("hers"));
}

#[tokio::test]
async fn an_entity_one_may_not_read_is_as_one_that_is_not_there() {
    let store = MemoryServerStore::new(1);
    let server = builder(&store).authorizer(Owners).build().await.unwrap();
    let mut device = Device::new("ada");
    let (refused, _) = device.pull(&server, "Item").await;
    let AnswerState::Failed(error) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(error.code, "entity_unavailable");
    assert_eq!(device.pull(&server, "Country").await.0, AnswerState::Complete);
}

struct NoShouting;

impl Validator for NoShouting {
    fn validate(
        &self,
        _: &EntitySchema,
        kind: MutationKind,
        _: Option<&Fields>,
        after: Option<&Fields>,
    ) -> std::result::Result<(), Rejection> {
        let loud = after.is_some_and(|record| record.value("name").to_string().ends_with('!'));
        if !loud && kind != MutationKind::Delete {
            return Ok(());
        }
        Err(Rejection {
            code: "too_loud".to_owned(),
            message: "names do not end with an exclamation mark".to_owned(),
        })
    }
}

#[tokio::test]
async fn a_validator_refuses_what_it_is_shown() {
    let store = MemoryServerStore::new(1);
    let server = builder(&store).validator(NoShouting).build().await.unwrap();
    let mut device = Device::new("ada");
    let mutations = vec![
        device.create("Company", 1, named("Acme")),
        device.create("Company", 2, named("Acme!")),
        device.update("Company", 1, named("Acme!")),
        device.update("Company", 1, Fields::new().with("city", "Oslo")),
        device.delete("Company", 1),
    ];
    let codes: Vec<String> = device.push(&server, &mutations).await.iter().map(short).collect();
    assert_eq!(codes, ["applied", "too_loud", "too_loud", "applied", "too_loud"]);
    assert_eq!(stored(&store, "Company", "city"), [(1, "Oslo".to_owned())]);
}

/// Writes a log row per mutation inside the transaction, refuses what is called "trap", and counts commits.
#[derive(Clone, Default)]
struct Log {
    after: Arc<Mutex<Vec<Key>>>,
}

#[portable_async]
impl ServerHooks for Log {
    async fn before_commit(
        &self,
        transaction: &mut dyn ServerTransaction,
        applied: &[AppliedMutation],
    ) -> Result<()> {
        for one in applied {
            if one.mutation.values.value("name").to_string() == "trap" {
                return Err(Error::rejected("trapped", "the hook refuses this"));
            }
            let schema = support::schema();
            let fields = named(&one.principal.user);
            transaction.insert(schema.entity("Artist")?, &fields).await?;
        }
        Ok(())
    }

    async fn after_commit(&self, applied: &[AppliedMutation]) {
        let keys = applied.iter().map(|one| one.key.clone());
        self.after.lock().unwrap().extend(keys);
    }
}

#[tokio::test]
async fn hooks_run_inside_the_transaction_and_after_it() {
    let store = MemoryServerStore::new(1);
    let log = Log::default();
    let server = builder(&store).hooks(log.clone()).build().await.unwrap();
    let mut device = Device::new("ada");
    let mutations = vec![
        device.create("Company", 1, named("one")),
        device.create("Company", 2, named("trap")),
        device.create("Company", 3, named("three")),
        device.update("Company", 9, named("gone")),
    ];
    let codes: Vec<String> = device.push(&server, &mutations).await.iter().map(short).collect();
    assert_eq!(codes, ["applied", "trapped", "applied", "gone"]);
    assert_eq!(stored(&store, "Company", "name").len(), 2);
    assert_eq!(
        stored(&store, "Artist", "name").len(),
        2,
        "one row per applied mutation"
    );
    assert_eq!(*log.after.lock().unwrap(), [Key::one(1i64), Key::one(3i64)]);
    // The answer was lost: after_commit is called again, before_commit is not.
    device.push(&server, &mutations[..1]).await;
    assert_eq!(log.after.lock().unwrap().len(), 3);
    assert_eq!(stored(&store, "Artist", "name").len(), 2);
}

#[tokio::test]
async fn a_rejection_of_a_hook_is_remembered() {
    let store = MemoryServerStore::new(1);
    let server = builder(&store).hooks(Log::default()).build().await.unwrap();
    foreign_put(&store, "Company", 1, "one").await;
    let mut device = Device::new("ada");
    let trap = device.update("Company", 1, named("trap"));
    for _ in 0..2 {
        let outcome = device.push_one(&server, &trap).await;
        assert!(
            matches!(&outcome, Outcome::Rejected(rejection) if rejection.code == "trapped"),
            "{outcome:?}"
        );
    }
    assert_eq!(stored(&store, "Company", "name"), [(1, "one".to_owned())]);
}
