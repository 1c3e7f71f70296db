use super::*;
use crate::sample::{MINUTE_US, NOON_US, at, in_force, rules, title};

const ANY: &str = r#""any""#;
const NETWORKS: &str = r#"{"networks": ["10.2.0.0/16"]}"#;

fn who(band: Band) -> Who {
    Who { band, group: String::new() }
}

#[test]
fn out_of_hours_nothing_is_looked_at() {
    let (force, rules, mut signal) = (in_force(false, ANY), rules(), title("x", None));
    signal.seen = at(NOON_US + 5 * 60 * MINUTE_US);
    let decided = decide(&force, &rules, &signal, signal.seen.wall_us, &who(Band::Ks4), Presence::OnSite).err();
    assert_eq!(decided, Some(Unlooked::OutOfHours));
}

#[test]
fn hours_are_civil_time_of_the_schools_zone() {
    // 08:30 in London on a Wednesday in summer, and on one in winter.
    let force = in_force(false, ANY);
    for opens in [1_720_596_600_000_000, 1_704_875_400_000_000] {
        assert!(force.is_open(opens, Presence::OnSite).is_ok());
        assert_eq!(force.is_open(opens - MINUTE_US, Presence::OnSite), Err(Unlooked::OutOfHours));
    }
}

#[test]
fn a_protected_host_stops_every_rule() {
    let (force, rules) = (in_force(true, ANY), rules());
    let signal = title("x", Some("www.complaints.example"));
    let decided = decide(&force, &rules, &signal, signal.seen.wall_us, &who(Band::Ks4), Presence::OnSite).err();
    assert_eq!(decided, Some(Unlooked::Protected));
}

#[test]
fn the_staff_switch_and_a_group_never_stop_an_illegal_rule() {
    let (force, rules, mut signal) = (in_force(false, ANY), rules(), title("x", None));
    signal.account.groups = vec!["sixth".to_owned()];
    let staff = who(Band::Staff);
    let look = decide(&force, &rules, &signal, signal.seen.wall_us, &staff, Presence::OnSite).unwrap();
    assert!(look.allows(Category::Csam, Level::Critical) && !look.allows(Category::SelfHarm, Level::High));
    let pupil = who(Band::Ks4);
    let look = decide(&force, &rules, &signal, signal.seen.wall_us, &pupil, Presence::OnSite).unwrap();
    assert!(look.allows(Category::Csam, Level::Critical) && look.allows(Category::SelfHarm, Level::High));
    assert!(!look.allows(Category::Gambling, Level::Low) && !look.allows(Category::Gambling, Level::Critical));
}

#[test]
fn a_category_is_off_for_the_group_that_the_collector_names() {
    let (force, rules, signal) = (in_force(false, ANY), rules(), title("x", None));
    let sixth = Who { band: Band::Ks5, group: "sixth".to_owned() };
    let look = decide(&force, &rules, &signal, signal.seen.wall_us, &sixth, Presence::OnSite).unwrap();
    assert!(!look.allows(Category::Gambling, Level::Low) && look.allows(Category::Drugs, Level::Low));
}

#[test]
fn what_the_policy_finds_acceptable_is_not_looked_for_and_what_is_urgent_is() {
    let mut policy = crate::sample::policy(1, true, ANY);
    let lunch = r#"{"weekly": [{"day": "wed", "from": "12:00", "to": "13:00"}]}"#;
    let acceptability = format!(r#"{{"gaming": {{"pupil": {{"at_certain_times": {lunch}}}}}}}"#);
    policy.acceptability = serde_json::from_str(&acceptability).unwrap();
    let (force, rules, mut signal) = (InForce::new(policy).unwrap(), rules(), title("x", None));
    let allows = |signal: &Signal, band: Band, level: Level| {
        let who = who(band);
        let look = decide(&force, &rules, signal, signal.seen.wall_us, &who, Presence::OnSite).unwrap();
        look.allows(Category::OffTaskGaming, level)
    };
    assert!(!allows(&signal, Band::Ks4, Level::Moderate) && allows(&signal, Band::Ks4, Level::High));
    assert!(allows(&signal, Band::Staff, Level::Low), "that it may be done by pupils says nothing of staff");
    signal.seen = at(NOON_US + 60 * MINUTE_US);
    assert!(allows(&signal, Band::Ks4, Level::Low), "lunch is over");
}

#[test]
fn mail_is_looked_at_by_urgent_rules_alone() {
    let (force, rules, pupil) = (in_force(true, ANY), rules(), who(Band::Ks4));
    let signal = title("x", Some("mail.example"));
    let look = decide(&force, &rules, &signal, signal.seen.wall_us, &pupil, Presence::OnSite).unwrap();
    assert!(look.keeps_spans_alone() && look.allows(Category::SelfHarm, Level::High));
    assert!(!look.allows(Category::Drugs, Level::Moderate));
}

#[test]
fn a_device_seen_on_site_stays_there_until_hours_end() {
    let (force, mut whereabouts) = (in_force(true, NETWORKS), Whereabouts::default());
    let (here, away) = (|| vec!["10.2.7.7".parse().unwrap()], || vec!["192.168.1.2".parse().unwrap()]);
    assert_eq!(whereabouts.at(&force, NOON_US, away), Presence::OffSite);
    assert_eq!(whereabouts.at(&force, NOON_US, here), Presence::OnSite);
    assert_eq!(whereabouts.at(&force, NOON_US + MINUTE_US, away), Presence::OnSite);
    assert_eq!(whereabouts.at(&force, NOON_US + 5 * 60 * MINUTE_US, away), Presence::OffSite);
    assert_eq!(whereabouts.at(&force, NOON_US + 7 * 24 * 60 * MINUTE_US, away), Presence::OffSite);
}

#[test]
fn hours_that_ended_unseen_end_the_stay_and_a_turned_clock_does_not() {
    const DAY_US: i64 = 24 * 60 * MINUTE_US;
    let (here, away) = (|| vec!["10.2.7.7".parse().unwrap()], || vec!["192.168.1.2".parse().unwrap()]);
    let stays = |force: &InForce, later_us: i64| {
        let mut whereabouts = Whereabouts::default();
        assert_eq!(whereabouts.at(force, NOON_US, here), Presence::OnSite);
        whereabouts.at(force, NOON_US.saturating_add(later_us), away) == Presence::OnSite
    };
    let force = in_force(true, NETWORKS);
    let ends_us = 4 * 60 * MINUTE_US;
    assert!(stays(&force, ends_us - 1) && !stays(&force, ends_us), "16:00 is the end");
    assert!(!stays(&force, 7 * DAY_US), "a laptop that slept through the week");
    assert!(stays(&force, -9 * MINUTE_US) && stays(&force, -7 * DAY_US), "a clock that was turned back");
    assert!(!stays(&force, i64::MAX) && !stays(&force, i64::MIN));
    let mut always = crate::sample::policy(1, true, NETWORKS);
    always.hours = Hours::Always;
    let always = InForce::new(always).unwrap();
    assert!(stays(&always, 11 * 60 * MINUTE_US) && !stays(&always, 13 * 60 * MINUTE_US), "a day ends at midnight");
}

#[test]
fn a_zone_that_nobody_knows_is_refused() {
    let mut policy = crate::sample::policy(1, true, ANY);
    policy.zone = "Europe/Lapwing".to_owned();
    assert_eq!(InForce::new(policy).unwrap_err().to_string(), "policy names the unknown time zone `Europe/Lapwing`");
}
