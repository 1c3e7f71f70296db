//! The rule language as its users meet it: packs in, verdicts, diagnostics and artefacts out.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::string_slice,
    reason = "a test may stop at a surprise"
)]

mod artefacts;
mod bands;
mod base;
mod course;
mod explain;
mod expressions;
mod fuzz;
mod golden;
mod guide;
mod hashed;
mod language;
mod metamorphic;
mod naive;
mod oracle;
mod overlay;
mod packs;
mod pages;
mod scores;
mod tool;
mod transcript;
mod weakening;

use lapwing_rules::{Compiler, Diagnostic, Release, RuleSet};

/// A pack named `t` with one rule `t.rule` of these scopes, and whatever stands in `rest` (its match, exceptions and
/// so on). It has one example, which must not match.
fn pack(scopes: &str, rest: &str) -> String {
    format!("[pack]\nid = \"t\"\nversion = 1\ntitle = \"T\"\nsources = [\"none\"]\n\n{}", rule("t.rule", scopes, rest))
}

fn rule(id: &str, scopes: &str, rest: &str) -> String {
    format!(
        "[[rule]]\nid = \"{id}\"\ntitle = \"A title\"\ncategory = \"weapons\"\nscopes = [{scopes}]\nguidance = \"Talk.\"\n\
         examples = {{}}\n{rest}\n"
    )
}

fn compiled(pack: &str) -> Result<RuleSet, Vec<Diagnostic>> {
    Compiler::new().pack("t.toml", pack).rule_set(Release::new(1))
}

/// A rule set of one rule on titles.
fn titles(rest: &str) -> RuleSet {
    match compiled(&pack("\"title\"", rest)) {
        Ok(rules) => rules,
        Err(diagnostics) => panic!("{}", diagnostics.iter().map(Diagnostic::render).collect::<String>()),
    }
}
