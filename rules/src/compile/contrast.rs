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
//! | `domain` | which host it is: a label holds the name of a listed host, or is one letter away from it |
//! | `media` with labels | which label it is: a word of the rule stands in it, or inside one of its words |
//! | `media = "any"` | that it is a medium: whatever stands in another scope |
//!
//! And whatever holds a rule back is *needed*: for each exception and each group there is an example that must not match
//! on which the rule fires when that alone is taken out. An exception that fills in lists counts as one.

use std::collections::BTreeSet;

use super::expand::Draft;
use crate::diagnostic::{Code, Diagnostic};
use crate::fold::{Folded, fold};
use crate::host::HostPattern;
use crate::matcher::{Find, Source};
use crate::pack::{Example, Exception, Matching};
use crate::program::{Program, Role, Rule, Test};
use crate::rule_set::case_texts;
use crate::{Band, RuleSet, Scope, Text, judge};

/// Shorter words say nothing about what a label is.
const MIN_CONTENT_WORD_BYTES: usize = 3;
/// A shorter name stands in too many others to be looked for inside them.
const MIN_INNER_NAME_BYTES: usize = 4;
/// A shorter name is one letter away from too many others.
const MIN_NEAR_NAME_BYTES: usize = 3;

/// Checks the examples of every rule, which are in order of their ids.
pub(super) fn check(program: &Program, drafts: &[Draft<'_>], diagnostics: &mut Vec<Diagnostic>) {
    let Some(rule_set) = program.clone().into_rule_set() else { return };
    for (number, draft) in (0..).zip(drafts) {
        let trials: Vec<Trial<'_>> = draft
            .written
            .must_not_match
            .iter()
            .filter_map(|example| Trial::new(&rule_set, program, number, draft, example))
            .collect();
        diagnostics.extend(trials.iter().filter(|trial| !trial.is_contrast()).map(Trial::shows_nothing));
        diagnostics.extend(idle_exceptions(draft, program, &trials));
        diagnostics.extend(idle_groups(draft, &trials));
    }
}

/// An example and what was found of its rule in it.
struct Trial<'a> {
    draft: &'a Draft<'a>,
    program: &'a Program,
    example: &'a Example,
    band: Band,
    texts: Vec<Text>,
    finds: Vec<Find>,
}

impl<'a> Trial<'a> {
    fn new(
        rule_set: &RuleSet,
        program: &'a Program,
        number: u32,
        draft: &'a Draft<'a>,
        example: &'a Example,
    ) -> Option<Self> {
        let band = Band::ALL.into_iter().find(|band| draft.rule.bands.holds(*band))?;
        let texts = case_texts(example.scope, example.text.get_ref());
        let finds = rule_set.finds(&texts, band).remove(&number).unwrap_or_default();
        Some(Self { draft, program, example, band, texts, finds })
    }

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
            Matching::Medium => true,
            Matching::Domain { .. } => self.looks_like_a_host(),
            Matching::Label { .. } => folded.any(|text| self.shares_a_word(&text)),
            Matching::Any { threshold: None, .. } => folded.any(|text| self.scattered(&text)),
            Matching::Substring { .. } => folded.any(|text| {
                let letters: String = text.words().collect();
                self.draft.substrings.iter().any(|(substring, _)| letters.contains(substring.as_str()))
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

    /// Whether the rule fires when some of its exceptions do not count.
    fn fires_without(&self, phrases: &BTreeSet<u32>, hosts: &[&HostPattern]) -> bool {
        let gone = |find: &Find| match (find.role, find.source) {
            (Role::Exception, Source::Phrase(phrase)) => phrases.contains(&phrase),
            (_, _) => false,
        };
        !self.is_silenced_but_for(hosts) && self.fires(&self.draft.rule, |find| !gone(find))
    }

    fn fires(&self, rule: &Rule, keeps: impl Fn(&Find) -> bool) -> bool {
        let finds: Vec<Find> = self.finds.iter().filter(|find| keeps(find)).cloned().collect();
        judge::hit(rule, self.band, &finds, self.program).is_some()
    }

    fn is_silenced_but_for(&self, hosts: &[&HostPattern]) -> bool {
        let standing = || self.draft.silent_hosts.iter().filter(|host| !hosts.contains(host));
        let mut on = self.texts.iter().filter(|text| text.scope == Scope::UrlHost);
        on.any(|text| standing().any(|host| host.holds(&text.text)))
    }

    /// Whether the rule fires with the other groups alone.
    fn fires_without_group(&self, gone: u8) -> bool {
        let test = match self.draft.rule.test {
            Test::All { groups } | Test::Near { groups, .. } if groups <= 2 => Test::Any { threshold: None },
            Test::All { groups } => Test::All { groups: groups - 1 },
            Test::Near { within, order, groups } => Test::Near { within, order, groups: groups - 1 },
            test @ (Test::Any { .. } | Test::Medium) => test,
        };
        let rule = Rule { test, ..self.draft.rule.clone() };
        let regrouped = self.finds.iter().filter_map(|find| match find.role {
            Role::Term { group, .. } if group == gone => None,
            Role::Term { group, mark, weight } if group > gone => {
                Some(Find { role: Role::Term { group: group - 1, mark, weight }, ..find.clone() })
            }
            Role::Term { .. } | Role::Exception => Some(find.clone()),
        });
        let finds: Vec<Find> = regrouped.collect();
        !self.is_silenced_but_for(&[]) && judge::hit(&rule, self.band, &finds, self.program).is_some()
    }

    fn shows_nothing(&self) -> Diagnostic {
        let message = format!("rule `{}` would not fire on this example either way", self.draft.rule.facts.id);
        let span = self.example.text.span();
        let diagnostic = self.draft.diagnostic(Code::NoContrast, span, message, "shows nothing");
        diagnostic.help("use one that would match without an exception or the context, or a look-alike")
    }
}

/// Exceptions that no example needs.
fn idle_exceptions(draft: &Draft<'_>, program: &Program, trials: &[Trial<'_>]) -> Vec<Diagnostic> {
    let mut idle = Vec::new();
    let looks_at = |scope| draft.rule.scopes.holds(scope);
    for exception in &draft.written.exceptions {
        let (span, needed) = match exception {
            Exception::Phrase(phrase) => {
                let phrases = own_phrases(draft, program, &phrase.span());
                (phrase.span(), trials.iter().any(|trial| trial.fires_without(&phrases, &[])))
            }
            // A title cannot be shown on a host.
            Exception::Host(_) if ![Scope::UrlHost, Scope::UrlPath, Scope::Query].into_iter().any(looks_at) => continue,
            Exception::Host(host) => {
                let hosts = [host.get_ref()];
                (host.span(), trials.iter().any(|trial| trial.fires_without(&BTreeSet::new(), &hosts)))
            }
        };
        if !needed {
            let message = format!("rule `{}` needs this exception for none of its examples", draft.rule.facts.id);
            let diagnostic = draft.diagnostic(Code::NotNeeded, span, message, "could be taken out");
            idle.push(diagnostic.help("show in `must_not_match` what it is for, or take it out"));
        }
    }
    idle
}

/// The numbers of the phrases that the exception written at `span` brings, and no other exception of the rule.
fn own_phrases(draft: &Draft<'_>, program: &Program, span: &std::ops::Range<usize>) -> BTreeSet<u32> {
    let exceptions = || draft.phrases.iter().filter(|(_, role)| *role == Role::Exception);
    let others: BTreeSet<&[String]> =
        exceptions().filter(|(phrase, _)| phrase.span != *span).map(|(phrase, _)| phrase.words.as_slice()).collect();
    let own = exceptions().filter(|(phrase, _)| phrase.span == *span && !others.contains(phrase.words.as_slice()));
    own.filter_map(|(phrase, _)| program.phrase_number(&phrase.words)).collect()
}

/// Groups that no example needs.
fn idle_groups(draft: &Draft<'_>, trials: &[Trial<'_>]) -> Vec<Diagnostic> {
    let (Matching::All { groups } | Matching::Near { groups, .. }) = draft.written.matching.get_ref() else {
        return Vec::new();
    };
    let idle = (0..).take(groups.len()).filter(|group| !trials.iter().any(|trial| trial.fires_without_group(*group)));
    idle.map(|group| {
        let message = format!("rule `{}` needs group {} for none of its examples", draft.rule.facts.id, group + 1);
        let diagnostic = draft.diagnostic(Code::NotNeeded, draft.written.matching.span(), message, "this match");
        diagnostic.help("show in `must_not_match` a text that has the other groups and lacks this one")
    })
    .collect()
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
