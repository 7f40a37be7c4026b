//! Node, the tests' npm packages, and the package of OnSync.

use crate::support::run;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than a server takes to listen, on a machine with much to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// Everything that a test of the npm package needs.
pub(crate) struct Web {
    tests: PathBuf,
    package: PathBuf,
}

/// A program that ends with the test, and with it what it has started: `npx` leaves its program behind otherwise.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ended = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// Whether a program can be run.
pub(crate) fn finds(program: &str) -> bool {
    let asked = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

impl Web {
    /// What is needed, or a word on what is missing.
    pub(crate) fn found(test: &str, programs: &[&str]) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let web = Self {
            tests: root.join("framework/js/tests"),
            package: root.join("target/js/onsync"),
        };
        match web.missing(programs) {
            None => Some(web),
            Some(reason) => {
                println!("SKIPPED {test}: {reason}");
                None
            }
        }
    }

    fn missing(&self, programs: &[&str]) -> Option<String> {
        if !self.package.join("onsync_bg.wasm").is_file() {
            return Some("the npm package is not built; run `cargo xtask js`".to_owned());
        }
        for program in ["node", "npm"].iter().chain(programs) {
            if !finds(program) {
                return Some(format!("the program {program} is not installed"));
            }
        }
        // One test at a time fetches them; the others find them.
        let lock = std::fs::File::create(self.package.join("../.npm-lock")).unwrap();
        lock.lock().unwrap();
        if !self.tests.join("node_modules/.package-lock.json").is_file() {
            let fetched = Command::new("npm")
                .args(["ci", "--no-audit", "--no-fund"])
                .current_dir(&self.tests)
                .status();
            if !fetched.is_ok_and(|status| status.success()) {
                return Some("npm could not fetch the packages of framework/js/tests".to_owned());
            }
        }
        None
    }

    /// A file of the tests.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.tests.join(name)
    }

    /// The folder of the npm package.
    pub(crate) fn package(&self) -> &Path {
        &self.package
    }

    /// A program of the tests' npm packages.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.tests.join("node_modules/.bin").join(name)
    }

    /// Installs the package into a project.
    pub(crate) fn put_package_into(&self, project: &Path) {
        let folder = project.join("node_modules/onsync");
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["package.json", "onsync.js", "onsync.d.ts", "onsync_bg.wasm"] {
            std::fs::copy(self.package.join(name), folder.join(name)).unwrap();
        }
    }

    /// Runs a command that has to succeed, and gives what it said.
    pub(crate) fn run(&self, command: &mut Command) -> String {
        let mut own = Command::new(command.get_program());
        own.args(command.get_args())
            .env("CHROMIUM", "chromium")
            .env("npm_config_update_notifier", "false")
            .stdin(Stdio::null());
        if let Some(folder) = command.get_current_dir() {
            own.current_dir(folder);
        }
        let ran = run(own).expect(0);
        println!("{}{}", ran.out, ran.err);
        ran.out
    }

    /// Plays a script of the tests against an address.
    pub(crate) fn play(&self, script: &str, address: &str) -> String {
        self.run(
            Command::new("node")
                .arg(script)
                .arg(address)
                .current_dir(&self.tests),
        )
    }

    /// Serves what was built.
    pub(crate) fn preview(&self, project: &Path, port: u16) -> Running {
        let mut command = Command::new(self.program("vite"));
        command
            .args(["preview", "--strictPort", "--port", &port.to_string()])
            .current_dir(project);
        serve(&mut command, &format!("localhost:{port}"))
    }
}

/// Starts a server and waits until it listens.
pub(crate) fn serve(command: &mut Command, address: &str) -> Running {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let running = Running(quiet.spawn().unwrap());
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(began.elapsed() < PATIENCE, "nobody listens at {address}");
        std::thread::sleep(Duration::from_millis(20));
    }
    running
}
