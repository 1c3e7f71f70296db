//! The fuzz targets on every run of the tests: over the kept corpus, and over seeds changed by chance.
//!
//! A file of `corpus/TARGET/` whose name begins with `accepted` is read, or fires; one with `refused` is not. What a
//! fuzzer finds is kept there under such a name.

mod bombs;
mod masked;
mod mutation;
mod targets;

use std::path::PathBuf;

use lapwing_rules::{Compiler, ENGINE, Release, RuleSet, Validity, sign};

use mutation::Chance;
use targets::{ALL, Outcome, Target, container};

/// Changed seeds a target and run: some seconds in all.
const MUTATIONS: usize = 1_500;

fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target)
}

/// Name and bytes of every seed.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(corpus(target)).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut seeds: Vec<_> = entries.map(|path| (name(&path), std::fs::read(&path).unwrap())).collect();
    seeds.sort();
    seeds
}

fn replay(name: &str) {
    let (_, target): (_, Target) = ALL.into_iter().find(|(known, _)| *known == name).unwrap();
    let seeds = seeds(name);
    for (file, seed) in &seeds {
        let expected = if file.starts_with("accepted") { Outcome::Accepted } else { Outcome::Refused };
        assert!(expected == Outcome::Accepted || file.starts_with("refused"), "{name}/{file} says not what it is");
        assert_eq!(target(seed), expected, "{name}/{file}");
    }
    let mut chance = Chance::new(ALL.iter().map(|(known, _)| known.len() as u64).sum());
    for _ in 0..MUTATIONS {
        let (_, seed) = &seeds[chance.below(seeds.len())];
        let (_, other) = &seeds[chance.below(seeds.len())];
        let mutated = chance.mutated(seed, other);
        let outcome = std::panic::catch_unwind(|| target(&mutated));
        assert!(outcome.is_ok(), "{name}: keep these bytes as a seed: {}", mutated.escape_ascii());
    }
}

#[test]
fn hostile_artefacts_break_no_promise() {
    replay("artefact");
}

#[test]
fn hostile_texts_break_no_promise() {
    replay("fold_and_judge");
}

#[test]
fn hostile_packs_break_no_promise() {
    replay("pack");
}

#[test]
fn hostile_urls_break_no_promise() {
    replay("url");
}

#[test]
fn hostile_policies_break_no_promise() {
    replay("policy");
}

/// An example that a rule set promised to find reads otherwise, as though the engine had forgotten how to read its rule.
#[test]
fn a_rule_set_that_fails_its_own_examples_is_refused() {
    const EXAMPLE: &[u8] = b"a barnowl and its nest";
    let artefact =
        Compiler::new().pack("t.toml", targets::BIRDS).compile(Release::new(9), Validity::default()).unwrap();
    let clear = masked::undone(&sign(&artefact, &targets::key()), &targets::key()).unwrap();
    assert!(RuleSet::load(&clear, &targets::trusted()).is_ok());
    let mut sections = container::sections(&clear).unwrap();
    let at = |bytes: &[u8]| bytes.windows(EXAMPLE.len()).position(|window| window == EXAMPLE);
    let (place, section) = sections.iter_mut().find_map(|section| Some((at(&section.bytes)?, section))).unwrap();
    section.bytes[place..place + EXAMPLE.len()].fill(b'x');
    let changed = container::signed(&clear, &sections, &targets::key()).unwrap();
    let refused = RuleSet::load(&changed, &targets::trusted()).unwrap_err();
    assert_eq!(refused.to_string(), "artefact failed its self-test at rule `t.near`");
}

/// A change of a masked section breaks its compression and goes no deeper, so seeds have theirs in clear.
///
/// With `LAPWING_REGENERATE` set the seed is written instead.
#[test]
fn the_corpus_has_an_artefact_of_this_engine_in_clear() {
    let base = Compiler::new().pack("illegal_base.toml", targets::BASE);
    let base = base.base(Release::new(3), Validity::default()).unwrap();
    let base = masked::undone(&sign(&base, &targets::key()), &targets::key()).unwrap();
    let birds = targets::BIRDS.replace("class = \"protected\"", "class = \"support\"");
    let compiler = Compiler::new().pack("t.toml", birds);
    let validity = Validity { not_before: 1, expires: Some(2) };
    let artefact = compiler.compile_upon(&base, Release::new(9), validity).unwrap();
    let seed = masked::undone(&sign(&artefact, &targets::key()), &targets::key()).unwrap();
    assert!(seed.windows(7).any(|window| window == b"barnowl"), "in clear");
    assert!(seed.windows(7).any(|window| window == b"cuckoos"), "its base too");
    let path = corpus("artefact").join(format!("accepted_engine_{ENGINE}"));
    if std::env::var_os("LAPWING_REGENERATE").is_some() {
        std::fs::write(&path, &seed).unwrap();
    }
    assert!(path.exists(), "{}: run with LAPWING_REGENERATE=1 and keep it", path.display());
    assert_eq!(targets::artefact(&seed), Outcome::Accepted);
}
