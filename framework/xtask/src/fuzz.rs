//! `cargo xtask fuzz`: feeds every decoder what no programmer thinks of, for a while.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::child::{clean, root};
use crate::needs::Need;
use crate::{FAILED, NOT_DONE};

/// The crate with the targets, outside of the workspace.
const CRATE: &str = "framework/fuzz";

/// Where inputs are put that lead to something new; they are not kept in the repository.
const FOUND: &str = "target/fuzz";

/// Runs the targets, all of them or the named ones, one after the other, each for so many seconds.
pub(crate) fn run(seconds: u64, names: &[String]) -> ExitCode {
    if let Err(reason) = Need::Fuzzing.meet(false) {
        eprintln!("error: {reason}");
        return ExitCode::from(NOT_DONE);
    }
    let root = root();
    let chosen = targets(&root).and_then(|all| choose(all, names));
    let chosen = match chosen {
        Ok(chosen) => chosen,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(NOT_DONE);
        }
    };
    for name in &chosen {
        println!("\n== {name}");
        let found = root.join(FOUND).join(name);
        if let Err(error) = std::fs::create_dir_all(&found) {
            eprintln!("error: wanted the folder {}, but: {error}", found.display());
            return ExitCode::from(NOT_DONE);
        }
        match command(&root, name, &found, seconds).status() {
            Ok(status) if status.success() => {}
            Ok(_) => {
                eprintln!(
                    "error: `{name}` broke; the input is below {CRATE}/artifacts/{name}, and belongs into {CRATE}/corpus/{name} with the fix"
                );
                return ExitCode::from(FAILED);
            }
            Err(error) => {
                eprintln!("error: rustup could not be started: {error}");
                return ExitCode::from(NOT_DONE);
            }
        }
    }
    println!("\n{} decoders, {seconds} s each: nothing broke", chosen.len());
    ExitCode::SUCCESS
}

/// The names of the targets, from their files.
fn targets(root: &Path) -> Result<Vec<String>, String> {
    let folder = root.join(CRATE).join("fuzz_targets");
    let entries = std::fs::read_dir(&folder)
        .map_err(|error| format!("wanted the fuzz targets in {}, but: {error}", folder.display()))?;
    let files = entries.flatten().map(|entry| entry.path());
    let sources = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let mut names: Vec<String> = sources
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    Ok(names)
}

fn choose(all: Vec<String>, names: &[String]) -> Result<Vec<String>, String> {
    if let Some(unknown) = names.iter().find(|name| !all.contains(name)) {
        return Err(format!(
            "there is no fuzz target `{unknown}`; there are {}",
            all.join(", ")
        ));
    }
    let wanted = |name: &String| names.is_empty() || names.contains(name);
    Ok(all.into_iter().filter(wanted).collect())
}

/// Our own code has nothing unsafe in it: no sanitizer, but overflow checks and assertions.
fn command(root: &Path, name: &str, found: &PathBuf, seconds: u64) -> Command {
    let mut command = Command::new("rustup");
    clean(&mut command);
    command
        .args(["run", "nightly", "cargo", "fuzz", "run"])
        .args(["--fuzz-dir", CRATE, "--sanitizer", "none", name])
        // What is new goes into the first folder, the others are only read.
        .arg(found)
        .arg(Path::new(CRATE).join("corpus").join(name))
        .args(["--", "-seed=2026", "-verbosity=0", "-print_final_stats=1"])
        .arg(format!("-max_total_time={seconds}"))
        .current_dir(root);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn every_target_has_a_corpus_and_stands_in_the_manifest() {
        let names = targets(&here()).unwrap();
        assert!(names.len() >= 7, "{names:?}");
        let manifest = std::fs::read_to_string(here().join(CRATE).join("Cargo.toml")).unwrap();
        for name in names {
            let corpus = here().join(CRATE).join("corpus").join(&name);
            assert!(std::fs::read_dir(corpus).unwrap().next().is_some(), "{name}");
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        }
    }

    #[test]
    fn an_unknown_target_is_refused_with_the_known_ones() {
        let all = targets(&here()).unwrap();
        assert_eq!(
            choose(all.clone(), &["keys".to_owned()]),
            Ok(vec!["keys".to_owned()])
        );
        assert_eq!(choose(all.clone(), &[]).as_ref(), Ok(&all));
        let error = choose(all, &["kees".to_owned()]).unwrap_err();
        assert!(
            error.contains("`kees`") && error.contains("frames_binary, frames_json"),
            "{error}"
        );
    }

    #[test]
    fn what_is_found_is_put_outside_of_the_corpus() {
        let command = command(&here(), "keys", &here().join(FOUND).join("keys"), 5);
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        let place = |end: &str| words.iter().position(|word| word.ends_with(end)).unwrap();
        assert!(place("target/fuzz/keys") < place("framework/fuzz/corpus/keys"));
        assert!(words.contains(&"-max_total_time=5".into()));
    }
}
