//! The database of a company that has never heard of OnSync: plain tables, the same rows on every run.

use super::words;
use rusqlite::{Connection, Transaction, params};
use std::path::Path;

const SCHEMA: &str = include_str!("company.sql");

const CUSTOMERS: u64 = 240;
const TECHNICIANS: u64 = 12;
const WORK_ORDERS: u64 = 1_600;

/// The tables, in the order in which they are shown.
pub(super) const TABLES: [&str; 6] = [
    "customers",
    "sites",
    "technicians",
    "parts",
    "work_orders",
    "work_order_parts",
];

/// Makes the database file.
pub(super) fn create(path: &Path) -> rusqlite::Result<()> {
    let mut connection = Connection::open(path)?;
    // Before OnSync comes into play the file is as any other program made it.
    connection.execute_batch(SCHEMA)?;
    let transaction = connection.transaction()?;
    let mut dice = Dice(0x0515_c0de);
    customers_and_sites(&transaction, &mut dice)?;
    technicians_and_parts(&transaction, &mut dice)?;
    work_orders(&transaction, &mut dice)?;
    transaction.commit()
}

/// How many rows each table has.
pub(super) fn counts(path: &Path) -> rusqlite::Result<Vec<(&'static str, u64)>> {
    let connection = Connection::open(path)?;
    TABLES
        .into_iter()
        .map(|table| {
            let count = connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                row.get::<_, i64>(0)
            })?;
            Ok((table, count.unsigned_abs()))
        })
        .collect()
}

/// A small generator (splitmix64): the same numbers everywhere, no dependency.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, not including, `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound.max(1)
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or_default()
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.index(list.len())]
    }

    fn person(&mut self) -> String {
        format!(
            "{} {}",
            self.pick(&words::FIRST_NAMES),
            self.pick(&words::LAST_NAMES)
        )
    }

    fn phone(&mut self) -> String {
        format!("+44 1632 96{:04}", self.below(10_000))
    }
}

fn customers_and_sites(transaction: &Transaction<'_>, dice: &mut Dice) -> rusqlite::Result<()> {
    let mut customer = transaction
        .prepare("INSERT INTO customers (name, contact, phone, email, city) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    let mut site = transaction.prepare(
        "INSERT INTO sites (customer_id, label, street, postal_code, city, access_notes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for number in 0..CUSTOMERS {
        let index = usize::try_from(number).unwrap_or_default();
        let head = words::COMPANY_HEADS[index % words::COMPANY_HEADS.len()];
        let tail = words::COMPANY_TAILS[(index / words::COMPANY_HEADS.len()) % words::COMPANY_TAILS.len()];
        let contact = dice.person();
        let (city, code) = dice.pick(&words::CITIES);
        let mail = format!(
            "office@{}.example",
            format!("{head}-{tail}").to_lowercase().replace(' ', "-")
        );
        customer.execute(params![
            format!("{head} {tail}"),
            contact,
            dice.phone(),
            mail,
            city
        ])?;
        let id = transaction.last_insert_rowid();
        for place in 0..=dice.below(3) {
            let label = words::SITE_LABELS[usize::try_from(place).unwrap_or_default() + dice.index(6)];
            let street = format!("{} {}", 1 + dice.below(180), dice.pick(&words::STREETS));
            let notes = dice.pick(&[
                None,
                None,
                Some("Key at reception."),
                Some("Ring the bell at the yard gate."),
                Some("Safety shoes required."),
            ]);
            let postal_code = format!("{code} {}QT", 1 + dice.below(9));
            site.execute(params![id, label, street, postal_code, city, notes])?;
        }
    }
    Ok(())
}

fn technicians_and_parts(transaction: &Transaction<'_>, dice: &mut Dice) -> rusqlite::Result<()> {
    for number in 0..TECHNICIANS {
        transaction.execute(
            "INSERT INTO technicians (name, phone, region) VALUES (?1, ?2, ?3)",
            params![
                dice.person(),
                dice.phone(),
                ["north", "south", "coast"][usize::try_from(number % 3).unwrap_or_default()]
            ],
        )?;
    }
    for (number, name, unit, cents) in words::PARTS {
        transaction.execute(
            "INSERT INTO parts (article_no, name, unit, price, in_stock) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                number,
                name,
                unit,
                format!("{}.{:02}", cents / 100, cents % 100),
                i64::try_from(dice.below(80)).unwrap_or_default()
            ],
        )?;
    }
    Ok(())
}

fn work_orders(transaction: &Transaction<'_>, dice: &mut Dice) -> rusqlite::Result<()> {
    let sites: i64 = transaction.query_row("SELECT count(*) FROM sites", [], |row| row.get(0))?;
    let mut order = transaction.prepare(
        "INSERT INTO work_orders (site_id, technician_id, title, priority, status, scheduled_at, finished_at, hours, notes) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let mut used = transaction.prepare(
        "INSERT OR IGNORE INTO work_order_parts (work_order_id, article_no, quantity) VALUES (?1, ?2, ?3)",
    )?;
    let bound = |count: i64| count.unsigned_abs();
    for number in 0..WORK_ORDERS {
        let (title, report) = dice.pick(&words::JOBS);
        let site = 1 + dice.below(bound(sites));
        let technician = 1 + dice.below(TECHNICIANS);
        let priority = dice.pick(&["low", "normal", "normal", "normal", "high"]);
        let is_open = number >= WORK_ORDERS - 140;
        let status = match (is_open, number % 5) {
            (false, _) => "done",
            (true, 0) => "in progress",
            (true, _) => "planned",
        };
        let scheduled = moment(number, 8 + dice.below(8), 0);
        let finished = (!is_open).then(|| moment(number, 16 + dice.below(2), dice.below(60)));
        let hours = (!is_open).then(|| format!("{}.{}", dice.below(6), dice.pick(&["25", "50", "75"])));
        order.execute(params![
            i64::try_from(site).unwrap_or_default(),
            i64::try_from(technician).unwrap_or_default(),
            title,
            priority,
            status,
            scheduled,
            finished,
            hours,
            (!is_open).then_some(report)
        ])?;
        let id = transaction.last_insert_rowid();
        for _ in 0..if is_open { 0 } else { dice.below(4) } {
            let (article, ..) = dice.pick(&words::PARTS);
            used.execute(params![
                id,
                article,
                i64::try_from(1 + dice.below(4)).unwrap_or_default()
            ])?;
        }
    }
    Ok(())
}

/// A moment of the work order with this number: eight a day, in a calendar of 28-day months that any program can read.
fn moment(number: u64, hour: u64, minute: u64) -> String {
    let day = number / 8;
    let (month, day) = (day / 28, day % 28 + 1);
    format!(
        "{}-{:02}-{day:02}T{hour:02}:{minute:02}:00Z",
        2026 + month / 12,
        month % 12 + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_company_is_the_same_every_time() {
        let folder = tempfile::tempdir().unwrap();
        let dump = |name: &str| {
            let path = folder.path().join(name);
            create(&path).unwrap();
            let connection = Connection::open(&path).unwrap();
            let all: String = connection
                .query_row(
                    "SELECT group_concat(id || site_id || title || scheduled_at || coalesce(hours, '-')) FROM work_orders",
                    [],
                    |row| row.get(0),
                )
                .unwrap();
            (all, counts(&path).unwrap())
        };
        let (first, counts) = dump("first.db");
        assert_eq!(first, dump("second.db").0);
        assert_eq!(counts[0], ("customers", CUSTOMERS));
        assert_eq!(counts[4], ("work_orders", WORK_ORDERS));
        assert!(counts.iter().map(|(_, count)| count).sum::<u64>() > 3_000);
    }

    #[test]
    fn its_own_rules_hold() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("company.db");
        create(&path).unwrap();
        let connection = Connection::open(&path).unwrap();
        let broken = connection
            .prepare("PRAGMA foreign_key_check")
            .unwrap()
            .query_map([], |_| Ok(()))
            .unwrap()
            .count();
        assert_eq!(broken, 0);
    }
}
