//! Regular expressions on folded text: the search alone, with automata that the compiler made.
//!
//! An automaton begins at the start of a word and accepts at the end of one; of several ends the last counts. Each byte
//! costs one step, and a search ends with the words that its expression can take in, so that the time is linear.
//! Nothing is searched in a text that has none of the letters which every match holds.

use std::ops::Range;

use regex_automata::dfa::{Automaton, sparse};
use regex_automata::{Anchored, Input};

use crate::line::Line;

/// A compiled expression of a rule.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub(crate) rule: u32,
    /// Letters of which some stand in every match.
    pub(crate) literals: Vec<String>,
    automaton: sparse::DFA<Vec<u8>>,
}

impl Pattern {
    /// Takes an automaton as [`Pattern::automaton`] gives it; `None` where it is none, or not that alone.
    pub(crate) fn new(rule: u32, literals: Vec<String>, automaton: &[u8]) -> Option<Self> {
        let (read, bytes) = sparse::DFA::from_bytes(automaton).ok()?;
        (bytes == automaton.len()).then(|| Self { rule, literals, automaton: read.to_owned() })
    }

    /// The automaton for an artefact. Devices are little-endian; elsewhere it is refused when it is read.
    pub(crate) fn automaton(&self) -> Vec<u8> {
        self.automaton.to_bytes_little_endian()
    }

    /// The runs of words that match, one after the other.
    pub(crate) fn matches(&self, line: &Line) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        if !self.literals.iter().any(|literal| line.text.contains(literal.as_str())) {
            return found;
        }
        let mut first = 0;
        while first < line.len() {
            let next = self.end(line, first).filter(|next| *next > first);
            found.extend(next.map(|next| first..next));
            first = next.unwrap_or(first + 1);
        }
        found
    }

    /// One past the last word of a match that begins with `first`.
    fn end(&self, line: &Line, first: usize) -> Option<usize> {
        let input = Input::new(line.text.as_str()).range(line.start(first)?..).anchored(Anchored::Yes);
        let found = self.automaton.try_search_fwd(&input).ok()??;
        Some(line.words_before(found.offset()))
    }
}
