//! Rows, overlays, keys and queries.

use super::*;

#[tokio::test]
async fn the_apps_writes_are_tracked_and_the_first_base_is_kept() {
    let store = opened().await;
    fill(&store, [row(1i64, "A", 1990i64), row(2i64, "B", 1991i64)]).await;
    assert!(
        overlay(&store, 1).await.is_none(),
        "the sync's writes leave no overlay"
    );

    let mut app = store.begin(APP).await.unwrap();
    let title = RowSet::from_columns(rows([row(1i64, "A2", Value::Null)]).columns()[..2].to_vec()).unwrap();
    app.put(&album(), &[0, 1], &title).await.unwrap();
    app.remove(&album(), &[Key::one(1i64), Key::one(99i64)])
        .await
        .unwrap();
    app.insert(&album(), &row(1i64, "A3", Value::Null)).await.unwrap();
    app.commit().await.unwrap();

    let first = overlay(&store, 1).await.unwrap();
    assert_eq!(first.base, Some(row(1i64, "A", 1990i64)));
    assert_eq!(
        (first.edit, first.acknowledged_to, first.state),
        (3, 0, RecordState::Waiting)
    );
    assert!(
        overlay(&store, 99).await.is_none(),
        "what is not there is not tracked"
    );
}

#[tokio::test]
async fn only_overlay_functions_and_the_app_change_an_overlay() {
    let store = opened().await;
    fill(&store, [row(1i64, "A", 1990i64), row(2i64, "B", 1991i64)]).await;
    let mut app = store.begin(APP).await.unwrap();
    for title in ["A1", "A2", "A3"] {
        let edited = rows([row(1i64, title, Value::Null)]);
        app.put(&album(), &[0, 1, 2], &edited).await.unwrap();
    }
    app.commit().await.unwrap();
    let first = overlay(&store, 1).await.unwrap();

    let mut sync = store.begin(SYNC).await.unwrap();
    let settled = Overlay {
        acknowledged_to: 3,
        state: RecordState::Conflicted,
        ..first
    };
    sync.put_overlay(&album(), &settled).await.unwrap();
    sync.put(&album(), &[0, 1, 2], &rows([row(1i64, "S", Value::Null)]))
        .await
        .unwrap();
    let fewer = Overlay {
        edit: 2,
        ..settled.clone()
    };
    assert_eq!(
        code(sync.put_overlay(&album(), &fewer).await),
        "edit_number_refused"
    );
    sync.commit().await.unwrap();
    assert_eq!(
        overlay(&store, 1).await,
        Some(settled),
        "nothing but overlay functions change it"
    );

    let mut app = store.begin(APP).await.unwrap();
    app.put(&album(), &[0, 1, 2], &rows([row(2i64, "B2", Value::Null)]))
        .await
        .unwrap();
    app.put(&album(), &[0, 1, 2], &rows([row(1i64, "A4", Value::Null)]))
        .await
        .unwrap();
    app.commit().await.unwrap();
    assert_eq!(
        overlay(&store, 2).await.unwrap().edit,
        4,
        "numbers grow over the whole store"
    );
    let edited = overlay(&store, 1).await.unwrap();
    assert_eq!((edited.edit, edited.state), (5, RecordState::Conflicted));
}

#[tokio::test]
async fn a_partial_put_keeps_other_attributes_and_never_recreates() {
    let store = opened().await;
    fill(&store, [row(1i64, "A", 1990i64)]).await;
    let mut sync = store.begin(SYNC).await.unwrap();
    let mut set = RowSet::new([ValueType::Text, ValueType::Integer], 0);
    set.push(vec!["A2".into(), 1i64.into()]).unwrap();
    set.push(vec!["N".into(), 2i64.into()]).unwrap();
    sync.put(&album(), &[1, 0], &set).await.unwrap();
    sync.commit().await.unwrap();
    assert_eq!(
        all(&store).await,
        [row(1i64, "A2", 1990i64), row(2i64, "N", Value::Null)]
    );
}

#[tokio::test]
async fn read_only_and_local_entities_follow_their_own_rule() {
    let read_only = EntitySchema {
        refuse_local_writes: true,
        ..named("Genre")
    };
    let local = EntitySchema {
        local: true,
        ..named("Draft")
    };
    let store = MemoryStore::new(1);
    store
        .open(&schema(vec![read_only.clone(), local.clone()]))
        .await
        .unwrap();
    let mut app = store.begin(APP).await.unwrap();
    let one = row(1i64, "A", Value::Null);
    assert_eq!(code(app.insert(&read_only, &one).await), "read_only_entity");
    assert_eq!(
        code(app.put(&read_only, &[0, 1, 2], &rows([one.clone()])).await),
        "read_only_entity"
    );
    assert_eq!(
        code(app.remove(&read_only, &[Key::one(1i64)]).await),
        "read_only_entity"
    );
    app.insert(&local, &one).await.unwrap();
    assert_eq!(app.overlays(&local, &[Key::one(1i64)]).await.unwrap(), [None]);
    app.commit().await.unwrap();
    let mut sync = store.begin(SYNC).await.unwrap();
    sync.insert(&read_only, &one).await.unwrap();
}

#[tokio::test]
async fn keys_made_here_are_local_and_never_used_twice() {
    let text = EntitySchema {
        attributes: vec![Attribute::new("id", ValueType::Text)],
        ..named("Note")
    };
    let uuid = EntitySchema {
        attributes: vec![Attribute::new("id", ValueType::Uuid)],
        ids: Ids::Client,
        ..named("Visit")
    };
    let store = MemoryStore::new(1);
    store
        .open(&schema(vec![album(), text.clone(), uuid.clone()]))
        .await
        .unwrap();
    let null = row(Value::Null, "A", Value::Null);
    let mut app = store.begin(APP).await.unwrap();
    assert_eq!(
        app.insert(&album(), &null).await.unwrap(),
        Key::one(FIRST_LOCAL_INTEGER)
    );
    drop(app);
    let mut app = store.begin(APP).await.unwrap();
    assert_eq!(
        app.insert(&album(), &null).await.unwrap(),
        Key::one(FIRST_LOCAL_INTEGER + 1)
    );
    let own = row(FIRST_LOCAL_INTEGER + 7, "own", Value::Null);
    app.insert(&album(), &own).await.unwrap();
    assert_eq!(code(app.insert(&album(), &own).await), "record_exists");
    assert_eq!(
        app.insert(&album(), &null).await.unwrap(),
        Key::one(FIRST_LOCAL_INTEGER + 8)
    );
    app.insert(&album(), &row(i64::MAX, "last", Value::Null))
        .await
        .unwrap();
    assert_eq!(code(app.insert(&album(), &null).await), "keys_exhausted");
    let key = app.insert(&text, &vec![Value::Null]).await.unwrap();
    assert!(crate::store::local::is_local_key(&key.0[0]));
    let (one, two) = (
        app.insert(&uuid, &vec![Value::Null]).await.unwrap(),
        app.insert(&uuid, &vec![Value::Null]).await.unwrap(),
    );
    assert_ne!(one, two);
    assert_eq!(
        app.get(&uuid, std::slice::from_ref(&one)).await.unwrap(),
        [Some(one.0)]
    );
}

#[tokio::test]
async fn misuse_is_refused_and_undoes_only_itself() {
    let store = opened().await;
    fill(&store, [row(1i64, "A", Value::Null)]).await;
    let album = album();
    let mut app = store.begin(APP).await.unwrap();
    assert_eq!(
        code(app.insert(&album, &vec![2i64.into()]).await),
        "invalid_value"
    );
    assert_eq!(
        code(app.insert(&album, &row(2i64, "\0", Value::Null)).await),
        "invalid_value"
    );
    let wrong = vec![2i64.into(), Value::Integer(1), Value::Null];
    assert_eq!(code(app.insert(&album, &wrong).await), "invalid_value");
    assert_eq!(
        code(app.get(&album, &[Key(vec![1i64.into(), 2i64.into()])]).await),
        "invalid_key"
    );
    assert_eq!(
        code(app.get(&album, &[Key(vec![Value::Null])]).await),
        "invalid_key"
    );
    assert_eq!(code(app.get(&album, &[Key::one("1")]).await), "invalid_value");
    let half_bad = rows([
        row(1i64, "changed", Value::Null),
        row(Value::Null, "B", Value::Null),
    ]);
    assert_eq!(code(app.put(&album, &[0, 1, 2], &half_bad).await), "invalid_key");
    let good = rows([row(3i64, "C", Value::Null)]);
    assert_eq!(code(app.put(&album, &[0, 1], &good).await), "invalid_columns");
    assert_eq!(code(app.put(&album, &[2, 1, 2], &good).await), "invalid_columns");
    assert_eq!(code(app.put(&album, &[0, 1, 9], &good).await), "invalid_columns");
    assert_eq!(code(app.put(&album, &[0, 2, 1], &good).await), "invalid_value");
    let without_key = RowSet::from_columns(good.columns()[1..].to_vec()).unwrap();
    assert_eq!(
        code(app.put(&album, &[1, 2], &without_key).await),
        "invalid_columns"
    );
    assert_eq!(code(app.count(&named("Ghost")).await), "unknown_entity");
    let mut other = album.clone();
    other.attributes.swap(1, 2);
    assert_eq!(code(app.count(&other).await), "store_schema");
    let stranger = Overlay {
        key: Key::one(1i64),
        base: Some(row(2i64, "A", Value::Null)),
        edit: 1,
        acknowledged_to: 0,
        state: RecordState::Waiting,
    };
    assert_eq!(
        code(app.put_overlay(&album, &stranger).await),
        "key_change_refused"
    );
    app.put(&album, &[0, 1, 2], &good).await.unwrap();
    app.commit().await.unwrap();
    assert_eq!(
        all(&store).await,
        [row(1i64, "A", Value::Null), row(3i64, "C", Value::Null)]
    );
    assert!(overlay(&store, 1).await.is_none());
}

#[tokio::test]
async fn a_reader_writes_nothing_and_an_unopened_store_does_nothing() {
    let store = opened().await;
    let mut reader = store.begin(Access::Read).await.unwrap();
    assert_eq!(
        code(reader.area_put("outbox", b"k", b"v").await),
        "read_only_transaction"
    );
    assert_eq!(code(reader.remove(&album(), &[]).await), "read_only_transaction");
    let unopened = MemoryStore::new(1);
    assert_eq!(
        code(unopened.begin(Access::Read).await.map(|_| ())),
        "store_not_open"
    );
}

#[tokio::test]
async fn queries_filter_sort_and_cut() {
    let store = opened().await;
    let year = |year: i64| Value::Integer(year);
    fill(
        &store,
        [
            row(3i64, "c", Value::Null),
            row(1i64, "a", year(2000)),
            row(2i64, "B", year(1999)),
            row(4i64, "ab", year(2000)),
        ],
    )
    .await;
    let mut reader = store.begin(Access::Read).await.unwrap();
    let mut ids = async |query: Query| -> Vec<i64> {
        let rows = reader.query(&album(), &query).await.unwrap();
        rows.into_iter()
            .map(|row| match row[0] {
                Value::Integer(id) => id,
                _ => 0,
            })
            .collect()
    };
    let all = || Query::entity("Album");
    assert_eq!(ids(all()).await, [1, 2, 3, 4], "by key");
    assert_eq!(ids(all().order_by("year", Order::Ascending)).await, [3, 2, 1, 4]);
    assert_eq!(
        ids(all().order_by("year", Order::Descending)).await,
        [1, 4, 2, 3],
        "ties by key"
    );
    let two = all()
        .order_by("year", Order::Descending)
        .order_by("id", Order::Descending);
    assert_eq!(ids(two.offset(1).limit(2)).await, [1, 2]);
    assert_eq!(
        ids(all().filter("year", Comparison::Less, 3000i64)).await,
        [1, 2, 4],
        "null never holds"
    );
    assert_eq!(
        ids(all().filter("year", Comparison::Equal, Value::Null)).await,
        [3]
    );
    assert_eq!(
        ids(all().filter("title", Comparison::Contains, "b")).await,
        [2, 4]
    );
    let some = Query {
        keys: Some(vec![4i64.into(), 9i64.into(), 1i64.into(), 4i64.into()]),
        ..all()
    };
    assert_eq!(ids(some).await, [1, 4]);
    let wrong = all().filter("year", Comparison::Equal, "2000");
    assert_eq!(code(reader.query(&album(), &wrong).await), "invalid_value");
    assert_eq!(
        code(reader.query(&album(), &Query::entity("Track")).await),
        "invalid_query"
    );
    let range = KeyRange {
        after: Some(1i64.into()),
        to: Some(3i64.into()),
    };
    let keys = reader.keys_in(&album(), &range).await.unwrap();
    assert_eq!(keys, [Key::one(2i64), Key::one(3i64)]);
}

#[tokio::test]
async fn areas_are_ordered_by_bytes() {
    let store = opened().await;
    let mut sync = store.begin(SYNC).await.unwrap();
    for key in [&[2u8][..], &[1], &[1, 0], &[0xff]] {
        sync.area_put("a", key, key).await.unwrap();
    }
    sync.area_remove("a", &[0xff]).await.unwrap();
    sync.area_remove("none", &[1]).await.unwrap();
    let scanned = sync.area_scan("a", Some(&[1]), 9).await.unwrap();
    assert_eq!(scanned, [(vec![1, 0], vec![1, 0]), (vec![2], vec![2])]);
    assert_eq!(sync.area_scan("a", None, 1).await.unwrap().len(), 1);
}
