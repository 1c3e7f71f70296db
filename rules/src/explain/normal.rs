//! How a text is read, for people.

use crate::Text;
use crate::fold::fold;

/// A word as rules see it, or what it may have been meant to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadWord {
    /// The folded word.
    pub word: String,
    /// First byte of the original.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
    /// Whether it is a reading of what stands there rather than the word itself.
    pub is_reading: bool,
}

impl Text {
    /// The folded words of the text, each followed by the readings that begin with it.
    #[must_use]
    pub fn read(&self) -> Vec<ReadWord> {
        let original = self.text.get(..self.text.floor_char_boundary(Self::MAX_BYTES)).unwrap_or_default();
        let folded = fold(original);
        let mut words = Vec::new();
        for first in 0..folded.len() {
            words.extend(folded.steps(first).enumerate().map(|(at, step)| ReadWord {
                word: step.word.to_owned(),
                start: step.start,
                end: step.end,
                is_reading: at > 0,
            }));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scope;

    #[test]
    fn readings_follow_the_word_they_begin_with() {
        let read = Text::new(Scope::Title, "B4rn o w l").read();
        let read: Vec<_> =
            read.iter().map(|word| (word.word.as_str(), word.start..word.end, word.is_reading)).collect();
        let expected = [
            ("b4rn", 0..4, false),
            ("barn", 0..4, true),
            ("o", 5..6, false),
            ("owl", 5..10, true),
            ("w", 7..8, false),
            ("l", 9..10, false),
        ];
        assert_eq!(read, expected);
    }
}
