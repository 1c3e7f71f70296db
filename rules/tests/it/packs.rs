//! The starter packs.

use std::collections::BTreeSet;
use std::path::Path;

use lapwing_rules::{Code, Compiler, Diagnostic, FourC, Release};

fn compiler() -> Compiler {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packs");
    let mut compiler = Compiler::new().least_examples(3);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "toml") {
            compiler = compiler.pack(path.display().to_string(), std::fs::read_to_string(&path).unwrap());
        }
    }
    compiler
}

#[test]
fn starter_packs_compile_with_all_their_examples() {
    if let Err(diagnostics) = compiler().rule_set(Release::new(1)) {
        panic!("{}", diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n")).collect::<String>());
    }
}

#[test]
fn starter_packs_cover_every_branch() {
    let rules = compiler().rule_set(Release::new(1)).map_err(|all| all.iter().map(Diagnostic::line).count()).unwrap();
    assert!(rules.rules().count() >= 60 && rules.has_illegal_base());
    let branches: BTreeSet<FourC> = rules.rules().map(|facts| facts.category.branch()).collect();
    for branch in [FourC::Content, FourC::Contact, FourC::Conduct, FourC::Commerce, FourC::Support] {
        assert!(branches.contains(&branch), "{branch:?}");
    }
}

/// Every example of every pack stands for something: without an exception, a pack no longer does what it shows.
#[test]
fn a_starter_pack_without_one_of_its_exceptions_fails() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packs");
    for pack in ["self_harm", "suicide", "threats", "weapons"] {
        let file = format!("{pack}.toml");
        let text = std::fs::read_to_string(folder.join(&file)).unwrap();
        let (_, exceptions) = text.split_once("except = [").unwrap();
        let (exception, _) = exceptions.trim_start().split_once(" }, ").unwrap();
        let without = text.replacen(&format!("{exception} }}, "), "", 1);
        let diagnostics = Compiler::new().least_examples(3).pack(&file, without).rule_set(Release::new(1)).unwrap_err();
        assert!(diagnostics.iter().any(|diagnostic| diagnostic.code() == Code::MustNotMatch), "{exception}");
    }
}
