//! The plug-ins of this repository, for all tests of the simulator.

use onsync_core::pattern::SyncPattern;
use onsync_simulator::{Patterns, PlugIns};
use std::sync::Arc;

pub(crate) fn plug_ins() -> PlugIns {
    let all: [Arc<dyn SyncPattern>; 5] = [
        Arc::new(onsync_pattern_read_only::ReadOnly),
        Arc::new(onsync_pattern_read_only_optimized::ReadOnlyOptimized),
        Arc::new(onsync_pattern_read_write_conflict_detection::ConflictDetection),
        Arc::new(onsync_pattern_read_write_last_write_wins::LastWriteWins),
        Arc::new(onsync_pattern_read_write_one_to_many::OneToMany),
    ];
    let mut patterns = Patterns::new("pattern");
    for pattern in all {
        patterns.register(pattern.name(), pattern).unwrap();
    }
    PlugIns::new(patterns).unwrap()
}
