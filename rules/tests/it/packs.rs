//! The starter packs.

use std::collections::BTreeSet;
use std::path::Path;

use lapwing_rules::{
    Band, Code, Compiler, Diagnostic, FourC, LintLevels, Release, Scope, Text, Validity, format_pack, split_url,
};

/// Name and text of every pack.
pub(super) fn packs() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packs");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let packs = paths.filter(|path| path.extension().is_some_and(|end| end == "toml"));
    packs.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap())).collect()
}

pub(super) fn compiler() -> Compiler {
    packs().into_iter().fold(Compiler::new().least_examples(3), |compiler, (file, text)| compiler.pack(file, text))
}

#[test]
fn starter_packs_compile_with_all_their_examples() {
    if let Err(diagnostics) = compiler().rule_set(Release::new(1)) {
        panic!("{}", diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n")).collect::<String>());
    }
}

#[test]
fn starter_packs_have_nothing_that_lints_deny() {
    let findings = compiler().lint(&LintLevels::default()).unwrap();
    let denied = findings.iter().filter(|finding| finding.is_error()).map(|finding| format!("{finding}\n"));
    assert_eq!(denied.collect::<String>(), "");
}

#[test]
fn formatted_packs_compile_to_the_same_rule_set_and_stay_as_they_are() {
    let artefact = |packs: Vec<(String, String)>| {
        let compiler = packs.into_iter().fold(Compiler::new(), |compiler, (file, text)| compiler.pack(file, text));
        compiler.compile(Release::new(1), Validity::default()).unwrap().digest()
    };
    let formatted: Vec<(String, String)> =
        packs().into_iter().map(|(file, text)| (file, format_pack(&text).unwrap())).collect();
    for (file, text) in &formatted {
        assert_eq!(format_pack(text).unwrap(), *text, "{file}");
    }
    assert_eq!(artefact(formatted), artefact(packs()));
}

#[test]
fn starter_packs_cover_every_branch() {
    let rules = compiler().rule_set(Release::new(1)).map_err(|all| all.iter().map(Diagnostic::line).count()).unwrap();
    assert!(rules.rules().count() >= 60 && rules.base().is_some());
    let branches: BTreeSet<FourC> = rules.rules().map(|facts| facts.category.branch()).collect();
    for branch in [FourC::Content, FourC::Contact, FourC::Conduct, FourC::Commerce, FourC::Support] {
        assert!(branches.contains(&branch), "{branch:?}");
    }
}

/// Every example of every pack stands for something: without an exception, a pack no longer does what it shows.
#[test]
fn a_starter_pack_without_one_of_its_exceptions_fails() {
    for pack in ["threats", "weapons"] {
        let (file, text) = packs().into_iter().find(|(file, _)| file.ends_with(&format!("/{pack}.toml"))).unwrap();
        let (_, exceptions) = text.split_once("except = [").unwrap();
        let (exception, _) = exceptions.trim_start().split_once(" }, ").unwrap();
        let without = text.replacen(&format!("{exception} }}, "), "", 1);
        let others = packs().into_iter().filter(|(other, _)| *other != file);
        let compiler = others.fold(Compiler::new(), |compiler, (file, text)| compiler.pack(file, text));
        let diagnostics = compiler.pack(&file, without).least_examples(3).rule_set(Release::new(1)).unwrap_err();
        assert!(diagnostics.iter().any(|diagnostic| diagnostic.code() == Code::MustNotMatch), "{exception}");
    }
}

/// Lines of `tests/benign`, written for this project from the subjects of the national curriculum and the staff room,
/// each with its place.
fn everyday(file: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/benign").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    (1..).zip(text.lines()).map(|(line, text)| (format!("{file}:{line}"), text.to_owned())).collect()
}

#[test]
fn everyday_school_texts_fire_nothing_in_any_band() {
    let rules = compiler().rule_set(Release::new(1)).map_err(|all| all.len()).unwrap();
    let of = |file, scope| everyday(file).into_iter().map(move |(place, text)| (place, vec![Text::new(scope, text)]));
    let addresses = everyday("addresses.txt").into_iter().map(|(place, url)| (place, split_url(&url).unwrap().texts()));
    let texts = of("titles.txt", Scope::Title).chain(of("searches.txt", Scope::Query));
    let texts: Vec<_> = texts.chain(of("file_names.txt", Scope::FileName)).chain(addresses).collect();
    assert!(texts.len() >= 700, "{}", texts.len());
    for (place, texts) in texts {
        for band in Band::ALL {
            let fired: Vec<_> = rules.evaluate(&texts, band).hits.into_iter().map(|hit| hit.rule).collect();
            assert!(fired.is_empty(), "{place} in band {band}: {fired:?}");
        }
    }
}
