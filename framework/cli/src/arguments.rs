//! The command line.

use crate::exit;
use crate::lists::arguments::{Bin, Conflicts, Rejected};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Where the configuration is looked for.
pub(crate) const CONFIG: &str = "onsync.toml";

const EXAMPLES: &str = "\
Examples:
  onsync demo                                    see it work, without any set-up
  onsync add Customer Invoice --from shop.db     write entities from the tables of an existing database
  onsync serve                                   serve that database
  onsync sync                                    sync this device once
  onsync status --json                           what waits, what was refused
  onsync conflicts list                          what was changed on both sides
  onsync rejected list                           what the server refused, and why
  onsync bin list                                values that lost, to restore";

/// Offline data sync between a local database on a device and a server database.
#[derive(Clone, Debug, Parser)]
#[command(name = "onsync", version, propagate_version = false, max_term_width = 100)]
#[command(after_help = format!("{EXAMPLES}\n\n{}", exit::TABLE))]
pub(crate) struct Arguments {
    /// The configuration that devices and server share; `onsync.server.toml` is looked for beside it
    #[arg(long, global = true, value_name = "FILE", default_value = CONFIG)]
    pub(crate) config: PathBuf,
    /// Print data as JSON, errors included
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colours; `auto` means on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Colour::Auto)]
    pub(crate) color: Colour,
    /// Say more on stderr: -v what happens, -vv every step, -vvv everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// on a terminal
    Auto,
    /// always
    Always,
    /// never
    Never,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    Init(Init),
    Add(Add),
    Check(Check),
    Serve(Serve),
    Sync(Sync),
    Status(Status),
    Conflicts(Conflicts),
    Rejected(Rejected),
    Bin(Bin),
    Generate(Generate),
    Torture(Torture),
    Demo(Demo),
}

/// Write a commented onsync.toml and onsync.server.toml to start from
#[derive(Clone, Debug, Args)]
#[command(after_help = "Files that exist are never overwritten.")]
pub(crate) struct Init {
    /// The SQLite database the server shall serve
    #[arg(long, value_name = "DATABASE", default_value = "app.db")]
    pub(crate) database: String,
}

const ADD_EXAMPLES: &str = "\
An entity's table is found by its name, also in lower case, in snake case and in the plural: `WorkOrder` finds
`work_orders`. `Visit=tbl_visits` names the table.

Examples:
  onsync add Customer Invoice InvoiceLine --from shop.db
  onsync add Product --from shop.db --pattern read-only-optimized --attributes name,price
  onsync add Visit=tbl_visits --from sqlite:field.db --context Online";

/// Write entities and relations into onsync.toml from the tables of an existing database
///
/// Attributes with their types, keys, who issues ids, and relations from foreign keys are read from the database, which
/// is not changed. Comments and order of the file stay as they are.
#[derive(Clone, Debug, Args)]
#[command(after_help = ADD_EXAMPLES)]
pub(crate) struct Add {
    /// The entities to add, as `Entity` or `Entity=table`
    #[arg(required = true, value_name = "ENTITY")]
    pub(crate) entities: Vec<String>,
    /// The SQLite database to read: a path, or `sqlite:<path>`
    #[arg(long, value_name = "DATABASE")]
    pub(crate) from: String,
    /// Only these attributes, and the key; all that can be synced without it
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) attributes: Vec<String>,
    /// The pattern by which the entities travel
    #[arg(long, value_name = "NAME", default_value = "read-write-last-write-wins")]
    pub(crate) pattern: String,
    /// The context that syncs the entities; made if it is not there
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// Replace entities that are configured already
    #[arg(long)]
    pub(crate) replace: bool,
}

/// Look for mistakes in the configuration and in what it names
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Reads the configuration, looks up patterns and adapters, and looks whether the device's store can be read. With --server it
reads onsync.server.toml too, opens the database and compares tables, columns and types; the database is not changed.")]
pub(crate) struct Check {
    /// Check the server's configuration and database, not the device's store
    #[arg(long)]
    pub(crate) server: bool,
}

const SERVE_EXAMPLES: &str = "\
Change tracking (triggers and tables named _onsync_…) is added to the database; no column, constraint or row of its tables
changes. Ctrl-C lets running requests end, then stops.

Examples:
  onsync serve
  onsync serve --listen 0.0.0.0:8080
  onsync serve --metrics 127.0.0.1:9090          what was counted, for Prometheus, at /metrics of that address
  onsync serve --database shop.db --authentication none";

/// Serve a database to devices
#[derive(Clone, Debug, Args)]
#[command(after_help = SERVE_EXAMPLES)]
pub(crate) struct Serve {
    /// The SQLite database to serve, instead of `server.database`
    #[arg(long, value_name = "DATABASE")]
    pub(crate) database: Option<String>,
    /// The address to listen on, instead of `server.listen`; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// The address of `/metrics`, instead of `server.metrics`; without either nothing is told
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics: Option<String>,
    /// Who may speak, instead of `server.authentication`
    #[arg(long, value_enum)]
    pub(crate) authentication: Option<Authentication>,
}

/// Who may speak to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Authentication {
    /// those with one of the configured tokens
    Tokens,
    /// everybody, as one user
    None,
}

/// Sync this device once
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Sends what was changed here, fetches what changed there, prints what travelled. Nothing is retried: a script decides.")]
pub(crate) struct Sync {
    /// The context to sync; all entities without it
    #[arg(value_name = "CONTEXT", default_value = "")]
    pub(crate) context: String,
    /// Whose store, where `store.path` gives each user one
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Do not show a progress bar
    #[arg(long)]
    pub(crate) quiet: bool,
}

const STATUS_EXAMPLES: &str = "\
With --watch it follows every change of the store, whichever program makes it, until Ctrl-C: on a terminal in place, through a pipe a
line per change, with --json an object on a line per change. It ends with the code of the last status: 0, or 5.

Examples:
  onsync status
  onsync status --watch
  onsync status --watch --json | jq .waiting";

/// Show what the device's store holds and what waits in it; needs no network
#[derive(Clone, Debug, Args)]
#[command(after_help = STATUS_EXAMPLES)]
pub(crate) struct Status {
    /// Whose store, where `store.path` gives each user one
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// List waiting changes, rejections, conflicts and the bin record by record
    #[arg(long)]
    pub(crate) list: bool,
    /// Show it again at every change, until Ctrl-C
    #[arg(long, conflicts_with = "list")]
    pub(crate) watch: bool,
}

/// Write the names of the configuration as program text: contexts and entities
///
/// So a context that is renamed or misspelt is found when the app is compiled. Run it again after changing the configuration.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  onsync generate rust --out src/names.rs        then: app.on_sync(names::Context::Login.as_str(), &parameters)
  onsync generate typescript --out src/sync.ts   then: OnSync.open<Entities, Context>(config)")]
pub(crate) struct Generate {
    /// The language to write
    #[arg(value_enum)]
    pub(crate) language: Language,
    /// The file to write; stdout without it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// A language to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// enums with the names
    Rust,
    /// types of records, and of the names
    Typescript,
}

/// A time span above zero.
fn span(text: &str) -> Result<std::time::Duration, String> {
    humantime::parse_duration(text)
        .ok()
        .filter(|span| !span.is_zero())
        .ok_or_else(|| "wanted a time above zero such as 60s or 10m".to_owned())
}

const TORTURE_EXAMPLES: &str = "\
Each world is a server, two to five devices, people who write and processes that die; requests are lost, doubled, delayed \
and cut off; stores are full, busy or killed before and after each write. Your patterns and conflict resolvers are the real \
ones; with --store, so is your store, in files of a temporary folder. Everything else is in memory, and time is virtual: \
neither your own data nor your server is touched. A world follows from its number, so the same seed fails again.

It ends with 1 if a promise broke.

Examples:
  onsync torture                                 a minute over onsync.toml
  onsync torture --time 10m --from 1000000       other worlds, and more of them
  onsync torture --store                         with the configured store in place of one in memory
  onsync torture --seed 4711                     one world, told line by line";

/// Try to break the promises on this configuration and these plug-ins, in simulated worlds
#[derive(Clone, Debug, Args)]
#[command(after_help = TORTURE_EXAMPLES)]
pub(crate) struct Torture {
    /// How long to try
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = span)]
    pub(crate) time: std::time::Duration,
    /// At most so many worlds; as many as there is time for without it
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) worlds: Option<u64>,
    /// The first seed
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub(crate) from: u64,
    /// Devices keep their records in the configured store, in files of a temporary folder, and each runs one process
    #[arg(long)]
    pub(crate) store: bool,
    /// Only the world of this seed, and tell what happens in it
    #[arg(long, value_name = "SEED", conflicts_with_all = ["time", "from", "worlds"])]
    pub(crate) seed: Option<u64>,
}

const DEMO_EXAMPLES: &str = "\
Everything happens in a temporary folder and on loopback, and is removed at the end. After the tour it stays, so that you
can edit the databases and watch changes arrive, until Ctrl-C. --once, a pipe, or CI=true end it after the tour.";

/// See it work: a server, two devices, an offline edit that travels
#[derive(Clone, Debug, Args)]
#[command(after_help = DEMO_EXAMPLES)]
pub(crate) struct Demo {
    /// End after the tour
    #[arg(long)]
    pub(crate) once: bool,
    /// Keep the temporary folder, and say where it is
    #[arg(long)]
    pub(crate) keep: bool,
    /// A file whose lines are shown while the demo stays: what runs beside it has something to say
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) announcements: Option<PathBuf>,
}
