//! The tour: what happens, step by step, and what is looked at afterwards to see whether it did.

use super::device::{Device, Trip, failed};
use super::{Stage, company};
use crate::screen::{Screen, bytes, counted, number};
use onsync::{Comparison, Fields, Order, Query, Result, ValueType};
use onsync_core::{Error, Key, Value};
use rusqlite::Connection;
use serde_json::{Value as Json, json};

/// What the tour saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) edit_arrived: bool,
    pub(super) create_arrived: bool,
    pub(super) server_write_arrived: bool,
    pub(super) steps: Vec<Json>,
}

impl Seen {
    /// Whether everything came where it should.
    pub(super) fn everything(&self) -> bool {
        self.edit_arrived && self.create_arrived && self.server_write_arrived
    }
}

/// The tour of one demo.
pub(super) struct Tour<'s> {
    pub(super) screen: Screen,
    pub(super) stage: &'s mut Stage,
    pub(super) seen: Seen,
}

/// The work order that is edited offline, and the one that is made offline.
struct Offline {
    edited: Value,
    created_here: Key,
    title: &'static str,
}

impl Tour<'_> {
    /// Everything in order.
    pub(super) async fn run(mut self) -> Result<Seen> {
        self.first_syncs().await?;
        let offline = self.work_offline().await?;
        let number = self.come_online(&offline).await?;
        self.second_device(&offline, number).await?;
        self.office().await?;
        Ok(self.seen)
    }

    fn title(&self, number: u32, text: &str) {
        self.screen.line(format!(
            "\n{}  {}",
            self.screen.cyan(number),
            self.screen.bold(text)
        ));
    }

    fn say(&self, text: impl std::fmt::Display) {
        self.screen.line(format!("   {text}"));
    }

    /// A thing that was looked at: it is there, or the demo has failed.
    fn checked(&self, holds: bool, text: &str) -> bool {
        let mark = if holds {
            self.screen.green("✔")
        } else {
            self.screen.red("✘")
        };
        self.say(format!("{mark} {text}"));
        holds
    }

    async fn sync(&mut self, which: usize) -> Result<Trip> {
        let device = &self.stage.devices[which];
        let trip = device.sync().await?;
        self.screen
            .line(format!("   {}", trip_line(self.screen, device.name, &trip)));
        self.seen.steps.push(json!({
            "device": device.name,
            "summary": trip.summary,
            "bytes_up": trip.up,
            "bytes_down": trip.down,
            "milliseconds": u64::try_from(trip.took.as_millis()).unwrap_or(u64::MAX),
        }));
        Ok(trip)
    }

    async fn first_syncs(&mut self) -> Result<()> {
        self.title(3, "Two devices sync for the first time");
        self.sync(0).await?;
        self.sync(1).await?;
        self.say("Each has a local SQLite database now, with real tables to read and write at any time.");
        Ok(())
    }

    async fn work_offline(&mut self) -> Result<Offline> {
        self.title(4, "Device A goes offline, and its technician works on");
        self.stage.devices[0].line.cut().await;
        let device = &self.stage.devices[0];
        let order = planned(device).await?;
        let id = order.value("id").clone();
        let site = device
            .record("Site", Key(vec![order.value("site_id").clone()]))
            .await?;
        let customer = device
            .record("Customer", Key(vec![site.value("customer_id").clone()]))
            .await?;
        let notes = "Bearing was worn, replaced it. Runs quietly now.";
        let change = Fields::new()
            .with("status", "done")
            .with("finished_at", ValueType::Timestamp.parse("2026-11-20T15:40:00Z")?)
            .with("hours", ValueType::Decimal.parse("1.50")?)
            .with("notes", notes);
        device
            .app
            .update("WorkOrder", Key(vec![id.clone()]), change)
            .await?;
        self.say(format!(
            "edits  work order {id}, “{}” for {}: {} → done",
            order.value("title"),
            customer.value("name"),
            order.value("status")
        ));
        let title = "Second pump: bearing noise, order part";
        let site_id = order.value("site_id").clone();
        let created = Fields::new()
            .with("site_id", site_id)
            .with("title", title)
            .with("priority", "normal")
            .with("status", "planned")
            .with(
                "scheduled_at",
                ValueType::Timestamp.parse("2026-11-27T09:00:00Z")?,
            );
        let created_here = device.app.create("WorkOrder", created).await?;
        let part = Fields::new()
            .with(
                "work_order_id",
                created_here.values().first().cloned().unwrap_or_default(),
            )
            .with("article_no", "BRG-6204")
            .with("quantity", 2i64);
        device.app.create("WorkOrderPart", part).await?;
        self.say(format!(
            "makes  a new work order, “{title}”, with two bearings to bring;"
        ));
        self.say("       the company's database gives it a number later");
        self.tries_to_sync(device).await?;
        Ok(Offline {
            edited: id,
            created_here,
            title,
        })
    }

    /// A sync over the cut line fails, and loses nothing.
    async fn tries_to_sync(&self, device: &Device) -> Result<()> {
        match device.sync().await {
            Err(error) if error.kind() == onsync::ErrorKind::Offline => {
                let waiting = device.app.waiting(usize::MAX).await?.len();
                self.say(format!(
                    "tries  to sync: the server {}; {} and nothing is lost",
                    self.screen.yellow("cannot be reached"),
                    counted(waiting as u64, "change waits", "changes wait")
                ));
            }
            Err(error) => return Err(error),
            Ok(_) => return Err(missed("a sync over a cut line went through")),
        }
        Ok(())
    }

    async fn come_online(&mut self, offline: &Offline) -> Result<i64> {
        self.title(5, "Device A is online again");
        let mended = self.stage.devices[0].line.mend().await;
        mended.map_err(|error| failed("the line could not be mended", &error))?;
        self.sync(0).await?;
        let office = self.stage.office()?;
        let Value::Integer(edited) = offline.edited else {
            return Err(missed("a work order without a number"));
        };
        let status: String = ask(&office, "SELECT status FROM work_orders WHERE id = ?1", edited)?;
        let number: i64 = ask(
            &office,
            "SELECT id FROM work_orders WHERE title = ?1",
            offline.title,
        )?;
        let parts: i64 = ask(
            &office,
            "SELECT count(*) FROM work_order_parts WHERE work_order_id = ?1",
            number,
        )?;
        self.checked(
            status == "done",
            &format!("the company's database has work order {edited} as {status}"),
        );
        self.checked(
            parts == 1,
            &format!("it gave the new one number {number}, and the bearings refer to it"),
        );
        let still_here = self.stage.devices[0]
            .app
            .get("WorkOrder", offline.created_here.clone())
            .await?;
        self.say(format!(
            "On device A it {} the number it was made with, {}, for as long as it lives there.",
            if still_here.is_some() { "keeps" } else { "lost" },
            offline.created_here
        ));
        Ok(number)
    }

    async fn second_device(&mut self, offline: &Offline, number: i64) -> Result<()> {
        self.title(6, "Device B syncs");
        self.sync(1).await?;
        let device = &self.stage.devices[1];
        let edited = device
            .record("WorkOrder", Key(vec![offline.edited.clone()]))
            .await?;
        let created = device.app.get("WorkOrder", number).await?;
        let part = Key(vec![Value::Integer(number), Value::Text("BRG-6204".to_owned())]);
        let part = device.app.get("WorkOrderPart", part).await?;
        let is_done = edited.get::<String>("status")? == "done";
        let has_new =
            created.is_some_and(|created| created.value("title") == &Value::Text(offline.title.to_owned()));
        self.seen.edit_arrived = self.checked(
            is_done,
            &format!(
                "the offline edit arrived on device B: work order {} is {}",
                offline.edited,
                edited.value("status")
            ),
        );
        self.seen.create_arrived = self.checked(
            has_new && part.is_some(),
            &format!("so did the new work order, as number {number}, with its part"),
        );
        Ok(())
    }

    async fn office(&mut self) -> Result<()> {
        self.title(
            7,
            "Somebody in the office uses plain SQL, and has never heard of OnSync",
        );
        let order = planned(&self.stage.devices[0]).await?;
        let id = order.get::<i64>("id")?;
        let statements = [
            format!(
                "UPDATE work_orders SET priority = 'high', notes = 'Customer called twice.' WHERE id = {id}"
            ),
            "UPDATE customers SET phone = '+44 1632 960000' WHERE id = 1".to_owned(),
            "UPDATE parts SET price = 7.25 WHERE article_no = 'BRG-6204'".to_owned(),
        ];
        let office = self.stage.office()?;
        for statement in &statements {
            self.say(self.screen.cyan(format!("sqlite> {statement};")));
            office
                .execute_batch(statement)
                .map_err(|error| failed("a statement failed", &error))?;
        }
        self.sync(0).await?;
        self.sync(1).await?;
        self.say("Parts are a small read-only set: it is sent whole when it changed, and only what differs is written.");
        let mut arrived = true;
        for device in &self.stage.devices {
            let order = device.record("WorkOrder", id).await?;
            let customer = device.record("Customer", 1i64).await?;
            let part = device.record("Part", Key::one("BRG-6204")).await?;
            let all = order.get::<String>("priority")? == "high"
                && customer.get::<String>("phone")? == "+44 1632 960000"
                && part.value("price") == &ValueType::Decimal.parse("7.25")?;
            arrived &= self.checked(
                all,
                &format!(
                    "all three arrived on device {}, each by its entity's pattern",
                    device.name
                ),
            );
        }
        self.seen.server_write_arrived = arrived;
        Ok(())
    }
}

/// `A  ▸ 1 request · 3 changes sent · ↑ 1.2 kB ↓ 0.9 kB · 14 ms`
pub(super) fn trip_line(screen: Screen, name: &str, trip: &Trip) -> String {
    let summary = &trip.summary;
    let mut parts = vec![counted(summary.requests, "request", "requests")];
    for (count, one, many) in [
        (summary.applied, "change sent", "changes sent"),
        (summary.rejected, "change refused", "changes refused"),
        (summary.received, "record received", "records received"),
        (summary.removed, "record removed", "records removed"),
    ] {
        if count > 0 {
            parts.push(counted(count, one, many));
        }
    }
    parts.push(format!("{} up, {} down", bytes(trip.up), bytes(trip.down)));
    parts.push(format!(
        "{} ms",
        number(u64::try_from(trip.took.as_millis()).unwrap_or(u64::MAX))
    ));
    format!("device {name}  {}  {}", screen.dim("⇄"), parts.join(" · "))
}

/// The next planned work order, as a technician sees the day.
async fn planned(device: &Device) -> Result<Fields> {
    let query = Query::entity("WorkOrder")
        .filter("status", Comparison::Equal, "planned")
        .order_by("scheduled_at", Order::Ascending)
        .limit(1);
    let found = device.app.query(query).await?;
    found
        .into_iter()
        .next()
        .ok_or_else(|| missed("no planned work order"))
}

fn ask<T: rusqlite::types::FromSql>(
    office: &Connection,
    sql: &str,
    parameter: impl rusqlite::ToSql,
) -> Result<T> {
    office
        .query_row(sql, [parameter], |row| row.get(0))
        .map_err(|error| failed("the company's database does not have what was sent", &error))
}

fn missed(what: &str) -> Error {
    Error::fatal(
        "demo_failed",
        format!("the demo cannot go on: {what}; please report this"),
    )
}

/// What the company has: a line of counts.
pub(super) fn counts_line(counts: &[(&'static str, u64)]) -> String {
    debug_assert_eq!(counts.len(), company::TABLES.len());
    counts
        .iter()
        .map(|(table, count)| format!("{table} {}", number(*count)))
        .collect::<Vec<_>>()
        .join(" · ")
}
