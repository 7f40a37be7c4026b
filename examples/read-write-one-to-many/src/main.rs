#![doc = include_str!("../README.md")]

use onsync::{App, Fields, Key, Query, Result};
use onsync_example_support::{Office, step, sync};

const OFFICE: &str = "
CREATE TABLE company (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE contact (id INTEGER PRIMARY KEY, company_id INTEGER NOT NULL REFERENCES company ON DELETE CASCADE, name TEXT);
CREATE TABLE note (id INTEGER PRIMARY KEY, contact_id INTEGER NOT NULL REFERENCES contact ON DELETE CASCADE, text TEXT);
INSERT INTO company VALUES (1, 'Nordlicht Heating');
INSERT INTO contact VALUES (1, 1, 'Ada');
";

/// Every note with the contact and the company it stands under, in the office's database.
fn in_the_office(office: &Office) -> Result<Vec<Vec<String>>> {
    office.all(
        "SELECT company.name, contact.name, note.text FROM note
         JOIN contact ON contact.id = note.contact_id JOIN company ON company.id = contact.company_id ORDER BY note.id",
    )
}

async fn create(app: &App, entity: &str, fields: Fields) -> Result<Key> {
    app.create(entity, fields).await
}

async fn count(app: &App, entity: &str) -> Result<usize> {
    Ok(app.query(Query::entity(entity)).await?.len())
}

#[tokio::main]
async fn main() -> Result<()> {
    let office = Office::open_with(include_str!("../onsync.toml"), OFFICE).await?;
    let (phone, tablet) = (office.device("phone").await?, office.device("tablet").await?);

    step("Both devices fetch the one company that there is.");
    sync("phone ", &phone, "Online").await?;
    sync("tablet", &tablet, "Online").await?;

    step(
        "Without network, the phone makes a company, a contact under it and a note under that. The office's database issues the keys, so each refers to a local one.",
    );
    let company = create(&phone, "Company", Fields::new().with("name", "Zenit Pumps")).await?;
    let under = |parent: &str, key: &Key| Fields::new().with(parent, key.values()[0].clone());
    let contact = create(
        &phone,
        "Contact",
        under("company_id", &company).with("name", "Grace"),
    )
    .await?;
    create(
        &phone,
        "Note",
        under("contact_id", &contact).with("text", "call back on Monday"),
    )
    .await?;
    println!("   on the phone: company {company}, contact {contact}");

    step("One sync sends the family as one group: the office has all of it, with its own keys.");
    let summary = sync("phone ", &phone, "Online").await?;
    assert_eq!(summary.applied, 3);
    for row in in_the_office(&office)? {
        println!("   in the office: {}", row.join(" > "));
    }
    assert_eq!(in_the_office(&office)?.len(), 1);

    step("The tablet sees the family in one step.");
    sync("tablet", &tablet, "Online").await?;
    println!(
        "   on the tablet: {} companies, {} contacts",
        count(&tablet, "Company").await?,
        count(&tablet, "Contact").await?
    );

    step(
        "The tablet makes another family under a name that is taken. The office refuses the company, so it takes nothing of the family.",
    );
    let second = create(&tablet, "Company", Fields::new().with("name", "Zenit Pumps")).await?;
    create(
        &tablet,
        "Contact",
        under("company_id", &second).with("name", "Linus"),
    )
    .await?;
    sync("tablet", &tablet, "Online").await?;
    for entry in tablet.rejected(10).await? {
        println!(
            "   listed: {} {} ({})",
            entry.entry.kind.as_str(),
            entry.entry.entity,
            entry.entry.rejection.code
        );
    }
    assert_eq!(office.ask("SELECT CAST(count(*) AS TEXT) FROM contact")?, "2");

    step("Put right, it goes to the office together with its contact.");
    tablet
        .update("Company", second, Fields::new().with("name", "Zenit Valves"))
        .await?;
    sync("tablet", &tablet, "Online").await?;
    println!("   listed as refused: {}", tablet.rejected(10).await?.len());
    assert_eq!(office.ask("SELECT CAST(count(*) AS TEXT) FROM contact")?, "3");

    step("The phone deletes its company: the delete rule takes contact and note along, on both sides.");
    phone.delete("Company", company).await?;
    sync("phone ", &phone, "Online").await?;
    sync("tablet", &tablet, "Online").await?;
    println!(
        "   notes in the office: {}, on the tablet: {}",
        in_the_office(&office)?.len(),
        count(&tablet, "Note").await?
    );
    assert!(in_the_office(&office)?.is_empty());
    assert_eq!(count(&tablet, "Note").await?, 0);
    Ok(())
}
