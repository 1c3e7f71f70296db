//! The order of keys and of the tables of a rule.

use toml_edit::Key;

use super::Section;

const PACK: &[&str] = &["id", "version", "title", "sources"];
const LIST: &[&str] = &["id", "class", "registrable", "phrases", "hosts"];
/// A score has the keys of a rule, and a threshold.
const RULE: &[&str] = &[
    "id",
    "title",
    "category",
    "level",
    "levels",
    "bands",
    "cooldown",
    "after",
    "escalate",
    "shadow",
    "watch",
    "budget",
    "scopes",
    "guidance",
    "score",
    "report",
    "threshold",
    "allow",
    "except",
    "match",
    "examples",
];
const EXAMPLES: &[&str] = &["must_match", "must_not_match", "todo_match"];

/// Where a key stands in the table of this header; unknown keys come last, in the order written.
pub(super) fn rank(header: &[&Key], path: &[&Key]) -> usize {
    let known = match header.iter().map(|key| key.get()).collect::<Vec<_>>().as_slice() {
        ["pack"] => PACK,
        ["list" | "domains"] => LIST,
        ["rule" | "score"] => RULE,
        ["rule" | "score", "examples"] => EXAMPLES,
        _ => &[],
    };
    let at = path.first().and_then(|key| known.iter().position(|known| *known == key.get()));
    at.unwrap_or(known.len())
}

/// Puts the tables of each rule in the order of its keys.
pub(super) fn subtables(sections: &mut [Section<'_>]) {
    let is_below = |section: &Section<'_>| section.path.len() > 1;
    let rank_below = |section: &Section<'_>| match section.path.as_slice() {
        [header, below @ ..] => rank(&[*header], below),
        [] => 0,
    };
    sections
        .chunk_by_mut(|left, right| is_below(left) && is_below(right) && left.path.first() == right.path.first())
        .for_each(|tables| tables.sort_by_key(rank_below));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::{RULE_KEYS, SCORE_KEYS};

    #[test]
    fn every_key_of_a_rule_or_score_has_its_place() {
        for key in RULE_KEYS.iter().chain(SCORE_KEYS) {
            assert!(RULE.contains(key), "{key}");
        }
    }
}
