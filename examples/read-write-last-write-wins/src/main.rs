#![doc = include_str!("../README.md")]

use onsync::{App, Fields, Result};
use onsync_example_support::{Office, show, step, sync};

async fn both(phone: &App, tablet: &App) -> Result<()> {
    for _ in 0..2 {
        sync("phone ", phone, "Online").await?;
        sync("tablet", tablet, "Online").await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let office = Office::open(include_str!("../onsync.toml")).await?;
    let (phone, tablet) = (office.device("phone").await?, office.device("tablet").await?);

    step("Both devices fetch.");
    both(&phone, &tablet).await?;
    show("phone ", &phone).await?;

    step(
        "Without network, the phone changes a city, the tablet the name of the same company. Both edits survive.",
    );
    phone
        .update("LocalCompany", 1i64, Fields::new().with("city", "Bremen"))
        .await?;
    tablet
        .update(
            "LocalCompany",
            1i64,
            Fields::new().with("name", "Nordlicht Heating & Cooling"),
        )
        .await?;
    both(&phone, &tablet).await?;
    let there = office.ask("SELECT Name || ', ' || City FROM Company WHERE CompanyId = 1")?;
    println!("   the office has: {there}");
    assert_eq!(there, "Nordlicht Heating & Cooling, Bremen");

    step("Both change the same attribute: the push that the office accepts last wins.");
    phone
        .update("LocalCompany", 2i64, Fields::new().with("city", "Paris"))
        .await?;
    tablet
        .update("LocalCompany", 2i64, Fields::new().with("city", "Nice"))
        .await?;
    both(&phone, &tablet).await?;
    println!(
        "   the office has: {}",
        office.ask("SELECT City FROM Company WHERE CompanyId = 2")?
    );

    step(
        "The phone makes a company. Its key is local until the office's database has issued one, and stays valid here.",
    );
    let key = phone
        .create(
            "LocalCompany",
            Fields::new().with("name", "Zenit Pumps").with("city", "Gdańsk"),
        )
        .await?;
    println!("   key on the phone: {key}");
    both(&phone, &tablet).await?;
    println!(
        "   key in the office: {}",
        office.ask("SELECT CAST(CompanyId AS TEXT) FROM Company WHERE Name = 'Zenit Pumps'")?
    );
    phone
        .update("LocalCompany", key, Fields::new().with("city", "Sopot"))
        .await?;

    step(
        "The office deletes a company that the tablet is editing: the delete wins, the edit is in the tablet's bin.",
    );
    tablet
        .update("LocalCompany", 4i64, Fields::new().with("city", "York"))
        .await?;
    office.sql("DELETE FROM Company WHERE CompanyId = 4")?;
    both(&phone, &tablet).await?;
    for entry in tablet.bin(10).await? {
        println!(
            "   in the bin: {} {} ({:?})",
            entry.entity,
            entry.values.value("city"),
            entry.reason
        );
    }

    step("In the end everybody has the same.");
    let (phone_has, tablet_has) = (show("phone ", &phone).await?, show("tablet", &tablet).await?);
    assert_eq!((phone_has.len(), tablet_has.len()), (5, 5));
    Ok(())
}
