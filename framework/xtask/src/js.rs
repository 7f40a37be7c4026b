//! `cargo xtask js`: builds the npm package of the JavaScript face.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::child::{cargo, hand_over, root};
use crate::needs::{Need, TOOLS, WASM};
use crate::{FAILED, NOT_DONE};

/// Where the package is put.
pub(crate) const PACKAGE: &str = "target/js/onsync";

/// Whether the package was built before.
pub(crate) fn is_built() -> bool {
    root().join(PACKAGE).join("onsync_bg.wasm").is_file()
}

/// Builds the package and says what is in it.
pub(crate) fn run(install: bool) -> ExitCode {
    for need in [Need::WasmTarget, Need::WasmBindgen] {
        if let Err(reason) = need.meet(install) {
            eprintln!("error: {reason}");
            return ExitCode::from(NOT_DONE);
        }
    }
    match build(&root()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(FAILED)
        }
    }
}

/// Builds the package and serves the example app, until Ctrl-C.
pub(crate) fn serve(flags: &[OsString]) -> ExitCode {
    let built = run(false);
    if built != ExitCode::SUCCESS {
        return built;
    }
    let mut command = cargo();
    command
        .args(["run", "--quiet", "--package", "onsync-example-pwa", "--"])
        .args(flags);
    hand_over(command)
}

fn build(root: &Path) -> Result<(), String> {
    let mut compile = cargo();
    compile
        .args([
            "build",
            "--package",
            "onsync-js",
            "--target",
            WASM,
            "--profile",
            "browser",
        ])
        .current_dir(root);
    succeed(&mut compile)?;
    let module = root.join("target").join(WASM).join("browser/onsync_js.wasm");
    let mut bind = Command::new(root.join(TOOLS).join("bin/wasm-bindgen"));
    bind.args([
        "--target",
        "web",
        "--remove-name-section",
        "--remove-producers-section",
        "--out-name",
        "onsync",
        "--out-dir",
    ])
    .arg(root.join(PACKAGE))
    .arg(module);
    succeed(&mut bind)?;
    let package = root.join(PACKAGE);
    let write = |name: &str, text: &str| {
        std::fs::write(package.join(name), text)
            .map_err(|error| format!("wanted to write {PACKAGE}/{name}, but: {error}"))
    };
    write("package.json", &manifest(env!("CARGO_PKG_VERSION")))?;
    let read_me = std::fs::read_to_string(root.join("framework/js/README.md"))
        .map_err(|error| format!("wanted to read framework/js/README.md, but: {error}"))?;
    write("README.md", &read_me)?;
    let size = std::fs::metadata(package.join("onsync_bg.wasm")).map_or(0, |file| file.len());
    println!(
        "{PACKAGE}: onsync.js, onsync.d.ts, onsync_bg.wasm ({} kB)",
        size / 1000
    );
    Ok(())
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!("{program} failed; its message is above")),
        Err(error) => Err(format!("{program} could not be started: {error}")),
    }
}

/// What npm wants to know. The module is found relative to the script, so that bundlers need no plug-in.
fn manifest(version: &str) -> String {
    format!(
        r#"{{
  "name": "onsync",
  "version": "{version}",
  "description": "Offline data sync for installable web apps.",
  "license": "MIT OR Apache-2.0",
  "type": "module",
  "main": "onsync.js",
  "module": "onsync.js",
  "types": "onsync.d.ts",
  "exports": {{ ".": {{ "types": "./onsync.d.ts", "default": "./onsync.js" }}, "./onsync_bg.wasm": "./onsync_bg.wasm" }},
  "files": ["onsync.js", "onsync.d.ts", "onsync_bg.wasm"],
  "sideEffects": ["./onsync.js"]
}}
"#
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_manifest_is_json_with_the_version_of_the_workspace() {
        let manifest: serde_json::Value = serde_json::from_str(&super::manifest("1.2.3")).unwrap();
        assert_eq!(manifest["version"], "1.2.3");
        assert_eq!(manifest["exports"]["."]["types"], "./onsync.d.ts");
    }
}
