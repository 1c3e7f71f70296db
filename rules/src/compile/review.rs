//! What a careful reader would say of rules that the language allows: lints, codes L001 to L008.
//!
//! `lint` holds what no pack may say. Here stands what a pack had better not: each finding is a warning or an error as
//! [`LintLevels`] has it, and a rule can have one allowed, with its reason.

mod alone;
mod among;
mod levels;

use std::collections::BTreeSet;

use super::expand::Draft;
use super::{Compiler, sorted};
use crate::diagnostic::{Code, Diagnostic};
use crate::pack::Matching;
use crate::program::{Role, Test};

pub use levels::{LintLevel, LintLevels, LintLevelsError};

/// A finding about one of the drafts, by its index.
type Finding = (usize, Diagnostic);

impl Compiler {
    /// Reads every pack as a careful reader would. What `levels` allows is left out, what it denies is an error, and
    /// the rest are warnings.
    ///
    /// # Errors
    ///
    /// Every mistake, when the packs do not follow the language.
    pub fn lint(&self, levels: &LintLevels) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        let mut mistakes = Vec::new();
        let packs = self.read(&mut mistakes);
        let drafts = self.drafts(&packs, &mut mistakes);
        if !mistakes.is_empty() {
            return Err(sorted(mistakes));
        }
        let mut findings: Vec<Finding> = Vec::new();
        for (at, draft) in drafts.iter().enumerate() {
            let of_draft = alone::check(draft).into_iter().chain(among::shadowed(draft)).chain(no_negatives(draft));
            findings.extend(of_draft.chain(idle_exceptions(draft)).map(|diagnostic| (at, diagnostic)));
        }
        findings.extend(among::said_twice(&drafts));
        let needless: Vec<Diagnostic> =
            drafts.iter().enumerate().flat_map(|(at, draft)| needless_allows(at, draft, &findings)).collect();
        findings.retain(|(at, finding)| drafts.get(*at).is_none_or(|draft| !draft.allows(finding.code())));
        let all = findings.into_iter().map(|(_, finding)| finding).chain(needless);
        Ok(sorted(all.filter_map(|finding| levels.apply(finding)).collect()))
    }
}

impl Draft<'_> {
    fn allows(&self, code: Code) -> bool {
        self.written.allowed.iter().any(|allowed| *allowed.lint.get_ref() == code)
    }

    /// Terms that make the rule fire without anything beside them.
    fn alone(&self) -> impl Iterator<Item = &super::expand::Phrase<'_>> {
        let enough = |role: &Role| match (self.rule.test, role) {
            (Test::Any { threshold: None }, Role::Term { .. }) => true,
            (Test::Any { threshold: Some(threshold) }, Role::Term { weight, .. }) => i32::from(*weight) >= threshold,
            (Test::All { .. } | Test::Near { .. } | Test::Score { .. } | Test::Medium, _) | (_, Role::Exception) => {
                false
            }
        };
        self.phrases.iter().filter(move |(_, role)| enough(role)).map(|(phrase, _)| phrase)
    }

    fn exceptions(&self) -> impl Iterator<Item = &super::expand::Phrase<'_>> {
        self.phrases.iter().filter(|(_, role)| *role == Role::Exception).map(|(phrase, _)| phrase)
    }
}

fn no_negatives(draft: &Draft<'_>) -> Option<Diagnostic> {
    if !draft.written.examples.must_not_match.is_empty() {
        return None;
    }
    let message = format!("rule `{}` shows nothing that it leaves alone", draft.rule.facts.id);
    let diagnostic = draft.diagnostic(Code::NoNegatives, draft.written.id.span(), message, "no `must_not_match`");
    Some(diagnostic.help("write look-alikes from lessons, games and news that must stay quiet"))
}

/// Exceptions of which no phrase holds anything the rule looks for.
fn idle_exceptions(draft: &Draft<'_>) -> Vec<Diagnostic> {
    let terms: BTreeSet<&[String]> = draft
        .phrases
        .iter()
        .filter(|(_, role)| *role != Role::Exception)
        .map(|(term, _)| term.words.as_slice())
        .collect();
    let inside = |word: &String| draft.substrings.iter().any(|(substring, _)| word.contains(substring.as_str()));
    let meets =
        |words: &[String]| among::stretches(words).any(|stretch| terms.contains(stretch)) || words.iter().any(inside);
    let met: BTreeSet<usize> =
        draft.exceptions().filter(|phrase| meets(&phrase.words)).map(|phrase| phrase.span.start).collect();
    if !draft.expressions.is_empty() || draft.hashed.is_some() {
        // What those find is not known before they do.
        return Vec::new();
    }
    let mut told = BTreeSet::new();
    let idle = draft.exceptions().filter(|phrase| !met.contains(&phrase.span.start) && told.insert(phrase.span.start));
    let is_by_words = !matches!(draft.written.matching.get_ref(), Matching::Domain { .. } | Matching::Medium);
    let help = if is_by_words {
        "an exception consumes the finds it covers: it has to hold a phrase of the rule"
    } else {
        "only `{ host = \"..\" }` silences a rule that finds no words"
    };
    let diagnostic = |phrase: &super::expand::Phrase| {
        let message = format!("this exception covers nothing that rule `{}` finds", draft.rule.facts.id);
        draft.diagnostic(Code::IdleException, phrase.span.clone(), message, "covers nothing").help(help)
    };
    idle.map(diagnostic).collect()
}

fn needless_allows(at: usize, draft: &Draft<'_>, findings: &[Finding]) -> Vec<Diagnostic> {
    let found = |code: Code| findings.iter().any(|(of, finding)| *of == at && finding.code() == code);
    let needless = draft.written.allowed.iter().map(|allowed| &allowed.lint).filter(|lint| !found(*lint.get_ref()));
    let diagnostic = |lint: &toml::Spanned<Code>| {
        let message = format!("rule `{}` has nothing to allow of {}", draft.rule.facts.id, lint.get_ref());
        let diagnostic = draft.diagnostic(Code::NeedlessAllow, lint.span(), message, "not found");
        diagnostic.help("take it out, so that the next finding is told")
    };
    needless.map(diagnostic).collect()
}
