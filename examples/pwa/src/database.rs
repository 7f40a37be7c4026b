//! The office's database: made with SQL that knows nothing of OnSync.

use onsync::sqlite_store::rusqlite::{Connection, Result, params};
use std::path::Path;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS customers (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, street TEXT, city TEXT, phone TEXT
    );
    CREATE TABLE IF NOT EXISTS visits (
        id TEXT PRIMARY KEY, customer_id INTEGER REFERENCES customers, title TEXT NOT NULL, starts TEXT,
        status TEXT, minutes INTEGER, notes TEXT
    );";

const NAMES: [&str; 8] = [
    "Alpenblick",
    "Brunner",
    "Corvin",
    "Delta",
    "Eiger",
    "Feldmann",
    "Graber",
    "Huber",
];
const TRADES: [&str; 6] = ["Bakery", "Dairy", "Hotel", "Laundry", "School", "Winery"];
const STREETS: [&str; 5] = [
    "Bahnhofstrasse",
    "Dorfgasse",
    "Industrieweg",
    "Seestrasse",
    "Talstrasse",
];
const CITIES: [&str; 6] = ["Aarau", "Bern", "Chur", "Luzern", "Thun", "Zug"];
const WORK: [&str; 7] = [
    "Replace the pump",
    "Yearly inspection",
    "Leak in the cellar",
    "Install the boiler",
    "Noise in the vent",
    "Read the meters",
    "Clean the filters",
];

fn pick<'a>(from: &[&'a str], number: u32, factor: u32) -> &'a str {
    from[(number.wrapping_mul(factor).wrapping_add(number / 3)) as usize % from.len()]
}

/// Makes the tables, and fills them if there are no customers yet.
pub(crate) fn make(path: &Path, customers: u32, visits: u32) -> Result<()> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch(TABLES)?;
    let known: u32 = connection.query_row("SELECT count(*) FROM customers", [], |row| row.get(0))?;
    if known > 0 {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for number in 1..=customers {
        let name = format!(
            "{} {} {number}",
            pick(&NAMES, number, 5),
            pick(&TRADES, number, 7)
        );
        let street = format!("{} {}", pick(&STREETS, number, 3), 1 + number % 90);
        let phone = format!(
            "+41 31 {:03} {:02} {:02}",
            number % 1000,
            number % 97,
            number % 89
        );
        transaction.execute(
            "INSERT INTO customers VALUES (?1, ?2, ?3, ?4, ?5)",
            params![number, name, street, pick(&CITIES, number, 11), phone],
        )?;
    }
    for number in 1..=visits {
        let id = format!("0190a1b2-0000-7000-8000-{number:012x}");
        let starts = format!(
            "2026-11-{:02}T{:02}:{:02}:00Z",
            23 + number % 6,
            7 + number % 10,
            15 * (number % 4)
        );
        let customer = 1 + number.wrapping_mul(7919) % customers.max(1);
        transaction.execute(
            "INSERT INTO visits VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                id,
                customer,
                pick(&WORK, number, 13),
                starts,
                "planned",
                30 + 15 * (number % 6),
                ""
            ],
        )?;
    }
    transaction.commit()
}
