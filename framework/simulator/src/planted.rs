//! The bugs that are planted in this repository, and whether campaigns find them.
//!
//! Each is a place in the sources where `onsync_core::mutant!` names it; a test compares the names. They exist only in builds with
//! `--cfg onsync_mutant`: `cargo xtask mutants` makes one and runs a campaign over each.

/// A bug that is planted somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planted {
    /// Its name.
    pub name: &'static str,
    /// The crate it is planted in.
    pub place: &'static str,
    /// The scenarios of docs/reliability.md that are about its kind.
    pub scenarios: &'static [u8],
}

const fn planted(name: &'static str, place: &'static str, scenarios: &'static [u8]) -> Planted {
    Planted {
        name,
        place,
        scenarios,
    }
}

/// Every one.
pub const PLANTED: &[Planted] = &[
    planted("an-acknowledgement-cleans-later-edits", "engine", &[10]),
    planted("a-change-is-sent-under-another-id-each-time", "engine", &[8, 12]),
    planted("what-is-on-its-way-is-cut-again", "engine", &[8, 10]),
    planted("pages-go-over-edits", "engine", &[11]),
    planted("a-refetch-removes-nothing", "engine", &[32]),
    planted("a-refetch-goes-over-edits", "engine", &[14]),
    planted("a-conflict-is-lost-to-the-server", "engine", &[11, 15]),
    planted("staged-pages-are-forgotten", "engine", &[3, 4]),
    planted("references-keep-the-servers-key", "engine", &[20]),
    planted("what-is-refused-is-not-listed", "engine", &[16]),
    planted("a-record-made-again-keeps-the-servers-key", "engine", &[14]),
    planted("what-is-gone-stays-here", "engine", &[14]),
    planted("what-loses-is-not-kept", "engine", &[14]),
    planted("the-status-hears-of-nothing", "engine", &[6]),
    planted("a-failed-run-is-tried-again-at-once", "engine", &[17]),
    planted("new-credentials-wake-nobody", "engine", &[18]),
    planted("an-early-copy-is-another-record", "engine", &[22]),
    planted("a-holder-at-work-is-not-waited-for", "engine", &[27]),
    planted("what-a-full-disk-refused-counts-as-written", "engine", &[28]),
    planted(
        "what-is-cut-does-not-outlive-a-loss-of-power",
        "engine",
        &[29, 30],
    ),
    planted("receipts-are-not-looked-at", "server", &[8, 9]),
    planted("late-copies-are-applied-again", "server", &[5, 32]),
    planted("orphans-are-stored", "server", &[21]),
    planted("the-apps-rules-are-not-asked", "server", &[16]),
    planted("a-checkpoint-runs-ahead-of-its-page", "server", &[3, 4]),
    planted("changes-while-a-set-is-read-are-passed-by", "server", &[1]),
    planted("deletions-are-not-told", "server", &[14]),
    planted("forgotten-deletions-are-not-noticed", "server", &[32]),
    planted("a-restored-server-is-taken-for-the-old-one", "server", &[38]),
    planted("a-new-attribute-is-not-filled", "server", &[24]),
    planted("children-outlive-their-parent", "server", &[21]),
    planted("restricted-parents-are-deleted", "server", &[21]),
    planted("references-outlive-their-parent", "server", &[21]),
    planted("a-second-edit-is-not-counted", "core", &[10, 33]),
    planted("the-base-is-not-kept", "core", &[33]),
    planted("deltas-begin-one-too-late", "core", &[1, 2]),
    planted("a-page-claims-more-than-it-holds", "core", &[2]),
    planted("pages-skip-a-record", "core", &[2]),
    planted("what-arrives-wins-over-edits", "core", &[11]),
    planted("an-update-brings-back-what-is-gone", "core", &[14]),
    planted("edits-of-what-is-gone-vanish", "core", &[14]),
    planted("changes-go-over-any-version", "conflict-detection", &[14, 35]),
    planted("a-page-moves-the-base-under-an-edit", "conflict-detection", &[11]),
    planted("a-conflict-counts-as-done", "conflict-detection", &[11, 15]),
    planted("unchanged-attributes-are-sent-too", "last-write-wins", &[11]),
    planted("a-single-change-is-not-noticed", "read-only-optimized", &[2]),
    planted("a-set-once-fetched-is-never-fetched-again", "read-only", &[6]),
];
