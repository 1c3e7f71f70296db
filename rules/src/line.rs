//! A folded text as one line: its words as they stand, with one space between them.

use crate::fold::Folded;

/// A text as its words alone.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) text: String,
    /// Where each word begins.
    starts: Vec<usize>,
}

impl Line {
    /// The line of a folded text.
    pub(crate) fn of(folded: &Folded) -> Self {
        let (mut line, mut starts) = (String::new(), Vec::with_capacity(folded.len()));
        for word in folded.words() {
            if !line.is_empty() {
                line.push(' ');
            }
            starts.push(line.len());
            line.push_str(word);
        }
        Self { text: line, starts }
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::fold;

    #[test]
    fn a_line_has_one_space_between_words() {
        let folded = fold("«Tawny»  OWL, café.");
        let line = Line::of(&folded);
        assert_eq!((line.text.as_str(), line.len()), ("tawny owl cafe", 3));
        assert_eq!((line.start(1), line.start(3)), (Some(6), None));
        assert_eq!((line.words_before(6), line.words_before(7)), (1, 2));
    }
}
