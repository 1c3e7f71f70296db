//! Finds what rules look for in one text: phrases on whole words, letters inside words, hosts.

mod substrings;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::fingerprint::Fingerprint;
use crate::fold::{Folded, Folds};
use crate::host;
use crate::program::{HostPurpose, PhraseRow, Program, Role, Rule, Scopes, Test};
use crate::{Band, Scope, Text};
pub(crate) use substrings::MIN_BYTES as MIN_SUBSTRING_BYTES;
use substrings::Substrings;

/// A find that no exception covers: it stands for the whole text.
pub(crate) const WHOLE: Range<usize> = 0..usize::MAX;

/// The compiled tables and what was derived from them when they were loaded.
#[derive(Debug)]
pub(crate) struct Matcher {
    program: Program,
    /// Where the rows of each phrase start; one more entry than phrases.
    rows_of_phrase: Vec<u32>,
    substrings: Substrings,
    /// Where any rule looks for words: other texts need no folding.
    word_scopes: Scopes,
    /// Rules that fire on any removable medium.
    media: Vec<u32>,
}

/// Something a rule looks for, found in a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Find {
    /// Index of the text.
    pub(crate) text: usize,
    /// First word.
    pub(crate) first: usize,
    /// One past the last word.
    pub(crate) next: usize,
    /// First byte of the original.
    pub(crate) start: usize,
    /// One past its last byte.
    pub(crate) end: usize,
    /// Which of the rule set's phrases, substrings or hosts.
    pub(crate) source: Source,
    /// What it is to the rule.
    pub(crate) role: Role,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Phrase(u32),
    Substring(usize),
    Pattern(usize),
    Hashed,
    Host,
    Medium,
}

/// Where a phrase stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    phrase: u32,
    first: usize,
    next: usize,
    start: usize,
    end: usize,
}

/// A substring found: which, the words it stands in, and the rules it is for.
type Inside<'a> = (Source, Range<usize>, &'a [(u32, Role)]);

impl Matcher {
    /// Derives what matching needs; `None` when there is too much of it to be numbered, or a substring is too short.
    pub(crate) fn new(program: Program) -> Option<Self> {
        let mut rows_of_phrase = Vec::with_capacity(program.phrases.len() + 1);
        let mut rows = (0..).zip(&program.phrase_rows).peekable();
        for phrase in 0..=u32::try_from(program.phrases.len()).ok()? {
            while rows.next_if(|(_, row)| row.phrase < phrase).is_some() {}
            let start = rows.peek().map_or(program.phrase_rows.len(), |(start, _)| *start);
            rows_of_phrase.push(u32::try_from(start).ok()?);
        }
        let substrings = Substrings::new(&program.substrings)?;
        let with_phrases = program.phrase_rows.iter().map(|row| row.rule);
        let with_substrings = program.substrings.iter().flat_map(|substring| &substring.rows).map(|(rule, _)| *rule);
        let scopes_of = |rule: u32| program.rules.get(usize::try_from(rule).ok()?).map(|rule| rule.scopes);
        let word_scopes = with_phrases.chain(with_substrings).filter_map(scopes_of).fold(Scopes::default(), Scopes::or);
        let media = (0..).zip(&program.rules).filter(|(_, rule)| rule.test == Test::Medium).map(|(at, _)| at).collect();
        Some(Self { program, rows_of_phrase, substrings, word_scopes, media })
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    pub(crate) fn rule(&self, rule: u32) -> Option<&Rule> {
        self.program.rules.get(usize::try_from(rule).ok()?)
    }

    /// Adds what rules for this scope and band find in `text`, by rule. `folds` are those of its signal.
    pub(crate) fn find(
        &self,
        index: usize,
        text: &Text,
        band: Band,
        folds: &Folds,
        finds: &mut BTreeMap<u32, Vec<Find>>,
    ) {
        let original = text.text.get(..text.text.floor_char_boundary(Text::MAX_BYTES)).unwrap_or_default();
        let mut add = |rule: u32, find: Find| {
            if self.rule(rule).is_some_and(|rule| rule.scopes.holds(text.scope) && rule.bands.holds(band)) {
                finds.entry(rule).or_default().push(find);
            }
        };
        if self.word_scopes.holds(text.scope) {
            self.find_words((index, text.scope, original), folds, &mut add);
        }
        for (rule, source) in self.facts(text.scope, original) {
            let end = if source == Source::Host { original.len() } else { 0 };
            let role = Role::TOPIC;
            add(rule, Find { text: index, first: WHOLE.start, next: WHOLE.end, start: 0, end, source, role });
        }
    }

    /// What is found of phrases and substrings in a text.
    fn find_words(
        &self,
        (index, scope, original): (usize, Scope, &str),
        folds: &Folds,
        add: &mut impl FnMut(u32, Find),
    ) {
        // What is found in the letters that punycode stands for, stands in the host as a whole.
        let spelt = (scope == Scope::UrlHost).then(|| host::spelt_out(original)).flatten();
        let place = |start, end| if spelt.is_some() { (0, original.len()) } else { (start, end) };
        let Some(folded) = folds.of(index, spelt.as_deref().unwrap_or(original)) else { return };
        for found in self.places(folded) {
            let (start, end) = place(found.start, found.end);
            for row in self.rows(found.phrase) {
                if row.role == Role::Exception && original.get(start..end).is_some_and(holds_an_end) {
                    continue;
                }
                add(row.rule, Place { start, end, ..found }.find(index, row));
            }
        }
        for (source, words, rows) in self.substrings(folded) {
            let Some(bytes) = folded.original(words.start, words.end) else { continue };
            let ((start, end), first, next) = (place(bytes.start, bytes.end), words.start, words.end);
            for (rule, role) in rows {
                add(*rule, Find { text: index, first, next, start, end, source, role: *role });
            }
        }
    }

    /// Rules that fire on what a text is, and not on its words: a host, or any medium.
    fn facts<'a>(&'a self, scope: Scope, text: &'a str) -> impl Iterator<Item = (u32, Source)> + 'a {
        let host = (scope == Scope::UrlHost).then(|| self.program.hosts.purposes(text).flatten());
        let named = host.into_iter().flatten().filter_map(|purpose| match purpose {
            HostPurpose::Rule(rule) => Some((rule, Source::Host)),
            HostPurpose::Exception(_) | HostPurpose::Class(_) => None,
        });
        let media = if scope == Scope::Media { self.media.as_slice() } else { &[] };
        named.chain(media.iter().map(|rule| (*rule, Source::Medium)))
    }

    fn rows(&self, phrase: u32) -> &[PhraseRow] {
        let bound = |at: usize| usize::try_from(*self.rows_of_phrase.get(at)?).ok();
        let Ok(phrase) = usize::try_from(phrase) else { return &[] };
        match (bound(phrase), bound(phrase + 1)) {
            (Some(from), Some(to)) => self.program.phrase_rows.get(from..to).unwrap_or_default(),
            (_, _) => &[],
        }
    }

    /// Every place of every phrase, in order, once.
    fn places(&self, folded: &Folded) -> Vec<Place> {
        let phrases = &self.program.phrases;
        let mut places = Vec::new();
        for step in folded.all_steps(|word| phrases.may_begin(word)) {
            let place = Place { phrase: 0, first: step.first, next: step.next, start: step.start, end: step.end };
            self.follow(folded, place, step.fingerprint, &mut places);
        }
        if places.len() > 1 {
            places.sort_unstable();
            places.dedup_by_key(|place| (place.phrase, place.first, place.next));
        }
        places
    }

    /// Goes on after `place`, whose words are the beginning `words`. A phrase has a bounded number of words, and so this
    /// its depth.
    fn follow(&self, folded: &Folded, place: Place, words: Fingerprint, places: &mut Vec<Place>) {
        let Some(beginning) = self.program.phrases.beginning(words) else { return };
        places.extend(beginning.phrase.map(|phrase| Place { phrase, ..place }));
        if !beginning.goes_on {
            return;
        }
        for step in folded.steps(place.next) {
            self.follow(
                folded,
                Place { next: step.next, end: step.end, ..place },
                words.then(step.fingerprint),
                places,
            );
        }
    }

    /// Substrings found in words and readings.
    fn substrings(&self, folded: &Folded) -> Vec<Inside<'_>> {
        if self.substrings.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for step in folded.all_steps(|_| true) {
            let within = self.substrings.within(step.word, &self.program.substrings);
            found.extend(within.map(|number| (number, step.first, step.next)));
        }
        found.sort_unstable();
        found.dedup();
        let rows = |(number, first, next): (usize, usize, usize)| {
            let substring = self.program.substrings.get(number)?;
            Some((Source::Substring(number), first..next, substring.rows.as_slice()))
        };
        found.into_iter().filter_map(rows).collect()
    }
}

/// Whether a sentence ends inside a stretch: what stands on both sides of that is no phrase to spare.
fn holds_an_end(stretch: &str) -> bool {
    let mut characters = stretch.chars().peekable();
    while let Some(character) = characters.next() {
        let ends = matches!(character, '.' | '!' | '?');
        if character == '\n' || (ends && characters.peek().is_some_and(|next| next.is_whitespace())) {
            return true;
        }
    }
    false
}

impl Place {
    fn find(&self, text: usize, row: &PhraseRow) -> Find {
        let Self { first, next, start, end, .. } = *self;
        Find { text, first, next, start, end, source: Source::Phrase(row.phrase), role: row.role }
    }
}
