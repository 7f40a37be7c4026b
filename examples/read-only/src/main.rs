#![doc = include_str!("../README.md")]

use onsync::{Fields, Result};
use onsync_example_support::{Office, show, step, sync};

#[tokio::main]
async fn main() -> Result<()> {
    let office = Office::open(include_str!("../onsync.toml")).await?;
    let phone = office.device("phone").await?;

    step("First sync: the whole set arrives, in one transaction.");
    sync("phone", &phone, "Online").await?;
    show("phone", &phone).await?;

    step("Nothing changed: the office answers \"not modified\".");
    let idle = sync("phone", &phone, "Online").await?;
    assert_eq!((idle.received, idle.removed), (0, 0));

    step("Somebody in the office changes, adds and deletes with plain SQL.");
    office.sql("UPDATE Company SET City = 'Bremen' WHERE CompanyId = 1")?;
    office.sql("INSERT INTO Company (Name, City) VALUES ('Zenit Pumps', 'Gdańsk')")?;
    office.sql("DELETE FROM Company WHERE CompanyId = 4")?;
    sync("phone", &phone, "Online").await?;
    let companies = show("phone", &phone).await?;
    assert_eq!(companies.len(), 5);

    step("The set is read-only: a local write is refused, and says why.");
    let refused = phone
        .create(
            "LocalCompany",
            Fields::new().with("id", 99i64).with("name", "Mine"),
        )
        .await;
    match refused {
        Err(error) => println!("   {error}"),
        Ok(key) => println!("   unexpectedly stored {key}"),
    }
    Ok(())
}
