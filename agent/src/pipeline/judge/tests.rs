mod off;
mod swap;

use super::*;
use crate::config::Config;
use crate::limits::Step;
use crate::pipeline::accounts;
use crate::pipeline::force::Keeper;
use crate::sample::{Authority, MINUTE_US, NOON_US, artefact, at, signed_policy, title, trusted, url};

/// A judge with everything in force, and its counters.
fn judge(take_policy: bool) -> (Judge, Counters, tempfile::TempDir) {
    judge_at(take_policy, watch::channel(Effort::full()).1, told_at_noon())
}

/// The collector told that it is noon at the time at which signals are seen unless a test says otherwise.
fn told_at_noon() -> Arc<TrustedTime> {
    let clock = Arc::new(crate::clock::ManualClock::at(0));
    clock.advance(std::time::Duration::from_micros(at(NOON_US).boot_us - 1_000_000));
    let time = TrustedTime::new(clock);
    time.answered(NOON_US, at(NOON_US).boot_us);
    Arc::new(time)
}

fn judge_at(
    take_policy: bool,
    effort: watch::Receiver<Effort>,
    time: Arc<TrustedTime>,
) -> (Judge, Counters, tempfile::TempDir) {
    let (_, judge, counters, folder) = keeper_and_judge_at(take_policy, effort, time);
    (judge, counters, folder)
}

fn keeper_and_judge_at(
    take_policy: bool,
    effort: watch::Receiver<Effort>,
    time: Arc<TrustedTime>,
) -> (Keeper, Judge, Counters, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let keys: Vec<String> = trusted().keys().iter().map(lapwing_rules::key_text).collect();
    let text = format!(
        "state_dir = \"{}\"\n[trust]\nrule_keys = [\"{1}\"]\npolicy_keys = [\"{1}\"]\nbase_keys = [\"{2}\"]\n",
        folder.path().display(),
        keys[0],
        lapwing_rules::key_text(&crate::sample::project_key().verifying_key())
    );
    let config = Config::from_text(&text, std::path::Path::new("agent.toml")).unwrap();
    let (notice, _) = watch::channel(crate::notice::Notice::without_policy());
    let clock = Arc::new(crate::clock::ManualClock::at(NOON_US));
    let mut keeper = Keeper::new(&config, clock, crate::diagnostic::Diagnostics::new(), notice);
    keeper.take_rule_set(&artefact(1));
    if take_policy {
        keeper.take_policy(&signed_policy(1));
    }
    let (counters, bands) = (Counters::new(), Arc::new(ArcSwap::from_pointee(Bands::of_config(&config))));
    let (accounts, _asking) = accounts::accounts();
    let judge =
        Judge::new(keeper.force(), bands, accounts, counters.clone(), BootId::from_bytes([1; 16]), time).easing(effort);
    (keeper, judge, counters, folder)
}

#[test]
fn a_signal_that_matches_becomes_a_capture() {
    let (mut judge, counters, _folder) = judge(true);
    assert!(judge.judge(title("Homework", None)).is_none());
    let capture = judge.judge(title("flimwager", None)).unwrap();
    assert_eq!(capture.verdict.hits[0].rule.as_str(), "sample.bets");
    let numbers = counters.to_wire();
    assert_eq!((numbers.seen, numbers.matched), (2, 1));
}

#[test]
fn without_a_policy_nothing_is_looked_at() {
    let (mut judge, counters, _folder) = judge(false);
    assert!(judge.judge(title("flimwager", None)).is_none());
    assert_eq!(counters.to_wire().seen, 0);
}

#[test]
fn a_helplines_page_leaves_a_count_and_nothing_else() {
    let (mut judge, counters, _folder) = judge(true);
    assert!(judge.judge(url("https://helpline.example/talk")).is_none());
    let counts = counters.take_counts();
    assert_eq!(counts.len(), 1);
    assert_eq!((counts[0].key.as_str(), counts[0].count), ("support:helpline.example", 1));
}

#[test]
fn a_rule_on_trial_leaves_a_count_of_what_it_would_have_told_and_nothing_else() {
    let (mut judge, counters, _folder) = judge(true);
    let mut at_minute = |minute: i64, text: &str, group: &str| {
        let mut signal = title(text, None);
        signal.account.groups = vec![group.to_owned()];
        signal.seen = at(NOON_US + minute * MINUTE_US);
        judge.judge(signal)
    };
    for minute in [0, 1, 11] {
        assert!(at_minute(minute, "Sam Smith is a plonkwit", "pupils").is_none());
    }
    let both = at_minute(30, "a plonkwit and a flimwager", "pupils").unwrap();
    assert_eq!(both.verdict.hits.len(), 1, "a live rule is told as ever");
    assert!(at_minute(60, "Sam Smith is a plonkwit", "teachers").is_none(), "off for staff is off");
    let counts = counters.take_counts();
    let told: Vec<_> = counts.iter().map(|count| (count.key.as_str(), count.count)).collect();
    assert_eq!(told, [("shadow:sample.trial", 3)], "a repeat within the cooldown would not be told");
}

#[test]
fn a_teacher_by_group_is_looked_at_by_illegal_rules_alone_while_the_switch_is_off() {
    let (mut judge, _, _folder) = judge(true);
    let of_staff = |text: &str| {
        let mut signal = title(text, None);
        signal.account.groups = vec!["teachers".to_owned()];
        signal
    };
    assert!(judge.judge(of_staff("flimwager")).is_none());
    assert!(judge.judge(of_staff("join the brambit front")).is_some());
}

#[test]
fn a_second_phrase_makes_a_hit_urgent_at_once_and_no_more_of_the_text_is_kept() {
    let (mut judge, _, _folder) = judge(true);
    let mut at_minute = |minute: i64, text: &str| {
        let mut signal = title(text, None);
        signal.seen = at(NOON_US + minute * MINUTE_US);
        let capture = judge.judge(signal)?;
        Some((capture.level().number(), capture.repeats, capture.excerpts[0].text.clone()))
    };
    assert_eq!(at_minute(0, "Sam Smith: a tweel shop"), Some((2, 0, "tweel".to_owned())));
    assert_eq!(at_minute(1, "Sam Smith: a TWEEL shop"), None, "the same phrase in the cooldown");
    assert_eq!(at_minute(2, "Sam Smith: a murk shop"), Some((4, 1, "murk".to_owned())));
    assert_eq!(at_minute(3, "Sam Smith: a murk shop"), None);
}

#[test]
fn what_is_told_from_the_third_time_on_brings_the_two_before() {
    let (mut judge, _, _folder) = judge(true);
    let repeats = [0, 10, 20].map(|minute| {
        let mut signal = title("a dringle", None);
        signal.seen = at(NOON_US + minute * MINUTE_US);
        judge.judge(signal).map(|capture| capture.repeats)
    });
    assert_eq!(repeats, [None, None, Some(2)]);
}

const HOUR_US: u64 = 60 * 60 * 1_000_000;
const BURST_US: u64 = 10_000_000;

fn burst_over_us() -> u64 {
    at(NOON_US).boot_us + BURST_US
}

/// The signal of the `number`th file of a burst.
fn dropped(name: &str, number: u64) -> Signal {
    let noon_us = at(NOON_US).boot_us;
    let seen = crate::signal::Moment { boot_us: noon_us + number, wall_us: NOON_US };
    let burst = crate::signal::Burst { until_us: noon_us + BURST_US, folder: "/home/kim/Downloads".into() };
    Signal::file(seen, crate::sample::account(&[]), name, Some(burst))
}

#[test]
fn every_name_of_a_burst_is_looked_at_and_its_hits_are_one_capture_a_rule() {
    let (mut judge, counters, _folder) = judge(true);
    let names = ["holiday.jpg", "a flimwager.txt", "b flimwager.txt", "how to zorble.txt", "c flimwager zorble.txt"];
    for (number, name) in (0..).zip(names) {
        assert_eq!(judge.judge(dropped(name, number)), None, "it waits for the others");
    }
    assert_eq!(judge.deadline(), Some(burst_over_us()));
    assert!(judge.over(burst_over_us() - 1).is_empty());
    let captures = judge.over(burst_over_us());
    let told: Vec<_> = captures.iter().map(|one| (one.verdict.hits[0].rule.to_string(), one.burst)).collect();
    assert_eq!(told, [("sample.bets".to_owned(), 3), ("sample.wanted".to_owned(), 1)]);
    assert_eq!(captures[0].excerpts[0].text, "flimwager", "no other name travels with it");
    assert_eq!((counters.to_wire().seen, counters.to_wire().matched), (5, 4));
    assert_eq!((judge.deadline(), judge.over(u64::MAX).len()), (None, 0));
}

#[test]
fn an_illegal_name_in_a_burst_is_told_at_once_and_the_others_by_their_number() {
    let (mut judge, _, _folder) = judge(true);
    let first = judge.judge(dropped("quuxfile archive 1.zip", 0)).unwrap();
    assert_eq!((first.level(), first.burst), (lapwing_rules::Level::Critical, 1));
    for number in 1..40 {
        assert_eq!(judge.judge(dropped(&format!("quuxfile archive {number}.zip"), number)), None);
    }
    let rest = judge.over(burst_over_us());
    assert_eq!(rest.iter().map(|capture| capture.burst).collect::<Vec<_>>(), [39]);
    judge.judge(dropped("quuxfile archive.zip", BURST_US + 1));
    assert!(judge.over(u64::MAX).is_empty(), "nothing is left to tell");
}

proptest::proptest! {
    /// Whatever names come in whatever bursts: each rule's hits are told or counted as its repeats, none twice.
    #[test]
    fn no_hit_of_a_burst_is_lost(names in proptest::collection::vec((0_u8..3, 1_u64..4), 0..60)) {
        let (mut judge, _, _folder) = judge(true);
        let (mut told, mut expected) = ([0_u32; 2], [0_u32; 2]);
        let mut count = |captures: Vec<Capture>| {
            for (capture, hit) in captures.iter().flat_map(|one| one.verdict.hits.iter().map(move |hit| (one, hit))) {
                told[usize::from(hit.rule.as_str() == "sample.bets")] += capture.burst + capture.repeats;
            }
        };
        for (number, (name, burst)) in (0..).zip(names) {
            let name = ["holiday", "flimwager", "quuxfile archive"][usize::from(name)];
            expected[1] += u32::from(name.contains("flimwager"));
            expected[0] += u32::from(name.contains("quuxfile"));
            let mut signal = dropped(name, number);
            signal.burst.as_mut().unwrap().until_us = burst;
            count(judge.judge(signal).into_iter().collect());
        }
        count(judge.over(u64::MAX));
        // What cooled down since is told with what comes next.
        let mut next = dropped("flimwager", HOUR_US);
        next.burst = None;
        count(judge.judge(next).into_iter().collect());
        let mut next = dropped("quuxfile archive", HOUR_US);
        next.burst = None;
        count(judge.judge(next).into_iter().collect());
        proptest::prop_assert_eq!(told, [expected[0] + 1, expected[1] + 1]);
    }
}

#[test]
fn at_every_step_what_is_critical_is_captured_and_what_is_not_is_counted_until_it_may_be() {
    let (effort, seen) = watch::channel(Effort::full());
    let (mut judge, _, _folder) = judge_at(true, seen, told_at_noon());
    let mut at_minute = |minute: i64, text: &str| {
        let mut signal = title(text, None);
        signal.seen = at(NOON_US + minute * MINUTE_US);
        judge.judge(signal).map(|capture| capture.repeats)
    };
    assert_eq!(at_minute(0, "flimwager"), Some(0));
    effort.send_replace(Effort::of(Step::Eased, Step::Full));
    assert_eq!(at_minute(1, "flimwager"), Some(0));
    assert_eq!(at_minute(2, "flimwager"), None, "the cooldown is twice as long");
    effort.send_replace(Effort::of(Step::Full, Step::Bare));
    assert_eq!(at_minute(9, "flimwager"), None, "the cooldown is over, and its level is too low");
    assert_eq!(at_minute(10, "i want a zorble"), Some(0));
    for (minute, step) in [(11, Step::Eased), (71, Step::Slowed), (131, Step::Bare)] {
        effort.send_replace(Effort::of(step, step));
        assert_eq!(at_minute(minute, "my quuxfile archive"), Some(0));
    }
    effort.send_replace(Effort::full());
    assert_eq!(at_minute(140, "flimwager"), Some(2), "what was counted travels with the next");
}

#[test]
fn a_flood_of_titles_is_counted_while_files_are_all_looked_at() {
    let (mut judge, counters, _folder) =
        judge_at(true, watch::channel(Effort::of(Step::Bare, Step::Full)).1, told_at_noon());
    for _ in 0..100 {
        judge.judge(title("Homework", None));
        judge.judge(dropped("holiday.jpg", 0));
    }
    assert_eq!((counters.to_wire().seen, counters.skipped()), (115, 85));
}

#[test]
fn a_turned_clock_changes_neither_hours_nor_cooldowns_once_the_collector_was_heard() {
    const YEAR_US: i64 = 365 * 24 * 60 * MINUTE_US;
    let (mut judge, _, _folder) = judge(true);
    let mut flimwager = |minute: i64, wall_us: i64| {
        let mut signal = title("flimwager", None);
        signal.seen = at(NOON_US + minute * MINUTE_US);
        signal.seen.wall_us = wall_us;
        judge.judge(signal)
    };
    let turned = [NOON_US - 20 * YEAR_US, NOON_US + 20 * YEAR_US, NOON_US - 9 * MINUTE_US, i64::MIN, i64::MAX];
    for (minute, wall_us) in (0..).zip(turned) {
        let capture = flimwager(minute, wall_us).unwrap();
        assert_eq!((capture.wall_us, capture.repeats), (wall_us, u32::from(minute > 0)));
        assert_eq!(flimwager(minute, NOON_US), None, "within the cooldown");
    }
    assert!(flimwager(5 * 60, NOON_US).is_none(), "hours are over, whatever the clock says");
}

#[test]
fn before_the_collector_was_heard_hours_are_the_devices_own() {
    let unheard = Arc::new(TrustedTime::new(Arc::new(crate::clock::ManualClock::at(0))));
    let (mut judge, counters, _folder) = judge_at(true, watch::channel(Effort::full()).1, unheard);
    for (wall_us, seen) in [(NOON_US + 5 * 60 * MINUTE_US, 0), (i64::MIN, 0), (i64::MAX, 0), (NOON_US, 1)] {
        let mut signal = title("Homework", None);
        signal.seen.wall_us = wall_us;
        judge.judge(signal);
        assert_eq!(counters.to_wire().seen, seen);
    }
}

/// A lesson about everything, from noon for half an hour, for everybody or for accounts of these groups.
fn exempt(judge: &Judge, groups: &[&str]) {
    let authority = Authority::new();
    let lesson = lapwing_proto::Exemption {
        id: lapwing_proto::ExemptionId::from_bytes([2; 16]),
        from_us: NOON_US,
        until_us: NOON_US + 30 * MINUTE_US,
        categories: lapwing_rules::Category::all().collect(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    };
    let list = lapwing_proto::ExemptionList {
        school: "sample".parse().unwrap(),
        number: 1,
        issued_us: NOON_US,
        heard_within: std::time::Duration::from_secs(24 * 60 * 60),
        exemptions: vec![lesson],
        approved_media: Vec::new(),
    };
    judge.force.exemptions().take(&authority.sign(&list), &authority.der, at(NOON_US).boot_us).unwrap();
}

#[test]
fn what_is_exempted_is_counted_for_its_exemption_and_captured_again_when_that_is_over() {
    let (mut judge, counters, _folder) = judge(true);
    exempt(&judge, &[]);
    let mut at_minute = |minute: i64, text: &str| {
        let mut signal = title(text, None);
        signal.seen = at(NOON_US + minute * MINUTE_US);
        signal.seen.wall_us = NOON_US;
        judge.judge(signal)
    };
    assert_eq!(at_minute(1, "a flimwager"), None);
    assert_eq!(at_minute(2, "a flimwager and a tweel"), None);
    assert_eq!(at_minute(3, "a tweel and a murk"), None, "what would be urgent by its number is research too");
    assert_eq!(at_minute(4, "plonkwit"), None, "nothing of a rule on trial either");
    assert!(at_minute(30, "a flimwager").is_some(), "it is over");
    let id = lapwing_proto::ExemptionId::from_bytes([2; 16]);
    let counts = counters.take_counts();
    let told: Vec<_> = counts.iter().map(|count| (count.key.clone(), count.count)).collect();
    assert_eq!(told, [(format!("exempted:{id}:gambling"), 2), (format!("exempted:{id}:weapons"), 2)]);
}

#[test]
fn an_approved_stick_is_no_capture_and_another_is() {
    let (mut judge, counters, _folder) = judge(true);
    let stick = |judge: &mut Judge, serial: &[u8]| {
        let facts = lapwing_proto::Media {
            label: "BLUE".to_owned(),
            size_bytes: 8_000_000_000,
            bus: lapwing_proto::Open::Known(lapwing_proto::Bus::Usb),
            serial_hash: Some(lapwing_rules::Digest::of(serial)),
            filesystem: "vfat".to_owned(),
        };
        let account = title("", None).account;
        let capture = judge.judge(Signal::media(at(NOON_US), account, facts))?;
        Some(capture.verdict.hits.iter().map(|hit| hit.rule.to_string()).collect::<Vec<_>>())
    };
    let authority = Authority::new();
    let until_us = NOON_US + 30 * MINUTE_US;
    let medium = lapwing_proto::ApprovedMedium { serial_hash: lapwing_rules::Digest::of(b"0042"), until_us };
    let list = lapwing_proto::ExemptionList {
        school: "sample".parse().unwrap(),
        number: 1,
        issued_us: NOON_US,
        heard_within: std::time::Duration::from_secs(24 * 60 * 60),
        exemptions: Vec::new(),
        approved_media: vec![medium],
    };
    judge.force.exemptions().take(&authority.sign(&list), &authority.der, at(NOON_US).boot_us).unwrap();
    assert_eq!(stick(&mut judge, b"0042"), None);
    assert!(counters.take_counts().is_empty(), "and no count either");
    assert_eq!(stick(&mut judge, b"0043"), Some(vec!["sample.stick".to_owned()]));
}

#[test]
fn an_exemption_of_one_class_is_none_of_another() {
    let (mut judge, counters, _folder) = judge(true);
    exempt(&judge, &["10B"]);
    assert!(judge.judge(title("a flimwager", None)).is_some(), "the collector has not named a group");
    assert!(counters.take_counts().is_empty());
}

/// Words, and whether they say wanting to or how to, or the law forbids them.
const TEXTS: [(&str, bool); 6] = [
    ("a flimwager", false),
    ("a tweel", false),
    ("a glorp and a snib", false),
    ("i want a zorble", true),
    ("a quuxfile archive", true),
    ("join the brambit front", true),
];

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, ..Default::default() })]

    /// Whatever stands on a page: an exemption takes all or nothing of it, and nothing that is marked or illegal.
    #[test]
    fn an_exemption_takes_nothing_illegal_and_nothing_beside_words_of_an_intent(
        chosen in proptest::collection::btree_set(0_usize..TEXTS.len(), 0..4),
    ) {
        let text = chosen.iter().filter_map(|one| TEXTS.get(*one)).map(|(text, _)| *text).collect::<Vec<_>>().join(", ");
        let (mut free, mut exempted) = (judge(true), judge(true));
        exempt(&exempted.0, &[]);
        let (open, lesson) = (free.0.judge(title(&text, None)), exempted.0.judge(title(&text, None)));
        let rules = |capture: &Option<Capture>, of: &dyn Fn(&lapwing_rules::Category) -> bool| {
            let hits = capture.iter().flat_map(|capture| &capture.verdict.hits);
            let chosen = hits.filter(|hit| hit.category.id().parse().is_ok_and(|category| of(&category)));
            chosen.map(|hit| hit.rule.to_string()).collect::<Vec<_>>()
        };
        let is_illegal = |category: &lapwing_rules::Category| category.class().is_illegal();
        proptest::prop_assert_eq!(rules(&lesson, &is_illegal), rules(&open, &is_illegal));
        if text.contains("i want") {
            proptest::prop_assert_eq!(&lesson, &open);
        } else {
            proptest::prop_assert!(rules(&lesson, &|category| !is_illegal(category)).is_empty());
        }
        let is_counted = !exempted.1.take_counts().is_empty();
        proptest::prop_assert_eq!(is_counted, rules(&open, &|_| true).len() > rules(&lesson, &|_| true).len());
    }
}
