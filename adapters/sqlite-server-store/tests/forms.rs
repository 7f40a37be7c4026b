//! Storage forms: what is stored is read as the declared type, and new values are written as the column's others are.

mod common;

use common::{Database, WIDE, attach, block_on, entity, everything, in_pages, try_page, write};
use onsync_core::page::KeyRange;
use onsync_core::schema::Attribute;
use onsync_core::{ErrorKind, Fields, Key, Value, ValueType};

/// Column declaration, type, stored literal, what it reads as, another value, and the literal that is stored for it.
const CASES: &[(&str, ValueType, &str, &str, &str, &str)] = {
    use ValueType::{
        Boolean, Date, Decimal, Integer, Json, LocalTimestamp, Real, Text, Time, Timestamp, Uuid,
    };
    &[
        (
            "INTEGER",
            Integer,
            "9007199254740993",
            "9007199254740993",
            "-1",
            "-1",
        ),
        ("REAL", Integer, "5.0", "5", "7", "7.0"),
        ("NUMERIC(10,2)", Decimal, "0.99", "0.99", "12.50", "12.5"),
        ("NUMERIC(10,2)", Decimal, "2", "2", "-3", "-3"),
        ("REAL", Decimal, "0.1", "0.1", "3", "3.0"),
        (
            "TEXT",
            Decimal,
            "'1.50'",
            "1.50",
            "123456789012345678901234567890.10",
            "'123456789012345678901234567890.10'",
        ),
        ("", Decimal, "'1.50'", "1.50", "2.00", "'2.00'"),
        ("", Decimal, "1.5", "1.5", "2.00", "2"),
        ("DOUBLE", Real, "1e300", "1e300", "0.25", "0.25"),
        ("INTEGER", Real, "3", "3", "0.5", "0.5"),
        ("VARCHAR(10)", Text, "'Å'", "Å", "b", "'b'"),
        ("INTEGER", Text, "7", "7", "8", "8"),
        ("BOOLEAN", Boolean, "1", "true", "false", "0"),
        ("TEXT", Boolean, "'true'", "true", "false", "'false'"),
        ("TEXT", Boolean, "'N'", "false", "true", "'Y'"),
        (
            "DATE",
            Date,
            "'2026-11-22'",
            "2026-11-22",
            "2027-01-02",
            "'2027-01-02'",
        ),
        (
            "DATETIME",
            Date,
            "'2021-01-01 00:00:00'",
            "2021-01-01",
            "2027-01-02",
            "'2027-01-02 00:00:00'",
        ),
        ("INTEGER", Date, "1763769600", "2025-11-22", "1970-01-02", "86400"),
        ("REAL", Date, "2460000.5", "2023-02-25", "2023-02-26", "2460001.5"),
        (
            "TIME",
            Time,
            "'10:15:00'",
            "10:15:00.000000",
            "11:00:00.25",
            "'11:00:00.250'",
        ),
        ("TEXT", Time, "'10:15'", "10:15:00.000000", "11:00:00", "'11:00'"),
        (
            "DATETIME",
            Timestamp,
            "'2021-01-01 10:00:00'",
            "2021-01-01T10:00:00.000000Z",
            "2026-11-22T13:45:00Z",
            "'2026-11-22 13:45:00'",
        ),
        (
            "TEXT",
            Timestamp,
            "'2021-01-01T10:00:00Z'",
            "2021-01-01T10:00:00.000000Z",
            "2026-11-22T13:45:00Z",
            "'2026-11-22T13:45:00Z'",
        ),
        (
            "TEXT",
            Timestamp,
            "'2021-01-01T10:00:00.000Z'",
            "2021-01-01T10:00:00.000000Z",
            "2026-11-22T13:45:00.5Z",
            "'2026-11-22T13:45:00.500Z'",
        ),
        (
            "TEXT",
            Timestamp,
            "'2021-01-01T10:00:00+02:00'",
            "2021-01-01T08:00:00.000000Z",
            "2026-11-22T13:45:00Z",
            "'2026-11-22T13:45:00+00:00'",
        ),
        (
            "INTEGER",
            Timestamp,
            "1763819100",
            "2025-11-22T13:45:00.000000Z",
            "1970-01-01T00:00:01Z",
            "1",
        ),
        (
            "INTEGER",
            Timestamp,
            "1763819100250",
            "2025-11-22T13:45:00.250000Z",
            "1970-01-01T00:00:01Z",
            "1000",
        ),
        (
            "INTEGER",
            Timestamp,
            "1763819100250001",
            "2025-11-22T13:45:00.250001Z",
            "1970-01-01T00:00:01Z",
            "1000000",
        ),
        (
            "REAL",
            Timestamp,
            "2460000.5",
            "2023-02-25T00:00:00.000000Z",
            "2023-02-25T12:00:00Z",
            "2460001.0",
        ),
        (
            "REAL",
            Timestamp,
            "1763819100.5",
            "2025-11-22T13:45:00.500000Z",
            "1970-01-01T00:00:01.25Z",
            "1.25",
        ),
        (
            "DATETIME",
            LocalTimestamp,
            "'2021-01-01 10:00:00'",
            "2021-01-01T10:00:00.000000",
            "2026-11-22T13:45:00",
            "'2026-11-22 13:45:00'",
        ),
        (
            "TEXT",
            Uuid,
            "'0b5c1a9e-1111-4222-8333-0123456789ab'",
            "0b5c1a9e-1111-4222-8333-0123456789ab",
            "ffffffff-1111-4222-8333-0123456789ab",
            "'ffffffff-1111-4222-8333-0123456789ab'",
        ),
        (
            "UUID",
            Uuid,
            "'0B5C1A9E-1111-4222-8333-0123456789AB'",
            "0b5c1a9e-1111-4222-8333-0123456789ab",
            "ffffffff-1111-4222-8333-0123456789ab",
            "'FFFFFFFF-1111-4222-8333-0123456789AB'",
        ),
        (
            "TEXT",
            Uuid,
            "'0b5c1a9e1111422283330123456789ab'",
            "0b5c1a9e-1111-4222-8333-0123456789ab",
            "ffffffff-1111-4222-8333-0123456789ab",
            "'ffffffff1111422283330123456789ab'",
        ),
        (
            "BLOB",
            Uuid,
            "x'0b5c1a9e1111422283330123456789ab'",
            "0b5c1a9e-1111-4222-8333-0123456789ab",
            "ffffffff-1111-4222-8333-0123456789ab",
            "x'ffffffff1111422283330123456789ab'",
        ),
        ("JSON", Json, "'{\"a\": 1}'", "{\"a\": 1}", "[1,2]", "'[1,2]'"),
        ("JSON", Json, "12", "12", "\"x\"", "'\"x\"'"),
        ("BLOB", ValueType::Bytes, "x'00ff'", "AP8=", "AQ==", "x'01'"),
    ]
};

#[test]
fn every_form_is_read_and_kept() {
    for (declared, value_type, literal, reads, writes, stored) in CASES {
        let case = format!("{value_type} in {declared:?} as {literal}");
        let database = Database::new(&format!(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared}); INSERT INTO t VALUES (1, {literal}), (2, NULL), (3, {literal});"
        ));
        let store = database.store();
        let t = entity("t", &["id"], &[("id", ValueType::Integer), ("v", *value_type)]);
        attach(&store, &[&t]);
        let rows = everything(&store, &t);
        assert_eq!(rows.value(0, 1), value_type.parse(reads).unwrap(), "{case}");
        assert_eq!(rows.value(1, 1), Value::Null, "{case}");
        let new = value_type.parse(writes).unwrap();
        let mut transaction = write(&store);
        block_on(async {
            let fields = Fields::new().with("id", 4i64).with("v", new.clone());
            transaction.insert(&t, &fields).await.unwrap();
            transaction
                .update(&t, &Key::one(2i64), &Fields::new().with("v", new.clone()))
                .await
                .unwrap();
            transaction
                .update(&t, &Key::one(3i64), &Fields::new().with("v", Value::Null))
                .await
                .unwrap();
            let read = transaction
                .get(&t, &[0, 1], &Key::one(1i64))
                .await
                .unwrap()
                .unwrap();
            assert_eq!(read.value("v"), &value_type.parse(reads).unwrap(), "{case}");
            transaction.commit().await.unwrap();
        });
        for id in [2, 4] {
            let found = database.text(&format!("SELECT quote(v) || typeof(v) FROM t WHERE id = {id}"));
            let wanted = database.text(&format!("SELECT quote({stored}) || typeof({stored})"));
            assert_eq!(found.to_lowercase(), wanted.to_lowercase(), "{case}");
        }
        let untouched = database
            .text("SELECT quote(v) FROM t WHERE id = 1")
            .to_lowercase();
        assert_eq!(
            untouched,
            database.text(&format!("SELECT quote({literal})")).to_lowercase(),
            "{case}"
        );
    }
}

#[test]
fn a_value_that_is_not_of_its_type_is_an_error_that_says_where() {
    use ValueType::{Bytes, Date, Decimal, Integer, Json, Real, Text, Timestamp, Uuid};
    for (declared, value_type, literal) in [
        ("INTEGER", Integer, "'x'"),
        ("INTEGER", Integer, "1.5"),
        ("", Text, "x'ff'"),
        ("TEXT", Text, "CAST(x'ff' AS TEXT)"),
        ("TEXT", Text, "char(65, 0, 66)"),
        ("REAL", Real, "9e999"),
        ("REAL", Real, "'x'"),
        ("TEXT", Uuid, "'not one'"),
        ("BLOB", Uuid, "x'00'"),
        ("DATETIME", Timestamp, "'yesterday'"),
        ("DATETIME", Date, "'2021-01-01 10:00:00'"),
        ("JSON", Json, "'{'"),
        ("BLOB", Bytes, "'text'"),
        ("NUMERIC", Decimal, "'1,5'"),
    ] {
        let database = Database::new(&format!(
            "CREATE TABLE t (a INTEGER, b TEXT, v {declared}, PRIMARY KEY (a, b)); INSERT INTO t VALUES (7, 'k', {literal});"
        ));
        let store = database.store();
        let t = entity(
            "t",
            &["a", "b"],
            &[("a", Integer), ("b", Text), ("v", value_type)],
        );
        attach(&store, &[&t]);
        let error = try_page(&store, &t, &KeyRange::all(), WIDE).unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Corrupt, "stored_value_invalid"),
            "{literal}: {error}"
        );
        for word in ["`t`", "`v`", "7, k"] {
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}

#[test]
fn a_decimal_that_a_number_column_cannot_hold_is_refused() {
    let database = Database::new("CREATE TABLE t (id INTEGER PRIMARY KEY, v NUMERIC)");
    let store = database.store();
    let t = entity(
        "t",
        &["id"],
        &[("id", ValueType::Integer), ("v", ValueType::Decimal)],
    );
    attach(&store, &[&t]);
    let value = ValueType::Decimal.parse("0.12345678901234567890").unwrap();
    let error =
        block_on(write(&store).insert(&t, &Fields::new().with("id", 1i64).with("v", value))).unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Rejected, "value_not_storable")
    );
}

#[test]
fn a_number_that_would_be_stored_as_infinite_is_refused() {
    let database = Database::new("CREATE TABLE t (id INTEGER PRIMARY KEY, v JSON, w NUMERIC)");
    let store = database.store();
    let t = entity(
        "t",
        &["id"],
        &[
            ("id", ValueType::Integer),
            ("v", ValueType::Json),
            ("w", ValueType::Text),
        ],
    );
    attach(&store, &[&t]);
    let record = Fields::new().with("id", 1i64);
    for bad in ["1e400", "-1e400", " 12e399 "] {
        let json = record.clone().with("v", Value::Json(bad.to_owned()));
        let text = record.clone().with("w", bad);
        for fields in [json, text] {
            let error = block_on(write(&store).insert(&t, &fields)).unwrap_err();
            assert_eq!(
                (error.kind(), error.code()),
                (ErrorKind::Rejected, "invalid_value"),
                "{bad}"
            );
        }
    }
    let mut transaction = write(&store);
    let fine = record
        .with("v", Value::Json("\"1e400\"".to_owned()))
        .with("w", "infinity");
    block_on(transaction.insert(&t, &fine)).unwrap();
    assert_eq!(
        block_on(transaction.get(&t, &[0, 1, 2], &Key::one(1i64))).unwrap(),
        Some(fine)
    );
}

#[test]
fn pages_come_in_the_order_of_canonical_keys_whatever_the_column() {
    use ValueType::{Boolean, Bytes, Date, Integer, Text, Timestamp, Uuid};
    let uuids = "'0b5c1a9e-1111-4222-8333-0123456789ab', 'a0000000-1111-4222-8333-0123456789ab', 'fb5c1a9e-1111-4222-8333-0123456789ab'";
    for (declared, value_type, literals) in [
        (
            "INTEGER",
            Integer,
            "-5, 0, 3, 9007199254740993, -9223372036854775808".to_owned(),
        ),
        (
            "TEXT",
            Text,
            "'', 'a', 'B', 'Å', 'aa', char(1), '10', '9'".to_owned(),
        ),
        (
            "TEXT COLLATE NOCASE",
            Text,
            "'', 'a', 'B', 'Å', 'c', 'D'".to_owned(),
        ),
        ("TEXT COLLATE RTRIM", Text, "'a', 'b', 'ab'".to_owned()),
        (
            "BLOB",
            Bytes,
            "x'', x'00', x'0000', x'00ff', x'01', x'ff'".to_owned(),
        ),
        ("TEXT", Uuid, uuids.to_owned()),
        ("TEXT", Uuid, uuids.to_uppercase()),
        (
            "TEXT",
            Uuid,
            format!("{uuids}, 'B0000000-1111-4222-8333-0123456789AB', x'c0000000111142228333012345678900'"),
        ),
        (
            "DATE",
            Date,
            "'2026-11-22', '1969-01-01', '0001-01-01'".to_owned(),
        ),
        ("INTEGER", Timestamp, "5, -5, 1763819100".to_owned()),
        (
            "TEXT",
            Timestamp,
            "'2021-01-01 10:00:00', '2021-01-01 10:00:00.5', '2021-01-01T09:00:00Z'".to_owned(),
        ),
        ("BOOLEAN", Boolean, "0, 1".to_owned()),
    ] {
        let values = literals
            .split(", ")
            .map(|literal| format!("({literal})"))
            .collect::<Vec<_>>()
            .join(", ");
        let database = Database::new(&format!(
            "CREATE TABLE t (k {declared} NOT NULL PRIMARY KEY, n INTEGER); INSERT INTO t (k) VALUES {values};"
        ));
        let store = database.store();
        let mut t = entity("t", &["key"], &[("n", Integer), ("key", value_type)]);
        t.attributes[1] = Attribute {
            column: "k".to_owned(),
            ..Attribute::new("key", value_type)
        };
        attach(&store, &[&t]);
        let whole: Vec<Vec<Value>> = everything(&store, &t).iter().collect();
        let keys: Vec<Vec<u8>> = whole.iter().map(|row| t.key_of(row).to_bytes()).collect();
        assert_eq!(keys.len(), literals.split(", ").count());
        assert!(keys.is_sorted(), "{declared} {value_type}");
        for rows in [1, 2] {
            assert_eq!(in_pages(&store, &t, rows), whole, "{declared} {value_type}");
        }
        for row in &whole {
            let key = t.key_of(row);
            let range = KeyRange {
                after: None,
                to: Some(key.clone()),
            };
            assert_eq!(common::page(&store, &t, &range, WIDE).rows.row(0), whole[0]);
            let mut transaction = write(&store);
            let found = block_on(transaction.get(&t, &[1], &key)).unwrap();
            assert!(found.is_some(), "{declared} {value_type} {key}");
            block_on(transaction.update(&t, &key, &Fields::new().with("n", 1i64))).unwrap();
        }
    }
}

#[test]
fn a_key_in_another_form_is_noticed_and_devices_fetch_again() {
    let database = Database::new(
        "CREATE TABLE t (k TEXT NOT NULL PRIMARY KEY);
         INSERT INTO t VALUES ('0b5c1a9e-1111-4222-8333-0123456789ab'), ('a0000000-1111-4222-8333-0123456789ab');",
    );
    let store = database.store();
    let t = entity("t", &["k"], &[("k", ValueType::Uuid)]);
    assert!(attach(&store, &[&t]).warnings.is_empty());
    let checkpoint = common::position(&store);
    database.run("INSERT INTO t VALUES ('B0000000-1111-4222-8333-0123456789AB')");
    let error = try_page(&store, &t, &KeyRange::all(), WIDE).unwrap_err();
    assert!(error.kind().may_pass(), "{error}");
    assert_eq!(everything(&store, &t).len(), 3);
    assert!(common::horizon(&store, &t) > checkpoint);
    assert_eq!(in_pages(&store, &t, 1).len(), 3);
}

#[test]
fn pages_stop_at_their_limits() {
    let database = Database::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) INSERT INTO t SELECT i, printf('%0100d', i) FROM n",
    );
    let store = database.store();
    let t = entity(
        "t",
        &["id"],
        &[("id", ValueType::Integer), ("v", ValueType::Text)],
    );
    attach(&store, &[&t]);
    for (rows, bytes, wanted, more) in [
        (50, usize::MAX, 50, true),
        (49, usize::MAX, 49, true),
        (100, 108 * 3, 3, true),
        (100, 108 * 3 + 50, 3, true),
        (9, 1, 1, true),
    ] {
        let limit = onsync_core::store::server::PageLimit { rows, bytes };
        let found = common::page(&store, &t, &KeyRange::all(), limit);
        assert_eq!(found.rows.len(), wanted);
        assert_eq!(found.more_after.is_some(), more && wanted < 50);
        assert!(found.more_after.is_none_or(|key| key == Key::one(wanted as i64)));
        database.run("UPDATE t SET v = v");
        let found = common::try_delta(&store, &t, 0, limit).unwrap();
        assert_eq!((found.rows.len(), found.more), (wanted, wanted < 50));
    }
}
