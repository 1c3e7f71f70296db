//! Every mistake as its author reads it: `golden/NAME.toml` gives the diagnostics in `golden/NAME.txt`, and those that are
//! named after a command what that command finds.
//!
//! With `LAPWING_REGENERATE` set the texts are written instead; read the difference before committing it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use lapwing_rules::{Code, Compiler, Diagnostic, LintLevels, Release, Validity};

fn packs() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut packs: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    packs.sort();
    packs
}

fn diagnostics(path: &PathBuf) -> Vec<Diagnostic> {
    let file = path.file_name().unwrap().to_str().unwrap();
    let compiler = Compiler::new().pack(file, std::fs::read_to_string(path).unwrap());
    if file.starts_with("lint") {
        return compiler.lint(&LintLevels::default()).expect("what is linted follows the language");
    }
    if file.starts_with("mutate") {
        return compiler.mutate(|_| true, |_, _| ()).expect("what is changed follows the language").survivors;
    }
    if file.starts_with("test") {
        return compiler.exercise(|_| true, |_, _| ()).expect("what is exercised follows the language").problems;
    }
    // One pack shows what is said where nobody knows which day it is.
    let compiler = if file == "undated.toml" { compiler } else { compiler.today("2026-11-28".parse().unwrap()) };
    compiler
        .least_examples(1)
        .compile(Release::new(1), Validity::default())
        .expect_err("a golden pack is wrong somewhere")
}

#[test]
fn diagnostics_read_as_they_are_written_down() {
    for path in packs() {
        let rendered: Vec<String> = diagnostics(&path).iter().map(Diagnostic::render).collect();
        let rendered = rendered.join("\n\n") + "\n";
        let golden = path.with_extension("txt");
        if std::env::var_os("LAPWING_REGENERATE").is_some() {
            std::fs::write(&golden, &rendered).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(rendered, expected, "{}", path.display());
    }
}

#[test]
fn every_code_is_shown_once() {
    let shown: BTreeSet<String> = packs()
        .iter()
        .flat_map(diagnostics)
        .chain(super::overlay::diagnostics())
        .map(|diagnostic| diagnostic.code().to_string())
        .collect();
    let all: BTreeSet<String> = Code::ALL.iter().map(Code::to_string).collect();
    assert_eq!(shown, all);
}
