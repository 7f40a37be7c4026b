//! What networks and files give is read or refused: the laws of the decoders, over kept inputs and changes of them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use onsync_simulator::decoders::{LAWS, samples};
use onsync_testkit::fakes::Dice;
use std::path::{Path, PathBuf};

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(name)
}

/// The kept inputs of a decoder, and its samples.
fn inputs(name: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(corpus(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{name} has a corpus");
    let mut inputs: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    inputs.extend(
        samples()
            .into_iter()
            .filter(|(of, _)| *of == name)
            .map(|(_, bytes)| bytes),
    );
    inputs
}

fn number(dice: &mut Dice, below: usize) -> usize {
    usize::try_from(dice.below(below.max(1) as u64)).unwrap()
}

/// One to four changes of an input: bytes replaced, left out, doubled, put in, or cut off.
fn changed(dice: &mut Dice, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = inputs[number(dice, inputs.len())].clone();
    for _ in 0..=dice.below(4) {
        let at = number(dice, bytes.len() + 1);
        let length = number(dice, 8).min(bytes.len() - at);
        match dice.below(6) {
            0 if at < bytes.len() => bytes[at] = u8::try_from(dice.below(256)).unwrap(),
            1 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            2 => drop(bytes.drain(at..at + length)),
            3 => {
                let piece = bytes[at..at + length].to_vec();
                bytes.splice(at..at, piece);
            }
            4 => bytes.truncate(at),
            _ => {
                let other = &inputs[number(dice, inputs.len())];
                let from = number(dice, other.len() + 1);
                let piece = other[from..(from + 16).min(other.len())].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

fn check(rounds: usize) {
    for (name, law) in LAWS {
        let inputs = inputs(name);
        for input in &inputs {
            law(input);
        }
        let mut dice = Dice::new(2026);
        for round in 0..rounds {
            let bytes = changed(&mut dice, &inputs);
            let held = std::panic::catch_unwind(|| law(&bytes));
            assert!(
                held.is_ok(),
                "{name}, round {round}: {:?}",
                bytes.escape_ascii().to_string()
            );
        }
    }
}

#[test]
fn whatever_comes_is_read_or_refused() {
    check(400);
}

#[test]
fn slow_whatever_comes_is_read_or_refused_many_times() {
    check(8_000);
}

/// With ONSYNC_WRITE_CORPUS=1 the samples become the corpus that fuzzing starts from.
#[test]
fn the_samples_are_in_the_corpus() {
    let mut count = 0;
    for (name, bytes) in samples() {
        count += 1;
        let file = corpus(name).join(format!("sample-{count:02}"));
        if std::env::var_os("ONSYNC_WRITE_CORPUS").is_some() {
            std::fs::create_dir_all(corpus(name)).unwrap();
            std::fs::write(&file, &bytes).unwrap();
        }
        assert!(
            file.is_file(),
            "{} is missing; run this once with ONSYNC_WRITE_CORPUS=1",
            file.display()
        );
    }
    assert!(
        LAWS.iter()
            .all(|(name, _)| samples().iter().any(|(of, _)| of == name))
    );
}
