//! The pattern keeps the laws of all patterns.

use onsync_pattern_read_write_one_to_many::OneToMany;

onsync_testkit::pattern_tests!(OneToMany);
