//! The pages of the codes: what they show is so.
//!
//! An example is an overlay when it has `[[tune]]`, a whole pack when it has `[pack]`, tables of the pack `owls` when it has any, and otherwise keys of the
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
    if lines.contains("[[tune]]") {
        let illegal = RULE.replace("owls.rule", "owls.illegal").replace("weapons", "terrorism");
        let pack = format!("{PACK}[[rule]]\n{RULE}\n[[rule]]\n{illegal}");
        return Compiler::new().pack("owls.toml", pack).overlay("local.toml", lines);
    }
    let pack = whole(lines);
    let file = if pack.contains("id = \"illegal_base\"") { "illegal_base.toml" } else { "owls.toml" };
    Compiler::new().pack(file, pack)
}

/// One page is about nobody having said which day it is.
fn dated(lines: &str, code: Code) -> Compiler {
    let compiler = compiler(lines);
    if code == Code::NoToday { compiler } else { compiler.today("2026-11-28".parse().unwrap()) }
}

/// What is wrong with the pack.
fn mistakes(compiler: Compiler) -> BTreeSet<Code> {
    let compiler = compiler.least_examples(1);
    let (_, found) = compiler.check();
    let compiled = compiler.compile(Release::new(1), Validity::default());
    found.iter().chain(&compiled.err().unwrap_or_default()).map(Diagnostic::code).collect()
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
        mistakes(dated(lines, code))
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
        assert_eq!(mistakes(dated(page.mended, *code)), BTreeSet::new(), "{code}, mended");
        assert!(!of(*code, page.mended).contains(code), "{code}, mended");
    }
}
