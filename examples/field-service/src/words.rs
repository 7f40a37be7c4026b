//! Events as lines for people.

use onsync::{Event, NetworkKind, NetworkStatus, OfflineReason};

/// What is said of an event; nothing of progress.
pub(crate) fn of(event: &Event) -> Option<String> {
    Some(match event {
        Event::OnSyncStart { context } => format!("OnSyncStart {context}"),
        Event::OnSyncComplete { context, summary } => format!(
            "OnSyncComplete {context}: {} sent, {} received, {} removed",
            summary.applied, summary.received, summary.removed
        ),
        Event::OnSyncError {
            context, error_code, ..
        } => format!("OnSyncError {context}: {error_code}"),
        Event::NetworkStatusChanged(status) => format!("NetworkStatusChanged: {}", network(status)?),
        Event::ConflictDetected { entity, .. } => format!("ConflictDetected: {entity}"),
        Event::OnSyncProgress { .. } => return None,
    })
}

/// The network in words; nothing while it is not known yet why the phone is offline.
pub(crate) fn network(status: &NetworkStatus) -> Option<String> {
    let kind = match status.kind {
        NetworkKind::Ethernet => "a cable",
        NetworkKind::Wifi => "wireless LAN",
        NetworkKind::Cellular => "a mobile network",
        NetworkKind::Unknown => "a network",
    };
    Some(match (status.online, status.reason) {
        (true, _) if status.is_metered() => format!("online by {kind} that costs by volume"),
        (true, _) => format!("online by {kind}"),
        (false, Some(OfflineReason::NoNetwork)) => "no network".to_owned(),
        (false, Some(OfflineReason::ServerUnreachable)) => {
            format!("{kind}, but the office does not answer")
        }
        (false, Some(OfflineReason::CaptivePortal)) => format!("{kind} that wants a sign-in"),
        (false, None) => return None,
    })
}
