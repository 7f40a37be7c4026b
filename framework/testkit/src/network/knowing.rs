//! What a monitor knows.

use super::{NetworkPlace, World, after, bad_worlds};
use crate::suite::{CaseResult, Failure};
use crate::{check, check_eq};

/// Until something is known the network is taken for granted.
pub async fn the_network_is_taken_for_granted_at_first(place: &dyn NetworkPlace) -> CaseResult {
    check!(
        place.monitor().current().online,
        "before anything is known the status is offline"
    );
    Ok(())
}

/// Each world the monitor can see that is not fine makes the status offline.
pub async fn a_network_that_goes_is_seen(place: &dyn NetworkPlace) -> CaseResult {
    let monitor = place.monitor();
    let worlds = bad_worlds(place);
    check!(!worlds.is_empty(), "this monitor can see nothing but `Online`");
    for world in worlds {
        let status = after(place, monitor.as_ref(), world);
        check!(!status.online, "the world is {world:?}, the status online");
        after(place, monitor.as_ref(), World::Online);
    }
    Ok(())
}

/// A world that is fine again makes the status online.
pub async fn a_network_that_comes_back_is_seen(place: &dyn NetworkPlace) -> CaseResult {
    let monitor = place.monitor();
    for world in bad_worlds(place) {
        after(place, monitor.as_ref(), world);
        let status = after(place, monitor.as_ref(), World::Online);
        check!(
            status.online,
            "the world was {world:?} and is fine again, the status is {status:?}"
        );
    }
    Ok(())
}

/// An offline status names the reason of the world as far as the monitor can see it.
pub async fn reasons_are_told_apart(place: &dyn NetworkPlace) -> CaseResult {
    let monitor = place.monitor();
    for world in bad_worlds(place) {
        let status = after(place, monitor.as_ref(), world);
        check_eq!(status.reason, world.reason(), "the reason in the world {world:?}");
    }
    Ok(())
}

/// A status that is online names no reason, also after one that was offline.
pub async fn an_online_status_names_no_reason(place: &dyn NetworkPlace) -> CaseResult {
    let monitor = place.monitor();
    for world in bad_worlds(place) {
        after(place, monitor.as_ref(), world);
        let status = after(place, monitor.as_ref(), World::Online);
        check!(
            !(status.online && status.reason.is_some()),
            "a status says that it is online, and why it is not: {status:?}"
        );
    }
    Ok(())
}

/// Time alone changes nothing.
pub async fn a_quiet_network_stays_as_it_is(place: &dyn NetworkPlace) -> CaseResult {
    let monitor = place.monitor();
    place.settle();
    let first = monitor.current();
    for _ in 0..5 {
        place.settle();
        let next = monitor.current();
        if next != first {
            return Err(Failure::new(format!(
                "nothing happened, and {first:?} became {next:?}"
            )));
        }
    }
    Ok(())
}
