//! The office, the technician's phone, and what can be done with them.

use crate::line::{Line, Way};
use onsync::{
    App, Comparison, Credentials, CredentialsProvider, Error, Fields, Key, NetworkKind, NetworkStatus,
    OfflineReason, Order, Query, Resolution, Result, Value,
};
use onsync_core::portable_async;
use onsync_example_support::Office;
use std::sync::Arc;

/// The network around the phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// Wireless LAN, free of charge.
    Wifi,
    /// A mobile network that costs by volume.
    Mobile,
    /// None.
    None,
    /// Wireless LAN, and the office does not answer.
    OfficeAway,
    /// The wireless LAN of a hotel, where nobody has signed in.
    Hotel,
}

impl Network {
    /// What the phone's operating system says.
    fn status(self) -> NetworkStatus {
        match self {
            Self::None => NetworkStatus::offline(OfflineReason::NoNetwork),
            Self::Mobile => NetworkStatus {
                metered: Some(true),
                ..NetworkStatus::online(NetworkKind::Cellular)
            },
            Self::Wifi | Self::OfficeAway | Self::Hotel => NetworkStatus::online(NetworkKind::Wifi),
        }
    }

    fn way(self) -> Way {
        match self {
            Self::Wifi | Self::Mobile => Way::Open,
            Self::None | Self::OfficeAway => Way::Cut,
            Self::Hotel => Way::Portal,
        }
    }
}

/// A work order as a list shows it.
pub(crate) struct WorkOrder {
    pub(crate) key: Key,
    pub(crate) title: String,
    pub(crate) state: String,
    pub(crate) note: String,
    pub(crate) customer: String,
}

struct Badge;

#[portable_async]
impl CredentialsProvider for Badge {
    async fn credentials(&self, _refused: bool) -> Result<Option<Credentials>> {
        Ok(Some(Credentials::bearer("badge-of-anna")))
    }
}

/// Office, line and phone.
pub(crate) struct Field {
    pub(crate) office: Office,
    pub(crate) app: App,
    line: Line,
}

fn failed(cause: std::io::Error) -> Error {
    Error::fatal("example_failed", format!("the line to the office: {cause}"))
}

impl Field {
    pub(crate) async fn open() -> Result<Self> {
        let office = Office::open_with(include_str!("../onsync.toml"), include_str!("office.sql")).await?;
        let address = office.url().trim_start_matches("http://");
        let line = Line::to(address).await.map_err(failed)?;
        let mut config = office.config_of("phone");
        config.transport.url = Some(line.url());
        let app = onsync::open_config(config).await?;
        Ok(Self { office, app, line })
    }

    /// Moves the phone into another network, and tells the app as a phone's operating system would.
    pub(crate) async fn network(&mut self, network: Network) -> Result<()> {
        self.line.set(network.way()).await.map_err(failed)?;
        self.app.network_changed(network.status());
        Ok(())
    }

    pub(crate) async fn orders(&self) -> Result<Vec<WorkOrder>> {
        let query = Query::entity("WorkOrder").order_by("id", Order::Ascending);
        let mut orders = Vec::new();
        for order in self.app.query(query).await? {
            let customer = order.get::<i64>("customer_id")?;
            let customer = self.app.get("Customer", customer).await?;
            orders.push(WorkOrder {
                key: order.value("id").clone().into(),
                title: order.get("title")?,
                state: order.get("state")?,
                note: order.get::<Option<String>>("note")?.unwrap_or_default(),
                customer: customer.map_or_else(String::new, |customer| customer.value("name").to_string()),
            });
        }
        Ok(orders)
    }

    /// The technician has done the work of the first open order: its state, a report and the parts used are written together.
    pub(crate) async fn finish_one(&self) -> Result<Option<String>> {
        let open = self
            .orders()
            .await?
            .into_iter()
            .find(|order| order.state == "open");
        let Some(order) = open else { return Ok(None) };
        let title = order.title.clone();
        self.app
            .transaction(async move |tx| {
                tx.update(
                    "WorkOrder",
                    order.key.clone(),
                    Fields::new().with("state", "done"),
                )
                .await?;
                let id = order.key.values()[0].clone();
                let report = Fields::new()
                    .with("work_order_id", id)
                    .with("text", "Pump replaced, leak sealed")
                    .with("minutes", 45);
                let report = tx.create("Report", report).await?;
                for (part, quantity) in [(1, 1), (2, 2)] {
                    let part = Fields::new()
                        .with("report_id", report.values()[0].clone())
                        .with("part_id", part)
                        .with("quantity", quantity);
                    tx.create("ReportPart", part).await?;
                }
                Ok(())
            })
            .await?;
        Ok(Some(title))
    }

    /// The technician writes a note to the second order.
    pub(crate) async fn write_note(&self) -> Result<()> {
        let second = self.orders().await?.into_iter().nth(1);
        let Some(order) = second else { return Ok(()) };
        let note = Fields::new().with("note", "thermostat is on the shelf");
        self.app.update("WorkOrder", order.key, note).await
    }

    /// Open conflicts in words, and each decided: both notes stay.
    pub(crate) async fn decide(&self) -> Result<Vec<String>> {
        let mut said = Vec::new();
        for conflict in self.app.conflicts(Some("WorkOrder"), 10).await? {
            let mut merged = Fields::new();
            for attribute in conflict
                .attributes
                .iter()
                .filter(|a| a.changed_here && a.changed_there)
            {
                let text = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
                let (mine, theirs) = (text(&attribute.mine), text(&attribute.theirs));
                said.push(format!(
                    "{}: yours \"{mine}\", the office's \"{theirs}\"",
                    attribute.name
                ));
                merged = merged.with(attribute.name.as_str(), format!("{theirs}; {mine}"));
            }
            self.app
                .resolve_conflict("WorkOrder", conflict.key, Resolution::Merge(merged))
                .await?;
        }
        Ok(said)
    }

    /// The technician shows a badge. OnSync issues no tokens; this office lets everybody in who has one.
    pub(crate) async fn sign_in(&self) -> Result<()> {
        self.app.login("anna", Arc::new(Badge)).await
    }

    /// Somebody in the office writes notes to the first two orders and a new order, with a program that knows nothing of OnSync.
    pub(crate) fn office_writes(&self) -> Result<()> {
        self.office.sql(
            "UPDATE work_orders SET note = 'dog in the yard' WHERE id LIKE '%01';
             UPDATE work_orders SET note = 'call before nine' WHERE id LIKE '%02';
             INSERT INTO work_orders (id, customer_id, title)
             SELECT '01900000-0000-7000-8000-' || substr('000000000000' || (count(*) + 1), -12), 3, 'Lift stuck on floor 3'
             FROM work_orders",
        )
    }

    pub(crate) async fn count(&self, entity: &str) -> Result<usize> {
        Ok(self.app.query(Query::entity(entity)).await?.len())
    }

    pub(crate) async fn open_orders(&self) -> Result<usize> {
        let open = Query::entity("WorkOrder").filter("state", Comparison::Equal, "open");
        Ok(self.app.query(open).await?.len())
    }
}
