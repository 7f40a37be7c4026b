//! Requests from a hostile or broken peer, or one with another configuration: refused, without effect or disclosure.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod support;

use onsync_core::mutation::Mutation;
use onsync_core::record::{Key, RecordName};
use onsync_core::wire::{AnswerFrame, AnswerState, EntityRequest, Hello, PROTOCOL, RequestFrame};
use onsync_core::{ErrorKind, Fields, Value};
use onsync_server::{Limits, Server, SyncService as _};
use support::{Device, builder, foreign_put, fresh, named, short, stored};

async fn refused(server: &Server, frames: Vec<RequestFrame>) -> (ErrorKind, String) {
    let error = match server.sync(Some("ada"), frames).await {
        Ok(_) => panic!("refused"),
        Err(error) => error,
    };
    (error.kind(), error.code().to_owned())
}

#[tokio::test]
async fn whoever_has_no_valid_token_gets_one_answer() {
    let (_, server) = fresh().await;
    let device = Device::new("ada");
    let mut messages = Vec::new();
    for token in [None, Some(""), Some("eve"), Some("ADA"), Some("ada ")] {
        let Err(error) = server.sync(token, device.push_frames(&[])).await else {
            panic!("refused")
        };
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Unauthorised, "unauthorised")
        );
        messages.push(error.message().to_owned());
    }
    messages.dedup();
    assert_eq!(messages.len(), 1);
}

#[tokio::test]
async fn frames_out_of_order_are_refused_as_a_whole() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let hello = device.hello();
    let entity = RequestFrame::Entity(device.entity("Company", false));
    let mutation = RequestFrame::Mutation(device.create("Company", 1, named("x")));
    let end = RequestFrame::End {};
    let invalid = [
        vec![],
        vec![end.clone()],
        vec![entity.clone(), end.clone()],
        vec![hello.clone(), hello.clone(), end.clone()],
        vec![hello.clone(), mutation.clone(), end.clone()],
        vec![
            hello.clone(),
            entity.clone(),
            mutation.clone(),
            entity.clone(),
            end.clone(),
        ],
        vec![hello.clone(), entity.clone(), entity.clone(), end.clone()],
        vec![
            hello.clone(),
            entity.clone(),
            mutation.clone(),
            mutation.clone(),
            end.clone(),
        ],
        vec![hello.clone(), end.clone(), end.clone()],
    ];
    for frames in invalid {
        assert_eq!(refused(&server, frames).await.1, "invalid_request");
    }
    let cut_off = vec![hello, entity, mutation];
    assert_eq!(
        refused(&server, cut_off).await,
        (ErrorKind::Transient, "request_truncated".to_owned())
    );
    let other = RequestFrame::Hello(Hello {
        protocol: PROTOCOL + 1,
        ..Hello::new(device.instance, 0)
    });
    assert_eq!(
        refused(&server, vec![other, end]).await,
        (ErrorKind::Unsupported, "protocol_unsupported".to_owned())
    );
    assert!(stored(&store, "Company", "name").is_empty());
}

#[tokio::test]
async fn what_is_beyond_a_limit_is_refused_before_it_costs_anything() {
    let (store, _) = fresh().await;
    let limits = Limits {
        max_mutations: 2,
        max_entities: 2,
        max_record_bytes: 100,
        max_request_bytes: 2_000,
        ..Limits::default()
    };
    let server = builder(&store).limits(limits).build().await.unwrap();
    assert_eq!(
        (server.health().max_mutations, server.health().max_request_bytes),
        (2, 2_000)
    );
    let mut device = Device::new("ada");
    let mutations: Vec<Mutation> = (1..=3)
        .map(|key| device.create("Company", key, named("x")))
        .collect();
    assert_eq!(
        refused(&server, device.push_frames(&mutations)).await.1,
        "too_many_mutations"
    );
    let large = device.create("Company", 1, named(&"x".repeat(3_000)));
    assert_eq!(
        refused(&server, device.push_frames(&[large])).await.1,
        "request_too_large"
    );
    let mut entities = vec![device.hello()];
    entities
        .extend(["Company", "Item", "Country"].map(|name| RequestFrame::Entity(device.entity(name, true))));
    entities.push(RequestFrame::End {});
    assert_eq!(refused(&server, entities).await.1, "too_many_entities");
    let record = device.create("Company", 1, named(&"x".repeat(101)));
    let fine = device.create("Company", 2, named("x"));
    let codes: Vec<String> = device
        .push(&server, &[record, fine])
        .await
        .iter()
        .map(short)
        .collect();
    assert_eq!(codes, ["record_too_large", "applied"]);
}

async fn failed(server: &Server, device: &Device, asked: EntityRequest) -> (String, String) {
    let frames = support::all(device.begin_pull(server, &[asked]).await.unwrap()).await;
    frames
        .into_iter()
        .find_map(|frame| match frame {
            AnswerFrame::Entity(answer) => match answer.state {
                AnswerState::Failed(error) => Some((error.kind, error.code)),
                _ => None,
            },
            _ => None,
        })
        .expect("the entity fails")
}

#[tokio::test]
async fn an_entity_that_cannot_be_served_fails_alone() {
    let (_, server) = fresh().await;
    let device = Device::new("ada");
    let good = || device.entity("Item", true);
    let columns = |columns: &[&str]| EntityRequest {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        ..good()
    };
    let cases = [
        (
            EntityRequest {
                entity: "Nothing\"; --\0".to_owned(),
                ..good()
            },
            "entity_unavailable",
        ),
        (
            EntityRequest {
                pattern: "whole".to_owned(),
                ..good()
            },
            "pattern_mismatch",
        ),
        (
            EntityRequest {
                scope: "bob".to_owned(),
                ..good()
            },
            "scope_unsupported",
        ),
        (columns(&["id", "nothing"]), "invalid_columns"),
        (columns(&["id", "id"]), "invalid_columns"),
        (columns(&["name"]), "invalid_columns"),
        (columns(&[]), "invalid_columns"),
    ];
    for (asked, code) in cases {
        let (kind, found) = failed(&server, &device, asked).await;
        assert_eq!((kind.as_str(), found.as_str()), ("unsupported", code));
    }
    // A local attribute never travels.
    let mut company = device.entity("Company", true);
    company.columns.push("draft".to_owned());
    assert_eq!(failed(&server, &device, company).await.1, "invalid_columns");
}

#[tokio::test]
async fn mutations_of_an_entity_that_cannot_be_served_are_kept_by_the_device() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let create = device.create("Company", 1, named("Acme"));
    let mut frames = device.push_frames(std::slice::from_ref(&create));
    let RequestFrame::Entity(entity) = &mut frames[1] else {
        panic!()
    };
    entity.pattern = "whole".to_owned();
    let frames = support::all(server.sync(Some("ada"), frames).await.unwrap()).await;
    let AnswerFrame::Outcome(outcome) = &frames[1] else {
        panic!("{frames:?}")
    };
    assert_eq!(short(&outcome.outcome), "retry: pattern_mismatch");
    assert!(stored(&store, "Company", "name").is_empty());
}

#[tokio::test]
async fn what_refers_to_a_change_that_waits_waits_too() {
    let (store, server) = fresh().await;
    let mut device = Device::new("ada");
    let company = device.create("Company", 1, named("Acme"));
    let by_key = device.create("Contact", 1, named("Ann").with("company_id", 1i64));
    let artist = device.create_unnamed("Artist", named("Ella"));
    let mut by_id = device.create_unnamed("Album", Fields::new().with("title", "x"));
    by_id.references = vec![support::reference("artist_id", &artist)];
    let other = device.create("Contact", 2, named("Bea"));
    let mut frames = device.push_frames(&[company, by_key, artist, by_id, other]);
    for frame in &mut frames {
        match frame {
            RequestFrame::Entity(entity) if ["Company", "Artist"].contains(&entity.entity.as_str()) => {
                entity.pattern = "whole".to_owned();
            }
            _ => {}
        }
    }
    let answer = server.sync(Some("ada"), frames).await.unwrap();
    let codes: Vec<String> = support::all(answer)
        .await
        .iter()
        .filter_map(|frame| match frame {
            AnswerFrame::Outcome(frame) => Some(short(&frame.outcome)),
            _ => None,
        })
        .collect();
    let (mismatch, waiting) = ("retry: pattern_mismatch", "retry: parent_waiting");
    assert_eq!(codes, [mismatch, waiting, mismatch, waiting, "applied"]);
    assert_eq!(stored(&store, "Contact", "name"), [(2, "Bea".to_owned())]);
}

#[tokio::test]
async fn forged_mutations_are_rejected_one_by_one() {
    let (store, server) = fresh().await;
    foreign_put(&store, "Company", 1, "there").await;
    foreign_put(&store, "Artist", 1, "there").await;
    let mut device = Device::new("ada");
    let name = |values: Vec<Value>| RecordName::Key(Key(values));
    let mut cases: Vec<(Mutation, &str)> = vec![
        (
            device.create("Company", 2, named("x").with("nothing", 1i64)),
            "unknown_attribute",
        ),
        (
            device.create("Company", 2, named("x").with("draft", "x")),
            "unknown_attribute",
        ),
        (
            device.create("Company", 2, Fields::new().with("name", 5i64)),
            "invalid_value",
        ),
        (device.create("Company", 2, named("nul\0")), "invalid_value"),
        (
            device.update("Company", 1, Fields::new().with("id", 9i64)),
            "key_change_refused",
        ),
        (device.create("Country", 9, named("x")), "read_only"),
        (device.update("Item", 9, named("x")), "read_only"),
        (device.delete("Item", 9), "read_only"),
        (device.create("Artist", 9, named("x")), "invalid_key"),
    ];
    let mut mismatched = device.create("Company", 3, named("x"));
    mismatched.record = name(vec![Value::Integer(4)]);
    cases.push((mismatched, "invalid_key"));
    for values in [
        vec![],
        vec![Value::Null],
        vec![Value::Text("1".into())],
        vec![Value::Integer(1); 2],
    ] {
        let mut wrong = device.update("Company", 1, named("x"));
        wrong.record = name(values);
        cases.push((wrong, "invalid_key"));
    }
    let mut unnamed = device.create_unnamed("Company", named("x"));
    cases.push((unnamed.clone(), "invalid_key"));
    unnamed = device.create_unnamed("Artist", named("x"));
    unnamed.record = RecordName::Created(cases[0].0.id);
    cases.push((unnamed, "invalid_key"));
    let mut delete = device.delete("Company", 1);
    delete.values = named("x");
    cases.push((delete, "invalid_value"));
    let mut reference = device.update("Company", 1, named("x"));
    reference.references = vec![support::reference("name", &cases[0].0)];
    cases.push((reference, "parent_rejected"));

    let (mutations, codes): (Vec<Mutation>, Vec<&str>) = cases.into_iter().unzip();
    let found: Vec<String> = device.push(&server, &mutations).await.iter().map(short).collect();
    assert_eq!(found, codes);
    assert_eq!(stored(&store, "Company", "name"), [(1, "there".to_owned())]);
    assert_eq!(stored(&store, "Artist", "name"), [(1, "there".to_owned())]);
    // And remembered as such.
    let again: Vec<String> = device.push(&server, &mutations).await.iter().map(short).collect();
    assert_eq!(again, codes);
}

#[tokio::test]
async fn a_device_with_fewer_columns_touches_and_sees_only_those() {
    let (store, server) = fresh().await;
    foreign_put(&store, "Company", 1, "Acme").await;
    store
        .foreign_write(|tables| tables.update("Company", &1i64.into(), &Fields::new().with("city", "Oslo")))
        .await
        .unwrap();
    let mut device = Device::new("ada");
    let narrow = |mut frames: Vec<RequestFrame>| {
        let RequestFrame::Entity(entity) = &mut frames[1] else {
            panic!()
        };
        entity.columns = vec!["name".to_owned(), "id".to_owned()];
        frames
    };
    let good = device.update("Company", 1, named("Acme Ltd"));
    let forged = device.update("Company", 1, Fields::new().with("city", "Bergen"));
    let frames = narrow(device.push_frames(&[good, forged]));
    let frames = support::all(server.sync(Some("ada"), frames).await.unwrap()).await;
    let codes: Vec<String> = frames
        .iter()
        .filter_map(|frame| match frame {
            AnswerFrame::Outcome(frame) => Some(short(&frame.outcome)),
            _ => None,
        })
        .collect();
    assert_eq!(codes, ["applied", "unknown_attribute"]);
    assert_eq!(stored(&store, "Company", "city"), [(1, "Oslo".to_owned())]);
    assert_eq!(stored(&store, "Company", "name"), [(1, "Acme Ltd".to_owned())]);

    let mut asked = device.entity("Company", true);
    asked.columns = vec!["name".to_owned(), "id".to_owned()];
    let frames = support::all(device.begin_pull(&server, &[asked]).await.unwrap()).await;
    let page = frames
        .iter()
        .find_map(|frame| match frame {
            AnswerFrame::Page(page) => Some(page),
            _ => None,
        })
        .unwrap();
    assert_eq!(
        page.rows.row(0),
        [Value::Text("Acme Ltd".into()), Value::Integer(1)]
    );
    assert_eq!(page.rows.columns().len(), 2);
    device.number += 1;
}

#[tokio::test]
async fn a_server_that_cannot_work_is_not_built() {
    let (store, _) = fresh().await;
    let build = |schema| builder(&store).schema(schema).build();
    let mut schema = support::schema();
    schema.entities[0].pattern = "read-olny".to_owned();
    let error = build(schema).await.unwrap_err();
    assert_eq!(error.code(), "unknown_plugin");
    assert!(error.to_string().contains("entities.Contact.pattern") && error.to_string().contains("whole"));
    let error = Server::builder().build().await.unwrap_err();
    assert_eq!(error.code(), "missing_part");
}
