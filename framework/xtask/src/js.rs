//! `cargo xtask js`: builds the npm package of the JavaScript face, or a module of one's own.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use serde_json::Value;

use crate::child::{cargo, hand_over, root};
use crate::needs::{Need, TOOLS, WASM};
use crate::{FAILED, NOT_DONE};

/// Where the package is put.
pub(crate) const PACKAGE: &str = "target/js/onsync";

/// Whether the package was built before.
pub(crate) fn is_built() -> bool {
    root().join(PACKAGE).join("onsync_bg.wasm").is_file()
}

/// What is built: a crate of this workspace whose library is a module for browsers.
#[derive(Debug, PartialEq, Eq)]
struct Module {
    package: String,
    /// The name of the crate's library, as that of its file.
    library: String,
    /// The name of the files that a page loads.
    files: String,
    /// Where they are put.
    folder: String,
}

impl Module {
    /// The JavaScript face, or the package of that name.
    fn named(package: Option<&str>, metadata: &Value) -> Result<Self, String> {
        let Some(package) = package else {
            return Ok(Self {
                package: "onsync-js".to_owned(),
                library: "onsync_js".to_owned(),
                files: "onsync".to_owned(),
                folder: PACKAGE.to_owned(),
            });
        };
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let library = list(&metadata["packages"])
            .iter()
            .filter(|found| found["name"] == package)
            .flat_map(|found| list(&found["targets"]))
            .find(|target| list(&target["crate_types"]).iter().any(|kind| kind == "cdylib"))
            .and_then(|target| target["name"].as_str().map(str::to_owned))
            .ok_or_else(|| {
                format!("wanted a package of this workspace with a library of the type `cdylib`, found none named `{package}`")
            })?;
        Ok(Self {
            package: package.to_owned(),
            files: library.clone(),
            library,
            folder: format!("target/js/{package}"),
        })
    }
}

/// Builds the package, or the module of the crate of that name, and says what is in it.
pub(crate) fn run(package: Option<&str>, install: bool) -> ExitCode {
    for need in [Need::WasmTarget, Need::WasmBindgen] {
        if let Err(reason) = need.meet(install) {
            eprintln!("error: {reason}");
            return ExitCode::from(NOT_DONE);
        }
    }
    let library = match Need::StandardSources.meet(install) {
        Ok(()) => Library::Along,
        Err(reason) => {
            println!("{reason}\n{LARGER}");
            Library::Shipped
        }
    };
    let built =
        metadata(&root()).and_then(|metadata| build(&root(), &Module::named(package, &metadata)?, library));
    match built {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(FAILED)
        }
    }
}

/// Builds the package and serves the example app, until Ctrl-C.
pub(crate) fn serve(flags: &[OsString]) -> ExitCode {
    let built = run(None, false);
    if built != ExitCode::SUCCESS {
        return built;
    }
    let mut command = cargo();
    command
        .args(["run", "--quiet", "--package", "onsync-example-pwa", "--"])
        .args(flags);
    hand_over(command)
}

/// The workspace as cargo tells it.
fn metadata(root: &Path) -> Result<Value, String> {
    let told = cargo()
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cargo could not be started: {error}"))?;
    serde_json::from_slice(&told.stdout)
        .map_err(|error| format!("wanted the workspace from `cargo metadata`, but: {error}"))
}

/// Where a module's standard library is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Library {
    /// Compiled along with the module, for its size, and without the texts of panics. See `docs/adr/0014-the-standard-library-is-built-along.md`.
    Along,
    /// As the toolchain has it.
    Shipped,
}

const LARGER: &str = "the module gets the standard library of the toolchain, and is a sixth larger";

/// What `RUSTFLAGS` holds for [`Library::Along`]: a panic is a trap, as it is in a browser anyway, and nothing is compiled in that would tell of it.
const TRAPS: &str = "-Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none";

/// Compiles a module for browsers.
fn compile(root: &Path, module: &Module, library: Library) -> Result<(), String> {
    let mut compile = cargo();
    // As nothing else than a module: a crate that is a library for Rust too is not optimised as a whole, and a sixth larger.
    compile
        .args([
            "rustc",
            "--package",
            &module.package,
            "--lib",
            "--crate-type",
            "cdylib",
            "--target",
            WASM,
            "--profile",
            "browser",
        ])
        .current_dir(root);
    if library == Library::Along {
        let given = std::env::var("RUSTFLAGS").unwrap_or_default();
        compile
            .args([
                "-Zbuild-std=std,panic_abort",
                "-Zbuild-std-features=optimize_for_size",
            ])
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTFLAGS", format!("{given} {TRAPS}").trim_start());
    }
    succeed(&mut compile)
}

fn build(root: &Path, module: &Module, library: Library) -> Result<(), String> {
    // The flags are none that the compiler promises to keep: another version may know them by another name.
    match compile(root, module, library) {
        Err(_) if library == Library::Along => {
            println!("the standard library could not be compiled along; {LARGER}");
            compile(root, module, Library::Shipped)?;
        }
        compiled => compiled?,
    }
    let compiled = format!("target/{WASM}/browser/{}.wasm", module.library);
    let mut bind = Command::new(root.join(TOOLS).join("bin/wasm-bindgen"));
    bind.args([
        "--target",
        "web",
        "--remove-name-section",
        "--remove-producers-section",
        "--out-name",
        &module.files,
        "--out-dir",
    ])
    .arg(root.join(&module.folder))
    .arg(root.join(compiled));
    succeed(&mut bind)?;
    let (folder, files) = (&module.folder, &module.files);
    if folder == PACKAGE {
        describe(root)?;
    }
    let size = std::fs::metadata(root.join(folder).join(format!("{files}_bg.wasm")));
    println!(
        "{folder}: {files}.js, {files}.d.ts, {files}_bg.wasm ({} kB)",
        size.map_or(0, |file| file.len()) / 1000
    );
    Ok(())
}

/// Adds what npm wants in a package.
fn describe(root: &Path) -> Result<(), String> {
    let write = |name: &str, text: &str| {
        std::fs::write(root.join(PACKAGE).join(name), text)
            .map_err(|error| format!("wanted to write {PACKAGE}/{name}, but: {error}"))
    };
    write("package.json", &manifest(env!("CARGO_PKG_VERSION")))?;
    let read_me = std::fs::read_to_string(root.join("framework/js/README.md"))
        .map_err(|error| format!("wanted to read framework/js/README.md, but: {error}"))?;
    write("README.md", &read_me)
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
    use super::*;

    #[test]
    fn a_module_is_the_face_or_a_library_of_the_workspace_for_browsers() {
        let metadata = metadata(&root()).unwrap();
        assert_eq!(Module::named(None, &metadata).unwrap().folder, PACKAGE);
        let own = Module::named(Some("onsync-example-custom-pattern-web"), &metadata).unwrap();
        assert_eq!(
            (own.library.as_str(), own.folder.as_str()),
            ("readings", "target/js/onsync-example-custom-pattern-web")
        );
        for other in ["onsync-core", "onsync-nothing"] {
            let refused = Module::named(Some(other), &metadata).unwrap_err();
            assert!(refused.contains(other) && refused.contains("cdylib"), "{refused}");
        }
    }

    #[test]
    fn the_manifest_is_json_with_the_version_of_the_workspace() {
        let manifest: serde_json::Value = serde_json::from_str(&super::manifest("1.2.3")).unwrap();
        assert_eq!(manifest["version"], "1.2.3");
        assert_eq!(manifest["exports"]["."]["types"], "./onsync.d.ts");
    }
}
