//! Logs for the curious, on stderr.

use tracing_subscriber::EnvFilter;

/// Starts logging: warnings by default, more with each `-v`; the variable `ONSYNC_LOG` decides alone where it is set.
pub(crate) fn start(verbose: u8, colour: bool) {
    let default = match verbose {
        0 => "off",
        1 => "warn,onsync=info,onsync_engine=info,onsync_server=info,onsync_http_server=info,onsync_cli=info",
        2 => {
            "info,onsync_core=debug,onsync_engine=debug,onsync_server=debug,onsync_http_server=debug,\
              onsync_http_transport=debug,onsync_sqlite_store=debug,onsync_sqlite_server_store=debug"
        }
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("ONSYNC_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    // A second start, as in a program that has its own subscriber, leaves that one in place.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_target(verbose > 1)
        .try_init();
}
