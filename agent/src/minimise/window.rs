//! A stretch of one of a signal's texts.

use lapwing_proto::bounds::MAX_EXCERPT_BYTES;
use lapwing_rules::Text;

/// How much a window grows on either side at a time, in bytes.
const STEP: usize = 16;

/// A stretch of the text at `index`, on character boundaries, at most [`MAX_EXCERPT_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    index: usize,
    start: usize,
    end: usize,
}

impl Window {
    /// The stretch from `start` to `end`, cut at its end where it is over the bound.
    pub(super) fn around(index: usize, text: &Text, start: usize, end: usize) -> Self {
        let end = end.min(start.saturating_add(MAX_EXCERPT_BYTES));
        Self { index, start, end: text.text.floor_char_boundary(end) }
    }

    /// The whole text; where it is over the bound, the stretch that begins shortly before `matched`.
    pub(super) fn whole(index: usize, text: &Text, matched: usize) -> Self {
        let length = text.text.len();
        if length <= MAX_EXCERPT_BYTES {
            return Self { index, start: 0, end: length };
        }
        let start = matched.saturating_sub(MAX_EXCERPT_BYTES / 4).min(length - MAX_EXCERPT_BYTES);
        Self::around(index, text, text.text.ceil_char_boundary(start), length)
    }

    /// Grows on both sides to whole words; answers whether it did.
    pub(super) fn widen(&mut self, texts: &[Text]) -> bool {
        let Some(Text { text, .. }) = texts.get(self.index) else { return false };
        let start = word_start(text, self.start.saturating_sub(STEP));
        let end = word_end(text, self.end.saturating_add(STEP));
        let grown = if end - start <= MAX_EXCERPT_BYTES {
            Self { index: self.index, start, end }
        } else {
            let spare = MAX_EXCERPT_BYTES - (self.end - self.start);
            let start = text.ceil_char_boundary(self.start.saturating_sub(spare / 2).max(start));
            let end = text.floor_char_boundary(start.saturating_add(MAX_EXCERPT_BYTES).min(end));
            Self { index: self.index, start, end: end.max(self.end) }
        };
        let grew = grown != *self;
        *self = grown;
        grew
    }

    pub(super) fn start(&self) -> usize {
        self.start
    }

    pub(super) fn holds(&self, index: usize, start: usize, end: usize) -> bool {
        self.index == index && self.start <= start && end <= self.end
    }

    pub(super) fn text(&self, texts: &[Text]) -> Text {
        let Some(Text { scope, text }) = texts.get(self.index) else {
            return Text::new(lapwing_rules::Scope::App, "");
        };
        Text::new(*scope, text.get(self.start..self.end).unwrap_or_default())
    }
}

fn word_start(text: &str, at: usize) -> usize {
    let at = text.floor_char_boundary(at);
    let before = text.get(..at).unwrap_or_default();
    before.rfind(char::is_whitespace).map_or(0, |space| text.ceil_char_boundary(space + 1))
}

fn word_end(text: &str, at: usize) -> usize {
    let at = text.ceil_char_boundary(at.min(text.len()));
    let after = text.get(at..).unwrap_or_default();
    after.find(char::is_whitespace).map_or(text.len(), |space| at + space)
}
