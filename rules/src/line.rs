//! A folded text as one line: its words as they stand, with one space between them.

use std::ops::Range;

use crate::Text;
use crate::fold::{Folded, fold};

/// A text as its words alone.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) text: String,
    /// Where each word begins.
    starts: Vec<usize>,
    folded: Folded,
}

impl Line {
    /// The line of a text, of which no more is looked at than a sensor hands on.
    pub(crate) fn new(text: &str) -> Self {
        let folded = fold(text.get(..text.floor_char_boundary(Text::MAX_BYTES)).unwrap_or_default());
        let (mut line, mut starts) = (String::new(), Vec::with_capacity(folded.len()));
        for word in folded.words() {
            if !line.is_empty() {
                line.push(' ');
            }
            starts.push(line.len());
            line.push_str(word);
        }
        Self { text: line, starts, folded }
    }

    /// Number of words.
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Where a word begins.
    pub(crate) fn start(&self, word: usize) -> Option<usize> {
        self.starts.get(word).copied()
    }

    /// How many words begin before a byte.
    pub(crate) fn words_before(&self, byte: usize) -> usize {
        self.starts.partition_point(|start| *start < byte)
    }

    /// The text of a run of words.
    pub(crate) fn words(&self, words: &Range<usize>) -> Option<&str> {
        let start = self.start(words.start)?;
        let last = words.end.checked_sub(1).and_then(|last| self.start(last)).filter(|_| words.end <= self.len())?;
        let end = self.start(words.end).map_or(self.text.len(), |next| next - 1);
        (start <= last).then(|| self.text.get(start..end))?
    }

    /// Original bytes of a run of words.
    pub(crate) fn original(&self, words: &Range<usize>) -> Option<Range<usize>> {
        self.folded.original(words.start, words.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_one_space_between_words() {
        let line = Line::new("«Tawny»  OWL, café.");
        assert_eq!((line.text.as_str(), line.len()), ("tawny owl cafe", 3));
        assert_eq!((line.start(1), line.start(3)), (Some(6), None));
        assert_eq!((line.words_before(6), line.words_before(7)), (1, 2));
        assert_eq!(line.original(&(1..3)), Some(11..21));
        assert_eq!((line.words(&(1..2)), line.words(&(1..3))), (Some("owl"), Some("owl cafe")));
        assert_eq!((line.words(&(1..4)), line.words(&(1..1)), line.words(&(3..4))), (None, None, None));
    }
}
