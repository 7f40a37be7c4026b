//! Records made on a device under records made on it: right keys everywhere, no orphans.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod support;

use onsync_core::mutation::{Mutation, MutationKind, Outcome};
use onsync_core::record::RecordName;
use onsync_core::wire::AnswerState;
use onsync_core::{Fields, Key, Value};
use support::{Device, applied, foreign_put, fresh, named, reference, short, stored};

fn album(device: &mut Device, title: &str, artist: &Mutation) -> Mutation {
    let fields = Fields::new().with("title", title).with("artist_id", Value::Null);
    let mut album = device.create_unnamed("Album", fields);
    album.references = vec![reference("artist_id", artist)];
    album
}

fn key_of(outcome: &Outcome) -> Key {
    let Outcome::Applied { key: Some(key), .. } = outcome else {
        panic!("{outcome:?}")
    };
    key.clone()
}

#[tokio::test]
async fn an_album_under_a_new_artist_refers_to_the_issued_key() {
    let (store, server) = fresh().await;
    foreign_put(&store, "Artist", 40, "there before").await;
    let mut device = Device::new("ada");
    let artist = device.create_unnamed("Artist", named("Ella"));
    let album = album(&mut device, "Like Someone in Love", &artist);
    // Sent in the wrong order; the answer lost once.
    for _ in 0..2 {
        let outcomes = device.push(&server, &[album.clone(), artist.clone()]).await;
        assert_eq!(key_of(&outcomes[1]), Key::one(41i64));
        assert_eq!(stored(&store, "Album", "artist_id"), [(1, "41".to_owned())]);
    }
    // In a later request, and by the same user from another instance.
    let later = self::album(&mut device, "Ella and Louis", &artist);
    assert_eq!(short(&device.push_one(&server, &later).await), "applied");
    let mut other = Device::new("ada");
    let third = self::album(&mut other, "Porgy and Bess", &artist);
    assert_eq!(short(&other.push_one(&server, &third).await), "applied");
    // Another user's create is not there for anybody else.
    let mut bob = Device::new("bob");
    let foreign = self::album(&mut bob, "Stolen", &artist);
    assert_eq!(short(&bob.push_one(&server, &foreign).await), "parent_missing");
    assert_eq!(stored(&store, "Album", "artist_id").len(), 3);
}

#[tokio::test]
async fn what_comes_with_the_filled_reference_is_as_the_device_expects() {
    let (_, server) = fresh().await;
    let mut device = Device::new("ada");
    let artist = device.create_unnamed("Artist", named("Ella"));
    let album = album(&mut device, "Ella", &artist);
    let outcomes = device.push(&server, &[artist, album]).await;
    assert!(
        matches!(
            &outcomes[1],
            Outcome::Applied {
                stored: None,
                gone: false,
                ..
            }
        ),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn a_child_of_a_missing_or_rejected_parent_is_rejected_with_the_cause() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let unknown = device.create_unnamed("Artist", named("never sent"));
    let orphan = album(&mut device, "orphan", &unknown);
    assert_eq!(short(&device.push_one(&server, &orphan).await), "parent_missing");

    let mut refused = device.create_unnamed("Artist", named("refused"));
    refused.values.set("id", 5i64);
    let child = album(&mut device, "child", &refused);
    let outcomes = device.push(&server, &[child, refused.clone()]).await;
    let codes: Vec<String> = outcomes.iter().map(short).collect();
    assert_eq!(codes, ["parent_rejected", "invalid_key"]);
    let later = album(&mut device, "later", &refused);
    assert_eq!(short(&device.push_one(&server, &later).await), "parent_rejected");

    let by_key = device.create("Contact", 1, named("Ann").with("company_id", 99i64));
    assert_eq!(short(&device.push_one(&server, &by_key).await), "parent_missing");
    assert!(stored(&store, "Album", "title").is_empty() && stored(&store, "Contact", "name").is_empty());
}

#[tokio::test]
async fn a_record_is_named_by_its_create_until_its_key_is_known() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let create = device.create_unnamed("Artist", named("Ela"));
    let by_create = RecordName::Created(create.id);
    let update = device.mutation(MutationKind::Update, "Artist", by_create.clone(), named("Ella"));
    let outcomes = device.push(&server, &[create, update]).await;
    assert_eq!(short(&outcomes[0]), "applied");
    assert_eq!(outcomes[1], applied());
    assert_eq!(stored(&store, "Artist", "name"), [(1, "Ella".to_owned())]);
    let delete = device.mutation(MutationKind::Delete, "Artist", by_create, Fields::new());
    assert_eq!(device.push_one(&server, &delete).await, applied());
    assert!(stored(&store, "Artist", "name").is_empty());
}

#[tokio::test]
async fn a_reference_inside_a_composite_key_is_filled() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let artist = device.create_unnamed("Artist", named("Ella"));
    let album = album(&mut device, "Ella", &artist);
    let name = RecordName::Key(Key(vec![Value::Null, Value::Text("jazz".into())]));
    let values = Fields::new().with("tag", "jazz").with("weight", 3i64);
    let mut tag = device.mutation(MutationKind::Create, "AlbumTag", name.clone(), values);
    tag.references = vec![reference("album_id", &album)];
    let mut update = device.mutation(
        MutationKind::Update,
        "AlbumTag",
        name,
        Fields::new().with("weight", 4i64),
    );
    update.references = vec![reference("album_id", &album)];
    let outcomes = device.push(&server, &[tag, album, artist]).await;
    assert!(
        outcomes.iter().all(|outcome| short(outcome) == "applied"),
        "{outcomes:?}"
    );
    assert_eq!(device.push_one(&server, &update).await, applied());
    let (key, fields) = store.contents("AlbumTag").unwrap().remove(0);
    assert_eq!(key, Key(vec![Value::Integer(1), Value::Text("jazz".into())]));
    assert_eq!(fields.get::<i64>("weight").unwrap(), 4);
}

#[tokio::test]
async fn a_pull_tells_the_keys_of_creates_whose_answers_were_lost() {
    let (_, server) = fresh().await;
    let mut device = Device::new("ada");
    let artist = device.create_unnamed("Artist", named("Ella"));
    // The answer is lost; the device pulls before it sends again.
    device.push_one(&server, &artist).await;
    device.page_rows = 1;
    device.pull(&server, "Artist").await;
    assert_eq!(device.created, [(artist.id, Key::one(1i64))]);
    // Nothing changed, but it is told again until it is settled.
    let (end, pages) = device.pull(&server, "Artist").await;
    assert_eq!((end, pages), (AnswerState::Complete, 1));
    assert_eq!(device.created.len(), 2);
    device.settled_to = 1;
    let (end, pages) = device.pull(&server, "Artist").await;
    assert_eq!((end, pages), (AnswerState::NotModified, 0));
    // Nobody else hears of it.
    let mut other = Device::new("ada");
    other.pull(&server, "Artist").await;
    assert!(other.created.is_empty());
}
