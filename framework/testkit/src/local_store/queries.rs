//! Queries: filter, order, limit and offset, and where null stands.

use super::LocalStorePlace;
use super::device::{Device, SYNC, put};
use super::rows::everything_rows;
use super::samples::{attribute_of, member, values_of};
use crate::suite::{CaseResult, refused};
use crate::{check, check_eq};
use onsync_core::query::{Comparison, Condition, Order, Query};
use onsync_core::store::local::Access;
use onsync_core::{Key, Result, Row, Value, ValueType};

const COMPARISONS: [Comparison; 6] = [
    Comparison::Equal,
    Comparison::NotEqual,
    Comparison::Less,
    Comparison::AtMost,
    Comparison::Greater,
    Comparison::AtLeast,
];

fn order(number: i64, label: Option<&str>) -> Row {
    vec![number.into(), label.into()]
}

async fn with_orders(place: &dyn LocalStorePlace, rows: &[Row]) -> Result<Device> {
    let device = Device::new(place).await?;
    device.put(SYNC, "Order", rows).await?;
    Ok(device)
}

/// The numbers of the orders a query finds.
async fn numbers(device: &Device, query: Query) -> Result<Vec<i64>> {
    let mut reader = device.begin(Access::Read).await?;
    let rows = reader.query(device.entity("Order")?, &query).await?;
    let number = |row: &Row| match row.first() {
        Some(Value::Integer(number)) => *number,
        _ => i64::MIN,
    };
    Ok(rows.iter().map(number).collect())
}

fn orders() -> Query {
    Query::entity("Order")
}

/// Ties are broken by key, and without order all are ties.
pub async fn a_query_without_order_is_in_key_order(place: &dyn LocalStorePlace) -> CaseResult {
    let rows: Vec<Row> = [30i64, -1, 10, 0, 20]
        .map(|number| order(number, Some("x")))
        .to_vec();
    let device = with_orders(place, &rows).await?;
    check_eq!(numbers(&device, orders()).await?, [-1, 0, 10, 20, 30], "all");
    device
        .put(
            SYNC,
            "Member",
            &[member("b", 1, "x"), member("a", 9, "x"), member("a", 2, "x")],
        )
        .await?;
    let mut reader = device.begin(Access::Read).await?;
    let found = reader
        .query(device.entity("Member")?, &Query::entity("Member"))
        .await?;
    check_eq!(
        found,
        [member("a", 2, "x"), member("a", 9, "x"), member("b", 1, "x")],
        "composite keys"
    );
    Ok(())
}

/// And, not or.
pub async fn conditions_all_hold(place: &dyn LocalStorePlace) -> CaseResult {
    let rows: Vec<Row> = (0..10)
        .map(|number| order(number, Some(if number % 2 == 0 { "even" } else { "odd" })))
        .collect();
    let device = with_orders(place, &rows).await?;
    let query = orders()
        .filter("number", Comparison::AtLeast, 3i64)
        .filter("number", Comparison::Less, 8i64)
        .filter("label", Comparison::Equal, "even");
    check_eq!(numbers(&device, query).await?, [4, 6], "three conditions");
    Ok(())
}

/// Each comparison at its edge.
pub async fn comparisons_hold_as_they_say(place: &dyn LocalStorePlace) -> CaseResult {
    let rows: Vec<Row> = [-5i64, 0, 5].map(|number| order(number, Some("x"))).to_vec();
    let device = with_orders(place, &rows).await?;
    let wanted: [&[i64]; 6] = [&[0], &[-5, 5], &[-5], &[-5, 0], &[5], &[0, 5]];
    for (comparison, wanted) in COMPARISONS.into_iter().zip(wanted) {
        let found = numbers(&device, orders().filter("number", comparison, 0i64)).await?;
        check_eq!(found, wanted, "{comparison:?} 0");
    }
    Ok(())
}

/// No comparison but (in)equality holds for null, on either side.
pub async fn null_equals_null_and_nothing_else(place: &dyn LocalStorePlace) -> CaseResult {
    let device = with_orders(place, &[order(1, None), order(2, Some("")), order(3, Some("x"))]).await?;
    let labels = [Value::Null, "".into(), "x".into()];
    for comparison in COMPARISONS.into_iter().chain([Comparison::Contains]) {
        for value in &labels {
            let condition = Condition {
                attribute: "label".to_owned(),
                comparison,
                value: value.clone(),
            };
            let wanted: Vec<i64> = (1i64..)
                .zip(&labels)
                .filter(|(_, label)| condition.holds(label))
                .map(|(number, _)| number)
                .collect();
            let query = orders().filter("label", comparison, value.clone());
            check_eq!(numbers(&device, query).await?, wanted, "{comparison:?} {value:?}");
        }
    }
    Ok(())
}

/// `%`, `_` and `\` are characters like others; only ASCII letters are alike in both cases.
pub async fn contains_ignores_ascii_case_and_knows_no_wildcards(place: &dyn LocalStorePlace) -> CaseResult {
    let labels = [
        "Hello World",
        "100%",
        "a_b",
        "axb",
        "back\\slash",
        "ÄRGER",
        "ärger",
        "it's",
    ];
    let rows: Vec<Row> = (1i64..)
        .zip(labels)
        .map(|(number, label)| order(number, Some(label)))
        .collect();
    let device = with_orders(place, &rows).await?;
    let cases: [(&str, &[i64]); 9] = [
        ("WORLD", &[1]),
        ("lo w", &[1]),
        ("%", &[2]),
        ("a_b", &[3]),
        ("_", &[3]),
        ("\\", &[5]),
        ("ä", &[7]),
        ("'", &[8]),
        ("", &[1, 2, 3, 4, 5, 6, 7, 8]),
    ];
    for (part, wanted) in cases {
        let query = orders().filter("label", Comparison::Contains, part);
        check_eq!(numbers(&device, query).await?, wanted, "containing {part:?}");
    }
    Ok(())
}

/// Ascending and descending.
pub async fn order_puts_null_first_and_breaks_ties_by_key(place: &dyn LocalStorePlace) -> CaseResult {
    let rows = [
        order(5, Some("b")),
        order(4, None),
        order(3, Some("a")),
        order(2, Some("b")),
        order(1, None),
    ];
    let device = with_orders(place, &rows).await?;
    let ascending = orders().order_by("label", Order::Ascending);
    check_eq!(numbers(&device, ascending).await?, [1, 4, 3, 2, 5], "ascending");
    let descending = orders().order_by("label", Order::Descending);
    check_eq!(numbers(&device, descending).await?, [2, 5, 3, 1, 4], "descending");
    Ok(())
}

/// The second attribute decides where the first does not.
pub async fn order_by_several_attributes(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let rows = [
        member("a", 1, "x"),
        member("a", 2, "y"),
        member("b", 1, "y"),
        member("b", 3, "x"),
    ];
    device.put(SYNC, "Member", &rows).await?;
    let query = Query::entity("Member")
        .order_by("role", Order::Descending)
        .order_by("person", Order::Descending);
    let mut reader = device.begin(Access::Read).await?;
    let found = reader.query(device.entity("Member")?, &query).await?;
    let wanted = [1, 2, 3, 0].map(|index: usize| rows[index].clone());
    check_eq!(found, wanted, "by role, then person, descending");
    Ok(())
}

/// Also an offset without a limit, and beyond the end.
pub async fn limit_and_offset_cut_what_is_ordered(place: &dyn LocalStorePlace) -> CaseResult {
    let rows: Vec<Row> = (0..10).map(|number| order(number, Some("x"))).collect();
    let device = with_orders(place, &rows).await?;
    let query = orders().order_by("number", Order::Descending);
    check_eq!(
        numbers(&device, query.clone().limit(3)).await?,
        [9, 8, 7],
        "limit"
    );
    check_eq!(
        numbers(&device, query.clone().offset(7)).await?,
        [2, 1, 0],
        "offset"
    );
    check_eq!(
        numbers(&device, query.clone().offset(2).limit(2)).await?,
        [7, 6],
        "both"
    );
    check_eq!(
        numbers(&device, query.clone().offset(20)).await?,
        Vec::<i64>::new(),
        "beyond the end"
    );
    check_eq!(
        numbers(&device, query.clone().limit(0)).await?,
        Vec::<i64>::new(),
        "limit 0"
    );
    check_eq!(
        numbers(&device, query.limit(usize::MAX)).await?.len(),
        10,
        "no real limit"
    );
    Ok(())
}

/// In the query's order, with its conditions; none for none.
pub async fn keys_restrict_a_query(place: &dyn LocalStorePlace) -> CaseResult {
    let rows: Vec<Row> = (0..10).map(|number| order(number, Some("x"))).collect();
    let device = with_orders(place, &rows).await?;
    let mut query = orders().filter("number", Comparison::Greater, 3i64);
    query.keys = Some([9i64, 1, 5, 77, 5].map(Key::one).to_vec());
    check_eq!(numbers(&device, query.clone()).await?, [5, 9], "five keys");
    query.keys = Some(Vec::new());
    check_eq!(numbers(&device, query).await?, Vec::<i64>::new(), "no keys");
    Ok(())
}

/// Not the committed state.
pub async fn a_query_sees_the_transactions_own_writes(place: &dyn LocalStorePlace) -> CaseResult {
    let device = with_orders(place, &[order(1, Some("x")), order(2, Some("x"))]).await?;
    let entity = device.entity("Order")?;
    let mut transaction = device.begin(Access::App).await?;
    transaction.remove(entity, &[Key::one(1i64)]).await?;
    put(transaction.as_mut(), entity, &[order(3, Some("x"))]).await?;
    let found = transaction
        .query(entity, &orders().filter("label", Comparison::Equal, "x"))
        .await?;
    check_eq!(found, [order(2, Some("x")), order(3, Some("x"))], "rows");
    Ok(())
}

/// `unknown_attribute`, in conditions and in the order; quotes are no way in.
pub async fn an_unknown_attribute_is_refused(place: &dyn LocalStorePlace) -> CaseResult {
    let device = with_orders(place, &[order(1, Some("x"))]).await?;
    for name in ["nothing", "number\" OR 1=1 --", "", "_rowid_"] {
        let by = numbers(&device, orders().order_by(name, Order::Ascending)).await;
        refused(by, "unknown_attribute")?;
        let of = numbers(&device, orders().filter(name, Comparison::Equal, 1i64)).await;
        refused(of, "unknown_attribute")?;
    }
    Ok(())
}

/// No collation of a language, no case folding.
pub async fn text_orders_by_its_bytes(place: &dyn LocalStorePlace) -> CaseResult {
    let mut labels = vec![
        "b",
        "B",
        "a",
        "A",
        "ä",
        "z",
        "Z",
        "1",
        "10",
        "2",
        "",
        "\u{1F4E6}",
        "\u{ffff}",
    ];
    let rows: Vec<Row> = (0i64..)
        .zip(&labels)
        .map(|(number, label)| order(number, Some(label)))
        .collect();
    let device = with_orders(place, &rows).await?;
    let mut reader = device.begin(Access::Read).await?;
    let query = orders().order_by("label", Order::Ascending);
    let found = reader.query(device.entity("Order")?, &query).await?;
    labels.sort_unstable();
    let found: Vec<String> = found.iter().map(|row| row[1].to_string()).collect();
    check_eq!(found, labels, "labels");
    Ok(())
}

/// Equality for each type by its values, order for each that has a natural one.
pub async fn every_type_is_compared_as_its_values_are(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let rows = everything_rows();
    device.put(SYNC, "Everything", &rows).await?;
    let entity = device.entity("Everything")?;
    let mut reader = device.begin(Access::Read).await?;
    for value_type in ValueType::ALL {
        let name = attribute_of(value_type);
        let index = entity.require(&name)?;
        for value in values_of(value_type) {
            let query = Query::entity("Everything").filter(&name, Comparison::Equal, value.clone());
            let found = reader.query(entity, &query).await?.len();
            let wanted = rows.iter().filter(|row| row[index] == value).count();
            let mut shown = value.to_string();
            shown.truncate(60);
            check_eq!(found, wanted, "rows whose {name} equals {shown:?}");
        }
        if matches!(value_type, ValueType::Json | ValueType::Decimal) {
            continue;
        }
        let query = Query::entity("Everything").order_by(&name, Order::Ascending);
        let found: Vec<Value> = reader
            .query(entity, &query)
            .await?
            .into_iter()
            .map(|row| row[index].clone())
            .collect();
        check!(
            found.is_sorted(),
            "rows ordered by {name} are not in the order of their values"
        );
    }
    Ok(())
}
