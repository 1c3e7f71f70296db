use lapwing_rules::Presence;

use super::*;
use crate::sample::{MINUTE_US, NOON_US, at, in_force, rules, title, url};
use crate::scope::{Who, decide};

fn once(signal: &Signal) -> Detected {
    let (force, rules) = (in_force(true, r#""any""#), rules());
    let who = Who { band: Band::Ks4, group: String::new() };
    let look = decide(&force, &rules, signal, signal.seen.wall_us, &who, Presence::OnSite).unwrap();
    detect(signal, &look, &rules, Band::Ks4, &Exempted::default()).detected
}

fn reported(signal: &Signal, cooldowns: &mut Cooldowns) -> Option<Found> {
    let Detected::Hits(verdict) = once(signal) else { panic!("nothing was found") };
    report(verdict, signal, &rules(), cooldowns, &Effort::full())
}

fn rule_of(detected: &Detected) -> Option<&str> {
    match detected {
        Detected::Hits(verdict) => verdict.hits.first().map(|hit| hit.rule.as_str()),
        Detected::Nothing | Detected::Support(_) => None,
    }
}

#[test]
fn what_does_not_match_is_nothing() {
    assert_eq!(once(&title("Homework", None)), Detected::Nothing);
}

#[test]
fn a_repeat_is_counted_and_travels_with_the_next() {
    let mut cooldowns = Cooldowns::new();
    let mut signal = title("flimwager", None);
    assert_eq!(reported(&signal, &mut cooldowns).unwrap().repeats, 0);
    signal.seen = at(NOON_US + 1_000_000);
    assert_eq!(reported(&signal, &mut cooldowns), None);
    signal.seen = at(NOON_US + MINUTE_US);
    assert_eq!(reported(&signal, &mut cooldowns).unwrap().repeats, 1);
}

#[test]
fn a_helplines_page_is_counted_once_by_its_address_and_never_by_its_title() {
    let page = once(&url("https://helpline.example/talk"));
    assert_eq!(page, Detected::Support("helpline.example".to_owned()));
    assert_eq!(once(&title("flimwager", Some("helpline.example"))), Detected::Nothing);
}

#[test]
fn what_stands_before_a_helplines_domain_is_not_counted_with_it() {
    let page = once(&url("https://whoever-wrote-this.www.helpline.example/"));
    assert_eq!(page, Detected::Support("helpline.example".to_owned()));
}

#[test]
fn words_of_intent_on_a_helplines_page_are_reported() {
    let detected = once(&title("i want a zorble", Some("helpline.example")));
    assert_eq!(rule_of(&detected), Some("sample.wanted"));
}

#[test]
fn an_exception_for_a_host_holds_for_its_titles() {
    assert_eq!(once(&title("flimwager", Some("news.example"))), Detected::Nothing);
    assert_eq!(rule_of(&once(&title("flimwager", Some("other.example")))), Some("sample.bets"));
}

#[test]
fn a_rule_on_the_host_fires_on_the_address_and_not_on_the_title() {
    assert_eq!(rule_of(&once(&url("https://bets.example/"))), Some("sample.house"));
    assert_eq!(once(&title("Welcome", Some("bets.example"))), Detected::Nothing);
}

#[test]
fn a_watch_is_applied_on_the_days_of_the_schools_calendar_alone() {
    const WEEK_US: i64 = 7 * 24 * 60 * MINUTE_US;
    let fires = |weeks: i64| {
        let mut signal = title("the skrell dare", None);
        signal.seen.wall_us = NOON_US + weeks * WEEK_US;
        rule_of(&once(&signal)) == Some("sample.dare")
    };
    assert_eq!([-1, 0, 1].map(fires), [false, true, false]);
}
