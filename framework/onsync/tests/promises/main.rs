//! The promises, as scenarios on both kinds of stores. The numbers are those of `docs/reliability.md`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod apps;
mod bad_answers;
mod bins;
mod clocks;
mod conflict_keys;
mod conflicts;
mod conflicts_revisited;
mod contexts;
mod convergence;
mod delete_rules;
mod device;
mod dropped;
mod exactly_once;
mod families;
mod families_random;
mod families_seen;
mod families_sent;
mod freshness;
mod handlers;
mod interrupted;
mod keys;
mod last_write_wins;
mod lists;
mod network;
mod numbers;
mod outages;
mod outbox;
mod outcome_table;
mod plain_sql;
mod pulls;
mod redaction;
mod resolvers;
mod seeds;
mod server_dies;
mod users;
mod world;

/// One test per kind of store for each scenario.
macro_rules! scenarios {
    ($($name:ident)*) => { $(
        mod $name {
            #[test]
            fn memory() {
                super::run::$name($crate::world::Kind::Memory);
            }

            #[test]
            fn sqlite() {
                super::run::$name($crate::world::Kind::Sqlite);
            }
        }
    )* };
}
pub(crate) use scenarios;
