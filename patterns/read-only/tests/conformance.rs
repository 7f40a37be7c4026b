//! The pattern keeps the laws of all patterns.

use onsync_pattern_read_only::ReadOnly;

onsync_testkit::pattern_tests!(ReadOnly);
