//! The published table of outcomes, `docs/patterns/outcomes.md`, is what engine, server and patterns do: each cell is played on both kinds of stores and
//! compared with the page. `ONSYNC_WRITE_DOCS=1` writes the page's tables anew.

use crate::world::{DETECTION, Device, FAMILY, Kind, LWW, World, assert_equal, fields, item, one};
use onsync_core::conflict::Resolution;
use onsync_core::schema::{EntitySchema, Ids, OnPendingConflicts};
use onsync_core::{Fields, Key};
use onsync_testkit::fakes::Fate;
use std::fmt::Write as _;

const CHANGES: [&str; 3] = ["create", "update", "delete"];

/// Two devices change record 1 without knowing of each other; the second one to push is *mine*.
struct Played {
    /// Whether the second device has a conflict.
    conflict: Option<&'static str>,
    /// The record on the server after the second push: name and note.
    there: Option<(String, String)>,
    /// Whether the second device's change is in its bin.
    binned: bool,
}

fn change(device: &Device, change: &str, name: &str) {
    match change {
        "create" => drop(device.create("Item", &fields(1, name, 1))),
        "update" => device.update("Item", 1i64, &Fields::new().with("name", name)),
        _ => device.delete("Item", 1i64),
    }
}

fn entity(pattern: &str) -> EntitySchema {
    EntitySchema {
        on_pending_conflicts: OnPendingConflicts::Continue,
        ..item(pattern, Ids::Client)
    }
}

/// Plays one cell; none where the two changes cannot meet.
fn play(kind: Kind, pattern: &str, theirs: &str, mine: &str, answer_lost: bool) -> Option<Played> {
    if (theirs == "create") != (mine == "create") {
        return None;
    }
    let mut world = World::new(kind, one(entity(pattern)));
    if mine != "create" {
        world.put("Item", &fields(1, "base", 1));
    }
    let (first, second) = (world.device(), world.device());
    first.sync();
    second.sync();
    change(&first, theirs, "theirs");
    change(&second, mine, "mine");
    first.sync();
    if answer_lost {
        second.lossy.script([Fate::DropAnswer]);
        assert!(second.try_sync().is_err());
    }
    second.sync();
    let conflict = second.conflicts().first().map(|conflict| conflict.kind.as_str());
    let row = world.contents("Item").get(&Key::one(1i64)).cloned();
    let there = row.map(|row| (row[1].to_string(), row[2].to_string()));
    let binned = !second.run(second.syncer.bin(10)).unwrap().is_empty();
    // Whatever it is, it can be ended, and all are equal then.
    for conflict in second.conflicts() {
        second.resolve("Item", conflict.key, Resolution::TakeTheirs);
    }
    for _ in 0..2 {
        first.sync();
        second.sync();
    }
    for device in [&first, &second] {
        assert_equal(&world, device);
    }
    Some(Played {
        conflict,
        there,
        binned,
    })
}

fn words(played: &Played) -> String {
    let there = match &played.there {
        Some((name, _)) if name == "mine" => "mine",
        Some((name, _)) if name == "theirs" => "theirs",
        Some(_) => "the base",
        None => "deleted",
    };
    match (played.conflict, played.binned) {
        (Some(kind), _) => format!("conflict {kind}"),
        (None, true) => format!("{there}; mine is in the bin"),
        (None, false) => there.to_owned(),
    }
}

fn table(kind: Kind, pattern: &str) -> String {
    let mut text = format!(
        "### {pattern}\n\n| theirs, first | mine: create | mine: update | mine: delete |\n|---|---|---|---|\n"
    );
    for theirs in CHANGES {
        let cells = CHANGES.map(|mine| {
            let played = play(kind, pattern, theirs, mine, false);
            let lost = play(kind, pattern, theirs, mine, true);
            let (played, lost) = (played.as_ref().map(words), lost.as_ref().map(words));
            assert_eq!(
                played, lost,
                "{pattern}, {theirs} then {mine}: a lost answer decides nothing"
            );
            played.unwrap_or_else(|| "–".to_owned())
        });
        writeln!(text, "| {theirs} | {} |", cells.join(" | ")).unwrap();
    }
    text
}

const BEGIN: &str = "<!-- the tables below are written and checked by a test -->\n";
const END: &str = "<!-- end of the tables -->\n";

/// Scenario 14.
#[test]
fn the_published_table_is_what_happens() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/patterns/outcomes.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("where the tables begin");
    let (_, after) = rest.split_once(END).expect("where they end");
    let tables = |kind| {
        let tables = [LWW, FAMILY, DETECTION].map(|pattern| table(kind, pattern));
        format!("\n{}\n", tables.join("\n"))
    };
    let found = tables(Kind::Memory);
    assert_eq!(found, tables(Kind::Sqlite), "the stores do not differ");
    let wanted = format!("{before}{BEGIN}{found}{END}{after}");
    if std::env::var_os("ONSYNC_WRITE_DOCS").is_some() {
        std::fs::write(path, wanted).unwrap();
        return;
    }
    assert_eq!(
        page, wanted,
        "run this test with ONSYNC_WRITE_DOCS=1, read what changed, and commit it"
    );
}
