//! What words may have been meant to say.

use std::ops::Range;

use super::character::{Kind, Unit, is_word_alone, leet};
use super::{Folded, MAX_READINGS, MAX_WORD_BYTES, Reading};
use crate::fingerprint::Fingerprint;

/// Fewest single letters that read as one word.
const MIN_SPACED: usize = 3;
/// Longest gap between spaced-out letters, in characters.
const MAX_GAP: usize = 3;
/// The one word that is written with three of a letter.
const WEB: &str = "www";
/// As many of a letter in a row stand for one or two.
const LONG_RUN: usize = 3;
/// More such runs are read all short and all long only.
const MAX_RUNS: u32 = 3;

/// Adds every reading of `folded`, whose words were taken from these `words` of `units`.
pub(super) fn add(folded: &mut Folded, units: &[Unit], words: &[Range<usize>]) {
    let scripts = Scripts::of(units);
    for (index, of_word) in words.iter().enumerate() {
        let letters = units.get(of_word.clone()).unwrap_or_default();
        add_of_word(folded, index, letters.iter().copied(), scripts);
    }
    add_with_symbols(folded, units, words, scripts);
    add_spaced_out(folded, units, words, scripts);
    folded.readings.sort_by_key(|reading| (reading.words.start, reading.words.end));
}

/// Adds the readings of a word of these letters and digits of ASCII, in a text of nothing else.
pub(super) fn add_plain(folded: &mut Folded, index: usize, word: &[u8]) {
    let letter = |byte: &u8| Unit { character: char::from(*byte), latin: None, start: 0, end: 0, kind: Kind::Letter };
    add_of_word(folded, index, word.iter().map(letter), Scripts::LatinLooking);
}

fn add_of_word(folded: &mut Folded, index: usize, letters: impl Iterator<Item = Unit> + Clone, scripts: Scripts) {
    add_readings(folded, index..index + 1, letters, Context { scripts, joined: false });
}

/// Whether a text is one of Latin letters and such as look like them, or of another alphabet. One word in Latin letters
/// makes it the former: among those, a word of look-alikes alone is no word of another language.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scripts {
    LatinLooking,
    Others,
}

impl Scripts {
    fn of(units: &[Unit]) -> Self {
        let is_other = |unit: &Unit| {
            unit.kind == Kind::Letter
                && unit.latin.is_none()
                && unit.character.is_alphabetic()
                && !is_latin(unit.character)
        };
        let has_latin_word = units.iter().any(|unit| unit.character.is_ascii_alphabetic());
        if has_latin_word || !units.iter().any(is_other) { Self::LatinLooking } else { Self::Others }
    }
}

/// Letters of the Latin script, such as those that come apart into none of ASCII (`æ`, `þ`).
fn is_latin(character: char) -> bool {
    character.is_ascii_alphabetic() || matches!(character, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
}

#[derive(Clone, Copy)]
struct Context {
    scripts: Scripts,
    /// The letters were not one word as they stood.
    joined: bool,
}

/// Words glued by symbols that stand for letters: `p@ss`, `a$$`.
fn add_with_symbols(folded: &mut Folded, units: &[Unit], words: &[Range<usize>], scripts: Scripts) {
    let mut word = 0;
    while let Some(of_word) = words.get(word) {
        let chunk = chunk(units, of_word.clone());
        let after = words.iter().skip(word).take_while(|later| later.end <= chunk.end).count().max(1);
        let letters = units.get(chunk).unwrap_or_default();
        if let (true, Some(first), Some(last)) =
            (letters.iter().any(|unit| unit.kind == Kind::Symbol), letters.first(), letters.last())
        {
            let original = first.start..last.end;
            let context = Context { scripts, joined: true };
            add_readings_of(folded, original, word..word + after, letters.iter().copied(), context);
        }
        word += after;
    }
}

/// The letters and symbols around a word, without exclamation marks and the like at either end.
fn chunk(units: &[Unit], word: Range<usize>) -> Range<usize> {
    let glued = |unit: &&Unit| unit.kind != Kind::Gap;
    let edge = |unit: &&Unit| matches!(unit.character, '!' | '|' | '+');
    let before = units.get(..word.start).unwrap_or_default();
    let after = units.get(word.end..).unwrap_or_default();
    let leading = before.iter().rev().take_while(|unit| unit.kind == Kind::Symbol).count();
    let trailing = after.iter().take_while(glued).count();
    let mut chunk = word.start - leading..word.end + trailing;
    let whole = units.get(chunk.clone()).unwrap_or_default();
    chunk.start += whole.iter().take_while(edge).count().min(leading);
    chunk.end -= whole.iter().rev().take_while(edge).count().min(trailing);
    chunk
}

/// Single letters with the same gap between them: `s e x`, `k.y.s`.
fn add_spaced_out(folded: &mut Folded, units: &[Unit], words: &[Range<usize>], scripts: Scripts) {
    let mut first = 0;
    while first < words.len() {
        let run = spaced_run(words, units, first);
        let length = run.len();
        add_joined(folded, units, words, run.clone(), scripts);
        let pronoun = folded.words.get(first).is_some_and(|word| matches!(folded.text(&word.text), "i" | "a" | "u"));
        if pronoun {
            add_joined(folded, units, words, run.start + 1..run.end.max(run.start + 1), scripts);
        }
        // The last letter may begin another run, with another gap.
        first += length.saturating_sub(1).max(1);
    }
}

fn spaced_run(words: &[Range<usize>], units: &[Unit], first: usize) -> Range<usize> {
    let may_be_spaced = |word: &&Range<usize>| {
        word.len() == 1 && units.get(word.start).is_some_and(|unit| !is_word_alone(unit.character))
    };
    let single = |index: usize| words.get(index).filter(may_be_spaced);
    let gap = |index: usize| -> Option<&[Unit]> {
        let (left, right) = (single(index)?, single(index + 1)?);
        units.get(left.end..right.start).filter(|gap| gap.len() <= MAX_GAP)
    };
    let Some(pattern) = gap(first) else { return first..first + 1 };
    let same = |index: &usize| {
        gap(*index).is_some_and(|gap| gap.iter().map(|u| u.character).eq(pattern.iter().map(|u| u.character)))
    };
    let gaps = (first..).take_while(same).count();
    first..first + gaps + 1
}

fn add_joined(folded: &mut Folded, units: &[Unit], words: &[Range<usize>], run: Range<usize>, scripts: Scripts) {
    if run.len() < MIN_SPACED {
        return;
    }
    let single = words.get(run.clone()).unwrap_or_default();
    let letters = single.iter().filter_map(|word| units.get(word.start).copied());
    add_readings(folded, run, letters, Context { scripts, joined: true });
}

fn add_readings(
    folded: &mut Folded,
    words: Range<usize>,
    letters: impl Iterator<Item = Unit> + Clone,
    context: Context,
) {
    if let Some(original) = folded.original(words.start, words.end) {
        add_readings_of(folded, original, words, letters, context);
    }
}

/// Adds the readings of a run of letters and symbols: at most [`MAX_READINGS`], none longer than [`MAX_WORD_BYTES`], and
/// none that is the word as it stands.
fn add_readings_of(
    folded: &mut Folded,
    original: Range<usize>,
    words: Range<usize>,
    letters: impl Iterator<Item = Unit> + Clone,
    context: Context,
) {
    let plain = || letters.clone().map(|unit| unit.character);
    let needs_none = |character: char| character.is_ascii_lowercase();
    if !context.joined && plain().all(needs_none) && (long_runs(plain()) == 0 || plain().eq(WEB.chars())) {
        return;
    }
    let latin = reads_as_latin(letters.clone(), context.scripts);
    let spelled = letters.clone().map(|unit| unit.latin.filter(|_| latin).unwrap_or(unit.character));
    let mut readings = Readings { from: folded.readings.len(), folded, original, words };
    let as_it_stands = (!context.joined).then(plain);
    if plain().all(char::is_alphanumeric) {
        readings.add_shortened(spelled.clone(), as_it_stands.clone());
    }
    if reads_as_leet(letters.clone(), context) {
        for choice in 0..2 {
            let pick = |character: char| {
                let letters = leet(character);
                letters.get(choice).or_else(|| letters.first()).copied().unwrap_or(character)
            };
            readings.add_shortened(spelled.clone().map(pick), as_it_stands.clone());
        }
    }
    readings.finish();
}

/// Readings of one word or run on their way into a folded text.
struct Readings<'f> {
    folded: &'f mut Folded,
    /// The first of them.
    from: usize,
    original: Range<usize>,
    words: Range<usize>,
}

impl Readings<'_> {
    /// Adds a run of letters with every repeat of three or more as one letter and as two.
    fn add_shortened(
        &mut self,
        letters: impl Iterator<Item = char> + Clone,
        as_it_stands: Option<impl Iterator<Item = char> + Clone>,
    ) {
        if runs(letters.clone()).count() > MAX_WORD_BYTES {
            return;
        }
        let long = long_runs(letters.clone());
        let choices = if long <= MAX_RUNS { 1_u32 << long } else { 2 };
        for choice in 0..choices {
            let doubled = if long <= MAX_RUNS { choice } else { u32::MAX * choice };
            self.add(letters.clone(), doubled, as_it_stands.clone());
        }
    }

    /// Writes the letters out; bit n of `doubled` says whether the n-th long run is two letters.
    fn add(
        &mut self,
        letters: impl Iterator<Item = char> + Clone,
        doubled: u32,
        as_it_stands: Option<impl Iterator<Item = char> + Clone>,
    ) {
        let start = self.folded.buffer.len();
        let mut seen = 0;
        for (letter, length) in runs(letters) {
            let mut times = length;
            if length >= LONG_RUN {
                times = if doubled.checked_shr(seen).unwrap_or(doubled) & 1 == 1 { 2 } else { 1 };
                seen += 1;
            }
            (0..times).for_each(|_| self.folded.buffer.push(letter));
        }
        let text = start..self.folded.buffer.len();
        let written = self.folded.text(&text);
        let is_known = || {
            let before = self.folded.readings.iter().skip(self.from);
            before.map(|reading| self.folded.text(&reading.text)).any(|other| other == written)
        };
        let stands = as_it_stands.is_some_and(|plain| written.chars().eq(plain));
        if written.len() > MAX_WORD_BYTES || stands || is_known() {
            self.folded.buffer.truncate(start);
            return;
        }
        let (original, words, fingerprint) = (self.original.clone(), self.words.clone(), Fingerprint::of(written));
        self.folded.readings.push(Reading { fingerprint, text, original, words });
    }

    /// Leaves the first in order of their letters.
    fn finish(self) {
        let Folded { buffer, readings, .. } = self.folded;
        let text = |reading: &Reading| buffer.get(reading.text.clone()).unwrap_or_default();
        if let Some(added) = readings.get_mut(self.from..) {
            added.sort_by(|left, right| text(left).cmp(text(right)));
        }
        readings.truncate(self.from + MAX_READINGS);
    }
}

fn reads_as_latin(mut letters: impl Iterator<Item = Unit> + Clone, scripts: Scripts) -> bool {
    let looks = letters.clone().any(|unit| unit.latin.is_some());
    looks && (scripts == Scripts::LatinLooking || letters.any(|unit| unit.character.is_ascii_alphabetic()))
}

fn reads_as_leet(letters: impl Iterator<Item = Unit> + Clone, context: Context) -> bool {
    let alphabetic = letters.clone().filter(|unit| unit.character.is_alphabetic()).count();
    // The shortest words that are spelt so end in an o: `t0`, `d0`.
    let shortest = alphabetic == 1 && letters.clone().skip(1).map(|unit| unit.character).eq(['0']);
    let enough = if context.joined || shortest { 1 } else { 2 };
    alphabetic >= enough && letters.into_iter().any(|unit| !leet(unit.character).is_empty())
}

/// Whether a word has three of a letter in a row.
pub(super) fn has_long_run(word: &str) -> bool {
    long_runs(word.chars()) > 0
}

fn long_runs(letters: impl Iterator<Item = char>) -> u32 {
    runs(letters).map(|(_, length)| u32::from(length >= LONG_RUN)).sum()
}

/// Letters and how often each stands in a row.
fn runs(letters: impl Iterator<Item = char>) -> impl Iterator<Item = (char, usize)> {
    let mut letters = letters.peekable();
    std::iter::from_fn(move || {
        let letter = letters.next()?;
        let mut length = 1;
        while letters.next_if_eq(&letter).is_some() {
            length += 1;
        }
        Some((letter, length))
    })
}
