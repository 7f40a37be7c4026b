//! The `onsync` command with the built-in plug-ins.

fn main() -> std::process::ExitCode {
    onsync_cli::run(onsync::registries())
}
