//! `onsync demo`: the first thing a newcomer sees.

mod support;

use support::{Place, run};

#[test]
fn the_tour_through_a_pipe_ends_by_itself_and_tells_what_arrived() {
    let place = Place::new();
    let ran = run(place.command(&["demo"])).expect(0);
    for part in [
        "6 tables",
        "cannot be reached",
        "arrived on device B",
        "arrived on device A",
        "sqlite3",
    ] {
        ran.says(part);
    }
    assert!(!ran.out.contains('\u{1b}'), "colours through a pipe: {ran:?}");
}

#[test]
fn the_tour_as_json() {
    let place = Place::new();
    let ran = place.onsync(&["demo", "--once", "--json"]).expect(0);
    let json = ran.json();
    assert_eq!(json["edit_arrived"], true);
    assert_eq!(json["create_arrived"], true);
    assert_eq!(json["server_write_arrived"], true);
    let folder = json["folder"].as_str().unwrap_or_default();
    assert!(
        !folder.is_empty() && !std::path::Path::new(folder).exists(),
        "{folder} was left behind"
    );
}
