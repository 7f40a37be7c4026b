//! Transactions, processes, faults and schemas.

use super::*;

#[tokio::test]
async fn readers_keep_their_state_and_writers_take_turns() {
    let store = opened().await;
    let mut reader = store.begin(Access::Read).await.unwrap();
    let mut writer = store.begin(APP).await.unwrap();
    writer
        .insert(&album(), &row(1i64, "A", Value::Null))
        .await
        .unwrap();
    assert_eq!(writer.count(&album()).await.unwrap(), 1, "sees its own writes");
    let other = store.clone();
    let mut next = other.begin(SYNC);
    let mut context = Context::from_waker(Waker::noop());
    assert!(
        next.as_mut().poll(&mut context).is_pending(),
        "one writer at a time"
    );
    assert_eq!(all(&other).await.len(), 0, "readers are not blocked");
    writer.commit().await.unwrap();
    assert_eq!(reader.count(&album()).await.unwrap(), 0, "one state throughout");
    let mut next = next.await.unwrap();
    assert_eq!(next.count(&album()).await.unwrap(), 1);
    next.remove(&album(), &[Key::one(1i64)]).await.unwrap();
    next.area_put("outbox", b"k", b"v").await.unwrap();
    drop(next);
    assert_eq!(all(&store).await.len(), 1, "dropping undoes everything");
    let mut reader = store.begin(Access::Read).await.unwrap();
    assert_eq!(reader.area_get("outbox", b"k").await.unwrap(), None);
}

#[tokio::test]
async fn processes_compete_for_the_lock_and_die() {
    let store = opened().await;
    let other = store.clone();
    let guard = store.try_lock().await.unwrap().unwrap();
    assert!(store.try_lock().await.unwrap().is_none() && other.try_lock().await.unwrap().is_none());
    drop(guard);
    let leaked = other.try_lock().await.unwrap().unwrap();
    assert!(store.try_lock().await.unwrap().is_none());
    let mut open = other.begin(APP).await.unwrap();
    open.insert(&album(), &row(1i64, "lost", Value::Null))
        .await
        .unwrap();
    let next = other.reopen();
    assert!(
        next.try_lock().await.unwrap().is_some(),
        "a dead process holds nothing"
    );
    assert_eq!(code(open.count(&album()).await), "store_unavailable");
    let writer = next.begin(APP).await.unwrap();
    assert_eq!(code(open.commit().await), "store_unavailable");
    assert_eq!(code(other.begin(APP).await.map(|_| ())), "store_unavailable");
    writer.commit().await.unwrap();
    assert_eq!(all(&next).await.len(), 0);
    assert_eq!(next.foreign_commits().await.unwrap(), 0);
    assert_eq!(store.foreign_commits().await.unwrap(), 1);
    drop(leaked);
}

#[tokio::test]
async fn a_loss_of_power_takes_what_was_not_durable() {
    let store = opened().await;
    let write = async |access, id: i64| {
        let mut writer = store.begin(access).await.unwrap();
        writer.insert(&album(), &row(id, "x", Value::Null)).await.unwrap();
        writer.commit().await.unwrap();
    };
    write(Access::Sync { durable: false }, 1).await;
    write(APP, 2).await;
    write(Access::Sync { durable: false }, 3).await;
    assert_eq!(all(&store.reopen()).await.len(), 3, "the process may die");
    let store = store.clone();
    let open = store.begin(APP).await.unwrap();
    store.lose_power();
    assert_eq!(code(open.commit().await), "store_unavailable");
    assert_eq!(all(&store).await.len(), 2);
}

/// Writes three records; true if the caller was told so.
async fn three_writes(store: &MemoryStore) -> Result<()> {
    let mut app = store.begin(APP).await?;
    app.insert(&album(), &row(1i64, "A", Value::Null)).await?;
    app.put(&album(), &[0, 1, 2], &rows([row(2i64, "B", Value::Null)]))
        .await?;
    app.area_put("outbox", b"k", b"v").await?;
    app.commit().await
}

#[tokio::test]
async fn every_write_can_be_the_last() {
    for error in [crashed, killed] {
        for last in 1..=6u64 {
            let store = opened().await;
            let store = store.with_faults(Arc::new(move |step: &StoreStep| {
                (step.number == last).then(error)
            }));
            let result = three_writes(&store).await;
            let found = all(&store.reopen().without_faults()).await.len();
            match last {
                1..=4 => assert!(result.is_err() && found == 0, "step {last}"),
                5 => assert!(result.is_err() && found == 2, "the commit was done"),
                _ => assert!(result.is_ok() && found == 2),
            }
        }
    }
}

#[tokio::test]
async fn a_refused_statement_leaves_the_transaction_usable_and_a_full_disk_does_not() {
    let hook = |code: &'static str| -> FaultHook {
        Arc::new(move |step: &StoreStep| {
            (step.name == "insert" && step.moment == Moment::Before).then(|| Error::fatal(code, "no"))
        })
    };
    let store = opened().await.with_faults(hook("odd"));
    let mut app = store.begin(APP).await.unwrap();
    assert_eq!(
        code(app.insert(&album(), &row(1i64, "A", Value::Null)).await),
        "odd"
    );
    app.commit().await.unwrap();
    let store = store.with_faults(hook("disk_full"));
    let mut app = store.begin(APP).await.unwrap();
    assert_eq!(
        code(app.insert(&album(), &row(1i64, "A", Value::Null)).await),
        "disk_full"
    );
    assert_eq!(code(app.count(&album()).await), "transaction_over");
    assert_eq!(code(app.commit().await), "transaction_over");
}

#[tokio::test]
async fn another_schema_adds_and_forgets_nothing() {
    let store = MemoryStore::new(1);
    let first = store.open(&schema(vec![album()])).await.unwrap();
    assert!(first.created && first.extended.is_empty());
    fill(&store, [row(1i64, "A", 1990i64)]).await;
    let mut app = store.begin(APP).await.unwrap();
    app.put(&album(), &[0, 1, 2], &rows([row(1i64, "A2", 1990i64)]))
        .await
        .unwrap();
    app.commit().await.unwrap();

    let mut narrow = album();
    narrow.attributes.swap(0, 1);
    narrow.attributes[2] = Attribute::new("label", ValueType::Text);
    let opened = store.open(&schema(vec![narrow.clone()])).await.unwrap();
    assert_eq!(
        (opened.created, opened.extended),
        (false, vec!["Album".to_owned()])
    );
    let mut reader = store.begin(APP).await.unwrap();
    let key = [Key::one(1i64)];
    let wanted: Row = vec!["A2".into(), 1i64.into(), Value::Null];
    assert_eq!(reader.get(&narrow, &key).await.unwrap(), [Some(wanted)]);
    let base = reader.overlays(&narrow, &key).await.unwrap()[0]
        .clone()
        .unwrap()
        .base;
    assert_eq!(base, Some(vec!["A".into(), 1i64.into(), Value::Null]));
    drop(reader);

    let back = store.open(&schema(vec![album()])).await.unwrap();
    assert_eq!(back.extended, ["Album"], "what was not configured may be old");
    assert_eq!(
        all(&store).await,
        [row(1i64, "A2", 1990i64)],
        "and was never touched"
    );
    let again = store.open(&schema(vec![album()])).await.unwrap();
    assert_eq!(again, Opened::default());

    let mut typed = album();
    typed.attributes[2].value_type = ValueType::Text;
    assert_eq!(code(store.open(&schema(vec![typed])).await), "store_schema");
    let mut keyed = album();
    keyed.key = vec!["year".into()];
    assert_eq!(code(store.open(&schema(vec![keyed])).await), "store_schema");
}
