//! Ways of writing a word so that a filter passes it over, and one letter more that makes it another word.
//!
//! Each is made from the word alone, so that the same example gives the same spellings everywhere. A spelling that could
//! not be read back, or says nothing of the reader, is not made: digits in a word of one letter, or letters spaced out
//! in a word of two.

/// A way of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spelling {
    /// Digits that look like letters.
    Leet,
    /// A space between the letters.
    Spaced,
    /// A dot between the letters.
    Dotted,
    /// Zero-width characters between the letters.
    ZeroWidth,
    /// Letters of other scripts that look alike.
    Confusable,
    /// A letter repeated.
    Repeated,
    /// Capitals and small letters in turn.
    Case,
    /// Full-width letters.
    Width,
}

/// Fewest letters that are read as one word when they stand apart.
const LEAST_APART: usize = 3;
/// Fewest letters beside the digits of a word.
const LEAST_LETTERS: usize = 2;
/// The letter put inside a word: rare, and none that digits or other scripts stand for.
const STRANGE: char = 'q';

impl Spelling {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Leet,
        Self::Spaced,
        Self::Dotted,
        Self::ZeroWidth,
        Self::Confusable,
        Self::Repeated,
        Self::Case,
        Self::Width,
    ];

    /// What it is, in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leet => "digits for letters",
            Self::Spaced => "letters spaced out",
            Self::Dotted => "dots between letters",
            Self::ZeroWidth => "zero-width characters",
            Self::Confusable => "look-alike letters",
            Self::Repeated => "repeated letters",
            Self::Case => "capitals in turn",
            Self::Width => "full-width letters",
        }
    }

    /// Whether the letters of a word are words of their own to whoever counts them.
    pub(super) fn stands_apart(self) -> bool {
        matches!(self, Self::Spaced | Self::Dotted)
    }

    /// The word so written; `None` for one that cannot be, or holds other characters than plain letters.
    pub(super) fn of(self, word: &str) -> Option<String> {
        if word.is_empty() || !word.bytes().all(|b| b.is_ascii_alphabetic()) {
            return None;
        }
        let letters = word.len();
        let written = match self {
            Self::Leet => leet(word)?,
            Self::Spaced if letters >= LEAST_APART => between(word, ' '),
            Self::Dotted if letters >= LEAST_APART => between(word, '.'),
            Self::Spaced | Self::Dotted => return None,
            Self::ZeroWidth => between(word, '\u{200b}'),
            Self::Confusable => word.chars().map(confusable).collect(),
            Self::Repeated => repeated(word)?,
            Self::Case => in_turn(word),
            Self::Width => word.chars().map(full_width).collect(),
        };
        (written != word).then_some(written)
    }
}

/// The word with a letter inside that does not belong there; `None` for one too short to have an inside.
pub(super) fn with_strange_letter(word: &str) -> Option<String> {
    let inside = word.char_indices().nth(1).filter(|_| word.chars().all(char::is_alphanumeric));
    let (at, _) = inside?;
    let (before, after) = word.split_at_checked(at)?;
    Some(format!("{before}{STRANGE}{after}"))
}

/// Every letter with one digit, but for the letters needed to see a word; `l` stays, as `1` is read as `i` in such a word.
fn leet(word: &str) -> Option<String> {
    let digit = |letter: char| match letter.to_ascii_lowercase() {
        'o' => Some('0'),
        'i' => Some('1'),
        'e' => Some('3'),
        'a' => Some('4'),
        's' => Some('5'),
        't' => Some('7'),
        'b' => Some('8'),
        'g' => Some('9'),
        _ => None,
    };
    let kept = word.chars().filter(|letter| digit(*letter).is_none()).count();
    let mut spare = LEAST_LETTERS.saturating_sub(kept);
    let written: String = word
        .chars()
        .map(|letter| match digit(letter) {
            Some(_) if spare > 0 => {
                spare -= 1;
                letter
            }
            Some(digit) => digit,
            None => letter,
        })
        .collect();
    (word.len() > LEAST_LETTERS && written != word).then_some(written)
}

fn between(word: &str, gap: char) -> String {
    let mut written = String::new();
    for letter in word.chars() {
        if !written.is_empty() {
            written.push(gap);
        }
        written.push(letter);
    }
    written
}

/// Cyrillic letters that look like Latin ones.
fn confusable(letter: char) -> char {
    match letter {
        'a' => 'а',
        'c' => 'с',
        'e' => 'е',
        'i' => 'і',
        'o' => 'о',
        'p' => 'р',
        's' => 'ѕ',
        'x' => 'х',
        'y' => 'у',
        other => other,
    }
}

/// The first letter without a like neighbour, four times.
fn repeated(word: &str) -> Option<String> {
    let letters: Vec<char> = word.chars().collect();
    let alone = |at: &usize| {
        let same = |other: Option<usize>| other.and_then(|other| letters.get(other)) == letters.get(*at);
        !same(at.checked_sub(1)) && !same(Some(at + 1))
    };
    let at = (0..letters.len()).find(alone)?;
    let times = |(place, letter): (usize, &char)| std::iter::repeat_n(*letter, if place == at { 4 } else { 1 });
    Some(letters.iter().enumerate().flat_map(times).collect())
}

fn in_turn(word: &str) -> String {
    let turned = |(at, letter): (usize, char)| match at % 2 {
        0 => letter.to_ascii_uppercase(),
        _ => letter.to_ascii_lowercase(),
    };
    word.chars().enumerate().map(turned).collect()
}

fn full_width(letter: char) -> char {
    char::from_u32(u32::from(letter) + 0xfee0).unwrap_or(letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::fold;

    fn spelt(word: &str) -> Vec<Option<String>> {
        Spelling::ALL.into_iter().map(|spelling| spelling.of(word)).collect()
    }

    #[test]
    fn a_word_is_written_in_every_way() {
        let written: Vec<String> = spelt("boat").into_iter().map(Option::unwrap).collect();
        assert_eq!(written[0], "bo47", "two letters stay");
        assert_eq!(written[1..3], ["b o a t", "b.o.a.t"]);
        assert_eq!(written[5..], ["bbbboat", "BoAt", "ｂｏａｔ"]);
    }

    #[test]
    fn what_cannot_be_read_back_is_not_written() {
        assert_eq!(spelt("mp3"), vec![None; 8]);
        assert_eq!((Spelling::Leet.of("to"), Spelling::Spaced.of("to"), Spelling::Dotted.of("i")), (None, None, None));
        assert_eq!((with_strange_letter("a"), with_strange_letter("owl").as_deref()), (None, Some("oqwl")));
    }

    #[test]
    fn every_spelling_is_read_as_the_word() {
        for word in ["barn", "owl", "kestrel", "goose", "nightjar", "ill", "tit", "sisal", "bulbul"] {
            for spelling in Spelling::ALL {
                let Some(written) = spelling.of(word) else { continue };
                let folded = fold(&written);
                let read = folded.steps(0).any(|step| step.word == word && step.next == folded.len());
                assert!(read, "{word} as {written}");
            }
            let strange = with_strange_letter(word).unwrap();
            assert!(fold(&strange).steps(0).all(|step| step.word != word), "{strange}");
        }
    }
}
