//! Examples that must not match show where a rule ends.
//!
//! Each of them is a *contrast*: the rule fires on it once it is *relaxed*.
//!
//! | match | what counts as its context, and falls away besides the exceptions |
//! |---|---|
//! | `near`, `all` | the window, the order and the other groups: one term of one group is enough |
//! | `any` with `threshold` | the other terms: one term of positive weight is enough |
//! | a phrase of several words | that its words stand side by side and in order: all of them in one text are enough |
//! | a single word | that it is a whole word: standing inside a longer one is enough |
//! | `substring` | that its letters are unbroken: the words of the text, run together, hold it |
//! | `regex` | what stands around the letters that every match holds |
//! | `domain` | which host it is: a label holds the name of a listed host, or is one letter away from it |
//! | `media` with labels | which label it is: a word of the rule stands in it, or inside one of its words |
//! | `media = "any"` | that it is a medium: whatever stands in another scope |
//! | a hashed list | that it is on the list: whatever is not |
//! | a score | the other rules: one that adds to it is enough |

use std::collections::BTreeSet;

use super::trial::Trial;
use crate::Scope;
use crate::diagnostic::{Code, Diagnostic};
use crate::fold::{Folded, fold};
use crate::matcher::Find;
use crate::pack::Matching;
use crate::program::{Role, Test};

/// Shorter words say nothing about what a label is.
const MIN_CONTENT_WORD_BYTES: usize = 3;
/// A shorter name stands in too many others to be looked for inside them.
const MIN_INNER_NAME_BYTES: usize = 4;
/// A shorter name is one letter away from too many others.
const MIN_NEAR_NAME_BYTES: usize = 3;

/// Examples of a rule that must not match and show nothing.
pub(super) fn check<'a>(trials: &'a [Trial<'a>]) -> impl Iterator<Item = Diagnostic> {
    trials.iter().filter(|trial| !trial.is_contrast()).map(Trial::shows_nothing)
}

impl Trial<'_> {
    /// Whether the rule fires relaxed.
    fn is_contrast(&self) -> bool {
        let enough = |find: &Find| match (self.draft.rule.test, find.role) {
            (Test::Any { threshold: Some(_) }, Role::Term { weight, .. }) => weight > 0,
            (_, Role::Term { .. }) => true,
            (_, Role::Exception) => false,
        };
        self.finds.iter().any(enough) || self.looks_alike()
    }

    /// Whether a text looks like what the rule is for, without being it.
    fn looks_alike(&self) -> bool {
        let folded = || self.texts.iter().filter(|text| self.draft.rule.scopes.holds(text.scope));
        let mut folded = folded().map(|text| fold(&text.text));
        match self.draft.written.matching.get_ref() {
            Matching::Medium | Matching::Hashed { .. } => true,
            Matching::Score { .. } => !self.parts().is_empty(),
            Matching::Domain { .. } => self.looks_like_a_host(),
            Matching::Label { .. } => folded.any(|text| self.shares_a_word(&text)),
            Matching::Any { threshold: None, .. } => folded.any(|text| self.scattered(&text)),
            Matching::Substring { .. } => folded.any(|text| {
                let letters: String = text.words().collect();
                self.draft.substrings.iter().any(|(substring, _)| letters.contains(substring.as_str()))
            }),
            Matching::Regex { .. } => folded.any(|text| {
                let line = text.words().collect::<Vec<_>>().join(" ");
                let mut literals = self.draft.expressions.iter().flat_map(|each| &each.literals);
                literals.any(|literal| line.contains(literal.trim()))
            }),
            Matching::Any { threshold: Some(_), .. } | Matching::All { .. } | Matching::Near { .. } => false,
        }
    }

    fn terms(&self) -> impl Iterator<Item = &[String]> {
        let terms = self.draft.phrases.iter().filter(|(_, role)| *role != Role::Exception);
        terms.map(|(phrase, _)| phrase.words.as_slice())
    }

    /// All words of a phrase somewhere in the text; of a phrase of one word, a longer word that holds it.
    fn scattered(&self, text: &Folded) -> bool {
        let words = words(text);
        self.terms().any(|term| match term {
            [word] => words.iter().any(|longer| longer.len() > word.len() && longer.contains(word.as_str())),
            several => several.iter().all(|word| words.contains(word.as_str())),
        })
    }

    fn shares_a_word(&self, text: &Folded) -> bool {
        let words = words(text);
        let content = |word: &&String| word.len() >= MIN_CONTENT_WORD_BYTES;
        self.terms().flatten().filter(content).any(|word| words.iter().any(|other| other.contains(word.as_str())))
    }

    fn looks_like_a_host(&self) -> bool {
        let mut hosts = self.texts.iter().filter(|text| text.scope == Scope::UrlHost);
        hosts.any(|host| {
            let labels: Vec<&str> = host.text.split('.').collect();
            self.draft.hosts.iter().any(|listed| labels.iter().any(|label| resembles(label, name(&listed.host))))
        })
    }

    fn shows_nothing(&self) -> Diagnostic {
        let message = format!("rule `{}` would not fire on this example either way", self.draft.rule.facts.id);
        let span = self.example.text.span();
        let diagnostic = self.draft.diagnostic(Code::NoContrast, span, message, "shows nothing");
        diagnostic.help("use one that would match without an exception or the context, or a look-alike")
    }
}

/// Every word of a text and every reading.
fn words(text: &Folded) -> BTreeSet<&str> {
    (0..text.len()).flat_map(|at| text.steps(at)).map(|step| step.word).collect()
}

/// The label by which people know a host: the longest before its last.
fn name(host: &str) -> &str {
    let above = host.rsplit_once('.').map_or(host, |(above, _)| above);
    above.split('.').max_by_key(|label| label.len()).unwrap_or(host)
}

fn resembles(label: &str, name: &str) -> bool {
    label == name
        || (name.len() >= MIN_INNER_NAME_BYTES && label.contains(name))
        || (name.len() >= MIN_NEAR_NAME_BYTES && one_letter_away(label, name))
}

/// Whether one letter more, less or other makes the one out of the other.
fn one_letter_away(left: &str, right: &str) -> bool {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let before = left.iter().zip(&right).take_while(|(left, right)| left == right).count();
    let longest = left.len().min(right.len()) - before;
    let after =
        left.iter().rev().zip(right.iter().rev()).take(longest).take_while(|(left, right)| left == right).count();
    left.len().max(right.len()) - before - after == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_known_by_their_longest_label() {
        assert_eq!((name("bet.example"), name("www.odds.co.uk"), name("localhost")), ("bet", "odds", "localhost"));
    }

    #[test]
    fn look_alikes_hold_a_name_or_miss_it_by_a_letter() {
        for label in ["stake", "mistaken", "stale", "stakes", "take", "sstake"] {
            assert!(resembles(label, "stake"), "{label}");
        }
        for label in ["bet", "steak", "sta", ""] {
            assert!(!resembles(label, "stake"), "{label}");
        }
        assert!(resembles("bet", "bet") && resembles("beta", "bet") && !resembles("alphabet", "bet"));
        assert!(resembles("tv", "tv") && !resembles("tvs", "tv"));
    }
}
