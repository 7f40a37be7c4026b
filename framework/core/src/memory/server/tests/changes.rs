//! Positions, pages and views.

use super::*;

#[tokio::test]
async fn every_touched_key_gets_a_position_whatever_the_statement() {
    let store = attached().await;
    store.add_unique("visits", &["remark"]).await.unwrap();
    for remark in ["a", "b", "c", "d"] {
        add(&store, "u", remark).await;
    }
    let start = position(&store).await;
    assert_eq!(start, 4);
    store
        .foreign_write(|tables| {
            // Displaces 2 by the unique column, and 1 by the key.
            tables.replace("visits", &fields("u", "b").with("id", 1i64))?;
            // A changed key is a delete and a create.
            tables.update("visits", &3i64.into(), &Fields::new().with("id", 30i64))?;
            tables.update("visits", &4i64.into(), &fields("u", "d2"))?;
            tables.update("visits", &4i64.into(), &fields("u", "d3"))?;
            tables.delete("visits", &77i64.into())
        })
        .await
        .unwrap();
    let changed = delta(&store, "", start).await;
    let (rows, deleted, removed) = keys(&changed);
    assert_eq!((rows, deleted), (ids(&[1, 30, 4]).0, ids(&[2, 3]).1));
    assert!(removed.is_empty() && !changed.more);
    assert_eq!(changed.up_to, position(&store).await);
    store
        .foreign_write(|tables| tables.truncate("visits"))
        .await
        .unwrap();
    let emptied = delta(&store, "", changed.up_to).await;
    assert_eq!(emptied.deleted.len(), 3);
    assert_eq!(
        add(&store, "u", "new").await,
        Key::one(31i64),
        "keys are not issued twice"
    );
}

#[tokio::test]
async fn a_record_that_moves_on_is_removed_where_it_was() {
    let store = attached().await;
    let key = add(&store, "A", "x").await;
    let start = position(&store).await;
    for user in ["B", "C"] {
        let moved = Fields::new().with("user", user);
        store
            .foreign_write(|tables| tables.update("visits", &key, &moved))
            .await
            .unwrap();
    }
    assert_eq!(
        keys(&delta(&store, "A", start).await),
        (vec![], vec![], vec![key.clone()])
    );
    assert_eq!(
        keys(&delta(&store, "B", start).await),
        (vec![], vec![], vec![key.clone()])
    );
    assert_eq!(keys(&delta(&store, "C", start).await).0.len(), 1);
    store
        .foreign_write(|tables| tables.delete("visits", &key))
        .await
        .unwrap();
    for scope in ["A", "B", "C", ""] {
        assert_eq!(
            keys(&delta(&store, scope, start).await),
            (vec![], vec![key.clone()], vec![])
        );
    }
    assert!(
        keys(&delta(&store, "D", start).await).1.is_empty(),
        "others learn nothing"
    );
}

#[tokio::test]
async fn pages_cover_everything_whatever_their_size() {
    let store = attached().await;
    store
        .foreign_write(|tables| {
            for number in 0..50 {
                let user = if number % 3 == 0 { "A" } else { "B" };
                tables.insert("visits", &fields(user, "xxxxxxxx"))?;
            }
            tables.delete("visits", &7i64.into())
        })
        .await
        .unwrap();
    let visit = visit();
    let extent = extent(&visit, "A");
    let mut view = store.read().await.unwrap();
    add(&store, "A", "later").await;
    for limit in [
        PageLimit { rows: 1, ..NO_LIMIT },
        PageLimit { rows: 4, ..NO_LIMIT },
        PageLimit { rows: 17, ..NO_LIMIT },
        PageLimit { bytes: 0, ..NO_LIMIT },
        PageLimit {
            bytes: 48,
            ..NO_LIMIT
        },
    ] {
        let (mut after, mut total) = (None, 0);
        loop {
            let range = KeyRange { after, to: None };
            let page = view.snapshot(&extent, &range, limit).await.unwrap();
            total += page.rows.len();
            assert!(page.rows.len() <= limit.rows);
            after = page.more_after;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(total, 16, "{limit:?}");
        let (mut after, mut changes) = (0, 0);
        loop {
            let page = view.delta(&extent, after, limit).await.unwrap();
            changes += page.rows.len() + page.deleted.len() + page.removed.len();
            after = page.up_to;
            if !page.more {
                break;
            }
        }
        assert_eq!((changes, after), (17, view.position().await.unwrap()));
    }
    let range = KeyRange {
        after: Some(1i64.into()),
        to: Some(4i64.into()),
    };
    let page = view.snapshot(&extent, &range, NO_LIMIT).await.unwrap();
    assert_eq!((page.rows.len(), page.more_after), (1, None));
    assert_eq!(view.count(&extent).await.unwrap(), Some(16));
    let none = PageLimit { rows: 0, bytes: 1 };
    assert_eq!(code(view.delta(&extent, 0, none).await), "invalid_limit");
}

#[tokio::test]
async fn views_are_of_one_state_and_writers_wait_for_each_other() {
    let store = attached().await;
    let mut before = store.read().await.unwrap();
    let mut first = store.write().await.unwrap();
    assert!(first.area_insert("receipts", b"m", b"1").await.unwrap());
    assert!(!first.area_insert("receipts", b"m", b"2").await.unwrap());
    first.insert(&visit(), &Fields::new()).await.unwrap();
    let other = store.clone();
    let mut second = other.write();
    let mut context = Context::from_waker(Waker::noop());
    assert!(second.as_mut().poll(&mut context).is_pending());
    first.commit().await.unwrap();
    let mut second = second.await.unwrap();
    assert!(!second.area_insert("receipts", b"m", b"2").await.unwrap());
    assert_eq!(
        second.area_get("receipts", b"m").await.unwrap(),
        Some(b"1".to_vec())
    );
    assert_eq!(before.position().await.unwrap(), 0);
    assert_eq!(before.area_get("receipts", b"m").await.unwrap(), None);
    assert_eq!(before.newest(&visit()).await.unwrap(), 0);
    let mut after = store.read().await.unwrap();
    assert_eq!(
        (
            after.newest(&visit()).await.unwrap(),
            after.position().await.unwrap()
        ),
        (1, 1)
    );
    second.area_remove("receipts", b"m").await.unwrap();
    second.commit().await.unwrap();
    assert_eq!(position(&store).await, 1, "areas take no position");
}

#[tokio::test]
async fn forgotten_changes_and_lost_tracking_are_told() {
    let store = attached().await;
    let again = store.attach(&schema(vec![visit()])).await.unwrap();
    assert_eq!(again, Attached::default(), "doing it again changes nothing");
    let key = add(&store, "A", "x").await;
    add(&store, "A", "y").await;
    store
        .foreign_write(|tables| tables.delete("visits", &key))
        .await
        .unwrap();
    store.prune_to(2).await.unwrap();
    let mut view = store.read().await.unwrap();
    let visit = visit();
    let all = extent(&visit, "");
    assert_eq!(view.horizon(&visit).await.unwrap(), 2);
    assert_eq!(code(view.delta(&all, 1, NO_LIMIT).await), "checkpoint_expired");
    assert_eq!(keys(&delta(&store, "A", 2).await).1, [key]);
    store.prune_to(99).await.unwrap();
    assert_eq!(keys(&delta(&store, "", 3).await), (vec![], vec![], vec![]));

    store.drop_tracking("visits").await.unwrap();
    add(&store, "A", "unseen").await;
    assert_eq!(position(&store).await, 3);
    let repaired = store.attach(&schema(vec![visit.clone()])).await.unwrap();
    assert_eq!(repaired.reset, ["Visit"]);
    let mut view = store.read().await.unwrap();
    assert!(
        view.horizon(&visit).await.unwrap() > 3,
        "every checkpoint is below it"
    );
    assert!(view.horizon(&visit).await.unwrap() <= view.position().await.unwrap());
}
