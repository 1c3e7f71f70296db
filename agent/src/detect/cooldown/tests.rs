use std::collections::BTreeSet;

use lapwing_rules::{After, Escalation};
use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const SECOND_US: u64 = 1_000_000;

fn account(session: &str) -> Account {
    Account { name: "class".to_owned(), session: session.to_owned(), groups: Vec::new() }
}

/// A number of its own for every phrase.
fn number(phrase: &str) -> u64 {
    phrase.bytes().fold(0, |number, byte| number.wrapping_mul(257).wrapping_add(u64::from(byte)))
}

/// A level 2 rule with a cooldown of a minute that fired on `phrases`, in one session.
struct Rule {
    cooldowns: Cooldowns,
    course: Course,
    least: Level,
}

impl Rule {
    fn of(course: Course) -> Self {
        Self { cooldowns: Cooldowns::new(), course, least: Level::Info }
    }

    fn fires(&mut self, second: u64, phrases: &[&str]) -> Option<(u32, Option<u8>)> {
        let rule = "pack.rule".parse().unwrap();
        let phrases = || phrases.iter().map(|phrase| number(phrase)).collect();
        let fired = Fired {
            rule: &rule,
            level: Level::Low,
            cooldown: MINUTE,
            stretch: 1,
            course: self.course,
            phrases: &phrases,
            least: self.least,
        };
        let due = self.cooldowns.enter(&account("1"), fired, second * SECOND_US)?;
        Some((due.repeats, due.risen.map(Level::number)))
    }
}

fn after(times: u8, within: Duration) -> Course {
    Course { after: Some(After { times, within }), ..Course::default() }
}

fn escalation(spans: u8, within: Duration) -> Course {
    Course { escalation: Some(Escalation { spans, within, level: Level::High }), ..Course::default() }
}

fn plain<'a>(rule: &'a RuleId, phrases: &'a dyn Fn() -> Vec<u64>) -> Fired<'a> {
    let course = Course::default();
    Fired { rule, level: Level::Low, cooldown: MINUTE, stretch: 1, course, phrases, least: Level::Info }
}

#[test]
fn repeats_are_counted_and_travel_with_the_next() {
    let mut rule = Rule::of(Course::default());
    assert_eq!(rule.fires(0, &[]), Some((0, None)));
    assert_eq!(rule.fires(1, &[]), None);
    assert_eq!(rule.fires(59, &[]), None);
    assert_eq!(rule.fires(60, &[]), Some((2, None)));
    assert_eq!(rule.fires(120, &[]), Some((0, None)));
}

#[test]
fn another_session_or_rule_is_not_a_repeat() {
    let mut cooldowns = Cooldowns::new();
    let none = || unreachable!("a rule without an escalation counts no phrases");
    for (session, rule) in [("1", "pack.a"), ("2", "pack.a"), ("1", "pack.b")] {
        let rule = rule.parse().unwrap();
        assert!(cooldowns.enter(&account(session), plain(&rule, &none), 0).is_some());
    }
}

#[test]
fn a_rule_is_told_from_the_time_on_that_its_terms_name() {
    let mut rule = Rule::of(after(3, 10 * MINUTE));
    assert_eq!((rule.fires(0, &[]), rule.fires(100, &[])), (None, None));
    assert_eq!(rule.fires(200, &[]), Some((2, None)), "the third, with two before");
    assert_eq!(rule.fires(201, &[]), None, "within the cooldown");
    assert_eq!(rule.fires(300, &[]), Some((1, None)));
    assert_eq!(rule.fires(899, &[]), None, "one of those before still counts");
    assert_eq!(rule.fires(1_499, &[]), None, "a time of ten minutes ago does not");
}

#[test]
fn different_phrases_raise_a_hit_at_once_through_the_cooldown() {
    let mut rule = Rule::of(escalation(3, 10 * MINUTE));
    assert_eq!(rule.fires(0, &["owl"]), Some((0, None)));
    assert_eq!(rule.fires(1, &["kite"]), None);
    assert_eq!(rule.fires(2, &["owl"]), None, "the same phrase again is no third one");
    assert_eq!(rule.fires(3, &["heron"]), Some((2, Some(4))));
    assert_eq!(rule.fires(4, &["wren"]), None, "told at that level, it cools down");
    assert_eq!(rule.fires(64, &["owl"]), Some((1, Some(4))));
    assert_eq!(rule.fires(700, &["owl"]), Some((0, None)), "what stood long ago counts no more");
}

#[test]
fn phrases_that_stand_together_raise_the_first_hit() {
    let mut rule = Rule::of(escalation(2, MINUTE));
    assert_eq!(rule.fires(0, &["owl", "kite"]), Some((0, Some(4))));
}

#[test]
fn a_raised_hit_waits_for_no_further_time() {
    let mut rule = Rule::of(Course { after: after(9, MINUTE).after, ..escalation(2, MINUTE) });
    assert_eq!(rule.fires(0, &["owl"]), None);
    assert_eq!(rule.fires(1, &["kite"]), Some((1, Some(4))));
}

#[test]
fn what_the_agent_does_too_little_for_still_counts_towards_a_raise() {
    let mut rule = Rule { least: Level::High, ..Rule::of(escalation(2, MINUTE)) };
    assert_eq!(rule.fires(0, &["owl"]), None);
    assert_eq!(rule.fires(1, &["kite"]), Some((1, Some(4))));
}

#[test]
fn a_flood_of_sessions_stays_within_its_bound() {
    let (mut cooldowns, rule) = (Cooldowns::new(), "pack.rule".parse().unwrap());
    for number in 0..5_000 {
        cooldowns.enter(&account(&number.to_string()), plain(&rule, &Vec::new), number);
    }
    assert_eq!(cooldowns.pairs.len(), MAX_PAIRS);
}

#[test]
fn a_flood_of_phrases_stays_within_its_bound() {
    let mut rule = Rule::of(Course { after: after(20, MINUTE).after, ..escalation(8, MINUTE) });
    for number in 0..1_000 {
        rule.fires(0, &[&format!("marker{number}")]);
    }
    let kept = format!("{:?}", rule.cooldowns);
    assert!(kept.len() < 2_000, "{kept}");
}

/// The definition: everything that fired is kept, and the terms are read off it.
#[derive(Default)]
struct Everything {
    fired: Vec<(u64, u8)>,
    told: Option<(u64, bool)>,
    untold: u32,
}

impl Everything {
    fn fires(&mut self, course: &Course, second: u64, phrase: u8) -> Option<(u32, Option<u8>)> {
        self.fired.push((second, phrase));
        let lately = |within: Duration| self.fired.iter().filter(move |(time, _)| second - time < within.as_secs());
        let is_risen = course.escalation.is_some_and(|escalation| {
            let phrases: BTreeSet<u8> = lately(escalation.within).map(|(_, phrase)| *phrase).collect();
            phrases.len() >= usize::from(escalation.spans)
        });
        let is_often = course.after.is_none_or(|after| lately(after.within).count() >= usize::from(after.times));
        let is_cool = self.told.is_none_or(|(time, was_risen)| second - time >= 60 || (is_risen && !was_risen));
        if (is_risen || is_often) && is_cool {
            self.told = Some((second, is_risen));
            return Some((std::mem::take(&mut self.untold), is_risen.then_some(4)));
        }
        self.untold += 1;
        None
    }
}

proptest! {
    #[test]
    fn what_is_told_is_what_keeping_everything_would_tell(
        times in prop::option::of((2_u8..5, 1_u64..200)),
        spans in prop::option::of((2_u8..5, 1_u64..200)),
        steps in prop::collection::vec((0_u64..90, 0_u8..6), 0..60),
    ) {
        let within = |seconds: u64| Duration::from_secs(seconds);
        let course = Course {
            after: times.and_then(|(times, seconds)| after(times, within(seconds)).after),
            ..spans.map(|(spans, seconds)| escalation(spans, within(seconds))).unwrap_or_default()
        };
        let (mut rule, mut everything, mut now) = (Rule::of(course), Everything::default(), 0);
        for (passed, phrase) in steps {
            now += passed;
            let told = rule.fires(now, &[["owl", "kite", "heron", "wren", "tern", "rook"][usize::from(phrase)]]);
            prop_assert_eq!(told, everything.fires(&course, now, phrase));
        }
    }
}

#[test]
fn an_urgent_phrase_that_was_not_told_yet_is_told_in_the_cooldown() {
    let rule: RuleId = "pack.rule".parse().unwrap();
    let mut cooldowns = Cooldowns::new();
    let mut fires = |second: u64, level, phrase: &str| {
        let phrases = || vec![number(phrase)];
        let fired = Fired { level, ..plain(&rule, &phrases) };
        cooldowns.enter(&account("1"), fired, second * SECOND_US).map(|due| due.repeats)
    };
    assert_eq!(fires(0, Level::High, "harmless"), Some(0));
    assert_eq!(fires(1, Level::High, "harmless"), None);
    assert_eq!(fires(2, Level::High, "serious"), Some(1), "what was counted before travels with it");
    assert_eq!(fires(3, Level::High, "serious"), None);
    assert_eq!(fires(4, Level::High, "harmless"), None, "told before, and not cool yet");
}

#[test]
fn ever_new_urgent_phrases_are_told_up_to_a_bound() {
    let rule: RuleId = "pack.rule".parse().unwrap();
    let mut cooldowns = Cooldowns::new();
    let told = (0..1_000).filter(|phrase| {
        let phrases = || vec![*phrase];
        let fired = Fired { level: Level::Critical, ..plain(&rule, &phrases) };
        cooldowns.enter(&account("1"), fired, 0).is_some()
    });
    assert_eq!(told.count(), MAX_TOLD);
}
