//! The pattern keeps the laws of all patterns.

use onsync_pattern_read_write_last_write_wins::LastWriteWins;

onsync_testkit::pattern_tests!(LastWriteWins);
