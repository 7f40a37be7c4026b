//! What is the pattern's own; what all patterns that only fetch have in common is tested where it stands, in `onsync_core::one_way`.

use super::*;

#[test]
fn an_answer_holds_what_the_position_calls_for() {
    let cases = [
        (None, Selection::Full),
        (Some((0, 0)), Selection::Nothing),
        (Some((7, 7)), Selection::Nothing),
        (Some((8, 7)), Selection::Nothing),
        (Some((6, 7)), Selection::Delta),
    ];
    for (progress, wanted) in cases {
        let progress = progress.map(|(position, newest)| Progress { position, newest });
        assert_eq!(ReadOnlyOptimized.select(progress), wanted, "{progress:?}");
    }
}

#[test]
fn it_reads_only() {
    assert_eq!(
        (ReadOnlyOptimized.name(), ReadOnlyOptimized.direction()),
        (NAME, Direction::ReadOnly)
    );
    assert!(!ReadOnlyOptimized.whole_refresh());
}
