//! The crates of the workspace, their roles, and who depends on whom, from `cargo metadata`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What a crate is in the house; decides which crates it may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Macros,
    Core,
    Engine,
    Server,
    Testkit,
    Simulator,
    Pattern,
    Adapter,
    Facade,
    Cli,
    Js,
    Example,
    ExampleSupport,
    Xtask,
}

impl Role {
    /// The role of the crate in `folder`, named from the root with `/`.
    pub(crate) fn of(folder: &str) -> Option<Self> {
        match folder.split_once('/')? {
            ("framework", "macros") => Some(Self::Macros),
            ("framework", "core") => Some(Self::Core),
            ("framework", "engine") => Some(Self::Engine),
            ("framework", "server") => Some(Self::Server),
            ("framework", "testkit") => Some(Self::Testkit),
            ("framework", "simulator") => Some(Self::Simulator),
            ("framework", "onsync") => Some(Self::Facade),
            ("framework", "cli") => Some(Self::Cli),
            ("framework", "js") => Some(Self::Js),
            ("framework", "xtask") => Some(Self::Xtask),
            ("patterns", _) => Some(Self::Pattern),
            ("adapters", _) => Some(Self::Adapter),
            ("examples", "support") => Some(Self::ExampleSupport),
            ("examples", _) => Some(Self::Example),
            _ => None,
        }
    }
}

/// One crate of the workspace.
#[derive(Debug)]
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) folder: PathBuf,
    /// `src/lib.rs`, or `src/main.rs` where there is no library.
    pub(crate) front_page: PathBuf,
    pub(crate) names: Vec<Arrow>,
}

/// A dependency on another crate of the workspace.
#[derive(Debug)]
pub(crate) struct Arrow {
    pub(crate) to: String,
    /// Only for tests, examples and benches.
    pub(crate) development: bool,
}

#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) crates: Vec<Crate>,
}

impl Graph {
    pub(crate) fn of_workspace(root: &Path) -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .args(["metadata", "--format-version", "1", "--no-deps"])
            .current_dir(root);
        let answer = command.output().unwrap();
        assert!(
            answer.status.success(),
            "cargo metadata: {}",
            String::from_utf8_lossy(&answer.stderr)
        );
        let metadata: Value = serde_json::from_slice(&answer.stdout).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        let members: Vec<&str> = packages
            .iter()
            .map(|package| package["name"].as_str().unwrap())
            .collect();
        Self {
            crates: packages
                .iter()
                .map(|package| Crate::read(root, package, &members))
                .collect(),
        }
    }

    pub(crate) fn role(&self, name: &str) -> Option<Role> {
        self.crates
            .iter()
            .find(|krate| krate.name == name)
            .map(|krate| krate.role)
    }

    pub(crate) fn named(&self, wanted: impl Fn(Role) -> bool) -> impl Iterator<Item = &str> {
        self.crates
            .iter()
            .filter(move |krate| wanted(krate.role))
            .map(|krate| krate.name.as_str())
    }
}

impl Crate {
    fn read(root: &Path, package: &Value, members: &[&str]) -> Self {
        let name = package["name"].as_str().unwrap().to_owned();
        let manifest = Path::new(package["manifest_path"].as_str().unwrap())
            .canonicalize()
            .unwrap();
        let folder = manifest.parent().unwrap().to_owned();
        let relative = folder
            .strip_prefix(root)
            .unwrap()
            .to_string_lossy()
            .replace('\\', "/");
        let role = Role::of(&relative).unwrap_or_else(|| {
            panic!("{name}: {relative} has no role in the house; give it one in tests/architecture/graph.rs")
        });
        let targets = package["targets"].as_array().unwrap();
        let of_kind = |kinds: &[&str]| {
            let is = |target: &&Value| {
                let own = target["kind"].as_array().unwrap();
                own.iter().any(|kind| kinds.contains(&kind.as_str().unwrap()))
            };
            targets
                .iter()
                .find(is)
                .map(|target| PathBuf::from(target["src_path"].as_str().unwrap()))
        };
        let front_page = of_kind(&["lib", "proc-macro", "cdylib"])
            .or_else(|| of_kind(&["bin"]))
            .unwrap();
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let inside =
            dependencies.filter(|dependency| members.contains(&dependency["name"].as_str().unwrap()));
        let names = inside.map(|dependency| Arrow {
            to: dependency["name"].as_str().unwrap().to_owned(),
            development: dependency["kind"].as_str() == Some("dev"),
        });
        Self {
            name,
            role,
            folder,
            front_page,
            names: names.collect(),
        }
    }
}

#[test]
fn a_folder_gives_the_role() {
    assert_eq!(Role::of("framework/core"), Some(Role::Core));
    assert_eq!(Role::of("patterns/anything"), Some(Role::Pattern));
    assert_eq!(Role::of("adapters/anything"), Some(Role::Adapter));
    assert_eq!(Role::of("framework/unheard-of"), None);
    assert_eq!(Role::of("attic/core"), None);
}
