//! A day in the field, told line by line, the same in every run: what the example's test reads.

use crate::field::{Field, Network};
use crate::words;
use onsync::{Error, Event, Held, Parameters, Query, Result, Status};
use onsync_example_support::step;
use std::time::Duration;
use tokio::sync::mpsc;

/// Nothing in this story takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

struct Story {
    field: Field,
    events: mpsc::UnboundedReceiver<Event>,
}

fn late(what: &str) -> Error {
    Error::fatal("example_failed", format!("{what} did not happen in time"))
}

impl Story {
    /// Says every event up to the one that begins like this.
    async fn until(&mut self, wanted: &str) -> Result<()> {
        let wait = async {
            while let Some(event) = self.events.recv().await {
                let Some(line) = words::of(&event) else { continue };
                println!("   · {line}");
                if line.starts_with(wanted) {
                    return Ok(());
                }
            }
            Err(late(wanted))
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .map_err(|_| late(wanted))?
    }

    /// Waits for a status, and says its message without the time in it.
    async fn status(&self, wanted: impl Fn(&Status) -> bool) -> Result<()> {
        let mut watch = self.field.app.watch_status();
        let wait = async {
            while let Some(status) = watch.next().await {
                if wanted(&status) {
                    return Ok(status);
                }
            }
            Err(late("a status"))
        };
        let status = tokio::time::timeout(PATIENCE, wait)
            .await
            .map_err(|_| late("a status"))??;
        let message = status.message();
        let parts = message
            .split(" · ")
            .map(|part| match part.strip_prefix("up to date as of ") {
                Some(_) => "up to date",
                None => part,
            });
        println!("   status: {}", parts.collect::<Vec<_>>().join(" · "));
        Ok(())
    }

    /// Waits until records of this entity have arrived.
    async fn arrived(&self, entity: &str) -> Result<()> {
        let mut records = self.field.app.watch(Query::entity(entity))?;
        let wait = async {
            while records.next().await?.is_empty() {}
            Ok(())
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .map_err(|_| late("the first run"))?
    }

    /// Leaves out what happened before this event. What runs when the app starts may end before anybody listens.
    async fn skip_to(&mut self, wanted: &str) -> Result<()> {
        let wait = async {
            while let Some(event) = self.events.recv().await {
                if words::of(&event).is_some_and(|line| line == wanted) {
                    println!("   · {wanted}");
                    return Ok(());
                }
            }
            Err(late(wanted))
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .map_err(|_| late(wanted))?
    }

    fn office(&self, what: &str, sql: &str) -> Result<String> {
        let there = self.field.office.ask(sql)?;
        println!("   the office has {what}: {there}");
        Ok(there)
    }
}

/// Tells the story.
pub(crate) async fn run() -> Result<()> {
    let field = Field::open().await?;
    let (sender, events) = mpsc::unbounded_channel();
    let _listening = field.app.on_event(move |_, event| {
        // Nobody listens any more when the story is over.
        let _ = sender.send(event.clone());
    });
    let mut story = Story { field, events };
    morning(&mut story).await?;
    cellar(&mut story).await?;
    hotel(&mut story).await?;
    decision(&mut story).await?;
    way_home(&mut story).await
}

async fn morning(story: &mut Story) -> Result<()> {
    step("The app starts. Its trigger runs the context Splash.");
    story.arrived("Part").await?;
    let (customers, parts) = (
        story.field.count("Customer").await?,
        story.field.count("Part").await?,
    );
    println!("   the phone holds {customers} customers and {parts} parts");

    step("The technician signs in: the trigger runs the context Login, which fetches the orders.");
    story.field.sign_in().await?;
    story.skip_to("OnSyncStart Login").await?;
    story.until("OnSyncComplete Login").await?;
    for order in story.field.orders().await? {
        println!("   [{}] {} — {}", order.state, order.title, order.customer);
    }
    Ok(())
}

async fn cellar(story: &mut Story) -> Result<()> {
    step(
        "In the cellar there is no network. The work goes on: an order is finished, with a report and two parts, and another gets a note.",
    );
    story.field.network(Network::None).await?;
    story.until("NetworkStatusChanged: no network").await?;
    story.field.finish_one().await?;
    story.field.write_note().await?;
    // The write's own trigger tries to send, and finds what the phone said already.
    story.until("OnSyncError SendReports").await?;
    story.status(|status| status.waiting == 5).await?;

    step("Meanwhile somebody in the office writes notes to the same two orders, and a new order comes in.");
    story.field.office_writes()
}

async fn hotel(story: &mut Story) -> Result<()> {
    step("In a hotel there is a network, and something else answers in the office's place.");
    story.field.network(Network::Hotel).await?;
    story
        .until("NetworkStatusChanged: wireless LAN that wants a sign-in")
        .await?;
    story
        .status(|status| status.network.reason.is_some() && status.running.is_none())
        .await?;

    step(
        "The technician signs in to the hotel's network. The probe finds the office, and what waited goes at once.",
    );
    story.field.network(Network::Wifi).await?;
    story.until("OnSyncComplete SendReports").await?;
    story.until("OnSyncComplete Online").await?;
    story.status(|status| status.waiting == 0).await?;
    let order = story.office(
        "the order",
        "SELECT state || ', ' || note FROM work_orders WHERE id LIKE '%01'",
    )?;
    let parts = story.office(
        "the report's parts",
        "SELECT group_concat(part, ', ') FROM (SELECT quantity || ' ' || Part.name AS part
         FROM report_parts JOIN Part ON Part.id = part_id ORDER BY Part.id)",
    )?;
    // Different attributes of one order were changed on both sides, and both changes live.
    assert_eq!(order, "done, dog in the yard");
    assert_eq!(parts, "1 Pump, 2 Gasket");
    let (open, orders) = (story.field.open_orders().await?, story.field.orders().await?);
    println!(
        "   the phone holds {} orders, {open} of them open; the first one's note: {}",
        orders.len(),
        orders.first().map_or("", |order| order.note.as_str())
    );
    Ok(())
}

async fn decision(story: &mut Story) -> Result<()> {
    step(
        "Both wrote a note to the second order. Nothing was overwritten: the technician decides, what was decided is sent, and a button syncs the rest.",
    );
    for line in story.field.decide().await? {
        println!("   {line}");
    }
    story.until("OnSyncComplete SendReports").await?;
    drop(story.field.app.on_sync("Online", &Parameters::new())?);
    story.until("OnSyncComplete Online").await?;
    story
        .status(|status| status.conflicts == 0 && status.waiting == 0)
        .await?;
    let note = story.office("the note", "SELECT note FROM work_orders WHERE id LIKE '%02'")?;
    assert_eq!(note, "call before nine; thermostat is on the shelf");
    Ok(())
}

async fn way_home(story: &mut Story) -> Result<()> {
    step(
        "On the road the network costs by volume. The context Catalogue waits for another one, and says so.",
    );
    story.field.network(Network::Mobile).await?;
    story
        .until("NetworkStatusChanged: online by a mobile network")
        .await?;
    let catalogue = story.field.app.on_sync("Catalogue", &Parameters::new())?;
    assert_eq!(catalogue.held(), Some(Held::Metered));
    story.status(|status| status.held_by_metered == 1).await?;

    step("At home there is wireless LAN again.");
    story.field.network(Network::Wifi).await?;
    story.until("OnSyncComplete Catalogue").await?;
    catalogue.outcome().await.into_result()?;
    story
        .status(|status| status.queued == 0 && status.running.is_none())
        .await
}
