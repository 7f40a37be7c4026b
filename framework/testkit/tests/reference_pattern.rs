//! The testkit's own pattern keeps the laws of patterns.

use onsync_testkit::pattern::reference::LastPushWins;

onsync_testkit::pattern_tests!(LastPushWins);
