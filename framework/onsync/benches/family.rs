//! 10,000 parents with three children each, made offline, against 40,000 records of the same kind that have nothing to do with each
//! other.
#![expect(
    clippy::expect_used,
    reason = "a bench stops at the first thing that goes wrong"
)]

mod common;

use common::{
    FAMILY, ServerProcess, UNRELATED, device, fill_family, header, median, report, rounds, serve_if_asked,
    sync,
};
use onsync_core::Fields;
use onsync_sqlite_store::rusqlite::Connection;
use std::path::Path;
use std::time::{Duration, Instant};

const PARENTS: i64 = 10_000;
const CHILDREN: i64 = 3;

/// Makes all records on a device without a server, then syncs once.
async fn pushed(folder: &Path, kind: &str, round: usize) -> Duration {
    let server_path = folder.join(format!("{kind}-{round}-server.sqlite"));
    fill_family(&server_path);
    let server = ServerProcess::start(&server_path, kind);
    let app = device(&folder.join(format!("{kind}-{round}.sqlite")), &server.url, kind).await;
    let parents = (1..=PARENTS).map(|id| Fields::new().with("id", id).with("name", format!("parent {id}")));
    let children = (1..=PARENTS * CHILDREN).map(|id| {
        let parent = (id - 1) / CHILDREN + 1;
        Fields::new()
            .with("id", id)
            .with("parent_id", parent)
            .with("name", format!("child {id} of {parent}"))
    });
    app.create_many("Parent", parents.collect())
        .await
        .expect("parents");
    app.create_many("Child", children.collect())
        .await
        .expect("children");
    let began = Instant::now();
    let summary = sync(&app).await;
    let took = began.elapsed();
    assert_eq!(
        (summary.applied, summary.rejected),
        ((PARENTS * (1 + CHILDREN)) as u64, 0)
    );
    let complete: i64 = Connection::open(&server_path)
        .and_then(|connection| {
            connection.query_row(
                "SELECT count(*) FROM Child JOIN Parent ON Parent.id = Child.parent_id",
                [],
                |row| row.get(0),
            )
        })
        .expect("a count");
    assert_eq!(complete, PARENTS * CHILDREN, "every child has its parent");
    println!("round {round}: {kind} {took:?}, {} requests", summary.requests);
    took
}

fn main() {
    serve_if_asked();
    header("10,000 parents with 3 children each, made offline");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (mut families, mut unrelated) = (Vec::new(), Vec::new());
    for round in 0..=rounds() {
        let folder = tempfile::tempdir().expect("a folder");
        let (family, others) = runtime.block_on(async {
            let family = pushed(folder.path(), FAMILY, round).await;
            (family, pushed(folder.path(), UNRELATED, round).await)
        });
        if round > 0 {
            families.push(family);
            unrelated.push(others);
        }
    }
    println!();
    report(
        "10,000 families of 4 pushed",
        median(families),
        median(unrelated),
        2.0,
    );
}
