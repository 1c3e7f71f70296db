//! Folding, from the table in `fold.rs`'s documentation: every list is made in full, nothing is looked up, nothing bounded
//! but what the documentation bounds.

use std::collections::BTreeSet;
use std::ops::Range;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::canonical_combining_class;

const LONGEST_BYTES: usize = 64;
const MOST_READINGS: usize = 16;
const WIDEST_GAP: usize = 3;
/// The letter of a script without spaces that the generator knows.
const ALONE: char = '字';

/// Pairs of a letter and the Latin one it looks like, of those that the generator knows.
const LOOK_ALIKES: [(char, char); 13] = [
    ('а', 'a'),
    ('А', 'a'),
    ('е', 'e'),
    ('і', 'i'),
    ('к', 'k'),
    ('н', 'h'),
    ('о', 'o'),
    ('ο', 'o'),
    ('ѕ', 's'),
    ('т', 't'),
    ('Т', 't'),
    ('Ν', 'n'),
    ('ν', 'v'),
];

/// A folded text: everything that can be read at each word.
pub(super) struct Folded {
    /// Bytes of the original, word by word.
    pub(super) words: Vec<Range<usize>>,
    pub(super) steps: Vec<Step>,
}

/// A word, or what words may have been meant to say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step {
    pub(super) first: usize,
    pub(super) next: usize,
    pub(super) text: String,
    pub(super) original: (usize, usize),
}

#[derive(Clone, Copy)]
struct Unit {
    folded: char,
    latin: Option<char>,
    start: usize,
    end: usize,
}

/// Folds `text`; nothing when a word has more readings than are kept, as which ones are is said nowhere.
pub(super) fn fold(text: &str) -> Option<Folded> {
    let units = units(text);
    let words = words(&units);
    let is_latin = |unit: &Unit| unit.folded.is_ascii_alphabetic();
    let foreign =
        |unit: &Unit| unit.is_letter() && unit.latin.is_none() && unit.folded.is_alphabetic() && !is_latin(unit);
    let is_foreign = units.iter().any(foreign) && !units.iter().any(is_latin);
    let mut steps = BTreeSet::new();
    let mut add = |first: usize, next: usize, letters: &[Unit], texts: BTreeSet<String>| {
        let original = (letters[0].start, letters[letters.len() - 1].end);
        let fits = texts.len() <= MOST_READINGS;
        steps.extend(texts.into_iter().map(|text| Step { first, next, text, original }));
        fits.then_some(())
    };
    for (number, word) in words.iter().enumerate() {
        let letters = &units[word.clone()];
        let plain: String = letters.iter().map(|unit| unit.folded).collect();
        let mut readings = readings(letters, 2, is_foreign);
        readings.remove(&plain);
        add(number, number + 1, letters, readings)?;
        add(number, number + 1, letters, [plain].into())?;
    }
    for glued in stretches(&units, |unit| unit.is_letter() || unit.is_symbol()) {
        let inside = |word: &&Range<usize>| glued.start <= word.start && word.end <= glued.end;
        let first = words.iter().filter(|word| word.end <= glued.start).count();
        let count = words.iter().filter(inside).count();
        let letters = without_edges(&units[glued.clone()]);
        if count > 0 && letters.iter().any(Unit::is_symbol) {
            add(first, first + count, letters, readings(letters, 1, is_foreign))?;
        }
    }
    for (first, next) in spelt_out(&units, &words) {
        let letters: Vec<Unit> = words[first..next].iter().map(|word| units[word.start]).collect();
        add(first, next, &letters, readings(&letters, 1, is_foreign))?;
    }
    let words = words.iter().map(|word| units[word.start].start..units[word.end - 1].end).collect();
    Some(Folded { words, steps: steps.into_iter().collect() })
}

/// The words of a phrase.
pub(super) fn phrase(text: &str) -> Vec<String> {
    let units = units(text);
    let word = |word: Range<usize>| units[word].iter().map(|unit| unit.folded).collect();
    words(&units).into_iter().map(word).collect()
}

/// Longest stretches of letters; a letter of a script without spaces is a word of its own.
fn words(units: &[Unit]) -> Vec<Range<usize>> {
    let mut words = stretches(units, |unit| unit.is_letter() && unit.folded != ALONE);
    words.extend((0..units.len()).filter(|at| units[*at].folded == ALONE).map(|at| at..at + 1));
    words.sort_by_key(|word| word.start);
    words
}

impl Unit {
    fn is_letter(&self) -> bool {
        self.folded.is_alphanumeric()
    }

    fn is_symbol(&self) -> bool {
        "@$!|+".contains(self.folded)
    }
}

fn units(text: &str) -> Vec<Unit> {
    let mut units = Vec::new();
    for (start, written) in text.char_indices().filter(|(_, written)| !vanishes(*written)) {
        let end = start + written.len_utf8();
        let latin = |letter: char| LOOK_ALIKES.iter().find(|(other, _)| *other == letter).map(|(_, latin)| *latin);
        for part in capital(written).to_string().nfkd() {
            for folded in part.to_lowercase().to_string().nfkd() {
                let latin = latin(part).or(latin(folded));
                match folded {
                    'ß' => units.extend(['s'; 2].map(|folded| Unit { folded, latin: None, start, end })),
                    'ς' => units.push(Unit { folded: 'σ', latin, start, end }),
                    mark if canonical_combining_class(mark) != 0 => {}
                    folded => units.push(Unit { folded, latin, start, end }),
                }
            }
        }
    }
    units
}

/// Apostrophes, a control, zero-width and bidirectional characters, of those that the generator knows.
fn vanishes(character: char) -> bool {
    matches!(character, '\'' | '’' | '\u{7}' | '\u{ad}' | '\u{200b}' | '\u{200d}' | '\u{202e}' | '\u{feff}')
}

/// Letters in filled circles and squares.
fn capital(character: char) -> char {
    let of = |first: char| (u32::from(character).checked_sub(u32::from(first))).filter(|place| *place < 26);
    let place = of('🅐').or_else(|| of('🅰'));
    place.and_then(|place| char::from_u32(u32::from('A') + place)).unwrap_or(character)
}

/// Longest stretches of units that are all `so`.
fn stretches(units: &[Unit], so: impl Fn(&Unit) -> bool) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for at in (0..units.len()).filter(|at| so(&units[*at])) {
        match found.last_mut().filter(|stretch| stretch.end == at) {
            Some(stretch) => stretch.end = at + 1,
            None => found.push(at..at + 1),
        }
    }
    found
}

/// Exclamation marks and the like at either end say nothing.
fn without_edges(mut letters: &[Unit]) -> &[Unit] {
    let is_edge = |unit: &Unit| "!|+".contains(unit.folded);
    while let Some((_, rest)) = letters.split_first().filter(|(first, _)| is_edge(first)) {
        letters = rest;
    }
    while let Some((_, rest)) = letters.split_last().filter(|(last, _)| is_edge(last)) {
        letters = rest;
    }
    letters
}

/// Longest runs of three or more single letters with the same gap between them; also without a pronoun before them.
fn spelt_out(units: &[Unit], words: &[Range<usize>]) -> Vec<(usize, usize)> {
    let gap = |left: usize| -> Option<String> {
        let (left, right) = (&words[left], words.get(left + 1)?);
        let gap: String = units[left.end..right.start].iter().map(|unit| unit.folded).collect();
        let single = |word: &Range<usize>| word.len() == 1 && units[word.start].folded != ALONE;
        (single(left) && single(right) && gap.chars().count() <= WIDEST_GAP).then_some(gap)
    };
    let mut found = Vec::new();
    for first in 0..words.len() {
        let before = first.checked_sub(1).and_then(gap);
        let Some(pattern) = gap(first).filter(|pattern| before.as_ref() != Some(pattern)) else { continue };
        let next = (first + 1..).find(|at| *at >= words.len() || gap(*at).as_ref() != Some(&pattern));
        let next = next.unwrap() + 1;
        let pronoun = "iau".contains(units[words[first].start].folded);
        let starts = if pronoun { vec![first, first + 1] } else { vec![first] };
        found.extend(starts.into_iter().filter(|start| start + 3 <= next).map(|start| (start, next)));
    }
    found
}

/// What letters and symbols may say, themselves included.
fn readings(letters: &[Unit], least_letters: usize, is_foreign: bool) -> BTreeSet<String> {
    let is_mixed = letters.iter().any(|unit| unit.folded.is_ascii_alphabetic());
    let latin = |unit: &Unit| if is_mixed || !is_foreign { unit.latin.unwrap_or(unit.folded) } else { unit.folded };
    let spelled: Vec<char> = letters.iter().map(latin).collect();
    let mut all = BTreeSet::new();
    if letters.iter().all(Unit::is_letter) {
        all.extend(shortened(&spelled));
    }
    let alphabetic = letters.iter().filter(|unit| unit.folded.is_alphabetic()).count();
    let shortest = letters.len() == 2 && letters[0].folded.is_alphabetic() && letters[1].folded == '0';
    let least_letters = if shortest { 1 } else { least_letters };
    if alphabetic >= least_letters && spelled.iter().any(|letter| leet(*letter, 'i') != *letter) {
        for one in ['i', 'l'] {
            all.extend(shortened(&spelled.iter().map(|letter| leet(*letter, one)).collect::<Vec<_>>()));
        }
    }
    all
}

fn leet(written: char, one: char) -> char {
    match written {
        '0' => 'o',
        '1' => one,
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' | '+' => 't',
        '8' => 'b',
        '9' => 'g',
        '!' => 'i',
        '|' => 'l',
        other => other,
    }
}

/// Every run of three or more as one letter and as two, each for itself; above three such runs, all alike.
fn shortened(letters: &[char]) -> Vec<String> {
    let runs: Vec<&[char]> = letters.chunk_by(|left, right| left == right).collect();
    let long = runs.iter().filter(|run| run.len() >= 3).count();
    let mut all = vec![(String::new(), BTreeSet::new())];
    for run in runs {
        let lengths = if run.len() >= 3 { vec![1, 2] } else { vec![run.len()] };
        let longer = |(text, chosen): (String, BTreeSet<usize>)| {
            lengths
                .iter()
                .map(move |length| {
                    let mut chosen = chosen.clone();
                    chosen.extend((run.len() >= 3).then_some(*length));
                    (text.clone() + &run[0].to_string().repeat(*length), chosen)
                })
                .collect::<Vec<_>>()
        };
        all = all.into_iter().flat_map(longer).collect();
    }
    let kept =
        |(text, chosen): &(String, BTreeSet<usize>)| text.len() <= LONGEST_BYTES && (long <= 3 || chosen.len() <= 1);
    all.into_iter().filter(kept).map(|(text, _)| text).collect()
}
