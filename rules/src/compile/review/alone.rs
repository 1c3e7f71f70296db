//! Terms that say too little to stand alone.

use std::collections::BTreeSet;

use crate::Level;
use crate::compile::expand::{Draft, Phrase};
use crate::diagnostic::{Code, Diagnostic};

/// Fewest letters of a term that fires alone.
const LEAST_LETTERS: usize = 4;
/// The highest level for an everyday word alone.
const HIGHEST_ALONE: Level = Level::Low;
const EVERYDAY: &str = include_str!("everyday_words.txt");
const ABOUT_PEOPLE: &str = include_str!("about_people.txt");

/// Everything that is wrong with the terms of a rule that fire alone.
pub(super) fn check(draft: &Draft<'_>) -> Vec<Diagnostic> {
    let (everyday, about_people) = (listed(EVERYDAY), listed(ABOUT_PEOPLE));
    let facts = &draft.rule.facts;
    let highest = facts.levels.values().copied().fold(facts.level, Level::max);
    let mut findings = Vec::new();
    for phrase in draft.alone() {
        if phrase.words.iter().all(|word| about_people.contains(word.as_str())) {
            findings.push(about_somebody(draft, phrase));
            continue;
        }
        let [word] = phrase.words.as_slice() else { continue };
        if word.chars().count() < LEAST_LETTERS {
            findings.push(too_short(draft, phrase, word));
        } else if highest > HIGHEST_ALONE && everyday.contains(word.as_str()) {
            findings.push(no_context(draft, phrase, word, highest));
        }
    }
    findings
}

/// The words of a data file.
fn listed(file: &'static str) -> BTreeSet<&'static str> {
    file.lines().filter(|line| !line.starts_with('#')).collect()
}

fn about_somebody(draft: &Draft<'_>, phrase: &Phrase) -> Diagnostic {
    let message = format!("rule `{}` fires on who somebody is, or how they are", draft.rule.facts.id);
    let diagnostic = draft.diagnostic(Code::AboutPeople, phrase.span.clone(), message, "these words alone");
    diagnostic.help("ask for what is done or wanted beside them with `near` or `all`")
}

fn too_short(draft: &Draft<'_>, phrase: &Phrase, word: &str) -> Diagnostic {
    let message =
        format!("rule `{}` fires on `{word}` alone, which is {} letters", draft.rule.facts.id, word.chars().count());
    let diagnostic = draft.diagnostic(Code::ShortTerm, phrase.span.clone(), message, "too short to stand alone");
    diagnostic.help("initials, other languages and slips of the keyboard look the same: ask for context")
}

fn no_context(draft: &Draft<'_>, phrase: &Phrase, word: &str, level: Level) -> Diagnostic {
    let message = format!("rule `{}` fires on the everyday word `{word}` at level {level}", draft.rule.facts.id);
    let diagnostic = draft.diagnostic(Code::NoContext, phrase.span.clone(), message, "this word alone");
    diagnostic.help("ask for context with `near` or `all`, or lower the level to 2")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::fold;

    #[test]
    fn words_of_the_data_files_are_folded_sorted_and_no_comment() {
        for file in [EVERYDAY, ABOUT_PEOPLE] {
            let words: Vec<&str> = file.lines().skip(1).collect();
            assert!(file.starts_with("# ") && words.is_sorted(), "one heading, then words in order");
            assert!(words.iter().all(|word| fold(word).words().eq([*word])));
        }
    }
}
