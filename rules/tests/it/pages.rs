//! The pages of the codes: what they show is so.
//!
//! An example is a whole pack when it has `[pack]`, tables of the pack `owls` when it has any, and otherwise keys of the
//! pack's one rule.

use std::collections::BTreeSet;

use lapwing_rules::{Code, Compiler, Diagnostic, LintLevels, Release, Validity};

const PACK: &str = "[pack]\nid = \"owls\"\nversion = 1\ntitle = \"Owls\"\nsources = [\"a field guide\"]\n\n";
const RULE: &str = "id = \"owls.rule\"\ntitle = \"Looked for owls\"\ncategory = \"weapons\"\nscopes = [\"title\"]\n\
    guidance = \"Ask what the owls are for.\"\nmatch = { phrase = \"barn owl\" }\n\
    examples.must_match = [{ scope = \"title\", text = \"barn owl\" }]\n\
    examples.must_not_match = [{ scope = \"title\", text = \"an owl in a barn\" }]\n";

/// The pack that the lines of a page stand for.
fn whole(lines: &str) -> String {
    if lines.contains("[pack]") {
        return lines.to_owned();
    }
    if lines.contains("[[") {
        return format!("{PACK}{lines}\n");
    }
    let Ok(keys) = lines.parse::<toml::Table>() else { return format!("{PACK}[[rule]]\n{RULE}{lines}\n") };
    let mut rule: toml::Table = RULE.parse().unwrap();
    rule.extend(keys);
    let rules = toml::Table::from_iter([("rule".to_owned(), toml::Value::Array(vec![toml::Value::Table(rule)]))]);
    format!("{PACK}{rules}\n")
}

fn compiler(lines: &str) -> Compiler {
    let pack = whole(lines);
    let file = if pack.contains("id = \"illegal_base\"") { "illegal_base.toml" } else { "owls.toml" };
    Compiler::new().pack(file, pack)
}

/// What is wrong with the lines.
fn mistakes(lines: &str) -> BTreeSet<Code> {
    let compiled = compiler(lines).least_examples(1).compile(Release::new(1), Validity::default());
    compiled.err().unwrap_or_default().iter().map(Diagnostic::code).collect()
}

/// What the language allows in the lines and had better not be there.
fn lints(lines: &str) -> BTreeSet<Code> {
    let findings = compiler(lines).lint(&LintLevels::default()).expect("what is linted follows the language");
    findings.iter().map(Diagnostic::code).collect()
}

/// Changes to the lines that no example notices.
fn survivors(lines: &str) -> BTreeSet<Code> {
    let mutations = compiler(lines).mutate(|_| true, |_, _| ()).expect("what is changed follows the language");
    mutations.survivors.iter().map(Diagnostic::code).collect()
}

/// What comes of the examples of the lines in other scopes, bands and spellings.
fn exercised(lines: &str) -> BTreeSet<Code> {
    let exercise = compiler(lines).exercise(|_| true, |_, _| ()).expect("what is exercised follows the language");
    exercise.problems.iter().map(Diagnostic::code).collect()
}

/// What whoever tells `code` finds in the lines.
fn of(code: Code, lines: &str) -> BTreeSet<Code> {
    if code == Code::Survives {
        survivors(lines)
    } else if matches!(code, Code::SpellingMissed | Code::OtherWordFound) {
        exercised(lines)
    } else if code.is_lint() {
        lints(lines)
    } else {
        mistakes(lines)
    }
}

#[test]
fn examples_of_pages_have_the_mistake_and_their_mends_have_none() {
    for code in Code::ALL {
        let page = code.page();
        let found = of(*code, page.example);
        assert_eq!(found, BTreeSet::from([*code]), "{code}");
        if *code == Code::Syntax {
            continue;
        }
        assert_eq!(mistakes(page.mended), BTreeSet::new(), "{code}, mended");
        assert!(!of(*code, page.mended).contains(code), "{code}, mended");
    }
}
