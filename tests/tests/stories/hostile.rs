//! Whatever comes from outside, changed by chance: nothing panics, grows without bound, or is read as two things.
//!
//! Bytes that were once found to break one are kept under `tests/corpus/TARGET/`, and are seeds from then on.

#![expect(clippy::indexing_slicing, reason = "a test may stop at a surprise")]

// By its path: the same changes are made to what the rules read.
#[path = "../../../rules/tests/it/fuzz/mutation.rs"]
mod mutation;
#[path = "hostile/targets.rs"]
mod targets;

use std::path::{Path, PathBuf};

use mutation::Chance;
use targets::{Outcome, Target};

/// Changed seeds a target and run: some seconds in all.
const MUTATIONS: usize = 5_000;

fn kept(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target);
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a kept seed")).collect()
}

fn replay(name: &str, target: Target, seeds: &[Vec<u8>]) {
    for seed in seeds {
        assert_eq!(target(seed), Outcome::Accepted, "{name}: a seed is not what it is meant to be");
    }
    let seeds: Vec<Vec<u8>> = seeds.iter().cloned().chain(kept(name)).collect();
    let mut chance = Chance::new(name.bytes().map(u64::from).sum());
    for _ in 0..MUTATIONS {
        let (seed, other) = (&seeds[chance.below(seeds.len())], &seeds[chance.below(seeds.len())]);
        let mutated = chance.mutated(seed, other);
        let outcome = std::panic::catch_unwind(|| target(&mutated));
        assert!(outcome.is_ok(), "{name}: keep these bytes as a seed: {}", mutated.escape_ascii());
    }
}

/// Has a fuzzer begin where this test does.
fn write_seeds(folder: &Path, name: &str, seeds: &[Vec<u8>]) {
    let corpus = folder.join(name);
    std::fs::create_dir_all(&corpus).expect("a folder");
    for (number, seed) in seeds.iter().enumerate() {
        std::fs::write(corpus.join(format!("seed-{number}")), seed).expect("a seed");
    }
}

/// With `LAPWING_SEEDS` set, the seeds are written to that folder of the project besides.
#[test]
fn what_comes_from_outside_breaks_no_promise() {
    let folder =
        std::env::var_os("LAPWING_SEEDS").map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder));
    for (name, target, seeds) in targets::ALL {
        if let Some(folder) = &folder {
            write_seeds(folder, name, &seeds());
        }
        replay(name, target, &seeds());
    }
}
