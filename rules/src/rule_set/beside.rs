//! What is found beside phrases, letters and hosts: regular expressions and hashed lists. A rule set without them pays
//! nothing for them.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::ops::Range;

use super::{Layer, MAX_TEXTS};
use crate::hashed::{HashedKind, HashedList};
use crate::line::Line;
use crate::matcher::{Find, Source, WHOLE};
use crate::program::Role;
use crate::{Band, Scope, Text};

type Finds = BTreeMap<u32, Vec<Find>>;

impl Layer {
    /// Adds what rules for this band find beside.
    pub(super) fn find_beside(&self, texts: &[Text], band: Band, finds: &mut Finds) {
        let program = self.program();
        if program.patterns.is_empty() && program.hashed.is_empty() {
            return;
        }
        for (index, text) in texts.iter().take(MAX_TEXTS).enumerate() {
            let looks = |rule: u32| {
                let rule = self.matcher.rule(rule);
                rule.is_some_and(|rule| rule.scopes.holds(text.scope) && rule.bands.holds(band))
            };
            let line = LazyCell::new(|| Line::new(&text.text));
            for (number, pattern) in program.patterns.iter().enumerate().filter(|(_, pattern)| looks(pattern.rule)) {
                let found = pattern.matches(&line);
                let found = found.iter().filter_map(|words| line.find(index, words, Source::Pattern(number)));
                finds.entry(pattern.rule).or_default().extend(found);
            }
            for row in program.hashed.iter().filter(|row| row.rules.iter().any(|rule| looks(*rule))) {
                let found = hashed(&row.list, &line, texts, index);
                for rule in row.rules.iter().filter(|rule| looks(**rule)) {
                    finds.entry(*rule).or_default().extend(found.iter().cloned());
                }
            }
        }
        finds.retain(|_, finds| !finds.is_empty());
    }
}

/// What of a text, or of the address it is part of, is on a list.
fn hashed(list: &HashedList, line: &Line, texts: &[Text], index: usize) -> Vec<Find> {
    let Some(text) = texts.get(index) else { return Vec::new() };
    let host = || texts.iter().take(MAX_TEXTS).find(|text| text.scope == Scope::UrlHost).map(|host| host.text.as_str());
    let is_listed = match (list.kind, text.scope) {
        (HashedKind::Phrase, _) => {
            let places = list.places(line);
            return places.iter().filter_map(|words| line.find(index, words, Source::Hashed)).collect();
        }
        (HashedKind::Url, Scope::UrlHost) => list.has_address(&text.text, "/"),
        (HashedKind::Url, Scope::UrlPath) => host().is_some_and(|host| list.has_address(host, &text.text)),
        (HashedKind::Url, Scope::Title | Scope::Query | Scope::FileName | Scope::Media | Scope::App) => false,
    };
    let end = text.text.floor_char_boundary(Text::MAX_BYTES);
    let (first, next, source, role) = (WHOLE.start, WHOLE.end, Source::Hashed, Role::TOPIC);
    let whole = Find { text: index, first, next, start: 0, end, source, role };
    if is_listed { vec![whole] } else { Vec::new() }
}

impl Line {
    fn find(&self, text: usize, words: &Range<usize>, source: Source) -> Option<Find> {
        let bytes = self.original(words)?;
        let (first, next, start, end) = (words.start, words.end, bytes.start, bytes.end);
        Some(Find { text, first, next, start, end, source, role: Role::TOPIC })
    }
}
