//! Which crate may name which. One table; `docs/architecture.md` draws it.

use crate::graph::{Arrow, Crate, Graph, Role};

/// The roles a crate may depend on in what it ships.
fn ships_with(role: Role) -> &'static [Role] {
    use Role::{
        Adapter, Cli, Core, Engine, ExampleSupport, Facade, Js, Macros, Pattern, Server, Simulator, Testkit,
    };
    match role {
        Role::Macros | Role::Xtask => &[],
        Role::Core => &[Macros],
        Role::Engine | Role::Server | Role::Pattern | Role::Adapter => &[Core],
        Role::Testkit => &[Core, Engine, Server],
        Role::Simulator => &[Core, Engine, Server, Testkit],
        Role::Facade => &[Macros, Core, Engine, Server, Pattern, Adapter],
        Role::Cli => &[Core, Engine, Server, Pattern, Adapter, Facade, Simulator],
        Role::Js => &[Core, Facade],
        Role::Example => &[
            Core,
            Engine,
            Server,
            Pattern,
            Adapter,
            Facade,
            Cli,
            Js,
            ExampleSupport,
        ],
        Role::ExampleSupport => &[Core, Facade],
    }
}

/// The roles a crate may depend on besides, in its tests, examples and benches.
fn tests_with(role: Role) -> &'static [Role] {
    use Role::{Adapter, Core, Engine, Pattern, Server, Testkit};
    match role {
        Role::Macros => &[Core],
        Role::Xtask => &[],
        Role::Core | Role::Engine | Role::Server => &[Engine, Server, Testkit],
        Role::Pattern | Role::Adapter => &[Engine, Server, Testkit, Pattern, Adapter],
        Role::Simulator => &[Pattern, Adapter],
        Role::Testkit => &[],
        Role::Facade | Role::Cli | Role::Js | Role::Example | Role::ExampleSupport => &[Testkit],
    }
}

/// The single exceptions: adapters that are the outside of a framework crate.
const EXCEPTIONS: [(&str, Role); 1] = [("onsync-http-server", Role::Server)];

fn allowed(from: &Crate, arrow: &Arrow, to: Role) -> bool {
    ships_with(from.role).contains(&to)
        || (arrow.development && tests_with(from.role).contains(&to))
        || EXCEPTIONS.contains(&(from.name.as_str(), to))
}

/// Every arrow that points the wrong way, with what is allowed instead.
pub(crate) fn violations(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for from in &graph.crates {
        for arrow in &from.names {
            let Some(to) = graph.role(&arrow.to) else { continue };
            if !allowed(from, arrow, to) {
                let kind = if arrow.development {
                    "dev-dependency"
                } else {
                    "dependency"
                };
                let may = if arrow.development {
                    tests_with(from.role)
                } else {
                    ships_with(from.role)
                };
                found.push(format!(
                    "{} ({:?}) has a {kind} on {} ({to:?}); allowed here: {may:?}",
                    from.name, from.role, arrow.to
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crate with the folder that gives it its role, and the crates it names (`dev:` before those for tests).
    fn krate(folder: &str, name: &str, names: &[&str]) -> Crate {
        let arrows = names.iter().map(|to| Arrow {
            to: to.trim_start_matches("dev:").to_owned(),
            development: to.starts_with("dev:"),
        });
        Crate {
            name: name.to_owned(),
            role: Role::of(folder).unwrap(),
            folder: folder.into(),
            front_page: "src/lib.rs".into(),
            names: arrows.collect(),
        }
    }

    /// The house with one crate's dependencies replaced.
    fn house(changed: &str, names: &[&str]) -> Vec<String> {
        let plain: [(&str, &str, &[&str]); 13] = [
            ("framework/macros", "onsync-macros", &[]),
            ("framework/core", "onsync-core", &["onsync-macros"]),
            (
                "framework/engine",
                "onsync-engine",
                &["onsync-core", "dev:onsync-testkit"],
            ),
            (
                "framework/server",
                "onsync-server",
                &["onsync-core", "dev:onsync-testkit"],
            ),
            (
                "framework/testkit",
                "onsync-testkit",
                &["onsync-core", "onsync-engine", "onsync-server"],
            ),
            (
                "framework/simulator",
                "onsync-simulator",
                &["onsync-testkit", "dev:onsync-pattern-a", "dev:onsync-store"],
            ),
            (
                "patterns/a",
                "onsync-pattern-a",
                &["onsync-core", "dev:onsync-testkit", "dev:onsync-store"],
            ),
            ("patterns/b", "onsync-pattern-b", &["onsync-core"]),
            (
                "adapters/store",
                "onsync-store",
                &["onsync-core", "dev:onsync-engine", "dev:onsync-pattern-a"],
            ),
            (
                "adapters/http-server",
                "onsync-http-server",
                &["onsync-core", "onsync-server"],
            ),
            (
                "framework/onsync",
                "onsync",
                &["onsync-engine", "onsync-pattern-a", "onsync-store"],
            ),
            (
                "framework/cli",
                "onsync-cli",
                &["onsync", "onsync-http-server", "onsync-simulator"],
            ),
            ("examples/one", "onsync-example-one", &["onsync", "onsync-cli"]),
        ];
        let crates =
            plain.map(|(folder, name, own)| krate(folder, name, if name == changed { names } else { own }));
        violations(&Graph {
            crates: crates.into(),
        })
    }

    #[test]
    fn the_house_as_designed_is_accepted() {
        assert_eq!(house("", &[]), Vec::<String>::new());
    }

    #[test]
    fn forbidden_arrows_are_refused() {
        let forbidden = [
            ("onsync-core", "onsync-engine"),
            ("onsync-core", "onsync-pattern-a"),
            ("onsync-engine", "onsync-server"),
            ("onsync-engine", "onsync-store"),
            ("onsync-engine", "dev:onsync-store"),
            ("onsync-server", "onsync-pattern-a"),
            ("onsync-server", "dev:onsync-pattern-a"),
            ("onsync-engine", "onsync-testkit"),
            ("onsync-testkit", "onsync-pattern-a"),
            ("onsync-testkit", "onsync-store"),
            ("onsync-simulator", "onsync-pattern-a"),
            ("onsync-simulator", "onsync"),
            ("onsync-testkit", "onsync-simulator"),
            ("onsync", "onsync-simulator"),
            ("onsync-pattern-a", "onsync-pattern-b"),
            ("onsync-pattern-a", "onsync-store"),
            ("onsync-pattern-a", "onsync-engine"),
            ("onsync-pattern-a", "onsync-testkit"),
            ("onsync-pattern-a", "dev:onsync"),
            ("onsync-store", "onsync-pattern-a"),
            ("onsync-store", "onsync-server"),
            ("onsync-http-server", "onsync-store"),
            ("onsync-http-server", "onsync-engine"),
            ("onsync", "onsync-cli"),
            ("onsync", "onsync-testkit"),
            ("onsync-cli", "onsync-example-one"),
        ];
        for (from, to) in forbidden {
            let found = house(from, &[to]);
            assert_eq!(found.len(), 1, "{from} -> {to}: {found:?}");
            assert!(
                found[0].starts_with(from) && found[0].contains("allowed here"),
                "{}",
                found[0]
            );
        }
    }

    #[test]
    fn a_plug_in_may_test_against_its_siblings() {
        assert_eq!(
            house("onsync-pattern-a", &["dev:onsync-pattern-b", "dev:onsync-server"]),
            Vec::<String>::new()
        );
    }
}
