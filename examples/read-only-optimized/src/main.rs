#![doc = include_str!("../README.md")]

use onsync::Result;
use onsync_example_support::{Office, show, step, sync};

#[tokio::main]
async fn main() -> Result<()> {
    let office = Office::open(include_str!("../onsync.toml")).await?;
    let phone = office.device("phone").await?;

    step("First sync: no checkpoint yet, so everything comes, page by page in the order of keys.");
    sync("phone", &phone, "Online").await?;
    show("phone", &phone).await?;

    step(
        "The office changes one company, adds one and deletes one. A company that came and went in between does not travel.",
    );
    office.sql("UPDATE Company SET City = 'Bremen' WHERE CompanyId = 1")?;
    office.sql("INSERT INTO Company (Name, City) VALUES ('Zenit Pumps', 'Gdańsk')")?;
    office.sql("DELETE FROM Company WHERE CompanyId = 4")?;
    let delta = sync("phone", &phone, "Online").await?;
    assert_eq!((delta.received, delta.removed), (2, 1));
    show("phone", &phone).await?;

    step("A touch without a change of what the device holds is cheap: one record.");
    office.sql("UPDATE Company SET Phone = '+49 40 555 0199' WHERE CompanyId = 1")?;
    sync("phone", &phone, "Online").await?;

    step("A tablet joins later: it gets what is there now.");
    let tablet = office.device("tablet").await?;
    sync("tablet", &tablet, "Online").await?;
    let companies = show("tablet", &tablet).await?;
    assert_eq!(companies.len(), 5);
    Ok(())
}
