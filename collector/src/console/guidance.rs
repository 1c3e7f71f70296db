//! What to do next: fixed steps that the law asks for, and the guidance of the rules in force.

use lapwing_rules::{Category, Class, Level, RuleId};

use super::rule_book::RuleBook;

/// For suspected indecent images and other illegal material (UKCIS 2024, and the schools' policies).
const ILLEGAL_MATERIAL: [&str; 5] = [
    "Do not open, search for, copy, print, share or save the material. Do not ask anybody to show it to you.",
    "Leave the computer as it is, take it off the network, and keep it where nobody can use it.",
    "Tell the headteacher. Act together.",
    "Call the police: 101, or 999 if a child is in danger now. Report it to the Internet Watch Foundation.",
    "Do not tell parents before the police or children's social care have advised you.",
];

/// For nudes and semi-nudes among children (UKCIS, sharing nudes and semi-nudes).
const NUDES: [&str; 5] = [
    "Do not look at, copy, print, share or save any picture. Do not ask the child to show, send or delete it.",
    "Call the police or children's social care at once if an adult is involved, anybody was forced, the child is \
     under 13, there is violence, or somebody may be harmed soon.",
    "Otherwise the DSL leads: talk with the child calmly. They are not in trouble.",
    "Show them Report Remove (Childline and the Internet Watch Foundation), which takes pictures of under-18s down.",
    "Tell parents early, unless that would put the child in danger.",
];

const DANGER: &str = "If a child may be in danger now, call 999. Find the child and stay with them. Then follow the \
     steps below.";

/// The steps that stand before everything else for a no-evidence class.
pub(super) fn do_not_view(category: &str) -> &'static [&'static str] {
    match category.parse::<Category>() {
        Ok(Category::Nudes | Category::DeepfakeNudify) => &NUDES,
        Ok(category) if category.class() == Class::IllegalNoEvidence => &ILLEGAL_MATERIAL,
        Ok(_) | Err(_) => &[],
    }
}

/// Said of a critical concern whose evidence may be read.
pub(super) fn urgent(category: &str, level: Level) -> Option<&'static str> {
    (level == Level::Critical && do_not_view(category).is_empty()).then_some(DANGER)
}

/// What the rules in force tell the reader to do, once each.
pub(super) fn of_rules<'a>(book: &RuleBook, rules: impl Iterator<Item = &'a RuleId>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for words in rules.filter_map(|rule| book.words(rule)) {
        if !words.guidance.is_empty() && !lines.contains(&words.guidance) {
            lines.push(words.guidance.clone());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_no_evidence_class_has_steps_and_no_other_has() {
        for category in Category::all() {
            let has_steps = !do_not_view(category.id()).is_empty();
            assert_eq!(has_steps, category.class() == Class::IllegalNoEvidence, "{category}");
        }
    }
}
