//! Off means off, for every category and every way in which a school switches one off; and none for an illegal one.

use std::fmt::Write as _;

use lapwing_rules::{Action, Band, Category, Compiler, Day, Policy, Standing, sign_policy};

use super::*;
use crate::sample::{project_key, signing_key};

const HOSTS: &str = include_str!("../../../sample/hosts.toml");

/// A way in which something is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Off {
    /// Nothing is: what is captured then shows that the others can fail.
    Nothing,
    /// The category, for a group that the operating system names.
    Group,
    /// Everything but what is illegal, for staff.
    Staff,
    /// The category, as acceptable for pupils.
    Acceptable,
    /// Everything, by the hour.
    Hours,
    /// Everything, away from school.
    Site,
    /// Everything, on a page that is protected for everybody.
    Protected,
    /// Everything: there is no policy.
    Unsigned,
}

impl Off {
    const ALL: [Self; 8] = [
        Self::Nothing,
        Self::Group,
        Self::Staff,
        Self::Acceptable,
        Self::Hours,
        Self::Site,
        Self::Protected,
        Self::Unsigned,
    ];

    /// Whether a hit of `category` at a moderate level is to be captured all the same.
    fn captures(self, category: Category) -> bool {
        let is_illegal = category.class().is_illegal();
        match self {
            Self::Nothing => true,
            Self::Group | Self::Staff => is_illegal,
            Self::Acceptable => is_illegal || Action::of(category).is_none(),
            Self::Hours | Self::Site | Self::Protected | Self::Unsigned => false,
        }
    }

    fn policy(self, category: Category) -> Policy {
        let sites = if self == Self::Site { r#"{"networks": ["10.2.0.0/16"]}"# } else { r#""any""# };
        // What was off for the category before is on again: people are told each time.
        let number = Category::all().position(|one| one == category).unwrap() + 1;
        let mut policy = crate::sample::policy(u64::try_from(number).unwrap(), self != Self::Staff, sites);
        policy.notice_version = u32::try_from(number).unwrap();
        if self == Self::Group && !category.class().is_illegal() {
            policy.group_off.insert("off".to_owned(), [category].into());
        }
        if let (Self::Acceptable, Some(action)) = (self, Action::of(category)) {
            policy.acceptability.insert(action, [(lapwing_rules::Role::Pupil, Standing::Acceptable)].into());
        }
        policy
    }
}

/// Two made-up words for a category; the second is of a rule on trial.
fn words(category: Category) -> [String; 2] {
    let letters = |number: usize| ["qua", "bem", "dil", "fop", "gur", "jat", "ked", "lom"].get(number % 8).copied();
    let number = Category::all().position(|one| one == category).unwrap();
    let made = |end: &str| format!("zz{}{} {end}", letters(number).unwrap(), letters(number / 8).unwrap());
    [made("wibtrel"), made("sholquin")]
}

fn rule(pack: &mut String, category: Category, shadow: bool) {
    let [live, trial] = words(category);
    let (id, words) = if shadow { ("trial", trial) } else { ("live", live) };
    let prefix = if category.class().is_illegal() { "illegal_base" } else { "matrix" };
    let level = if category.class().is_illegal() { String::new() } else { "level = 3\n".to_owned() };
    let _ = write!(
        pack,
        "[[rule]]\nid = \"{prefix}.{category}_{id}\"\ntitle = \"Made up\"\ncategory = \"{category}\"\n{level}\
         scopes = [\"title\"]\nguidance = \"Talk.\"\n{}[rule.match]\nphrase = \"{words}\"\n\
         [[rule.examples.must_match]]\nscope = \"title\"\ntext = \"{words}\"\n\
         [[rule.examples.must_not_match]]\nscope = \"title\"\ntext = \"homework\"\n",
        if shadow { "shadow = true\n" } else { "" },
    );
}

/// A rule of each category, and one on trial where there may be one.
fn rule_set() -> Vec<u8> {
    let head = |id: &str| format!("[pack]\nid = \"{id}\"\nversion = 1\ntitle = \"T\"\nsources = [\"Made up\"]\n");
    let (mut matrix, mut illegal) = (head("matrix"), head("illegal_base"));
    for category in Category::all() {
        if category.class().is_illegal() {
            rule(&mut illegal, category, false);
        } else {
            rule(&mut matrix, category, false);
            rule(&mut matrix, category, true);
        }
    }
    let compiler = Compiler::new().today("2023-11-15".parse().unwrap());
    let compiler = compiler.pack("matrix.toml", matrix.as_str()).pack("illegal_base.toml", illegal.as_str());
    let compiler = compiler.pack("hosts.toml", HOSTS);
    crate::sample::signed(&compiler, &project_key(), (1, 1), lapwing_rules::Validity::default())
}

/// What takes rule sets and policies, with the rules of this matrix, and its folder.
fn keeper(rules: &[u8]) -> (Keeper, Config, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let [key, project] = [signing_key(), project_key()].map(|key| lapwing_rules::key_text(&key.verifying_key()));
    let text = format!(
        "state_dir = \"{}\"\n[trust]\nrule_keys = [\"{key}\"]\npolicy_keys = [\"{key}\"]\nbase_keys = [\"{project}\"]\n",
        folder.path().display(),
    );
    let config = Config::from_text(&text, std::path::Path::new("agent.toml")).unwrap();
    let (notice, _) = watch::channel(crate::notice::Notice::without_policy());
    let clock = Arc::new(crate::clock::ManualClock::at(NOON_US));
    let mut keeper = Keeper::new(&config, clock, crate::diagnostic::Diagnostics::new(), notice);
    keeper.take_rule_set(rules);
    (keeper, config, folder)
}

/// A judge of its own for each question: nothing cools down.
fn judge_by(keeper: &Keeper, config: &Config) -> (Judge, Counters) {
    let (counters, bands) = (Counters::new(), Arc::new(ArcSwap::from_pointee(Bands::of_config(config))));
    let (accounts, _asking) = accounts::accounts();
    let time = told_at_noon();
    let mut judge = Judge::new(keeper.force(), bands, accounts, counters.clone(), BootId::from_bytes([1; 16]), time);
    judge.addresses = || vec!["192.168.1.2".parse().unwrap()];
    (judge, counters)
}

fn shown(text: &str, off: Off) -> Signal {
    let mut signal = title(text, (off == Off::Protected).then_some("complaints.example"));
    signal.account.groups = match off {
        Off::Group => vec!["off".to_owned()],
        Off::Staff => vec!["teachers".to_owned()],
        Off::Nothing | Off::Acceptable | Off::Hours | Off::Site | Off::Protected | Off::Unsigned => Vec::new(),
    };
    if off == Off::Hours {
        signal.seen = at(NOON_US + 5 * 60 * MINUTE_US);
    }
    signal
}

#[test]
fn every_category_that_is_off_leaves_no_capture_and_no_count_and_an_illegal_one_is_never_off() {
    let rules = rule_set();
    for off in Off::ALL {
        let (mut keeper, config, _folder) = keeper(&rules);
        for category in Category::all() {
            if off != Off::Unsigned {
                keeper.take_policy(&sign_policy(&off.policy(category), &signing_key()).unwrap());
            }
            let (mut judge, counters) = judge_by(&keeper, &config);
            let [live, trial] = words(category);
            let captured = judge.judge(shown(&live, off));
            let hits = captured.iter().flat_map(|capture| &capture.verdict.hits);
            let categories: Vec<String> = hits.map(|hit| hit.category.id().to_owned()).collect();
            let expected: &[&str] = if off.captures(category) { &[category.id()] } else { &[] };
            assert_eq!(categories, expected, "{category}, off by {off:?}");
            assert_eq!(counters.to_wire().matched, u64::from(off.captures(category)), "{category}, off by {off:?}");
            assert_eq!(judge.judge(shown(&trial, off)), None);
            let is_on_trial = off.captures(category) && !category.class().is_illegal();
            assert_eq!(counters.take_counts().len(), usize::from(is_on_trial), "{category}, off by {off:?}");
        }
    }
}

#[test]
fn no_policy_that_would_switch_an_illegal_category_off_can_be_signed_or_is_read() {
    for category in Category::all() {
        let mut policy = crate::sample::policy(1, true, r#""any""#);
        policy.group_off.insert("off".to_owned(), [category].into());
        assert_eq!(sign_policy(&policy, &signing_key()).is_err(), category.class().is_illegal(), "{category}");
        let (day, doer) = (Day::Wed, lapwing_rules::Doer { band: Band::Ks4, account: "kim" });
        let at = lapwing_rules::WeekMinute::new(day, 12, 0).unwrap();
        for action in Action::ALL {
            policy.acceptability.insert(action, [(lapwing_rules::Role::Pupil, Standing::Acceptable)].into());
        }
        let is_silenced = policy.silences((category, lapwing_rules::Level::Low), at, doer);
        assert!(!(is_silenced && category.class().is_illegal()), "{category}");
        assert!(!policy.is_off(category, ["off"]) || !category.class().is_illegal(), "{category}");
    }
}
