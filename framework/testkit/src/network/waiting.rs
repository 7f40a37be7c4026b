//! How a monitor lets others wait.

use super::waiter::Waiter;
use super::{NetworkPlace, World, after, bad_worlds};
use crate::suite::{CaseResult, Failure};
use crate::{check, check_eq};

/// A world that differs from `Online` for this monitor.
fn bad_world(place: &dyn NetworkPlace) -> Result<World, Failure> {
    let first = bad_worlds(place).first().copied();
    first.ok_or_else(|| Failure::new("this monitor can see nothing but `Online`"))
}

/// `changed` ends at once for one who has seen something else than there is.
pub async fn changed_ends_at_once_when_the_status_differs_already(place: &dyn NetworkPlace) -> CaseResult {
    let (monitor, world) = (place.monitor(), bad_world(place)?);
    place.settle();
    let online = monitor.current();
    let offline = after(place, monitor.as_ref(), world);
    let found = Waiter::new(monitor.as_ref(), online).look();
    check_eq!(found, Some(offline), "the wait of one who has seen {online:?}");
    Ok(())
}

/// `changed` does not end while nothing changes.
pub async fn changed_waits_while_nothing_changes(place: &dyn NetworkPlace) -> CaseResult {
    let monitor = place.monitor();
    place.settle();
    let mut waiter = Waiter::new(monitor.as_ref(), monitor.current());
    for _ in 0..5 {
        let found = waiter.look();
        check!(
            found.is_none(),
            "nothing changed, and the wait ended with {found:?}"
        );
        place.settle();
    }
    Ok(())
}

/// `changed` ends when the status differs from what was seen, and wakes who waits.
pub async fn changed_ends_when_the_status_differs(place: &dyn NetworkPlace) -> CaseResult {
    let (monitor, world) = (place.monitor(), bad_world(place)?);
    place.settle();
    let mut waiter = Waiter::new(monitor.as_ref(), monitor.current());
    check!(waiter.look().is_none(), "nothing changed, and the wait ended");
    let offline = after(place, monitor.as_ref(), world);
    check!(waiter.is_woken(), "the network went, and who waits was not woken");
    check_eq!(waiter.look(), Some(offline), "what the wait gave");
    Ok(())
}

/// A change between a look at `current` and the wait is not lost.
pub async fn nothing_is_lost_between_current_and_changed(place: &dyn NetworkPlace) -> CaseResult {
    let (monitor, world) = (place.monitor(), bad_world(place)?);
    place.settle();
    let online = monitor.current();
    let mut made_before = Waiter::new(monitor.as_ref(), online);
    let offline = after(place, monitor.as_ref(), world);
    let mut made_after = Waiter::new(monitor.as_ref(), online);
    check_eq!(
        made_before.look(),
        Some(offline),
        "a wait made before the change, begun after it"
    );
    check_eq!(made_after.look(), Some(offline), "a wait made after the change");
    Ok(())
}

/// `changed` never gives what was seen.
pub async fn changed_never_gives_what_was_seen(place: &dyn NetworkPlace) -> CaseResult {
    let (monitor, world) = (place.monitor(), bad_world(place)?);
    place.settle();
    let mut seen = monitor.current();
    for next in [world, World::Online].into_iter().cycle().take(20) {
        let mut waiter = Waiter::new(monitor.as_ref(), seen);
        waiter.look();
        after(place, monitor.as_ref(), next);
        let found = waiter.look();
        let Some(status) = found.filter(|status| *status != seen) else {
            return Err(Failure::new(format!(
                "one who has seen {seen:?} and waits while the world becomes {next:?} gets {found:?}"
            )));
        };
        seen = status;
    }
    Ok(())
}

/// Of quick changes the last is seen.
pub async fn a_flap_ends_where_the_network_is(place: &dyn NetworkPlace) -> CaseResult {
    let (monitor, world) = (place.monitor(), bad_world(place)?);
    let offline = after(place, monitor.as_ref(), world);
    let mut waiter = Waiter::new(monitor.as_ref(), offline);
    waiter.look();
    for _ in 0..100 {
        place.turn(World::Online);
        place.turn(world);
    }
    let online = after(place, monitor.as_ref(), World::Online);
    check!(
        online.online,
        "after a flap the world is online, the status {online:?}"
    );
    check_eq!(
        waiter.look(),
        Some(online),
        "what one gets who waited through the flap"
    );
    Ok(())
}

/// Any number may wait, and all of them hear of a change.
pub async fn every_waiter_hears_of_a_change(place: &dyn NetworkPlace) -> CaseResult {
    let (monitor, world) = (place.monitor(), bad_world(place)?);
    place.settle();
    let online = monitor.current();
    let mut waiters: Vec<Waiter<'_>> = (0..50).map(|_| Waiter::new(monitor.as_ref(), online)).collect();
    for waiter in &mut waiters {
        waiter.look();
    }
    let offline = after(place, monitor.as_ref(), world);
    let heard = waiters.iter_mut().filter_map(Waiter::look);
    let heard = heard.filter(|status| *status == offline).count();
    check_eq!(heard, 50, "how many of 50 who waited heard of the change");
    Ok(())
}

/// Each one waits for another status than it has seen itself.
pub async fn each_waiter_waits_for_its_own(place: &dyn NetworkPlace) -> CaseResult {
    let (monitor, world) = (place.monitor(), bad_world(place)?);
    place.settle();
    let online = monitor.current();
    let offline = after(place, monitor.as_ref(), world);
    let mut up_to_date = Waiter::new(monitor.as_ref(), offline);
    let mut behind = Waiter::new(monitor.as_ref(), online);
    check_eq!(
        behind.look(),
        Some(offline),
        "what one gets who has seen something older"
    );
    check!(
        up_to_date.look().is_none(),
        "one who has seen the newest does not wait"
    );
    let again = after(place, monitor.as_ref(), World::Online);
    check_eq!(
        up_to_date.look(),
        Some(again),
        "what that one gets after the next change"
    );
    Ok(())
}

/// Dropping the future of `changed` disturbs nobody.
pub async fn a_dropped_waiter_disturbs_nobody(place: &dyn NetworkPlace) -> CaseResult {
    let (monitor, world) = (place.monitor(), bad_world(place)?);
    place.settle();
    let online = monitor.current();
    let mut first = Waiter::new(monitor.as_ref(), online);
    let mut stays = Waiter::new(monitor.as_ref(), online);
    let mut last = Waiter::new(monitor.as_ref(), online);
    for waiter in [&mut first, &mut stays, &mut last] {
        waiter.look();
    }
    drop(first);
    drop(last);
    let offline = after(place, monitor.as_ref(), world);
    check_eq!(
        stays.look(),
        Some(offline),
        "what one gets whose neighbours gave up"
    );
    Ok(())
}
