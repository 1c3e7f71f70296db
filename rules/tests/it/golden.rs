//! Every mistake as its author reads it: `golden/NAME.toml` gives the diagnostics in `golden/NAME.txt`.
//!
//! With `LAPWING_REGENERATE` set the texts are written instead; read the difference before committing it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use lapwing_rules::{Compiler, Diagnostic, Release, Validity};

fn packs() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut packs: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    packs.sort();
    packs
}

fn diagnostics(path: &PathBuf) -> Vec<Diagnostic> {
    let file = path.file_name().unwrap().to_str().unwrap();
    let compiler = Compiler::new().pack(file, std::fs::read_to_string(path).unwrap()).least_examples(1);
    compiler.compile(Release::new(1), Validity::default()).expect_err("a golden pack is wrong somewhere")
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
    let shown: BTreeSet<String> =
        packs().iter().flat_map(diagnostics).map(|diagnostic| diagnostic.code().to_string()).collect();
    let all: BTreeSet<String> = (1..=22).chain(50..=56).map(|number| format!("R{number:03}")).collect();
    assert_eq!(shown, all);
}
