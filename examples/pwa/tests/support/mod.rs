//! The system's Chromium, driven by a script of this folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn runs(program: &str) -> bool {
    let asked = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

/// Everything a script needs.
pub(crate) struct Browser {
    tests: PathBuf,
    /// The npm package.
    pub(crate) package: PathBuf,
    screenshots: PathBuf,
}

impl Browser {
    /// All of it, or none and the reason said for the test of that name.
    pub(crate) fn found(test: &str) -> Option<Self> {
        let example = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let target = example.join("../../target");
        let found = Self {
            tests: example.join("tests"),
            package: target.join("js/onsync"),
            screenshots: target.join("pwa-screenshots"),
        };
        if let Some(reason) = found.missing() {
            println!("SKIPPED {test}: {reason}");
            return None;
        }
        Some(found)
    }

    /// Why the test cannot do its work here.
    fn missing(&self) -> Option<String> {
        if !self.package.join("onsync_bg.wasm").is_file() {
            return Some("the npm package is not built; run `cargo xtask js`".to_owned());
        }
        for program in ["node", "npm", "chromium"] {
            if !runs(program) {
                return Some(format!("the program {program} is not installed"));
            }
        }
        // Several tests may be the first one.
        let lock = std::fs::File::create(self.package.join("../.npm-lock-pwa")).unwrap();
        lock.lock().unwrap();
        if !fetched(&self.tests) {
            return Some("npm could not fetch playwright-core".to_owned());
        }
        None
    }

    /// Plays a script against an address; what it said.
    pub(crate) fn play(&self, script: &str, address: &str) -> String {
        let played = Command::new("node")
            .args([script, address])
            .arg(&self.screenshots)
            .env("CHROMIUM", "chromium")
            .current_dir(&self.tests)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&played.stdout).into_owned();
        println!("{said}");
        let errors = String::from_utf8_lossy(&played.stderr);
        assert!(played.status.success(), "{said}\n{errors}");
        said
    }
}

fn fetched(tests: &Path) -> bool {
    if tests.join("node_modules/playwright-core").is_dir() {
        return true;
    }
    let fetched = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(tests)
        .status();
    fetched.is_ok_and(|status| status.success())
}
