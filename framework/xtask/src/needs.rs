//! What a step needs on the machine, whether it is there, and how it gets there.

use std::path::PathBuf;
use std::process::Command;

use crate::child::{root, succeeds};

/// The target every crate that goes into a browser is checked for.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";

/// Something a step cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A program of the system, and the Debian package that brings it.
    Program {
        name: &'static str,
        package: &'static str,
    },
    /// A component of the Rust toolchain and the cargo command it brings.
    Component {
        name: &'static str,
        command: &'static str,
    },
    /// The standard library for [`WASM`].
    WasmTarget,
    /// The sources of the standard library, to compile it along with a module.
    StandardSources,
    /// `cargo fuzz` and the nightly toolchain it builds with. Neither is installed by itself: a second toolchain is nobody's by surprise.
    Fuzzing,
    /// The programs of wasm-bindgen, of the version in `Cargo.lock`, below [`TOOLS`].
    WasmBindgen,
}

/// Where programs are put that only this workspace needs.
pub(crate) const TOOLS: &str = "target/tools";

impl Need {
    /// Makes sure that the need is met. Toolchain parts are added through rustup without asking, system packages only
    /// if `install` is set. The error says what is missing and which command brings it.
    pub(crate) fn meet(self, install: bool) -> Result<(), String> {
        if self.is_met() {
            return Ok(());
        }
        match self {
            Self::Program { name, package } => install_package(name, package, install),
            Self::Component { name, .. } => add_by_rustup(&["component", "add", name]),
            Self::WasmTarget => add_by_rustup(&["target", "add", WASM]),
            Self::StandardSources => add_by_rustup(&["component", "add", "rust-src"]),
            Self::WasmBindgen => install_wasm_bindgen(),
            Self::Fuzzing => Err(
                "cargo-fuzz or the nightly toolchain is not installed; run `rustup toolchain install nightly` and `cargo install cargo-fuzz`"
                    .to_owned(),
            ),
        }?;
        if self.is_met() {
            Ok(())
        } else {
            Err(format!("{self:?} was installed but is still not found"))
        }
    }

    fn is_met(self) -> bool {
        match self {
            Self::Program { name, .. } => succeeds(Command::new(name).arg("--version")),
            Self::Component { command, .. } => succeeds(Command::new("cargo").args([command, "--version"])),
            Self::WasmTarget => {
                printed(&["target-libdir", "--target", WASM]).is_some_and(|folder| folder.is_dir())
            }
            Self::StandardSources => printed(&["sysroot"])
                .is_some_and(|folder| folder.join("lib/rustlib/src/rust/library/Cargo.lock").is_file()),
            Self::Fuzzing => {
                succeeds(Command::new("rustup").args(["run", "nightly", "cargo", "fuzz", "--version"]))
            }
            Self::WasmBindgen => wasm_bindgen_version().is_ok_and(|wanted| {
                let program = root().join(TOOLS).join("bin/wasm-bindgen");
                let answer = Command::new(program).arg("--version").output();
                answer.is_ok_and(|answer| {
                    String::from_utf8_lossy(&answer.stdout)
                        .split_whitespace()
                        .any(|word| word == wanted)
                })
            }),
        }
    }
}

/// A folder of the toolchain, as `rustc --print` tells it.
fn printed(what: &[&str]) -> Option<PathBuf> {
    let asked = Command::new("rustc")
        .arg("--print")
        .args(what)
        .current_dir(root())
        .output();
    let told = String::from_utf8(asked.ok()?.stdout).ok()?;
    Some(PathBuf::from(told.trim()))
}

fn add_by_rustup(words: &[&str]) -> Result<(), String> {
    let line = format!("rustup {}", words.join(" "));
    println!("$ {line}");
    match Command::new("rustup").args(words).current_dir(root()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!("`{line}` failed; run it by hand to see why")),
        Err(_) => Err(format!(
            "there is no rustup here to run `{line}`; add it to the toolchain by hand"
        )),
    }
}

/// The version of the crate wasm-bindgen that the workspace is built with; its programs must be of the same.
fn wasm_bindgen_version() -> Result<String, String> {
    let lock = std::fs::read_to_string(root().join("Cargo.lock"))
        .map_err(|error| format!("wanted the version of wasm-bindgen from Cargo.lock, but: {error}"))?;
    locked_version(&lock, "wasm-bindgen")
        .ok_or_else(|| "wanted the version of wasm-bindgen from Cargo.lock, found none".to_owned())
}

fn locked_version(lock: &str, name: &str) -> Option<String> {
    let mut lines = lock
        .lines()
        .skip_while(|line| *line != format!("name = \"{name}\""));
    lines.next()?;
    let version = lines.next()?.strip_prefix("version = \"")?;
    version.strip_suffix('"').map(str::to_owned)
}

fn install_wasm_bindgen() -> Result<(), String> {
    let version = wasm_bindgen_version()?;
    let words = [
        "install",
        "wasm-bindgen-cli",
        "--version",
        &version,
        "--root",
        TOOLS,
    ];
    let line = format!("cargo {}", words.join(" "));
    println!("$ {line}");
    println!("  (once; it takes some minutes)");
    let ended = crate::child::cargo()
        .args(words)
        .env("CARGO_TARGET_DIR", root().join(TOOLS).join("build"))
        .current_dir(root())
        .status();
    match ended {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!("`{line}` failed; run it by hand to see why")),
    }
}

fn install_package(name: &str, package: &str, install: bool) -> Result<(), String> {
    let by_hand = install_line(package, is_root());
    if !install {
        return Err(format!(
            "the program {name} is not installed; run `{by_hand}`, or pass --install"
        ));
    }
    if !succeeds(Command::new("apt-get").arg("--version")) {
        return Err(format!(
            "the program {name} is not installed and there is no apt-get here; install it by hand"
        ));
    }
    if !is_root() {
        return Err(format!(
            "the program {name} is not installed and installing needs root; run `{by_hand}`"
        ));
    }
    for words in [
        vec!["update"],
        vec!["install", "--yes", "--no-install-recommends", package],
    ] {
        println!("$ apt-get {}", words.join(" "));
        let ended = Command::new("apt-get")
            .args(&words)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .status();
        if !ended.is_ok_and(|status| status.success()) && words.len() > 1 {
            return Err(format!("`{by_hand}` failed; run it by hand to see why"));
        }
    }
    Ok(())
}

/// The command a person types to get `package`.
fn install_line(package: &str, root: bool) -> String {
    format!(
        "{}apt-get install --yes {package}",
        if root { "" } else { "sudo " }
    )
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|answer| String::from_utf8_lossy(&answer.stdout).trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABSENT: Need = Need::Program {
        name: "onsync-no-such-program",
        package: "onsync-no-such-package",
    };

    #[test]
    fn a_missing_program_is_named_with_the_command_that_brings_it() {
        let reason = ABSENT.meet(false).unwrap_err();
        assert!(
            reason.contains("onsync-no-such-program is not installed"),
            "{reason}"
        );
        assert!(
            reason.contains("apt-get install --yes onsync-no-such-package"),
            "{reason}"
        );
    }

    #[test]
    fn the_printed_command_asks_for_root_only_where_it_is_needed() {
        assert_eq!(install_line("sqlite3", true), "apt-get install --yes sqlite3");
        assert_eq!(
            install_line("sqlite3", false),
            "sudo apt-get install --yes sqlite3"
        );
    }

    #[test]
    fn the_version_of_wasm_bindgen_is_that_of_the_lock_file() {
        let lock = "[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.1\"\n";
        assert_eq!(locked_version(lock, "wasm-bindgen").as_deref(), Some("0.2.1"));
        assert_eq!(locked_version(lock, "wasm"), None);
        assert!(wasm_bindgen_version().is_ok());
    }

    #[test]
    fn a_program_that_is_there_is_met() {
        assert_eq!(
            Need::Program {
                name: "cargo",
                package: "cargo"
            }
            .meet(false),
            Ok(())
        );
    }
}
