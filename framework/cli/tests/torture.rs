//! `onsync torture`: tables of all kinds can be tortured, and nothing is said to hold that was not tried.

mod support;

use support::Place;

/// Keys of the server beside many values, one and none; and a key made of the keys of two parents.
const TABLES: &str = r#"
[contexts.Online]
[entities.Playlist]
pattern = "read-write-last-write-wins"
key = "id"
ids = "server"
attributes = { id = "integer", name = "text" }
[entities.Track]
pattern = "read-write-conflict-detection"
on_pending_conflicts = "continue"
key = "id"
ids = "server"
attributes = { id = "integer", name = "text", composer = "text", seconds = "integer" }
[entities.Entry]
pattern = "read-write-last-write-wins"
key = ["playlist", "track"]
attributes = { playlist = "integer", track = "integer" }
[entities.Vote]
pattern = "read-write-last-write-wins"
key = "id"
ids = "server"
attributes = { id = "integer", track = "integer" }
[relations.playlist]
child = "Entry"
attribute = "playlist"
parent = "Playlist"
[relations.track]
child = "Entry"
attribute = "track"
parent = "Track"
[relations.vote]
child = "Vote"
attribute = "track"
parent = "Track"
"#;

#[test]
fn slow_tables_of_all_kinds_hold() {
    let place = Place::new();
    place.write("onsync.toml", TABLES);
    let held = place
        .onsync(&["torture", "--worlds", "30", "--time", "1h"])
        .expect(0);
    held.says("30 worlds").says("held every device ended equal");
}

/// A key of days; an entity whose conflicts a resolver decides.
const DAYS: &str = r#"
[contexts.Online]
[entities.Day]
pattern = "read-write-conflict-detection"
on_pending_conflicts = "continue"
resolver = "RESOLVER"
key = ["day", "place"]
attributes = { day = "date", place = "text", at = "time", note = "text" }
"#;

const READ_ONLY: &str = r#"
[contexts.Online]
[entities.Price]
pattern = "read-only"
key = "id"
attributes = { id = "integer", name = "text" }
"#;

#[test]
fn resolvers_decide_in_the_worlds_and_what_has_no_part_in_them_is_said() {
    let place = Place::new();
    place.write("onsync.toml", &DAYS.replace("RESOLVER", "server-wins"));
    let few = ["torture", "--worlds", "3", "--time", "1h"];
    let held = place.onsync(&few).expect(0);
    held.says("held no edit was lost unseen")
        .says("tried the resolver `server-wins`, with ");
    assert!(!held.out.contains(" 0 writes") && !held.out.contains("references held"));

    // Patterns that decide by themselves leave nothing to a resolver; the store of worlds is the simulator's.
    let last = DAYS.replace("RESOLVER", "client-wins");
    let last = last.replace("read-write-conflict-detection", "read-write-last-write-wins");
    place.write("onsync.toml", &last);
    let held = place.onsync(&few).expect(0);
    held.says("not tried the resolver `client-wins` of `Day`: no conflict arose");

    place.write("onsync.toml", &DAYS.replace("RESOLVER", "merge-atributes"));
    place
        .onsync(&few)
        .expect(2)
        .complains("did you mean `merge-attributes`?");

    place.write("onsync.toml", READ_ONLY);
    let held = place.onsync(&few).expect(0);
    held.says("held every device ended equal");
    assert!(!held.out.contains("no edit was lost"));
}

#[test]
fn the_configured_store_is_tried_where_that_is_asked_for() {
    let place = Place::new();
    place.write("onsync.toml", TABLES);
    let flags = ["torture", "--store", "--worlds", "3", "--time", "1h"];
    let held = place.onsync(&flags).expect(0);
    held.says("held nothing took effect twice")
        .says("tried the store `sqlite`, in files of a temporary folder");
    let names = std::fs::read_dir(place.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["onsync.toml"],
        "the data of the app are left alone"
    );

    place.write("onsync.toml", &format!("{TABLES}[store]\nkind = \"sqlit\"\n"));
    place.onsync(&flags).expect(2).complains("did you mean `sqlite`?");
}

#[test]
fn what_was_not_tried_does_not_hold() {
    let place = Place::new();
    place.write("onsync.toml", TABLES);
    for (flags, complaint) in [
        (
            ["torture", "--time", "soon"],
            "wanted a time above zero such as 60s",
        ),
        (
            ["torture", "--time", "0s"],
            "wanted a time above zero such as 60s",
        ),
        (["torture", "--worlds", "0"], "0 is not in 1.."),
        (["torture", "--time", "1ns"], "no_world"),
    ] {
        let refused = place.onsync(&flags).expect(2);
        refused.complains(complaint);
        assert_eq!(refused.out, "");
    }
}
