//! What words may have been meant to say.

use std::ops::Range;

use super::character::{Kind, Unit, leet};
use super::{Folded, MAX_READINGS, MAX_WORD_BYTES};

/// Fewest single letters that read as one word.
const MIN_SPACED: usize = 3;
/// Longest gap between spaced-out letters, in characters.
const MAX_GAP: usize = 3;
/// More runs of repeats than this are read all short and all long only.
const MAX_RUNS: usize = 3;

/// Adds every reading of `folded`, whose words were taken from `units`.
pub(super) fn add(folded: &mut Folded, units: &[Unit]) {
    let scripts = Scripts::of(units);
    for index in 0..folded.words.len() {
        let Some(word) = folded.words.get(index).cloned() else { continue };
        let Some(letters) = units.get(word.units.clone()) else { continue };
        for reading in readings(letters.iter().copied(), Context { scripts, joined: false }) {
            folded.push_reading(&reading, word.original.clone(), index..index + 1);
        }
    }
    add_with_symbols(folded, units, scripts);
    add_spaced_out(folded, units, scripts);
    folded.readings.sort_by_key(|reading| (reading.words.start, reading.words.end));
}

/// Whether a text holds letters that are no Latin letter and look like none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scripts {
    LatinLooking,
    Others,
}

impl Scripts {
    fn of(units: &[Unit]) -> Self {
        let other =
            |unit: &Unit| unit.kind == Kind::Letter && unit.latin.is_none() && !unit.character.is_ascii_alphanumeric();
        if units.iter().any(other) { Self::Others } else { Self::LatinLooking }
    }
}

#[derive(Clone, Copy)]
struct Context {
    scripts: Scripts,
    /// The letters were not one word as they stood.
    joined: bool,
}

/// Words glued by symbols that stand for letters: `p@ss`, `a$$`.
fn add_with_symbols(folded: &mut Folded, units: &[Unit], scripts: Scripts) {
    let mut word = 0;
    while let Some(units_of_word) = folded.words.get(word).map(|word| word.units.clone()) {
        let chunk = chunk(units, units_of_word);
        let after = folded.words.iter().skip(word).take_while(|later| later.units.end <= chunk.end).count().max(1);
        let letters = units.get(chunk).unwrap_or_default();
        if let (true, Some(first), Some(last)) =
            (letters.iter().any(|unit| unit.kind == Kind::Symbol), letters.first(), letters.last())
        {
            for reading in readings(letters.iter().copied(), Context { scripts, joined: true }) {
                folded.push_reading(&reading, first.start..last.end, word..word + after);
            }
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
fn add_spaced_out(folded: &mut Folded, units: &[Unit], scripts: Scripts) {
    let mut first = 0;
    while first < folded.words.len() {
        let run = spaced_run(folded, units, first);
        let length = run.len();
        add_joined(folded, units, run.clone(), scripts);
        let pronoun = folded.words.get(first).is_some_and(|word| matches!(folded.text(&word.text), "i" | "a" | "u"));
        if pronoun {
            add_joined(folded, units, run.start + 1..run.end.max(run.start + 1), scripts);
        }
        // The last letter may begin another run, with another gap.
        first += length.saturating_sub(1).max(1);
    }
}

fn spaced_run(folded: &Folded, units: &[Unit], first: usize) -> Range<usize> {
    let single = |index: usize| folded.words.get(index).filter(|word| word.units.len() == 1);
    let gap = |index: usize| -> Option<&[Unit]> {
        let (left, right) = (single(index)?, single(index + 1)?);
        units.get(left.units.end..right.units.start).filter(|gap| gap.len() <= MAX_GAP)
    };
    let Some(pattern) = gap(first) else { return first..first + 1 };
    let same = |index: &usize| {
        gap(*index).is_some_and(|gap| gap.iter().map(|u| u.character).eq(pattern.iter().map(|u| u.character)))
    };
    let gaps = (first..).take_while(same).count();
    first..first + gaps + 1
}

fn add_joined(folded: &mut Folded, units: &[Unit], words: Range<usize>, scripts: Scripts) {
    if words.len() < MIN_SPACED {
        return;
    }
    let Some(original) = folded.original(words.start, words.end) else { return };
    let run = folded.words.get(words.clone()).unwrap_or_default();
    let letters: Vec<Unit> = run.iter().filter_map(|word| units.get(word.units.start).copied()).collect();
    for reading in readings(letters.into_iter(), Context { scripts, joined: true }) {
        folded.push_reading(&reading, original.clone(), words.clone());
    }
}

/// Readings of a run of letters and symbols: at most [`MAX_READINGS`], none longer than [`MAX_WORD_BYTES`], and none
/// that is the word as it stands.
fn readings(letters: impl Iterator<Item = Unit> + Clone, context: Context) -> Vec<String> {
    let plain = || letters.clone().map(|unit| unit.character);
    let needs_none = |character: char| character.is_ascii_lowercase();
    if !context.joined && plain().all(needs_none) && !has_long_run(plain()) {
        return Vec::new();
    }
    let latin = reads_as_latin(letters.clone(), context.scripts);
    let spelled = letters.clone().map(|unit| unit.latin.filter(|_| latin).unwrap_or(unit.character));
    let mut found: Vec<String> = Vec::new();
    if plain().all(char::is_alphanumeric) {
        found.extend(shortened(spelled.clone()));
    }
    if reads_as_leet(letters.clone(), context) {
        for choice in 0..2 {
            let pick = |character: char| {
                let letters = leet(character);
                letters.get(choice).or_else(|| letters.first()).copied().unwrap_or(character)
            };
            found.extend(shortened(spelled.clone().map(pick)));
        }
    }
    found.retain(|reading| context.joined || !reading.chars().eq(plain()));
    found.sort();
    found.dedup();
    found.truncate(MAX_READINGS);
    found
}

fn has_long_run(letters: impl Iterator<Item = char>) -> bool {
    runs(letters).iter().any(|(_, length)| *length >= 3)
}

fn reads_as_latin(mut letters: impl Iterator<Item = Unit> + Clone, scripts: Scripts) -> bool {
    let looks = letters.clone().any(|unit| unit.latin.is_some());
    looks && (scripts == Scripts::LatinLooking || letters.any(|unit| unit.character.is_ascii_alphabetic()))
}

fn reads_as_leet(letters: impl Iterator<Item = Unit> + Clone, context: Context) -> bool {
    let alphabetic = letters.clone().filter(|unit| unit.character.is_alphabetic()).count();
    let enough = if context.joined { 1 } else { 2 };
    alphabetic >= enough && letters.into_iter().any(|unit| !leet(unit.character).is_empty())
}

/// A run of letters with every repeat of three or more as one letter and as two.
fn shortened(letters: impl Iterator<Item = char>) -> Vec<String> {
    let runs = runs(letters);
    let long = runs.iter().filter(|(_, length)| *length >= 3).count();
    if runs.len() > MAX_WORD_BYTES {
        return Vec::new();
    }
    let every = 1_u32.checked_shl(u32::try_from(long).unwrap_or(u32::MAX)).unwrap_or(u32::MAX);
    let choices: Vec<u32> = if long <= MAX_RUNS { (0..every).collect() } else { vec![0, u32::MAX] };
    choices.into_iter().map(|doubled| spell(&runs, doubled)).filter(|word| word.len() <= MAX_WORD_BYTES).collect()
}

/// Writes runs out; bit n of `doubled` says whether the n-th long run is two letters.
fn spell(runs: &[(char, usize)], doubled: u32) -> String {
    let mut word = String::with_capacity(runs.len() + 1);
    let mut seen = 0;
    for (letter, length) in runs {
        let mut times = *length;
        if *length >= 3 {
            times = if doubled.checked_shr(seen).unwrap_or(doubled) & 1 == 1 { 2 } else { 1 };
            seen += 1;
        }
        word.extend(std::iter::repeat_n(*letter, times));
    }
    word
}

fn runs(letters: impl Iterator<Item = char>) -> Vec<(char, usize)> {
    let mut runs: Vec<(char, usize)> = Vec::new();
    for letter in letters {
        match runs.last_mut() {
            Some((last, length)) if *last == letter => *length += 1,
            Some(_) | None => runs.push((letter, 1)),
        }
    }
    runs
}
