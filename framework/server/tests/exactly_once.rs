//! A mutation takes effect once, however often it, or its answer, is lost and repeated.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod support;

use onsync_core::Fields;
use onsync_core::memory::faults::{Moment, StoreStep, crashed};
use onsync_core::memory::server::MemoryServerStore;
use onsync_core::mutation::{MutationKind, Outcome};
use onsync_core::wire::{AnswerFrame, RequestFrame};
use onsync_server::SyncService as _;
use std::sync::Arc;
use support::{Device, applied, foreign_delete, foreign_put, fresh, named, server, short, stored};

#[tokio::test]
async fn a_repetition_is_answered_from_the_receipt_with_the_record_as_it_is_now() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let create = device.create("Company", 1, named("Acme"));
    assert_eq!(device.push_one(&server, &create).await, applied());
    for _ in 0..3 {
        let Outcome::Applied { stored, gone, .. } = device.push_one(&server, &create).await else {
            panic!("applied again")
        };
        assert_eq!(stored.unwrap().fields.get::<String>("name").unwrap(), "Acme");
        assert!(!gone);
    }
    foreign_put(&store, "Company", 1, "Acme Ltd").await;
    let Outcome::Applied { stored: now, .. } = device.push_one(&server, &create).await else {
        panic!()
    };
    assert_eq!(now.unwrap().fields.get::<String>("name").unwrap(), "Acme Ltd");
    assert_eq!(stored(&store, "Company", "name"), [(1, "Acme Ltd".to_owned())]);
    foreign_delete(&store, "Company", 1).await;
    let again = device.push_one(&server, &create).await;
    assert!(
        matches!(
            again,
            Outcome::Applied {
                gone: true,
                stored: None,
                ..
            }
        ),
        "{again:?}"
    );
    assert!(stored(&store, "Company", "name").is_empty(), "no zombie");
}

#[tokio::test]
async fn a_repeated_delete_is_applied_and_nothing_is_gone() {
    let (store, server) = fresh().await;
    foreign_put(&store, "Company", 1, "Acme").await;
    let mut device = Device::new("ada");
    let delete = device.delete("Company", 1);
    assert_eq!(device.push_one(&server, &delete).await, applied());
    assert_eq!(device.push_one(&server, &delete).await, applied());
    foreign_put(&store, "Company", 1, "Another").await;
    let Outcome::Applied {
        stored: now, gone, ..
    } = device.push_one(&server, &delete).await
    else {
        panic!()
    };
    assert_eq!(now.unwrap().fields.get::<String>("name").unwrap(), "Another");
    assert!(!gone);
    assert_eq!(
        stored(&store, "Company", "name").len(),
        1,
        "the delete is not done again"
    );
}

#[tokio::test]
async fn the_server_issues_one_key_however_often_the_create_comes() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let create = device.create_unnamed("Artist", named("Ella"));
    let Outcome::Applied {
        key: first,
        stored: None,
        gone: false,
    } = device.push_one(&server, &create).await
    else {
        panic!()
    };
    let Outcome::Applied { key: second, .. } = device.push_one(&server, &create).await else {
        panic!()
    };
    assert!(first.is_some() && first == second);
    assert_eq!(stored(&store, "Artist", "name").len(), 1);
}

#[tokio::test]
async fn two_at_once_have_one_effect() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let create = device.create_unnamed("Artist", named("Ella"));
    let frames = || device.push_frames(std::slice::from_ref(&create));
    let both = tokio::join!(
        server.sync(Some("ada"), frames()),
        server.sync(Some("ada"), frames())
    );
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!(stored(&store, "Artist", "name").len(), 1);
}

#[tokio::test]
async fn an_id_with_another_body_or_another_user_is_refused_and_tells_nothing() {
    let (store, server) = fresh().await;
    let mut ada = Device::new("ada");
    let create = ada.create("Company", 1, named("secret"));
    ada.push_one(&server, &create).await;
    let mut changed = create.clone();
    changed.values.set("name", "changed");
    let mut bob = Device::new("bob");
    bob.instance = ada.instance;
    for (device, mutation) in [(&ada, &changed), (&bob, &create), (&bob, &changed)] {
        let outcome = device.push_one(&server, mutation).await;
        assert_eq!(short(&outcome), "mutation_id_reused");
        assert!(!format!("{outcome:?}").contains("secret"));
    }
    assert_eq!(stored(&store, "Company", "name"), [(1, "secret".to_owned())]);
    assert_eq!(short(&ada.push_one(&server, &create).await), "applied");
}

#[tokio::test]
async fn a_settled_number_without_a_receipt_is_answered_renew_and_applies_nothing() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let first = device.create_unnamed("Artist", named("Ella"));
    let second = device.create_unnamed("Artist", named("Billie"));
    device.push(&server, &[first.clone(), second.clone()]).await;
    device.settled_to = 1;
    // The first receipt may be forgotten, the second not yet.
    assert_eq!(device.push_one(&server, &first).await, Outcome::Renew);
    assert_eq!(short(&device.push_one(&server, &second).await), "applied");
    // A late request that knows of no settling changes nothing either.
    device.settled_to = 0;
    assert_eq!(device.push_one(&server, &first).await, Outcome::Renew);
    assert_eq!(stored(&store, "Artist", "name").len(), 2);
    // The same instance under another user is another device.
    let mut bob = Device::new("bob");
    bob.instance = device.instance;
    let own = bob.create_unnamed("Artist", named("Nina"));
    assert_eq!(short(&bob.push_one(&server, &own).await), "applied");
}

/// What stood under the first number was never sent, so that no number names two mutations.
#[tokio::test]
async fn a_number_beyond_those_that_a_device_has_given_shows_that_it_was_put_back() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let copy = device.clone();
    let _held = device.create_unnamed("Artist", named("held back"));
    let second = device.create_unnamed("Artist", named("Ella"));
    device.push(&server, std::slice::from_ref(&second)).await;
    let mut put_back = copy;
    let again = put_back.create_unnamed("Artist", named("Ella"));
    let telling = |cut_to| {
        let mut frames = put_back.push_frames(std::slice::from_ref(&again));
        if let Some(RequestFrame::Hello(hello)) = frames.first_mut() {
            hello.cut_to = Some(cut_to);
        }
        frames
    };
    let outcome = |frames: Vec<AnswerFrame>| {
        let outcomes = frames.into_iter().filter_map(|frame| match frame {
            AnswerFrame::Outcome(outcome) => Some(outcome.outcome),
            _ => None,
        });
        outcomes.collect::<Vec<_>>()
    };
    let answer = server.sync(Some(device.token), telling(1)).await.unwrap();
    assert_eq!(outcome(support::all(answer).await), [Outcome::Renew]);
    assert_eq!(stored(&store, "Artist", "name").len(), 1);
    // A device that has given that number itself sends the first one late.
    let answer = server.sync(Some(device.token), telling(2)).await.unwrap();
    assert_eq!(short(&outcome(support::all(answer).await)[0]), "applied");
}

/// The device had the outcome of its first mutation, so that the receipt is gone when the copy sends under that number.
#[tokio::test]
async fn a_settled_number_shows_that_a_device_was_put_back_for_all_of_its_request() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let copy = device.clone();
    let first = device.create_unnamed("Artist", named("Ella"));
    device.push(&server, std::slice::from_ref(&first)).await;
    device.settled_to = 1;
    device.pull(&server, "Artist").await;
    let mut put_back = copy;
    let behind = put_back.create_unnamed("Artist", named("after the copy"));
    let again = put_back.create_unnamed("Artist", named("Ella"));
    let outcomes = put_back.push(&server, &[behind, again]).await;
    assert_eq!(outcomes, [Outcome::Renew, Outcome::Renew]);
    assert_eq!(stored(&store, "Artist", "name").len(), 1);
}

#[tokio::test]
async fn a_number_that_names_another_mutation_shows_a_device_that_was_put_back() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let copy = device.clone();
    let first = device.create_unnamed("Artist", named("Ella"));
    device.push(&server, std::slice::from_ref(&first)).await;
    let mut put_back = copy;
    let again = put_back.create_unnamed("Artist", named("Ella"));
    let behind = put_back.create_unnamed("Artist", named("Billie"));
    let outcomes = put_back.push(&server, &[again, behind]).await;
    assert_eq!(outcomes, [Outcome::Renew, Outcome::Renew]);
    assert_eq!(stored(&store, "Artist", "name").len(), 1);
    // What has its receipt is answered from it all the same, and another instance begins anew.
    assert_eq!(short(&device.push_one(&server, &first).await), "applied");
    put_back.instance = uuid::Uuid::from_u128(77);
    let own = put_back.create_unnamed("Artist", named("Nina"));
    assert_eq!(short(&put_back.push_one(&server, &own).await), "applied");
}

#[tokio::test]
async fn settling_without_mutations_is_remembered_against_late_requests() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let late = device.create_unnamed("Artist", named("Ella"));
    device.settled_to = 1;
    device.pull(&server, "Artist").await;
    device.settled_to = 0;
    assert_eq!(device.push_one(&server, &late).await, Outcome::Renew);
    assert!(stored(&store, "Artist", "name").is_empty());
}

#[tokio::test]
async fn a_rejection_is_remembered_until_it_is_settled() {
    let (store, server) = fresh().await;
    foreign_put(&store, "Company", 9, "Acme").await;
    store
        .foreign_write(|tables| tables.update("Company", &9i64.into(), &Fields::new().with("code", "A")))
        .await
        .unwrap();
    let mut device = Device::new("ada");
    let create = device.create("Company", 1, named("Acme").with("code", "A"));
    assert_eq!(
        short(&device.push_one(&server, &create).await),
        "constraint_violated"
    );
    foreign_delete(&store, "Company", 9).await;
    assert_eq!(
        short(&device.push_one(&server, &create).await),
        "constraint_violated"
    );
    assert!(stored(&store, "Company", "name").is_empty());
}

#[tokio::test]
async fn a_crash_at_any_write_leaves_effect_and_receipt_or_neither() {
    for kind in [MutationKind::Create, MutationKind::Update, MutationKind::Delete] {
        for moment in [Moment::Before, Moment::After] {
            for at in 1..40 {
                crash_at(kind, moment, at).await;
            }
        }
    }
}

async fn crash_at(kind: MutationKind, moment: Moment, at: u64) {
    let store = MemoryServerStore::new(1);
    let healthy = server(&store).await;
    foreign_put(&store, "Company", 1, "before").await;
    let mut device = Device::new("ada");
    let mutations = match kind {
        MutationKind::Create => vec![
            device.create_unnamed("Artist", named("after")),
            device.create_unnamed("Artist", named("other")),
        ],
        MutationKind::Update => vec![device.update("Company", 1, named("after"))],
        MutationKind::Delete => vec![device.delete("Company", 1)],
    };
    let failing = store.clone().with_faults(Arc::new(move |step: &StoreStep| {
        (step.number >= at && step.moment == moment).then(crashed)
    }));
    if let Ok(dying) = support::builder(&failing).build().await {
        // Whatever this answers is lost.
        let _ = dying.sync(Some("ada"), device.push_frames(&mutations)).await;
    }
    let outcomes = device.push(&healthy, &mutations).await;
    for outcome in &outcomes {
        assert_eq!(short(outcome), "applied", "{kind:?} {moment:?} {at}");
    }
    match kind {
        MutationKind::Create => assert_eq!(stored(&store, "Artist", "name").len(), 2),
        MutationKind::Update => assert_eq!(stored(&store, "Company", "name"), [(1, "after".to_owned())]),
        MutationKind::Delete => assert!(stored(&store, "Company", "name").is_empty()),
    }
}

/// Two requests of one device at once, as after a time-out: other bounds, some mutations in both.
#[tokio::test]
async fn requests_at_once_that_share_mutations_have_one_effect_of_each() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let creates: Vec<_> = (0..30)
        .map(|number| device.create_unnamed("Artist", named(&format!("artist {number}"))))
        .collect();
    let mut turned: Vec<_> = creates[10..].to_vec();
    turned.reverse();
    let (first, second) = tokio::join!(
        device.push(&server, &creates[..20]),
        device.push(&server, &turned)
    );
    let key = |outcome: &Outcome| match outcome {
        Outcome::Applied { key: Some(key), .. } => key.clone(),
        other => panic!("{other:?}"),
    };
    let second: Vec<_> = second.iter().rev().map(key).collect();
    let first: Vec<_> = first.iter().map(key).collect();
    assert_eq!(first[10..], second[..10], "one key for each");
    assert_eq!(stored(&store, "Artist", "name").len(), 30);
    let again: Vec<_> = device
        .push(&server, &creates[5..25])
        .await
        .iter()
        .map(key)
        .collect();
    assert_eq!(again[..15], first[5..], "as in the first answer");
    assert_eq!(again[5..], second[..15], "as in the second");
    assert_eq!(stored(&store, "Artist", "name").len(), 30);
}

async fn receipts(store: &MemoryServerStore) -> (usize, usize) {
    use onsync_core::store::server::ServerStore as _;
    let mut snapshot = store.read().await.unwrap();
    (
        snapshot.area_scan("receipt", None, 1_000).await.unwrap().len(),
        snapshot
            .area_scan("receipt_list", None, 1_000)
            .await
            .unwrap()
            .len(),
    )
}

/// Receipts are listed by the transaction that made them, and forgotten one by one as the device settles them.
#[tokio::test]
async fn receipts_are_forgotten_as_they_are_settled() {
    let (store, server) = fresh().await;
    let mut ada = Device::new("ada");
    let mut bob = Device::new("bob");
    let other = bob.create_unnamed("Artist", named("Nina"));
    bob.push_one(&server, &other).await;
    let creates: Vec<_> = (0..10)
        .map(|number| ada.create_unnamed("Artist", named(&format!("artist {number}"))))
        .collect();
    // The first six together, without the third; then the third with the rest.
    let (third, mut first) = (creates[2].clone(), creates[..6].to_vec());
    first.remove(2);
    let mut rest = creates[6..].to_vec();
    rest.insert(0, third.clone());
    ada.push(&server, &first).await;
    ada.push(&server, &rest).await;
    assert_eq!(receipts(&store).await, (11, 3));
    ada.settled_to = 2;
    ada.pull(&server, "Item").await;
    assert_eq!(receipts(&store).await, (9, 3));
    assert_eq!(ada.push_one(&server, &creates[0]).await, Outcome::Renew);
    assert_eq!(short(&ada.push_one(&server, &third).await), "applied");
    assert_eq!(short(&ada.push_one(&server, &creates[5]).await), "applied");
    ada.settled_to = 6;
    ada.pull(&server, "Item").await;
    assert_eq!(receipts(&store).await, (5, 2));
    ada.settled_to = 10;
    ada.pull(&server, "Item").await;
    assert_eq!(receipts(&store).await, (1, 1), "only the other device's");
    for create in &creates {
        assert_eq!(ada.push_one(&server, create).await, Outcome::Renew);
    }
    assert_eq!(stored(&store, "Artist", "name").len(), 11);
}
