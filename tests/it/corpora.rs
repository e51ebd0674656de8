//! The corpora of the fuzz targets, as they are and slightly damaged: a short run of each in every
//! `cargo test`. `.ci/fuzz` lets the fuzzer look further.

#[path = "../../fuzz/src/entries.rs"]
mod entries;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Damaged copies of each input.
const COPIES: u64 = 40;
/// Places at which a copy is damaged, at most.
const WOUNDS_MAX: usize = 4;
/// Inputs are cut to this, as the fuzzer cuts them.
const BYTES_MAX: usize = 64 << 10;

/// What makes texts into other texts.
const PIECES: [&str; 14] = [
    "\"",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "-",
    "null",
    "0",
    "9223372036854775808",
    "1e999",
    "\u{0}",
    "&a *a",
];

#[test]
fn the_corpora_and_damaged_copies_of_them_break_no_promise() {
    let mut broken = Vec::new();
    for (name, entry) in entries::ENTRIES {
        let inputs = inputs(name);
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for (path, input) in inputs {
            for copy in 0..=COPIES {
                let bytes = if copy == 0 { input.clone() } else { damaged(&input, copy) };
                if catch_unwind(AssertUnwindSafe(|| entry(&bytes))).is_err() {
                    broken.push(format!("{name}: {}, copy {copy}", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_entry_is_a_fuzz_target_with_a_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for (name, _) in entries::ENTRIES {
        assert!(folder.join(format!("fuzz_targets/{name}.rs")).is_file(), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}

fn inputs(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    let read = |path: PathBuf| {
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(BYTES_MAX);
        (path, bytes)
    };
    files.into_iter().map(read).collect()
}

/// A copy with some bytes changed, left out, doubled or put in. The same seed damages alike.
fn damaged(input: &[u8], seed: u64) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut bytes = input.to_vec();
    for _ in 0..rng.random_range(1..=WOUNDS_MAX) {
        let at = rng.random_range(0..=bytes.len());
        match rng.random_range(0..5) {
            0 => bytes.truncate(at),
            1 => _ = bytes.get_mut(at).map(|byte| *byte ^= 1 << rng.random_range(0..8)),
            2 => {
                let end = bytes.len().min(at + rng.random_range(0..32));
                bytes.drain(at..end);
            }
            3 => {
                let end = bytes.len().min(at + rng.random_range(0..64));
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => {
                let piece = PIECES[rng.random_range(0..PIECES.len())];
                bytes.splice(at..at, piece.bytes());
            }
        }
    }
    bytes
}
