//! The pattern keeps the laws of all patterns.

use onsync_pattern_read_only_optimized::ReadOnlyOptimized;

onsync_testkit::pattern_tests!(ReadOnlyOptimized);
