//! The pattern keeps the laws of all patterns.

use onsync_pattern_read_write_conflict_detection::ConflictDetection;

onsync_testkit::pattern_tests!(ConflictDetection);
