//! The rules of the house as tests: which crate may name which, and what every crate and file looks like.
//!
//! The rules themselves are pure functions over small values; only this file reads the workspace.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod arrows;
mod error_codes;
mod graph;
mod manifests;
mod pages;
mod source;
mod text;

use std::path::{Path, PathBuf};

use graph::{Graph, Role};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Every Rust file below `folder` with its text.
fn rust_files(folder: &Path) -> Vec<(PathBuf, String)> {
    files(folder, "rs")
}

/// Every file below `folder` whose name ends with `.extension`, with its text, generated folders left out.
fn files(folder: &Path, wanted: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
            found.extend(files(&path, wanted));
        } else if path.extension().is_some_and(|extension| extension == wanted) {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// Every Rust file of the workspace, named from its root.
fn all_rust_files() -> Vec<(String, String)> {
    let root = root();
    let folders = ["framework", "patterns", "adapters", "examples"];
    let files = folders.iter().flat_map(|folder| rust_files(&root.join(folder)));
    let named = files.map(|(path, text)| (path.strip_prefix(&root).unwrap().display().to_string(), text));
    named.collect()
}

#[track_caller]
fn assert_none(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}:\n- {}", violations.join("\n- "));
}

#[test]
fn arrows_between_crates_point_one_way() {
    assert_none(
        "docs/architecture.md, \"Arrows\"",
        &arrows::violations(&Graph::of_workspace(&root())),
    );
}

#[test]
fn core_engine_and_server_name_no_pattern_and_no_adapter() {
    let graph = Graph::of_workspace(&root());
    let plug_ins: Vec<&str> = graph
        .named(|role| matches!(role, Role::Pattern | Role::Adapter))
        .collect();
    let mut violations = Vec::new();
    for (path, text) in all_rust_files() {
        let bound = ["core", "engine", "server"].map(|name| format!("framework/{name}/src/"));
        if bound.iter().any(|folder| path.starts_with(folder)) {
            violations.extend(text::names_a_crate(&path, &text, &plug_ins));
        }
    }
    assert_none(
        "core, engine and server know patterns and adapters by registry names only",
        &violations,
    );
}

#[test]
fn every_crate_has_its_readme_as_front_page_and_the_lints_of_the_workspace() {
    let mut violations = Vec::new();
    for krate in &Graph::of_workspace(&root()).crates {
        let name = &krate.name;
        if !krate.folder.join("README.md").is_file() {
            violations.push(format!(
                "{name}: README.md is missing; write what the crate is for"
            ));
        }
        let front = std::fs::read_to_string(&krate.front_page).unwrap();
        if !text::has_readme_as_front_page(&front) {
            let page = krate.front_page.display();
            violations.push(format!("{name}: {page} does not begin with {}", text::FRONT_PAGE));
        }
        let manifest = std::fs::read_to_string(krate.folder.join("Cargo.toml")).unwrap();
        if !text::takes_workspace_lints(&manifest) {
            violations.push(format!("{name}: Cargo.toml lacks `[lints] workspace = true`"));
        }
    }
    assert_none("CONTRIBUTING.md, \"A crate\"", &violations);
}

#[test]
fn every_plug_in_runs_its_conformance_suite_in_tests() {
    let graph = Graph::of_workspace(&root());
    let plug_ins = graph
        .crates
        .iter()
        .filter(|krate| matches!(krate.role, Role::Pattern | Role::Adapter));
    let without = plug_ins.filter(|krate| rust_files(&krate.folder.join("tests")).is_empty());
    let violations: Vec<_> = without
        .map(|krate| format!("{}: no test in its folder tests/", krate.name))
        .collect();
    assert_none(
        "conformance runs live in tests/ of each pattern and adapter",
        &violations,
    );
}

#[test]
fn unsafe_code_is_forbidden_for_the_whole_workspace() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(
        manifest.contains("unsafe_code = \"forbid\""),
        "Cargo.toml no longer forbids unsafe code"
    );
}

/// Where the sources are of what runs in browsers, too.
const IN_BROWSERS: [&str; 5] = [
    "framework/core/src/",
    "framework/engine/src/",
    "framework/js/src/",
    "adapters/indexeddb-store/src/",
    "patterns/",
];

#[test]
fn what_runs_in_browsers_takes_its_ordered_maps_from_core() {
    let shipped = all_rust_files().into_iter().filter(|(path, _)| {
        IN_BROWSERS.iter().any(|folder| path.starts_with(folder))
            && !pages::is_test(path)
            && path != "framework/core/src/ordered.rs"
    });
    let violations: Vec<_> = shipped
        .flat_map(|(path, text)| {
            let lines = source::ordered_of_std(&text).into_iter();
            lines.map(move |line| {
                format!("{path}:{line}: wanted `onsync_core::ordered`, found `std::collections`")
            })
        })
        .collect();
    assert_none("docs/adr/0013-one-copy-in-the-browser.md", &violations);
}

#[test]
fn there_are_no_other_top_level_folders() {
    let known = [
        "framework",
        "patterns",
        "adapters",
        "examples",
        "docs",
        ".ci",
        ".cargo",
        ".config",
    ];
    let outside_the_house = ["target", ".git"];
    let mut violations = Vec::new();
    for entry in std::fs::read_dir(root()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        let allowed = known.contains(&name.as_str()) || outside_the_house.contains(&name.as_str());
        if entry.path().is_dir() && !allowed {
            violations.push(format!("{name}/: move it below one of {}", known.join(", ")));
        }
    }
    assert_none("the house has these rooms and no others", &violations);
}

#[test]
fn files_stay_under_500_lines() {
    let files = all_rust_files();
    let violations: Vec<_> = files
        .iter()
        .filter_map(|(path, text)| text::too_long(path, text))
        .collect();
    assert_none("a new file before 500 lines", &violations);
    let functions: Vec<_> = files
        .iter()
        .flat_map(|(path, text)| text::long_functions(path, text))
        .collect();
    if !functions.is_empty() {
        eprintln!("functions over 70 lines, to be parted when they are next touched:");
        functions.iter().for_each(|function| eprintln!("- {function}"));
    }
}

#[test]
fn the_book_has_every_page() {
    let docs = root().join("docs");
    let named = |(path, _): &(PathBuf, String)| {
        path.strip_prefix(&docs)
            .unwrap()
            .to_string_lossy()
            .replace('\\', "/")
    };
    let pages: Vec<String> = files(&docs, "md").iter().map(named).collect();
    let summary = std::fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    assert_none("the book is whole", &text::book_gaps(&summary, &pages));
}

#[test]
fn no_test_is_ignored_silently() {
    let files = all_rust_files();
    let violations: Vec<_> = files
        .iter()
        .flat_map(|(path, text)| text::ignored_tests(path, text))
        .collect();
    assert_none(
        "a test that cannot run says SKIPPED, see CONTRIBUTING.md",
        &violations,
    );
}

#[test]
fn every_error_code_has_its_row_in_the_reference() {
    let page = std::fs::read_to_string(root().join("docs/reference/errors.md")).unwrap();
    let (mut uses, mut violations) = (Vec::new(), Vec::new());
    for krate in &Graph::of_workspace(&root()).crates {
        // What only tests, examples and the helper of this workspace say reaches no app.
        let shown = krate.folder.starts_with(root().join("examples"));
        if shown || matches!(krate.role, Role::Testkit | Role::Xtask | Role::Macros) {
            continue;
        }
        let sources = rust_files(&krate.folder.join("src")).into_iter();
        let named =
            sources.map(|(path, text)| (path.strip_prefix(root()).unwrap().display().to_string(), text));
        let shipped: Vec<_> = named.filter(|(path, _)| !pages::is_test(path)).collect();
        let (of_crate, unreadable) = error_codes::collect(&shipped);
        uses.extend(of_crate);
        violations.extend(unreadable);
    }
    assert!(
        uses.len() > 200,
        "only {} codes were found; does the collector still read the sources?",
        uses.len()
    );
    violations.extend(error_codes::gaps(&page, &uses));
    assert_none("docs/reference/errors.md", &violations);
}

#[test]
fn every_test_that_the_reliability_page_names_exists() {
    let page = std::fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    let files = all_rust_files();
    assert_none("docs/reliability.md", &pages::missing_tests(&page, &files));
}

#[test]
fn pages_of_patterns_have_the_same_headings_in_the_same_order() {
    let mut violations = Vec::new();
    let mut pages = files(&root().join("docs/patterns"), "md");
    // These two are about all patterns.
    pages.retain(|(path, _)| !path.ends_with("which.md") && !path.ends_with("outcomes.md"));
    let patterns = std::fs::read_dir(root().join("patterns")).unwrap().count();
    assert_eq!(
        pages.len(),
        patterns,
        "a page per pattern, and a pattern per page"
    );
    for (path, text) in pages {
        violations.extend(pages::heading_gaps(&path.display().to_string(), &text));
    }
    assert_none("docs/patterns: one form for all", &violations);
}

#[test]
fn links_between_pages_lead_somewhere() {
    let root = root();
    let mut pages: Vec<_> = ["docs", "framework", "patterns", "adapters", "examples"]
        .iter()
        .flat_map(|folder| files(&root.join(folder), "md"))
        .collect();
    for name in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        pages.push((root.join(name), std::fs::read_to_string(root.join(name)).unwrap()));
    }
    let mut violations = Vec::new();
    for (path, text) in &pages {
        let folder = path.parent().unwrap();
        for link in pages::relative_links(text) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() {
                path.clone()
            } else {
                folder.join(file)
            };
            let name = path.strip_prefix(&root).unwrap().display();
            if !target.exists() {
                violations.push(format!("{name}: {link} leads nowhere"));
            } else if !anchor.is_empty() && target.is_file() {
                let there = std::fs::read_to_string(&target).unwrap();
                if !pages::anchors(&there).iter().any(|known| known == anchor) {
                    violations.push(format!(
                        "{name}: {link} names no heading; known: {:?}",
                        pages::anchors(&there)
                    ));
                }
            }
        }
    }
    assert_none("a link leads to a file or a heading", &violations);
}

/// Each can be followed in a crate of one's own, and where the page is shown without what it includes.
#[test]
fn tutorials_of_plug_ins_show_a_whole_crate() {
    let root = root();
    let read =
        |path: PathBuf| std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{}", path.display()));
    let mut violations = Vec::new();
    for what in ["pattern", "resolver", "store"] {
        let name = format!("docs/tutorials/write-your-own-{what}.md");
        let (page, folder) = (
            read(root.join(&name)),
            root.join(format!("examples/custom-{what}")),
        );
        let mut sources = read(root.join("framework/cli/README.md"));
        sources.extend(rust_files(&folder.join("src")).into_iter().map(|(_, text)| text));
        let manifest = read(folder.join("Cargo.toml"));
        let example = manifests::Example { manifest, sources };
        let included = |path: &str| read(root.join("docs/tutorials").join(path));
        let mut gaps = manifests::tutorial_gaps(&page, &example, included);
        let paths = manifests::paths(&page).into_iter();
        let lost = paths.filter(|path| !root.join(path).join("Cargo.toml").is_file());
        gaps.extend(lost.map(|path| format!("{path} is no crate of the checkout")));
        violations.extend(gaps.into_iter().map(|gap| format!("{name}: {gap}")));
    }
    assert_none("a tutorial can be followed from an empty folder", &violations);
}
