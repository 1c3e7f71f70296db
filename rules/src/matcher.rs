//! Finds what rules look for in one text: phrases on whole words, letters inside words, hosts.

use std::collections::BTreeMap;
use std::ops::Range;

use aho_corasick::AhoCorasick;

use crate::fold::{self, Folded};
use crate::host::{self, Reach};
use crate::program::{HostPurpose, HostRow, PhraseRow, Program, Role, Rule, Test};
use crate::{Band, Mark, Scope, Text};

/// A find that no exception covers: it stands for the whole text.
pub(crate) const WHOLE: Range<usize> = 0..usize::MAX;

/// The compiled tables and what was derived from them when they were loaded.
#[derive(Debug)]
pub(crate) struct Matcher {
    program: Program,
    /// Where the rows of each phrase start; one more entry than phrases.
    rows_of_phrase: Vec<usize>,
    substrings: Option<AhoCorasick>,
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
    phrase: usize,
    first: usize,
    next: usize,
    start: usize,
    end: usize,
}

/// A substring found: which, the words it stands in, and the rules it is for.
type Inside<'a> = (Source, Range<usize>, &'a [(u32, Role)]);

impl Matcher {
    /// Derives what matching needs; `None` when the substrings are too large to be searched for.
    pub(crate) fn new(program: Program) -> Option<Self> {
        let rows_of_phrase = (0..=program.phrases.len())
            .map(|phrase| {
                program.phrase_rows.partition_point(|row| usize::try_from(row.phrase).is_ok_and(|row| row < phrase))
            })
            .collect();
        let texts: Vec<&str> = program.substrings.iter().map(|substring| substring.text.as_str()).collect();
        let substrings = if texts.is_empty() { None } else { Some(AhoCorasick::new(texts).ok()?) };
        let media = (0..).zip(&program.rules).filter(|(_, rule)| rule.test == Test::Medium).map(|(at, _)| at).collect();
        Some(Self { program, rows_of_phrase, substrings, media })
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    pub(crate) fn rule(&self, rule: u32) -> Option<&Rule> {
        self.program.rules.get(usize::try_from(rule).ok()?)
    }

    /// Adds what rules for this scope and band find in `text`, by rule.
    pub(crate) fn find(&self, index: usize, text: &Text, band: Band, finds: &mut BTreeMap<u32, Vec<Find>>) {
        let original = text.text.get(..text.text.floor_char_boundary(Text::MAX_BYTES)).unwrap_or_default();
        let mut add = |rule: u32, find: Find| {
            if self.rule(rule).is_some_and(|rule| rule.scopes.holds(text.scope) && rule.bands.holds(band)) {
                finds.entry(rule).or_default().push(find);
            }
        };
        let topic = Role::Term { group: 0, mark: Mark::Topic, weight: 0 };
        let whole =
            |source, end| Find { text: index, first: WHOLE.start, next: WHOLE.end, start: 0, end, source, role: topic };
        let folded = fold::fold(original);
        for place in self.places(&folded) {
            for row in self.rows(place.phrase) {
                add(row.rule, place.find(index, row));
            }
        }
        for (source, words, rows) in self.substrings(&folded) {
            let Some(bytes) = folded.original(words.start, words.end) else { continue };
            for (rule, role) in rows {
                let (first, next, start, end) = (words.start, words.end, bytes.start, bytes.end);
                add(*rule, Find { text: index, first, next, start, end, source, role: *role });
            }
        }
        match text.scope {
            Scope::UrlHost => {
                for purpose in self.host_purposes(original).flatten() {
                    if let HostPurpose::Rule(rule) = purpose {
                        add(rule, whole(Source::Host, original.len()));
                    }
                }
            }
            Scope::Media => self.media.iter().for_each(|rule| add(*rule, whole(Source::Medium, 0))),
            Scope::Title | Scope::UrlPath | Scope::Query | Scope::FileName | Scope::App => {}
        }
    }

    /// What `host` is named for: one list for each named domain at or above it, nearest first.
    pub(crate) fn host_purposes<'a>(&'a self, host: &'a str) -> impl Iterator<Item = Vec<HostPurpose>> + 'a {
        let rows = |number: u32| -> &[HostRow] {
            let rows = &self.program.host_rows;
            let from = rows.partition_point(|row| row.host < number);
            let to = rows.partition_point(|row| row.host <= number);
            rows.get(from..to).unwrap_or_default()
        };
        host::domains(host).enumerate().filter_map(move |(above, domain)| {
            let rows = rows(self.program.hosts.number(domain)?);
            let reached = rows.iter().filter(|row| above == 0 || row.reach == Reach::Subtree);
            Some(reached.map(|row| row.purpose).collect())
        })
    }

    fn rows(&self, phrase: usize) -> &[PhraseRow] {
        let bound = |at: usize| self.rows_of_phrase.get(at).copied();
        match (bound(phrase), bound(phrase + 1)) {
            (Some(from), Some(to)) => self.program.phrase_rows.get(from..to).unwrap_or_default(),
            (_, _) => &[],
        }
    }

    /// Every place of every phrase, in order, once.
    fn places(&self, folded: &Folded) -> Vec<Place> {
        let mut places = Vec::new();
        for first in 0..folded.len() {
            for step in folded.steps(first) {
                let Some(word) = self.program.words.number(step.word) else { continue };
                let range = self.program.phrases.starting_with(word);
                let place = Place { phrase: 0, first, next: step.next, start: step.start, end: step.end };
                self.follow(folded, place, range, 1, &mut places);
            }
        }
        places.sort_unstable();
        places.dedup_by_key(|place| (place.phrase, place.first, place.next));
        places
    }

    /// Goes on through the phrases of `range`, which agree with the text in `depth` words up to `place`. A phrase has a
    /// bounded number of words, and so this its depth.
    fn follow(&self, folded: &Folded, place: Place, range: Range<usize>, depth: usize, places: &mut Vec<Place>) {
        let phrases = &self.program.phrases;
        if phrases.ends_at(&range, depth) {
            places.push(Place { phrase: range.start, ..place });
        }
        if range.is_empty() || (range.len() == 1 && phrases.ends_at(&range, depth)) {
            return;
        }
        for step in folded.steps(place.next) {
            let Some(word) = self.program.words.number(step.word) else { continue };
            let narrower = phrases.continued(range.clone(), depth, word);
            self.follow(folded, Place { next: step.next, end: step.end, ..place }, narrower, depth + 1, places);
        }
    }

    /// Substrings found in words and readings.
    fn substrings(&self, folded: &Folded) -> Vec<Inside<'_>> {
        let Some(automaton) = &self.substrings else { return Vec::new() };
        let mut found = Vec::new();
        for first in 0..folded.len() {
            for step in folded.steps(first) {
                for hit in automaton.find_overlapping_iter(step.word) {
                    found.push((hit.pattern().as_usize(), first, step.next));
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        let rows = |(pattern, first, next): (usize, usize, usize)| {
            let substring = self.program.substrings.get(pattern)?;
            Some((Source::Substring(pattern), first..next, substring.rows.as_slice()))
        };
        found.into_iter().filter_map(rows).collect()
    }
}

impl Place {
    fn find(&self, text: usize, row: &PhraseRow) -> Find {
        let Self { first, next, start, end, .. } = *self;
        Find { text, first, next, start, end, source: Source::Phrase(row.phrase), role: row.role }
    }
}
