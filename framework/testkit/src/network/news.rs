//! What a monitor makes of what others learnt.

use super::waiter::Waiter;
use super::{NetworkPlace, World, after, bad_worlds};
use crate::suite::CaseResult;
use crate::{check, check_eq};
use onsync_core::network::{NetworkNews, NetworkStatus, OfflineReason};

/// News make a monitor look; they never make it claim what is not so.
pub async fn news_never_claim_what_is_not_so(place: &dyn NetworkPlace) -> CaseResult {
    let monitor = place.monitor();
    place.settle();
    let online = monitor.current();
    let news = [
        NetworkNews::ServerReached,
        NetworkNews::ServerMissed,
        NetworkNews::LookAgain,
        NetworkNews::Before(NetworkStatus::assumed()),
    ];
    for news in news {
        monitor.note(news);
        place.settle();
        check_eq!(
            monitor.current(),
            online,
            "the status some time after {news:?} in a good world"
        );
    }
    for world in bad_worlds(place) {
        let offline = after(place, monitor.as_ref(), world);
        for news in news.into_iter().skip(1) {
            monitor.note(news);
            place.settle();
            check_eq!(
                monitor.current(),
                offline,
                "the status some time after {news:?} in the world {world:?}"
            );
        }
    }
    Ok(())
}

/// `note` is true for [`NetworkNews::Told`] exactly if that is the status now.
pub async fn what_a_monitor_is_told_it_takes_over_or_leaves(place: &dyn NetworkPlace) -> CaseResult {
    let monitor = place.monitor();
    place.settle();
    let before = monitor.current();
    let told = NetworkStatus::offline(OfflineReason::NoNetwork);
    if monitor.note(NetworkNews::Told(told)) {
        check_eq!(
            monitor.current(),
            told,
            "the status of a monitor that goes by what it is told"
        );
    } else {
        place.settle();
        check_eq!(
            monitor.current(),
            before,
            "the status of a monitor that looks for itself"
        );
    }
    Ok(())
}

/// News of what is known already wake nobody.
pub async fn news_that_change_nothing_wake_nobody(place: &dyn NetworkPlace) -> CaseResult {
    let monitor = place.monitor();
    after(place, monitor.as_ref(), World::Online);
    let mut waiter = Waiter::new(monitor.as_ref(), monitor.current());
    waiter.look();
    monitor.note(NetworkNews::ServerReached);
    place.settle();
    let found = waiter.look();
    check!(
        found.is_none(),
        "the server was reached as before, and the wait ended with {found:?}"
    );
    Ok(())
}
