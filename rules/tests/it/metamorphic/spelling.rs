//! The same words, spelt so that a person still reads them.

use std::ops::Range;

/// A way of spelling a text, by its name.
pub(super) type Spelling = (&'static str, fn(&str) -> String);

/// What changes no letter for the eye, or one letter in each word.
pub(super) const OF_EVERY_WORD: [Spelling; 9] = [
    ("upper case", |text| text.to_uppercase()),
    ("full width", |text| text.chars().map(full_width).collect()),
    ("zero-width spaces", |text| after_letters(text, '\u{200b}')),
    ("struck through", |text| after_letters(text, '\u{335}')),
    ("soft hyphens and marks", |text| after_letters(&after_letters(text, '\u{ad}'), '\u{301}')),
    ("look-alikes", |text| in_words(text, |letters| one_letter(letters, look_alike))),
    ("leet", |text| in_words(text, |letters| one_letter(letters, leet))),
    ("repeats", |text| in_words(text, repeated)),
    ("curly apostrophes", |text| text.replace('\'', "\u{2019}")),
];

/// What takes the letters of one word apart.
pub(super) const OF_ONE_WORD: [Spelling; 4] = [
    ("spaced", |word| between(word, " ")),
    ("dotted", |word| between(word, ".")),
    ("dashed", |word| between(word, " - ")),
    ("underlined", |word| between(word, "_")),
];

/// The words of a text that are nothing but small or capital Latin letters.
pub(super) fn plain_words(text: &str) -> Vec<Range<usize>> {
    let all = words(text).into_iter();
    all.filter(|word| text[word.clone()].bytes().all(|byte| byte.is_ascii_alphabetic())).collect()
}

/// A word with two letters in its middle that no rule has there.
pub(super) fn broken(word: &str) -> String {
    let middle = word.floor_char_boundary(word.len() / 2);
    format!("{}qz{}", &word[..middle], &word[middle..])
}

/// Runs of letters, digits, marks and apostrophes: what a fold keeps together.
pub(super) fn words(text: &str) -> Vec<Range<usize>> {
    let within = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’' | '`' | '\u{300}'..='\u{36f}');
    let mut words: Vec<Range<usize>> = Vec::new();
    for (at, character) in text.char_indices().filter(|(_, character)| within(*character)) {
        match words.last_mut().filter(|word| word.end == at) {
            Some(word) => word.end = at + character.len_utf8(),
            None => words.push(at..at + character.len_utf8()),
        }
    }
    words
}

fn in_words(text: &str, spell: fn(&str) -> String) -> String {
    let mut out = text.to_owned();
    for word in plain_words(text).into_iter().rev() {
        out.replace_range(word.clone(), &spell(&text[word]));
    }
    out
}

fn full_width(character: char) -> char {
    let wide = u32::from(character) + 0xfee0;
    if character.is_ascii_alphanumeric() { char::from_u32(wide).unwrap() } else { character }
}

fn after_letters(text: &str, mark: char) -> String {
    let spell = |letter: char| [Some(letter), letter.is_alphanumeric().then_some(mark)];
    text.chars().flat_map(spell).flatten().collect()
}

fn between(word: &str, gap: &str) -> String {
    word.chars().map(String::from).collect::<Vec<_>>().join(gap)
}

/// The last letter that can be, for another; the word keeps two letters as they were.
fn one_letter(word: &str, other: fn(char) -> Option<char>) -> String {
    let place = word.char_indices().rev().find_map(|(at, letter)| Some((at, other(letter)?)));
    let (Some((at, other)), 3..) = (place, word.len()) else { return word.to_owned() };
    let mut spelt = word.to_owned();
    spelt.replace_range(at..at + 1, &other.to_string());
    spelt
}

/// The first letter that does not stand beside its like, five times.
fn repeated(word: &str) -> String {
    let letters = word.to_ascii_lowercase().into_bytes();
    let beside = |at: usize, other: usize| letters.get(other).is_some_and(|other| *other == letters[at]);
    let alone = |at: &usize| !beside(*at, at + 1) && !beside(*at, at.wrapping_sub(1));
    let Some(at) = (0..letters.len()).find(alone) else { return word.to_owned() };
    format!("{}{}{}", &word[..at], word[at..=at].repeat(5), &word[at + 1..])
}

fn look_alike(letter: char) -> Option<char> {
    let pairs = [('a', 'а'), ('c', 'с'), ('e', 'е'), ('o', 'о'), ('p', 'р'), ('x', 'х'), ('i', 'і'), ('h', 'һ')];
    pairs.into_iter().find_map(|(latin, other)| (letter.to_ascii_lowercase() == latin).then_some(other))
}

fn leet(letter: char) -> Option<char> {
    let pairs = [('o', '0'), ('i', '1'), ('l', '1'), ('e', '3'), ('a', '4'), ('s', '5'), ('t', '7'), ('b', '8')];
    pairs.into_iter().find_map(|(latin, digit)| (letter.to_ascii_lowercase() == latin).then_some(digit))
}
