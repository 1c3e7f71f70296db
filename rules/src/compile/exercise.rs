//! Examples where and as their authors did not write them.
//!
//! What must match has to fire in every scope of words that the rule looks at, in every band, and however its found words
//! are spelt ([`Spelling`]). What must not match has to stay quiet in those scopes and bands, and with a letter put into
//! a word it holds of the rule: another word is not the word.

mod spelling;

use std::ops::Range;

use super::expand::Draft;
use super::{Compiler, sorted};
use crate::diagnostic::{Code, Diagnostic};
use crate::fold::fold;
use crate::matcher::{Find, Source};
use crate::pack::Example;
use crate::program::{CaseScope, Program, Role};
use crate::rule_set::case_texts;
use crate::{Band, RuleId, RuleSet, Scope, Text, shown};

pub use spelling::Spelling;

/// Scopes whose texts are words, so that an example of one can stand in another.
const OF_WORDS: [Scope; 5] = [Scope::Title, Scope::UrlPath, Scope::Query, Scope::FileName, Scope::App];

/// What came of the examples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exercise {
    /// Every rule asked for, by id.
    pub rules: Vec<RuleExercise>,
    /// Texts that those rules ought to find and do not find yet.
    pub todo: usize,
    /// Examples that came out otherwise than they should, by place.
    pub problems: Vec<Diagnostic>,
}

/// What came of the examples of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleExercise {
    /// The rule.
    pub rule: RuleId,
    /// Its examples, as written.
    pub examples: usize,
    /// Verdicts in a scope and band.
    pub verdicts: usize,
    /// Other spellings, and words with a letter more.
    pub spellings: usize,
    /// Verdicts that were not as they should be.
    pub problems: usize,
}

impl Compiler {
    /// Runs the examples of every rule that `is_asked` for in every scope, band and spelling. `progress` is told how many
    /// rules are done, of how many.
    ///
    /// # Errors
    ///
    /// Every mistake in every pack: examples have to hold as they are written.
    pub fn exercise(
        &self,
        is_asked: impl Fn(&RuleId) -> bool,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Exercise, Vec<Diagnostic>> {
        self.program()?;
        // What a school tuned keeps no promise of its packs.
        let program = Self { overlays: Vec::new(), ..self.clone() }.program()?;
        let mut mistakes = Vec::new();
        let packs = self.read(&mut mistakes);
        let drafts = self.drafts(&packs, &mut mistakes);
        let Some(rule_set) = Program::into_rule_set(program) else { return Err(sorted(mistakes)) };
        let asked: Vec<(u32, &Draft<'_>)> =
            (0..).zip(&drafts).filter(|(_, draft)| is_asked(&draft.rule.facts.id)).collect();
        let mut exercise = Exercise::default();
        for (done, (number, draft)) in asked.iter().enumerate() {
            progress(done, asked.len());
            let mut run =
                Run { rule_set: &rule_set, number: *number, draft, verdicts: 0, spellings: 0, problems: Vec::new() };
            let examples = &draft.written.examples;
            // A hash is looked up as it stands, and has no other spelling.
            let in_words = |example: &&Example| example.hash.is_none();
            examples.must_match.iter().filter(in_words).for_each(|example| run.must_match(example));
            examples.must_not_match.iter().filter(in_words).for_each(|example| run.must_not_match(example));
            exercise.todo += examples.todo_match.len();
            exercise.rules.push(RuleExercise {
                rule: draft.rule.facts.id.clone(),
                examples: examples.must_match.len() + examples.must_not_match.len(),
                verdicts: run.verdicts,
                spellings: run.spellings,
                problems: run.problems.len(),
            });
            exercise.problems.append(&mut run.problems);
        }
        exercise.problems = sorted(exercise.problems);
        Ok(exercise)
    }
}

/// One rule and what came of its examples so far.
struct Run<'a> {
    rule_set: &'a RuleSet,
    number: u32,
    draft: &'a Draft<'a>,
    verdicts: usize,
    spellings: usize,
    problems: Vec<Diagnostic>,
}

impl Run<'_> {
    fn must_match(&mut self, example: &Example) {
        self.in_every_scope(example, true);
        let Some(band) = self.draft.bands_of(example).next() else { return };
        let texts = case_texts(example.scope, example.text.get_ref());
        let found = self.found_words(&texts, band);
        for spelling in Spelling::ALL {
            let Some(spelt) = respelt(&texts, &found, spelling) else { continue };
            self.spellings += 1;
            if !self.fires(&spelt, band) {
                let message = format!("rule `{}` does not fire with {}", self.draft.rule.facts.id, spelling.as_str());
                self.report(Code::SpellingMissed, example, message, &spelt);
            }
        }
    }

    fn must_not_match(&mut self, example: &Example) {
        self.in_every_scope(example, false);
        let Some(band) = self.draft.bands_of(example).next() else { return };
        let texts = case_texts(example.scope, example.text.get_ref());
        for (text, word) in self.words_that_matter(&texts, band) {
            let Some(strange) = with_strange_letter(&texts, text, &word) else { continue };
            self.spellings += 1;
            if self.fires(&strange, band) {
                let message = format!("rule `{}` fires although a word has a letter more", self.draft.rule.facts.id);
                self.report(Code::OtherWordFound, example, message, &strange);
            }
        }
    }

    fn in_every_scope(&mut self, example: &Example, wanted: bool) {
        let text = example.text.get_ref();
        let looks_at = |scope: &Scope| self.draft.rule.scopes.holds(*scope);
        let scopes: Vec<CaseScope> = match example.scope {
            // A score looks where its rules do, and not all of them look everywhere.
            CaseScope::Text(scope) if OF_WORDS.contains(&scope) && looks_at(&scope) && !self.draft.is_score() => {
                OF_WORDS.into_iter().filter(looks_at).map(CaseScope::Text).collect()
            }
            written @ (CaseScope::Text(_) | CaseScope::Url) => vec![written],
        };
        for scope in scopes {
            let texts = case_texts(scope, text);
            for band in self.draft.bands_of(example) {
                self.verdicts += 1;
                if self.fires(&texts, band) != wanted {
                    let id = &self.draft.rule.facts.id;
                    let (code, does) =
                        if wanted { (Code::MustMatch, "does not fire") } else { (Code::MustNotMatch, "fires") };
                    self.report(code, example, format!("rule `{id}` {does} on this example in band {band}"), &texts);
                }
            }
        }
    }

    fn fires(&self, texts: &[Text], band: Band) -> bool {
        self.rule_set.fired(texts, band).contains_key(&self.number)
    }

    /// Stretches of the texts that make the rule fire.
    fn found_words(&self, texts: &[Text], band: Band) -> Vec<(usize, Range<usize>)> {
        let hit = self.rule_set.fired(texts, band).remove(&self.number);
        let spans = hit.map(|hit| hit.spans).unwrap_or_default();
        spans.into_iter().map(|span| (span.text, span.start..span.end)).collect()
    }

    /// Words of texts on which the rule is silent and stays so without them: none that weighs against it, and none of an
    /// exception that also covers something the word is no part of.
    fn words_that_matter(&self, texts: &[Text], band: Band) -> Vec<(usize, Range<usize>)> {
        let finds = self.rule_set.finds(texts, band).remove(&self.number).unwrap_or_default();
        let covers = |exception: &Find, term: &Find| {
            term.text == exception.text && exception.first <= term.first && term.next <= exception.next
        };
        let stays = |term: &Find, text, at| !holds(term, text, at) || matches!(term.source, Source::Substring(_));
        let frees = |find: &Find, text, at| match find.role {
            Role::Term { weight, .. } => weight < 0,
            Role::Exception => {
                let mut terms = finds.iter().filter(|term| term.role != Role::Exception && covers(find, term));
                terms.any(|term| stays(term, text, at))
            }
        };
        let mut words = Vec::new();
        for (text, of) in texts.iter().enumerate() {
            let folded = fold(&of.text);
            let matters = |at: &usize| !finds.iter().any(|find| holds(find, text, *at) && frees(find, text, *at));
            let places = (0..folded.len()).filter(matters).filter_map(|at| folded.original(at, at + 1));
            words.extend(places.map(|place| (text, place)));
        }
        words
    }

    fn report(&mut self, code: Code, example: &Example, message: String, texts: &[Text]) {
        let shown: Vec<String> = texts.iter().map(|text| format!("{} `{}`", text.scope, shown(&text.text))).collect();
        let diagnostic = self.draft.diagnostic(code, example.text.span(), message, "this example");
        self.problems.push(diagnostic.help(format!("judged: {}", shown.join(", "))));
    }
}

fn holds(find: &Find, text: usize, word: usize) -> bool {
    find.text == text && (find.first..find.next).contains(&word)
}

/// The texts with their found words in another spelling; `None` when no word can be so spelt.
fn respelt(texts: &[Text], found: &[(usize, Range<usize>)], spelling: Spelling) -> Option<Vec<Text>> {
    let mut changed = false;
    let mut respell = |(at, text): (usize, &Text)| {
        if text.scope == Scope::UrlHost {
            return text.clone();
        }
        let stretches: Vec<&Range<usize>> = found.iter().filter(|(of, _)| *of == at).map(|(_, place)| place).collect();
        let mut written = text.text.clone();
        for (place, word) in respellings(&text.text, &stretches, spelling).into_iter().rev() {
            written.replace_range(place, &word);
            changed = true;
        }
        Text::new(text.scope, written)
    };
    let texts: Vec<Text> = texts.iter().enumerate().map(&mut respell).collect();
    changed.then_some(texts)
}

/// Words inside the stretches and what to write for them, in order.
///
/// Letters that stand apart count as words where a `near` counts them, and run on beside a single letter: of those one
/// word is written, in the first stretch or the last, and not beside a single letter.
fn respellings(text: &str, stretches: &[&Range<usize>], spelling: Spelling) -> Vec<(Range<usize>, String)> {
    let folded = fold(text);
    let word = |at: usize| Some((folded.original(at, at + 1)?, folded.steps(at).next()?.word));
    let words: Vec<(Range<usize>, &str)> = (0..folded.len()).filter_map(word).collect();
    let is_single =
        |at: Option<usize>| at.and_then(|at| words.get(at)).is_some_and(|(_, word)| word.chars().count() == 1);
    let stands =
        |stretch: &Range<usize>, place: &Range<usize>| stretch.start <= place.start && place.end <= stretch.end;
    let mut written: Vec<(Range<usize>, String)> = Vec::new();
    for (at, (place, word)) in words.iter().enumerate() {
        let inside = stretches.iter().any(|stretch| stands(stretch, place));
        let plain = text.get(place.clone()).is_some_and(|original| original.eq_ignore_ascii_case(word));
        let runs_on = spelling.stands_apart() && (is_single(at.checked_sub(1)) || is_single(Some(at + 1)));
        if inside && plain && !runs_on {
            written.extend(spelling.of(word).map(|spelt| (place.clone(), spelt)));
        }
    }
    if spelling.stands_apart() {
        let first = stretches.iter().min_by_key(|stretch| stretch.start);
        let last = stretches.iter().max_by_key(|stretch| stretch.end);
        let in_either = [first, last]
            .into_iter()
            .flatten()
            .find_map(|stretch| written.iter().position(|(place, _)| stands(stretch, place)));
        written = in_either.map(|at| written.swap_remove(at)).into_iter().collect();
    }
    written
}

fn with_strange_letter(texts: &[Text], at: usize, place: &Range<usize>) -> Option<Vec<Text>> {
    let mut texts = texts.to_vec();
    let text = texts.get_mut(at).filter(|text| text.scope != Scope::UrlHost)?;
    let strange = spelling::with_strange_letter(text.text.get(place.clone())?)?;
    text.text.replace_range(place.clone(), &strange);
    Some(texts)
}
