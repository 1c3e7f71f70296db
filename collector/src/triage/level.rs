//! How much a capture weighs, given what came before it and whom it is about.
//!
//! The rule gives a level for the account's band. Repeats raise low behaviour; what else was seen of the same person, a mark
//! that the DSL set, and a time at which the school says that it is closed raise a matter of welfare from moderate to high.
//! What stands around it makes nothing critical: that takes the rule's own words. An exemption and looking for help lower, never while such words stand, and
//! never an illegal class.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use lapwing_rules::{Category, Class, FourC, Level};

use crate::ids::InvalidId;

/// Low captures of one concern that together weigh as much as a moderate one.
const REPEATS_THAT_RAISE: u64 = 5;

/// Topics that make one another worse when they are seen of the same person.
const LINKED: [&[Category]; 5] = [
    &[Category::SelfHarm, Category::Suicide, Category::EatingDisorder, Category::Bullying, Category::AbuseDisclosure],
    &[
        Category::Hate,
        Category::Misogyny,
        Category::Extremism,
        Category::Terrorism,
        Category::RacistIllegal,
        Category::Radicalisation,
        Category::Weapons,
        Category::Violence,
        Category::Threats,
    ],
    &[
        Category::Grooming,
        Category::StrangerContact,
        Category::Sextortion,
        Category::Nudes,
        Category::DeepfakeNudify,
        Category::SexualHarassment,
    ],
    &[Category::Drugs, Category::CriminalExploitation, Category::Weapons, Category::Runaway],
    &[Category::DomesticAbuse, Category::AbuseDisclosure, Category::Runaway, Category::FgmHba, Category::SelfHarm],
];

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

/// What stands around a capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Context {
    /// Hits that its concern holds already.
    pub(super) before: u64,
    /// Other topics of level 3 and more that were seen of the same person lately.
    pub(super) lately: BTreeSet<Category>,
    /// The DSL marked the person.
    pub(super) is_vulnerable: bool,
    /// The school was closed.
    pub(super) is_unsupervised: bool,
    /// An exemption for the topic was in force there and then.
    pub(super) is_exempted: bool,
}

/// Why a level is not the one that the rule gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// It went on.
    Repeats,
    /// Another topic was seen of the same person.
    Linked,
    /// The DSL marked the person: for the DSL's team to know alone.
    Vulnerable,
    /// The school was closed.
    Unsupervised,
    /// Somebody looked for help.
    HelpSeeking,
    /// An exemption was in force.
    Exempted,
}

/// A level, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Weighed {
    pub(super) level: Level,
    pub(super) causes: BTreeSet<Cause>,
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

impl Cause {
    /// All causes.
    pub const ALL: [Self; 6] =
        [Self::Repeats, Self::Linked, Self::Vulnerable, Self::Unsupervised, Self::HelpSeeking, Self::Exempted];

    /// The one text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Repeats => "repeats",
            Self::Linked => "linked",
            Self::Vulnerable => "vulnerable",
            Self::Unsupervised => "unsupervised",
            Self::HelpSeeking => "help_seeking",
            Self::Exempted => "exempted",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Cause {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let expected = "why a level was changed";
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or(InvalidId { what: "cause", expected })
    }
}

/// The level of the concern that the capture belongs to.
pub(super) fn weigh(facts: Facts, context: &Context) -> Weighed {
    let mut weighed = Weighed { level: facts.level, causes: BTreeSet::new() };
    raise_repeats(facts, context, &mut weighed);
    raise_around(facts, context, &mut weighed);
    if !facts.class().is_illegal() && !facts.marked {
        lower(facts, context, &mut weighed);
    }
    weighed
}

/// Low behaviour that goes on is looked at the same day. Seeking help again is no behaviour.
fn raise_repeats(facts: Facts, context: &Context, weighed: &mut Weighed) {
    let counts = facts.category.is_none_or(|category| category.branch() != FourC::Support);
    let hits = context.before.saturating_add(facts.hits);
    if facts.level == Level::Low && counts && hits >= REPEATS_THAT_RAISE {
        weighed.level = Level::Moderate;
        weighed.causes.insert(Cause::Repeats);
    }
}

/// What stands around a matter of welfare raises it from moderate to high, and no further.
fn raise_around(facts: Facts, context: &Context, weighed: &mut Weighed) {
    let Some(category) = facts.category.filter(|category| is_welfare(*category)) else { return };
    let is_linked = context.lately.iter().any(|other| are_linked(category, *other));
    let causes = [
        (is_linked, Cause::Linked),
        (context.is_vulnerable, Cause::Vulnerable),
        (context.is_unsupervised, Cause::Unsupervised),
    ];
    let causes: BTreeSet<_> = causes.into_iter().filter(|(holds, _)| *holds).map(|(_, cause)| cause).collect();
    if weighed.level == Level::Moderate && !causes.is_empty() {
        weighed.level = Level::High;
        weighed.causes.extend(causes);
    }
}

fn lower(facts: Facts, context: &Context, weighed: &mut Weighed) {
    let is_help = facts.category == Some(Category::HelpSeeking);
    for (holds, cause) in [(is_help, Cause::HelpSeeking), (context.is_exempted, Cause::Exempted)] {
        // Nothing critical is ever exempted.
        if holds && weighed.level > Level::Low && (cause == Cause::HelpSeeking || facts.level < Level::Critical) {
            weighed.level = Level::Low;
            weighed.causes = BTreeSet::from([cause]);
        }
    }
}

/// Whether the topic is about how somebody fares, not about how they behave.
fn is_welfare(category: Category) -> bool {
    LINKED.iter().any(|family| family.contains(&category))
}

fn are_linked(one: Category, other: Category) -> bool {
    one != other && LINKED.iter().any(|family| family.contains(&one) && family.contains(&other))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn facts(level: Level, category: Category) -> Facts {
        Facts { level, category: Some(category), marked: false, hits: 1 }
    }

    fn level(facts: Facts, before: u64) -> Level {
        weigh(facts, &Context { before, ..Context::default() }).level
    }

    #[test]
    fn looking_for_help_stays_low_unless_intent_stands() {
        let help = facts(Level::High, Category::HelpSeeking);
        assert_eq!(level(help, 0), Level::Low);
        assert_eq!(level(Facts { marked: true, ..help }, 0), Level::High);
        assert_eq!(level(facts(Level::Low, Category::HelpSeeking), 50), Level::Low);
    }

    #[test]
    fn only_low_captures_add_up() {
        let low = facts(Level::Low, Category::Profanity);
        assert_eq!(level(low, 3), Level::Low);
        assert_eq!(level(low, 4), Level::Moderate);
        assert_eq!(level(Facts { hits: 5, ..low }, 0), Level::Moderate);
        assert_eq!(level(facts(Level::Info, Category::Profanity), 50), Level::Info);
        assert_eq!(level(facts(Level::Moderate, Category::Drugs), 50), Level::Moderate);
    }

    #[test]
    fn an_unknown_category_keeps_its_level() {
        let unknown = Facts { category: None, ..facts(Level::High, Category::Drugs) };
        assert_eq!(level(unknown, 9), Level::High);
    }

    #[test]
    fn a_linked_topic_a_mark_and_a_lonely_hour_raise_a_matter_of_welfare_by_one() {
        let linked = Context { lately: BTreeSet::from([Category::SelfHarm]), ..Context::default() };
        let suicide = facts(Level::Moderate, Category::Suicide);
        let raised = weigh(suicide, &linked);
        assert_eq!((raised.level, raised.causes), (Level::High, BTreeSet::from([Cause::Linked])));
        assert_eq!(weigh(facts(Level::Moderate, Category::SelfHarm), &linked).level, Level::Moderate, "not by itself");
        let all = Context { is_vulnerable: true, is_unsupervised: true, ..linked.clone() };
        assert_eq!(weigh(suicide, &all).level, Level::High, "once");
        assert_eq!(weigh(facts(Level::Moderate, Category::Pornography), &all).level, Level::Moderate);
        let wanting = Facts { marked: true, ..facts(Level::High, Category::Suicide) };
        assert_eq!(weigh(wanting, &all).level, Level::High, "what stands around makes nothing critical");
    }

    #[test]
    fn an_exemption_lowers_what_bears_no_mark_and_is_not_critical() {
        let exempted = Context { is_exempted: true, ..Context::default() };
        let lesson = facts(Level::High, Category::Drugs);
        assert_eq!(weigh(lesson, &exempted).level, Level::Low);
        assert_eq!(weigh(Facts { marked: true, ..lesson }, &exempted).level, Level::High);
        assert_eq!(weigh(facts(Level::Critical, Category::Drugs), &exempted).level, Level::Critical);
    }

    fn any_facts() -> impl Strategy<Value = Facts> {
        let category = proptest::option::of(proptest::sample::select(Category::all().collect::<Vec<_>>()));
        (proptest::sample::select(Level::ALL.to_vec()), category, any::<bool>(), 1_u64..20)
            .prop_map(|(level, category, marked, hits)| Facts { level, category, marked, hits })
    }

    prop_compose! {
        fn any_context()(
            before in 0_u64..20,
            lately in proptest::collection::btree_set(
                proptest::sample::select(Category::all().collect::<Vec<_>>()), 0..4),
            flags in any::<[bool; 3]>(),
        ) -> Context {
            let [is_vulnerable, is_unsupervised, is_exempted] = flags;
            Context { before, lately, is_vulnerable, is_unsupervised, is_exempted }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]

        #[test]
        fn what_is_illegal_or_marked_is_never_lowered(facts in any_facts(), context in any_context()) {
            if facts.class().is_illegal() || facts.marked {
                prop_assert!(weigh(facts, &context).level >= facts.level);
            }
        }

        #[test]
        fn nothing_becomes_critical_by_what_stands_around_it(facts in any_facts(), context in any_context()) {
            if facts.level < Level::Critical {
                prop_assert!(weigh(facts, &context).level < Level::Critical);
            }
        }

        #[test]
        fn nothing_rises_by_more_than_two(facts in any_facts(), context in any_context()) {
            prop_assert!(weigh(facts, &context).level.number() <= facts.level.number() + 2);
        }

        #[test]
        fn more_hits_and_a_mark_on_the_person_never_lower(facts in any_facts(), context in any_context()) {
            let level = weigh(facts, &context).level;
            let more = Context { before: context.before + 5, ..context.clone() };
            prop_assert!(weigh(facts, &more).level >= level);
            let marked = Context { is_vulnerable: true, ..context };
            prop_assert!(weigh(facts, &marked).level >= level);
        }

        #[test]
        fn every_change_of_level_says_why(facts in any_facts(), context in any_context()) {
            let weighed = weigh(facts, &context);
            prop_assert!(weighed.level == facts.level || !weighed.causes.is_empty());
            // What was raised from low and lowered again says why it was lowered.
            prop_assert!(weighed.causes.is_empty() || weighed.level != facts.level || facts.level == Level::Low);
        }
    }
}
