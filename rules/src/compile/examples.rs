//! Every example of every rule is run in every band the rule is for.
//!
//! One that is still to be found is not found in some of them: found in all, it is what `must_match` is for.

use super::expand::Draft;
use crate::diagnostic::{Code, Diagnostic};
use crate::pack::Example;
use crate::program::Program;
use crate::rule_set::case_texts;
use crate::{Band, RuleSet};

/// Runs the examples and gives the program back.
pub(super) fn run(program: Program, drafts: &[Draft<'_>], diagnostics: &mut Vec<Diagnostic>) -> Option<Program> {
    let rule_set = program.clone().into_rule_set()?;
    for draft in drafts {
        for example in &draft.written.examples.must_match {
            if let Some(band) = draft.bands_of(example).find(|band| !fires(&rule_set, draft, example, *band)) {
                let message = format!("rule `{}` does not fire on this example in band {band}", draft.rule.facts.id);
                let diagnostic = draft.diagnostic(Code::MustMatch, example.text.span(), message, "must match");
                diagnostics.push(diagnostic);
            }
        }
        for example in &draft.written.examples.must_not_match {
            if let Some(band) = draft.bands_of(example).find(|band| fires(&rule_set, draft, example, *band)) {
                let found = found(&rule_set, draft, example, band);
                let message = format!("rule `{}` fires on this example in band {band}", draft.rule.facts.id);
                let diagnostic = draft.diagnostic(Code::MustNotMatch, example.text.span(), message, "must not match");
                diagnostics.push(diagnostic.help(format!("found: {found}")));
            }
        }
        for example in &draft.written.examples.todo_match {
            if draft.bands_of(example).find(|band| !fires(&rule_set, draft, example, *band)).is_none() {
                let message = format!("rule `{}` fires on this example by now", draft.rule.facts.id);
                let diagnostic = draft.diagnostic(Code::TodoMatches, example.text.span(), message, "is found");
                diagnostics.push(diagnostic.help("move it to `must_match`, so that it stays found"));
            }
        }
    }
    Some(program)
}

fn fires(rule_set: &RuleSet, draft: &Draft<'_>, example: &Example, band: Band) -> bool {
    if let Some(hash) = example.hash {
        return draft.hashed.is_some_and(|list| list.holds(hash));
    }
    let texts = case_texts(example.scope, example.text.get_ref());
    rule_set.fired(&texts, band).values().any(|hit| hit.rule == draft.rule.facts.id)
}

/// The words that were found, for the author's eye.
fn found(rule_set: &RuleSet, draft: &Draft<'_>, example: &Example, band: Band) -> String {
    let texts = case_texts(example.scope, example.text.get_ref());
    let mut hits = rule_set.fired(&texts, band).into_values();
    let spans = hits.find(|hit| hit.rule == draft.rule.facts.id).map(|hit| hit.spans).unwrap_or_default();
    let word =
        |span: &crate::Span| texts.get(span.text)?.text.get(span.start..span.end).map(|word| format!("`{word}`"));
    spans.iter().filter_map(word).collect::<Vec<_>>().join(", ")
}
