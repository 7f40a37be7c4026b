//! Every decoder that reads what a network or a file gives it, as a function from bytes that panics where a law is broken: whatever
//! comes is read or refused, and what was read is written the same.
//!
//! A test feeds them bytes drawn from the kept corpus; the fuzz targets in `framework/fuzz` feed them for as long as one likes.

use onsync_core::memory::server::MemoryServerStore;
use onsync_core::mutation::{Mutation, MutationKind};
use onsync_core::page::Checkpoint;
use onsync_core::pattern::SyncPattern;
use onsync_core::record::RecordName;
use onsync_core::registry::Registry;
use onsync_core::schema::{Attribute, EntitySchema, Schema};
use onsync_core::wire::{
    AnswerFrame, AnswerState, Decoder, EntityRequest, Format, Hello, RequestFrame, encode,
};
use onsync_core::{Fields, Key, Result, Value, ValueType};
use onsync_engine::Config;
use onsync_server::{NoAuthentication, Server, SyncService as _};
use onsync_testkit::fakes::ManualRuntime;
use onsync_testkit::pattern::reference::LastPushWins;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use uuid::Uuid;

/// A decoder's name and its law.
pub type Law = (&'static str, fn(&[u8]));

/// All of them.
pub const LAWS: &[Law] = &[
    ("frames_binary", frames_binary),
    ("frames_json", frames_json),
    ("requests", requests),
    ("checkpoints", checkpoints),
    ("configuration", configuration),
    ("keys", keys),
    ("values", values),
];

/// Frames may be as large as this.
const LIMIT: usize = 1 << 20;

/// Length-prefixed MessagePack, of requests and answers.
pub fn frames_binary(bytes: &[u8]) {
    frames::<RequestFrame>(Format::Binary, bytes);
    frames::<AnswerFrame>(Format::Binary, bytes);
}

/// JSON lines, of requests and answers.
pub fn frames_json(bytes: &[u8]) {
    frames::<RequestFrame>(Format::JsonLines, bytes);
    frames::<AnswerFrame>(Format::JsonLines, bytes);
}

/// The frames at the beginning of the bytes, as far as there are any.
fn read<F: DeserializeOwned>(format: Format, bytes: &[u8]) -> Vec<F> {
    let mut decoder = Decoder::new(format, LIMIT);
    let mut frames = Vec::new();
    // In two pieces, as a network would bring them.
    for piece in bytes.chunks(bytes.len() / 2 + 1) {
        decoder.push(piece);
        while let Ok(Some(frame)) = decoder.next_frame() {
            frames.push(frame);
        }
    }
    frames
}

fn written<F: Serialize>(format: Format, frame: &F) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    encode(format, frame, &mut bytes).ok().map(|()| bytes)
}

fn frames<F: Serialize + DeserializeOwned>(format: Format, bytes: &[u8]) {
    for frame in read::<F>(format, bytes) {
        for other in [Format::Binary, Format::JsonLines] {
            let Some(once) = written(other, &frame) else {
                continue;
            };
            let again: Vec<F> = read(other, &once);
            assert_eq!(
                again.len(),
                1,
                "one frame is written, and {} are read",
                again.len()
            );
            assert_eq!(
                written(other, &again[0]).as_ref(),
                Some(&once),
                "a frame is written as it was read"
            );
        }
    }
}

fn schema() -> Schema {
    let attributes = vec![
        Attribute::new("id", ValueType::Integer),
        Attribute::new("name", ValueType::Text),
        Attribute::new("price", ValueType::Decimal),
        Attribute::new("seen", ValueType::Timestamp),
    ];
    let pattern = LastPushWins.name();
    let mut schema = Schema::default();
    schema
        .entities
        .push(EntitySchema::new("Item", pattern, &["id"], attributes));
    schema
}

async fn server() -> Result<Server> {
    let mut patterns: Registry<Arc<dyn SyncPattern>> = Registry::new("pattern");
    patterns.register(LastPushWins.name(), Arc::new(LastPushWins))?;
    Server::builder()
        .schema(schema())
        .patterns(patterns)
        .store(Arc::new(MemoryServerStore::new(1)))
        .authenticator(NoAuthentication)
        .build()
        .await
}

/// All frames of the answer, as far as it comes.
async fn answer(server: &Server, frames: Vec<RequestFrame>) -> Vec<AnswerFrame> {
    let mut heard = Vec::new();
    let Ok(mut answer) = server.sync(None, frames).await else {
        return heard;
    };
    while let Ok(Some(frame)) = answer.next().await {
        heard.push(frame);
    }
    heard
}

/// Whole requests: the server answers or refuses them.
pub fn requests(bytes: &[u8]) {
    let mut frames: Vec<RequestFrame> = read(Format::JsonLines, bytes);
    frames.extend(read::<RequestFrame>(Format::Binary, bytes));
    if frames.is_empty() {
        return;
    }
    ManualRuntime::new(1).run(async {
        if let Ok(server) = server().await {
            // Twice: what was answered once is answered again.
            answer(&server, frames.clone()).await;
            answer(&server, frames).await;
        }
    });
}

fn pull(checkpoint: Option<Checkpoint>) -> Vec<RequestFrame> {
    let hello = Hello::new(Uuid::from_u128(1), 0);
    let entity = EntityRequest {
        entity: "Item".to_owned(),
        pattern: LastPushWins.name().to_owned(),
        columns: ["id", "name", "price", "seen"].map(str::to_owned).to_vec(),
        scope: String::new(),
        pull: true,
        checkpoint,
        page_rows: 10,
        page_bytes: 10_000,
    };
    vec![
        RequestFrame::Hello(hello),
        RequestFrame::Entity(entity),
        RequestFrame::End {},
    ]
}

/// Checkpoints: what the server did not seal is as none, be it made up or a sealed one with bits changed.
pub fn checkpoints(bytes: &[u8]) {
    ManualRuntime::new(1).run(async {
        let Ok(server) = server().await else { return };
        let first = answer(&server, pull(None)).await;
        let sealed = first.iter().find_map(|frame| match frame {
            AnswerFrame::Page(page) => Some(page.checkpoint.clone()),
            _ => None,
        });
        let Some(sealed) = sealed else { return };
        let mut changed = sealed.0.as_slice().to_vec();
        for (byte, change) in changed.iter_mut().zip(bytes) {
            *byte ^= change;
        }
        for forged in [changed, bytes.to_vec()] {
            if forged == sealed.0.as_slice() {
                continue;
            }
            let heard = answer(&server, pull(Some(Checkpoint(forged)))).await;
            let taken = heard.iter().any(
                |frame| matches!(frame, AnswerFrame::Entity(entity) if entity.state == AnswerState::NotModified),
            );
            assert!(!taken, "a forged checkpoint is taken for a sealed one");
        }
    });
}

/// What decoders are fed to begin with: well-formed, so that changes of it come far.
pub fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let mut mutation = pull(None);
    mutation.insert(2, RequestFrame::Mutation(create()));
    let mut answered = Vec::new();
    ManualRuntime::new(1).run(async {
        if let Ok(server) = server().await {
            answered = answer(&server, mutation.clone()).await;
        }
    });
    let mut samples = Vec::new();
    for (name, format) in [
        ("frames_binary", Format::Binary),
        ("frames_json", Format::JsonLines),
    ] {
        let request: Vec<u8> = mutation
            .iter()
            .filter_map(|frame| written(format, frame))
            .flatten()
            .collect();
        let answer: Vec<u8> = answered
            .iter()
            .filter_map(|frame| written(format, frame))
            .flatten()
            .collect();
        samples.extend([(name, request.clone()), (name, answer), ("requests", request)]);
    }
    let key = Key(vec![
        Value::Integer(-7),
        Value::Text("é\u{1}".to_owned()),
        Value::Uuid(Uuid::from_u128(9)),
        Value::Bytes(vec![0, 255, 0]),
        Value::Boolean(true),
    ]);
    samples.push(("keys", key.to_bytes()));
    samples.push(("checkpoints", vec![0, 1, 0, 0, 128]));
    for text in [
        "-12345678901234567890.00120",
        "2026-11-22T01:02:03.000004Z",
        "2026-11-22T01:02:03.5",
        "2026-02-28",
        "23:59:59.999999",
        "1e300",
        "-0.0",
        "true",
        "00000000-0000-0000-0000-000000000007",
        "{\"a\":[1,null,\"é\"]}",
        "AAEC",
    ] {
        samples.push(("values", text.as_bytes().to_vec()));
    }
    samples.push(("configuration", CONFIGURATION.as_bytes().to_vec()));
    samples
}

/// A little of everything a configuration holds.
const CONFIGURATION: &str = r#"
[transport]
url = "https://sync.example.org"
time_out = "30s"
[store]
path = "app.sqlite"
page_rows = 2000
[triggers]
synchronize_every = { context = "Online", interval = "15m" }
[retry]
factor = 2
cap = "5m"
[contexts.Online]
entities = "all"
[entities.Appointment]
pattern = "read-write-conflict-detection"
on_pending_conflicts = "abort"
key = "id"
ids = "server"
indexes = [["starts"]]
together = [["starts", "price"]]
[entities.Appointment.attributes]
id = "integer"
starts = "timestamp"
price = { type = "decimal" }
"#;

fn create() -> Mutation {
    Mutation {
        id: Uuid::from_u128(2),
        number: 1,
        entity: "Item".to_owned(),
        record: RecordName::Key(Key::one(3i64)),
        kind: MutationKind::Create,
        values: Fields::new().with("id", 3i64).with("name", "three"),
        base: Fields::new(),
        base_version: None,
        references: Vec::new(),
        group: None,
    }
}

/// Configuration files.
pub fn configuration(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(error) = Config::from_text(&text) {
        assert!(!error.message().is_empty(), "an error says what was wanted");
    }
}

/// Keys in canonical bytes.
pub fn keys(bytes: &[u8]) {
    if let Ok(key) = Key::from_bytes(bytes) {
        let written = key.to_bytes();
        assert_eq!(
            Key::from_bytes(&written).ok().as_ref(),
            Some(&key),
            "a key is read as it was written"
        );
    }
}

/// Values as text: of every type, what was read is written so that it is read again.
pub fn values(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // Bytes are shown by their length alone.
    let shown_whole = ValueType::ALL
        .into_iter()
        .filter(|value_type| *value_type != ValueType::Bytes);
    for value_type in shown_whole {
        if let Ok(value) = value_type.parse(&text) {
            let written = value.to_string();
            let again = value_type.parse(&written);
            assert_eq!(
                again.as_ref().ok(),
                Some(&value),
                "a {value_type} is read as it was written: {written}"
            );
        }
    }
}
