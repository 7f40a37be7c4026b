//! Statements, constraints, attaching and restoring.

use super::*;

#[tokio::test]
async fn soft_deleted_rows_count_as_deleted_until_their_key_is_made_again() {
    let soft = EntitySchema {
        soft_delete: Some(SoftDelete {
            column: "is_active".into(),
            value: Value::Boolean(false),
        }),
        ids: Ids::Client,
        ..visit()
    };
    let store = MemoryServerStore::new(1);
    store.attach(&schema(vec![soft.clone()])).await.unwrap();
    let new = Fields::new().with("id", 5i64).with("note", "n");
    let mut writer = store.write().await.unwrap();
    writer.insert(&soft, &new).await.unwrap();
    assert!(writer.get(&soft, &[0], &5i64.into()).await.unwrap().is_some());
    writer.delete(&soft, &5i64.into()).await.unwrap();
    assert_eq!(writer.get(&soft, &[0], &5i64.into()).await.unwrap(), None);
    assert_eq!(code(writer.delete(&soft, &5i64.into()).await), "record_missing");
    writer.commit().await.unwrap();
    let mut view = store.read().await.unwrap();
    let extent = extent(&soft, "");
    assert!(
        view.snapshot(&extent, &KeyRange::all(), NO_LIMIT)
            .await
            .unwrap()
            .rows
            .is_empty()
    );
    let changed = view.delta(&extent, 0, NO_LIMIT).await.unwrap();
    assert_eq!(changed.deleted, [Key::one(5i64)]);
    assert_eq!(view.count(&extent).await.unwrap(), Some(0));
    let row = &store.contents("visits").unwrap()[0].1;
    assert!(!row.get::<bool>("is_active").unwrap());
    drop(view);
    let mut writer = store.write().await.unwrap();
    let again = Fields::new().with("id", 5i64).with("note", "again");
    assert_eq!(writer.insert(&soft, &again).await.unwrap(), Key::one(5i64));
    writer.savepoint().await.unwrap();
    assert_eq!(code(writer.insert(&soft, &new).await), "constraint_violated");
    writer.undo().await.unwrap();
    writer.commit().await.unwrap();
    let rows = store.contents("visits").unwrap();
    assert_eq!(rows.len(), 1);
    assert!(rows[0].1.get::<bool>("is_active").unwrap());
    assert_eq!(rows[0].1.value("remark"), &Value::from("again"));
}

#[tokio::test]
async fn a_refused_statement_needs_an_undo_and_loses_nothing_before_it() {
    let store = attached().await;
    store.add_unique("visits", &["remark"]).await.unwrap();
    let visit = visit();
    let new = |note: &str| Fields::new().with("note", note);
    let mut writer = store.write().await.unwrap();
    let first = writer.insert(&visit, &new("a")).await.unwrap();
    assert_eq!(code(writer.undo().await), "no_savepoint");
    writer.savepoint().await.unwrap();
    let second = writer.insert(&visit, &new("b")).await.unwrap();
    writer.area_put("receipts", b"1", b"x").await.unwrap();
    let told = writer.position().await.unwrap();
    assert_eq!(
        code(writer.update(&visit, &second, &new("a")).await),
        "constraint_violated"
    );
    assert_eq!(
        code(writer.area_get("receipts", b"1").await),
        "transaction_failed"
    );
    assert_eq!(code(writer.savepoint().await), "transaction_failed");
    writer.undo().await.unwrap();
    assert_eq!(writer.area_get("receipts", b"1").await.unwrap(), None);
    assert_eq!(writer.get(&visit, &[2], &second).await.unwrap(), None);
    assert_eq!(writer.get(&visit, &[2], &first).await.unwrap(), Some(new("a")));
    writer.insert(&visit, &new("c")).await.unwrap();
    writer.undo().await.unwrap();
    writer.insert(&visit, &new("d")).await.unwrap();
    assert!(
        writer.position().await.unwrap() > told,
        "positions that were told are not given again"
    );
    writer.commit().await.unwrap();
    assert_eq!(store.contents("visits").unwrap().len(), 2);

    let mut writer = store.write().await.unwrap();
    let unasked = Fields::new().with("id", 9i64);
    assert_eq!(code(writer.insert(&visit, &unasked).await), "key_not_allowed");
    assert_eq!(
        code(writer.update(&visit, &first, &unasked).await),
        "key_change_refused"
    );
    assert_eq!(
        code(writer.update(&visit, &99i64.into(), &new("z")).await),
        "record_missing"
    );
    assert_eq!(
        code(writer.insert(&visit, &Fields::new().with("remark", "x")).await),
        "unknown_attribute"
    );
    assert_eq!(
        code(writer.insert(&visit, &Fields::new().with("note", 1i64)).await),
        "invalid_value"
    );
    assert_eq!(
        code(writer.get(&visit, &[0], &Key::one("1")).await),
        "invalid_key"
    );
    writer.commit().await.unwrap();
}

fn key(on_delete: OnDelete, deferred: bool) -> ForeignKey {
    ForeignKey {
        child: "items".into(),
        column: "visit".into(),
        parent: "visits".into(),
        on_delete,
        deferred,
    }
}

#[tokio::test]
async fn foreign_keys_cascade_restrict_and_wait_for_the_commit() {
    let mut child = visit();
    child.name = "Item".into();
    child.source = "items".into();
    child.attributes[2] = Attribute::new("visit", ValueType::Integer);
    let store = MemoryServerStore::new(1);
    store.attach(&schema(vec![visit(), child.clone()])).await.unwrap();
    let fill = async |store: &MemoryServerStore| {
        let write = |tables: &mut Tables<'_>| {
            let parent = tables.insert("visits", &fields("u", "p"))?;
            let visit = parent.0[0].clone();
            tables.insert("items", &Fields::new().with("visit", visit))?;
            Ok(parent)
        };
        store.foreign_write(write).await.unwrap()
    };
    let empty = store.backup();
    let with = async |foreign_key: ForeignKey| -> Key {
        store.restore(&empty);
        store.add_foreign_key(foreign_key).await.unwrap();
        fill(&store).await
    };
    let orphan = Fields::new().with("visit", 99i64);

    let parent = with(key(OnDelete::Restrict, false)).await;
    let mut writer = store.write().await.unwrap();
    assert_eq!(
        code(writer.delete(&visit(), &parent).await),
        "constraint_violated"
    );
    drop(writer);
    let mut writer = store.write().await.unwrap();
    assert_eq!(code(writer.insert(&child, &orphan).await), "constraint_violated");
    drop(writer);
    let moved = Fields::new().with("id", 50i64);
    let rekeyed = store
        .foreign_write(|tables| tables.update("visits", &parent, &moved))
        .await;
    assert_eq!(code(rekeyed), "constraint_violated");

    let parent = with(key(OnDelete::Cascade, false)).await;
    let start = position(&store).await;
    store
        .foreign_write(|tables| tables.delete("visits", &parent))
        .await
        .unwrap();
    let mut view = store.read().await.unwrap();
    let cascaded = view.delta(&extent(&child, ""), start, NO_LIMIT).await.unwrap();
    assert_eq!(cascaded.deleted.len(), 1, "what a cascade deletes is tracked");

    let parent = with(key(OnDelete::SetNull, false)).await;
    store
        .foreign_write(|tables| tables.delete("visits", &parent))
        .await
        .unwrap();
    assert!(store.contents("items").unwrap()[0].1.value("visit").is_null());

    with(key(OnDelete::Restrict, true)).await;
    let mut writer = store.write().await.unwrap();
    writer.insert(&child, &orphan).await.unwrap();
    assert_eq!(code(writer.commit().await), "constraint_violated");
    assert_eq!(store.contents("items").unwrap().len(), 1);
}

#[tokio::test]
async fn existing_tables_are_checked_and_bad_values_named() {
    let store = MemoryServerStore::new(1).existing_tables_only();
    let attach = async |entity: EntitySchema| code(store.attach(&schema(vec![entity])).await);
    assert_eq!(attach(visit()).await, "table_missing");
    let mut columns = visit().attributes;
    columns.truncate(2);
    store
        .foreign_write(|tables| tables.create("visits", &columns, &["id"]))
        .await
        .unwrap();
    assert_eq!(attach(visit()).await, "column_missing");
    let mut fitting = visit();
    fitting.attributes.truncate(2);
    let keyed = EntitySchema {
        key: vec!["user".into()],
        ..fitting.clone()
    };
    assert_eq!(attach(keyed).await, "key_missing");
    let mut typed = fitting.clone();
    typed.attributes[1].value_type = ValueType::Integer;
    assert_eq!(attach(typed).await, "column_type");
    let mut view = store.read().await.unwrap();
    assert_eq!(code(view.newest(&fitting).await), "table_missing");
    assert_eq!(attach(fitting.clone()).await, "ok");

    let new = Fields::new().with("user", "u");
    let key = store
        .foreign_write(|tables| tables.insert("visits", &new))
        .await
        .unwrap();
    store
        .foreign_write(|tables| tables.write_anything("visits", &key, "user", Value::Integer(3)))
        .await
        .unwrap();
    let mut view = store.read().await.unwrap();
    let extent = Extent {
        entity: &fitting,
        attributes: &[0, 1],
        scope: "",
    };
    let error = view
        .snapshot(&extent, &KeyRange::all(), NO_LIMIT)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "stored_value_invalid");
    assert_eq!(error.place(), Some("visits.user of the row 1"));
    let scoped = Extent { scope: "u", ..extent };
    assert_eq!(code(view.count(&scoped).await), "unknown_scope");
}

#[tokio::test]
async fn a_restored_server_is_as_it_was_and_open_writes_are_void() {
    let store = attached().await;
    add(&store, "A", "kept").await;
    let backup = store.backup();
    add(&store, "A", "lost").await;
    let mut open = store.write().await.unwrap();
    open.insert(&visit(), &Fields::new()).await.unwrap();
    store.restore(&backup);
    assert_eq!(code(open.commit().await), "store_unavailable");
    assert_eq!(
        (position(&store).await, store.contents("visits").unwrap().len()),
        (1, 1)
    );
    let failed = store.foreign_write(|tables| {
        tables.insert("visits", &fields("A", "undone"))?;
        tables.insert("nowhere", &Fields::new())
    });
    assert_eq!(code(failed.await), "table_missing");
    assert_eq!(store.contents("visits").unwrap().len(), 1);
}

#[tokio::test]
async fn every_write_can_be_the_last() {
    for last in 1..=5u64 {
        let store = attached().await;
        let hooked = store.clone().with_faults(Arc::new(move |step: &StoreStep| {
            (step.number == last).then(crashed)
        }));
        let push = async || -> Result<()> {
            let mut writer = hooked.write().await?;
            writer.area_insert("receipts", b"m", b"1").await?;
            writer.insert(&visit(), &Fields::new()).await?;
            writer.commit().await
        };
        let result = push().await;
        let rows = store.contents("visits").unwrap().len();
        let receipt = store
            .read()
            .await
            .unwrap()
            .area_get("receipts", b"m")
            .await
            .unwrap();
        assert_eq!(receipt.is_some(), rows == 1, "both or neither");
        assert_eq!(
            (result.is_ok(), rows),
            (last == 5, usize::from(last >= 4)),
            "step {last}"
        );
    }
}
