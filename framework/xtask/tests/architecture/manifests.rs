//! Rules on the tutorials that are followed in a crate of one's own: the manifest they show, the program, and the files they include.

use crate::pages::is_test;

/// The crates of a manifest's tables `[dependencies]` and `[dev-dependencies]`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Crates {
    pub(crate) always: Vec<String>,
    pub(crate) in_tests: Vec<String>,
}

/// The crates that `manifest` names, each on a line of its own.
pub(crate) fn crates(manifest: &str) -> Crates {
    let mut found = Crates::default();
    let mut table = "";
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            table = line;
            continue;
        }
        let Some((name, _)) = line.split_once('=') else {
            continue;
        };
        let name = name.trim().trim_end_matches(".workspace").to_owned();
        match table {
            "[dependencies]" => found.always.push(name),
            "[dev-dependencies]" => found.in_tests.push(name),
            _ => {}
        }
    }
    found
}

/// The fenced block of a page that has this line.
pub(crate) fn block_with<'a>(page: &'a str, line: &str) -> Option<&'a str> {
    let mut blocks = page.split("\n```").skip(1).step_by(2);
    blocks.find(|block| block.lines().any(|other| other == line))
}

/// The files that a page includes.
pub(crate) fn includes(page: &str) -> Vec<&str> {
    page.lines()
        .filter_map(|line| line.strip_prefix("{{#include ")?.strip_suffix("}}"))
        .collect()
}

/// Included files whose path does not stand as a link below their block, for who reads the page where nothing is included.
pub(crate) fn unlinked(page: &str) -> Vec<&str> {
    let linked = |path: &&str| {
        let short = path.trim_start_matches("../");
        page.contains(&format!("{{{{#include {path}}}}}\n```\n\n[{short}]({path})\n"))
    };
    includes(page).into_iter().filter(|path| !linked(path)).collect()
}

/// Whether Rust code names the crate.
fn names(code: &str, name: &str) -> bool {
    let name = name.replace('-', "_");
    let of_a_path = code.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || "_:".contains(before))
    });
    of_a_path || code.contains(&format!("\"{name}\""))
}

/// How the manifest that a page shows differs from what the files it shows need, and from the manifest of its example.
/// `code` is what stands in `src`, `tests` what stands in `tests`.
pub(crate) fn manifest_gaps(shown: &str, example: &str, code: &str, tests: &str) -> Vec<String> {
    let (shown, example) = (crates(shown), crates(example));
    let mut gaps = Vec::new();
    for (table, of_page, of_example) in [
        ("dependencies", &shown.always, &example.always),
        ("dev-dependencies", &shown.in_tests, &example.in_tests),
    ] {
        let unknown = of_page.iter().filter(|name| !of_example.contains(name));
        gaps.extend(unknown.map(|name| format!("[{table}] has {name}, which the example has not there")));
    }
    let needed = example.always.iter().filter(|name| names(code, name));
    let missing = needed.filter(|name| !shown.always.contains(name));
    gaps.extend(missing.map(|name| format!("[dependencies] lacks {name}, which the files shown use")));
    let all = || example.always.iter().chain(&example.in_tests);
    let needed = all().filter(|name| names(tests, name));
    let missing = needed.filter(|name| !shown.always.contains(name) && !shown.in_tests.contains(name));
    gaps.extend(missing.map(|name| format!("[dev-dependencies] lacks {name}, which the tests shown use")));
    gaps
}

/// How the program of a tutorial begins.
const MAIN: &str = "fn main() -> onsync::Result<std::process::ExitCode> {";
/// How it ends.
const RUN: &str = "    Ok(onsync_cli::run(";

/// What a tutorial is compared with.
pub(crate) struct Example {
    /// Its manifest.
    pub(crate) manifest: String,
    /// Its source files, and the page of the command, which is compiled.
    pub(crate) sources: String,
}

/// What a reader with an empty folder would miss on a page, or find wrong; `read` gives an included file.
pub(crate) fn tutorial_gaps(page: &str, example: &Example, read: impl Fn(&str) -> String) -> Vec<String> {
    let Some(manifest) = block_with(page, "[dependencies]") else {
        return vec!["shows no manifest".to_owned()];
    };
    let Some(main) = block_with(page, MAIN).filter(|main| main.contains(RUN)) else {
        return vec![format!("shows no program with `{MAIN}` and `{}…`", RUN.trim())];
    };
    let (mut code, mut tests) = (main.to_owned(), String::new());
    for path in includes(page).into_iter().filter(|path| path.ends_with(".rs")) {
        let text = if is_test(path) { &mut tests } else { &mut code };
        text.push_str(&read(path));
    }
    let mut gaps = manifest_gaps(manifest, &example.manifest, &code, &tests);
    let unlinked = unlinked(page).into_iter();
    gaps.extend(unlinked.map(|path| format!("{path} is included, and not linked below its block")));
    let known = |line: &&str| line.starts_with(RUN) || example.sources.contains(line.trim());
    let unknown = main.lines().skip(1).filter(|line| !known(line));
    gaps.extend(
        unknown.map(|line| format!("`{line}` stands neither in the example nor on the command's page")),
    );
    gaps
}

/// Where the path dependencies of a manifest lead, in a checkout beside the crate.
pub(crate) fn paths(manifest: &str) -> Vec<&str> {
    let after = manifest.split("path = \"../onsync/").skip(1);
    after.filter_map(|rest| rest.split('"').next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "[package]\nname = \"e\"\n\n[dependencies]\na-b = { path = \"../a\" }\nc.workspace = true\nextra = \"1\"\n\n\
        [dev-dependencies]\nd.workspace = true\n";

    #[test]
    fn crates_are_read_from_their_tables() {
        let found = crates(EXAMPLE);
        assert_eq!(found.always, ["a-b", "c", "extra"]);
        assert_eq!(found.in_tests, ["d"]);
    }

    #[test]
    fn a_manifest_has_what_the_files_use_and_nothing_the_example_has_not() {
        let shown = "[dependencies]\na-b = \"1\"\nc = \"1\"\n[dev-dependencies]\nd = \"1\"\n";
        let (code, tests) = ("use a_b::X;\n#[serde(with = \"c\")]", "d::run!();");
        assert!(manifest_gaps(shown, EXAMPLE, code, tests).is_empty());
        assert_eq!(
            manifest_gaps(&shown.replace("c =", "f ="), EXAMPLE, code, tests).len(),
            2
        );
        assert_eq!(
            manifest_gaps(&shown.replace("d =", "# d:"), EXAMPLE, code, tests).len(),
            1
        );
        // Neither a longer name nor a part of a path is the crate.
        assert!(manifest_gaps(shown, EXAMPLE, "no_extra::X, a_b::extra::X", "").is_empty());
    }

    #[test]
    fn an_include_has_its_link_below() {
        let page = "```rust,ignore\n{{#include ../../a/b.rs}}\n```\n\n[a/b.rs](../../a/b.rs)\n";
        assert_eq!(includes(page), ["../../a/b.rs"]);
        assert!(unlinked(page).is_empty());
        assert_eq!(unlinked(&page.replace("(../../a", "(../a")), ["../../a/b.rs"]);
    }

    #[test]
    fn a_block_is_found_by_one_of_its_lines() {
        let page = "a\n```toml\nx\n```\nmain\n```rust\nfn y() {}\nmain\n```\n";
        assert_eq!(block_with(page, "x"), Some("toml\nx"));
        assert_eq!(block_with(page, "main"), Some("rust\nfn y() {}\nmain"));
        assert_eq!(block_with(page, "a"), None);
    }

    #[test]
    fn a_tutorial_shows_manifest_and_program() {
        let example = Example {
            manifest: EXAMPLE.to_owned(),
            sources: format!("mod m;\n{MAIN}\n}}\n"),
        };
        let page = format!(
            "a page\n```toml\n[dependencies]\na-b = {{ path = \"../onsync/a\" }}\n```\n```rust,ignore\nmod m;\n{MAIN}\n{RUN}a_b::x()))\n}}\n```\n"
        );
        let gaps = |page: &str| tutorial_gaps(page, &example, |_| String::new());
        assert_eq!(gaps(&page), Vec::<String>::new());
        assert_eq!(gaps(&page.replace("mod m;", "mod n;")).len(), 1);
        assert_eq!(gaps(&page.replace(RUN, "")).len(), 1);
        assert_eq!(gaps(&page.replace("[dependencies]", "")).len(), 1);
        assert_eq!(paths(&page), ["a"]);
    }
}
