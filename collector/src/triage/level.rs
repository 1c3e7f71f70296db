//! How much a capture weighs, given what came before it.

use lapwing_rules::{Category, Class, FourC, Level};

/// Low captures of one concern that together weigh as much as a moderate one.
const REPEATS_THAT_RAISE: u64 = 5;

/// What a capture says by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// As the rule gave it for the account's band.
    pub(super) level: Level,
    /// `None` for a category newer than this build.
    pub(super) category: Option<Category>,
    /// Words of wanting to, or of how to, matched.
    pub(super) marked: bool,
    /// Hits it stands for, itself included.
    pub(super) hits: u64,
}

impl Facts {
    /// What the law asks of its category.
    pub(super) fn class(self) -> Class {
        self.category.map_or(Class::Ordinary, Category::class)
    }

    /// The daily check: proves the path and concerns nobody.
    pub(super) fn is_check(self) -> bool {
        self.category == Some(Category::Canary)
    }
}

/// The level of the concern that the capture belongs to; `before` is the hits it already holds.
///
/// An illegal class is never lowered, and nothing is while intent or method stands.
pub(super) fn weigh(facts: Facts, before: u64) -> Level {
    let raised = raise_repeats(facts, before.saturating_add(facts.hits));
    if facts.class().is_illegal() || facts.marked {
        return raised;
    }
    if facts.category == Some(Category::HelpSeeking) {
        return raised.min(Level::Low);
    }
    raised
}

/// Low behaviour that goes on is looked at the same day. Seeking help again is no behaviour.
fn raise_repeats(facts: Facts, hits: u64) -> Level {
    let counts = facts.category.is_none_or(|category| category.branch() != FourC::Support);
    if facts.level == Level::Low && counts && hits >= REPEATS_THAT_RAISE {
        return Level::Moderate;
    }
    facts.level
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(level: Level, category: Category) -> Facts {
        Facts { level, category: Some(category), marked: false, hits: 1 }
    }

    #[test]
    fn an_illegal_class_is_never_lowered() {
        for category in Category::all().filter(|category| category.class().is_illegal()) {
            for level in Level::ALL {
                for before in [0, 4, 400] {
                    assert!(weigh(facts(level, category), before) >= level, "{category}");
                }
            }
        }
    }

    #[test]
    fn looking_for_help_stays_low_unless_intent_stands() {
        let help = facts(Level::High, Category::HelpSeeking);
        assert_eq!(weigh(help, 0), Level::Low);
        assert_eq!(weigh(Facts { marked: true, ..help }, 0), Level::High);
        assert_eq!(weigh(facts(Level::Low, Category::HelpSeeking), 50), Level::Low);
    }

    #[test]
    fn only_low_captures_add_up() {
        let low = facts(Level::Low, Category::Profanity);
        assert_eq!(weigh(low, 3), Level::Low);
        assert_eq!(weigh(low, 4), Level::Moderate);
        assert_eq!(weigh(Facts { hits: 5, ..low }, 0), Level::Moderate);
        assert_eq!(weigh(facts(Level::Info, Category::Profanity), 50), Level::Info);
        assert_eq!(weigh(facts(Level::Moderate, Category::Drugs), 50), Level::Moderate);
    }

    #[test]
    fn an_unknown_category_keeps_its_level() {
        let unknown = Facts { category: None, ..facts(Level::High, Category::Drugs) };
        assert_eq!(weigh(unknown, 9), Level::High);
    }
}
