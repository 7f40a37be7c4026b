//! The command line of the lists.

use clap::{Args, Subcommand, ValueEnum};

const REJECTED_EXAMPLES: &str = "\
A refused change stays visible on this device and is not sent again by itself. It ends in one of three ways: edit the record
(with plain SQL or in the app), and the edit is sent in its place; `retry` it, when the reason has gone; or `discard` it.
Discarded values go to the bin.

Examples:
  onsync rejected list                           what was refused, why, and how much waits because of it
  onsync rejected show 12                        one of them with its values and everything that is held
  onsync rejected retry 12 && onsync sync        send it again as it is
  onsync rejected discard 12 --dry-run           what would be discarded";

/// Changes the server refused, and changes that may have been applied: list, send again, discard
#[derive(Clone, Debug, Args)]
#[command(after_help = REJECTED_EXAMPLES)]
pub(crate) struct Rejected {
    /// Whose store, where `store.path` gives each user one
    #[arg(long, global = true, value_name = "USER")]
    pub(crate) user: Option<String>,
    #[command(subcommand)]
    pub(crate) action: RejectedAction,
}

/// What to do with rejected changes.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum RejectedAction {
    /// What was refused and why, oldest first
    List {
        /// At most so many
        #[arg(long, value_name = "COUNT", default_value_t = 100)]
        limit: usize,
    },
    /// One of them, with the values sent and every record that is held because of it
    Show {
        /// The number in the list
        number: u64,
    },
    /// Let the next sync send them again as they are
    Retry {
        /// Numbers in the list
        #[arg(required_unless_present = "all", value_name = "NUMBER")]
        numbers: Vec<u64>,
        /// All of them, but those that may have been applied
        #[arg(long, conflicts_with = "numbers")]
        all: bool,
    },
    /// Give them up: records are as the server has them, those made here leave, values go to the bin
    Discard {
        /// Numbers in the list
        #[arg(required = true, value_name = "NUMBER")]
        numbers: Vec<u64>,
        /// Only show what would be discarded
        #[arg(long)]
        dry_run: bool,
    },
}

const BIN_EXAMPLES: &str = "\
The device's bin holds what lost here: overwritten, discarded, refused because the record was gone, or out of scope while edited.
The server's bin (--server) holds what a device's change replaced or removed without having seen it. Both keep values
for `bin.keep` and up to `bin.max_bytes`. An id may be shortened to its end, as the list does.

Examples:
  onsync bin list --entity Visit --since 2d      what lost in the last two days
  onsync bin show 5f3a9c01                       all values of one entry
  onsync bin restore 5f3a9c01 && onsync sync     write them back, and send them
  onsync bin list --server                       on the server: what devices overwrote unseen
  onsync bin empty --since 2026-01-01 --yes      remove for good";

/// Values that lost: list, restore, remove
#[derive(Clone, Debug, Args)]
#[command(after_help = BIN_EXAMPLES)]
pub(crate) struct Bin {
    /// The server's bin, not the device's; reads onsync.server.toml and opens the database
    #[arg(long, global = true)]
    pub(crate) server: bool,
    /// Whose store, where `store.path` gives each user one
    #[arg(long, global = true, conflicts_with = "server", value_name = "USER")]
    pub(crate) user: Option<String>,
    #[command(subcommand)]
    pub(crate) action: BinAction,
}

/// What to do with a bin.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum BinAction {
    /// What is in it, oldest first
    List {
        #[command(flatten)]
        filter: Filter,
        /// At most so many
        #[arg(long, value_name = "COUNT", default_value_t = 100)]
        limit: usize,
    },
    /// One entry with all its values, beside what is there now
    Show {
        /// The entry's id, or the end of it
        id: String,
    },
    /// Write the values back and take the entries out of the bin
    Restore {
        /// Ids of entries, or the ends of them
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Remove entries for good
    Empty {
        #[command(flatten)]
        filter: Filter,
        /// Really do it; without it, only say how many it would be
        #[arg(long)]
        yes: bool,
    },
}

/// Which entries are meant.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Filter {
    /// Of this entity alone
    #[arg(long, value_name = "NAME")]
    pub(crate) entity: Option<String>,
    /// For this reason alone; on the server every value was overwritten or deleted
    #[arg(long, value_enum)]
    pub(crate) reason: Option<Reason>,
    /// Put there since then: `2026-11-22`, `2026-11-22T08:00:00Z`, or so long ago as `2h`, `3 days`
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<String>,
}

/// Why values are in the bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reason {
    /// replaced by another change
    Overwritten,
    /// discarded by a person, the app or a resolver
    Discarded,
    /// the record was deleted on the server
    Gone,
    /// the record left what the user may see
    LeftScope,
    /// a read-only entity was edited, and the record arrived again
    ReadOnly,
}

const CONFLICTS_EXAMPLES: &str = "\
A conflict is a record that was changed here and on the server. This device goes on showing its own side, and nothing is overwritten,
until somebody decides. What is decided is sent with the next sync and checked again. An id may be shortened to its end.

Examples:
  onsync conflicts list                                 what is open
  onsync conflicts show 5f3a9c01                        both sides, attribute by attribute
  onsync conflicts resolve 5f3a9c01 --mine              this device's side is sent
  onsync conflicts resolve 5f3a9c01 --theirs            the server's side is taken, this one goes to the bin
  onsync conflicts resolve 5f3a9c01 --set status=done   the server's side, with this value
  onsync conflicts resolve 5f3a9c01 --mine --set note=  this device's side, with an empty note";

/// Open conflicts: list, see both sides, decide
#[derive(Clone, Debug, Args)]
#[command(after_help = CONFLICTS_EXAMPLES)]
pub(crate) struct Conflicts {
    /// Whose store, where `store.path` gives each user one
    #[arg(long, global = true, value_name = "USER")]
    pub(crate) user: Option<String>,
    #[command(subcommand)]
    pub(crate) action: ConflictsAction,
}

/// What to do with conflicts.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ConflictsAction {
    /// What is open, by entity and key
    List {
        /// Of this entity alone
        #[arg(long, value_name = "NAME")]
        entity: Option<String>,
        /// At most so many
        #[arg(long, value_name = "COUNT", default_value_t = 100)]
        limit: usize,
    },
    /// Both sides of one of them, and what they started from
    Show {
        /// The conflict's id, or the end of it
        id: String,
    },
    /// Decide
    Resolve(Resolve),
}

/// How a conflict ends.
#[derive(Clone, Debug, Args)]
#[command(group = clap::ArgGroup::new("how").args(["mine", "theirs", "set", "null"]).multiple(true).required(true))]
pub(crate) struct Resolve {
    /// The conflict's id, or the end of it
    pub(crate) id: String,
    /// Send this device's side
    #[arg(long, conflicts_with = "theirs")]
    pub(crate) mine: bool,
    /// Take the server's side; this device's goes to the bin
    #[arg(long)]
    pub(crate) theirs: bool,
    /// Send the server's side (with --mine this device's) with this value; may be repeated
    #[arg(long, value_name = "ATTRIBUTE=VALUE", conflicts_with = "theirs")]
    pub(crate) set: Vec<String>,
    /// As --set, with no value
    #[arg(long, value_name = "ATTRIBUTE", conflicts_with = "theirs")]
    pub(crate) null: Vec<String>,
}
