//! What a school finds acceptable: an action by whose account, always, at certain times, for nominated users, or not.
//!
//! Only everyday actions can be named, and only hits of levels 1 to 3 are silenced by it: what an illegal category or an
//! urgent rule fires on is no matter of acceptable use.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Hours, WeekMinute};
use crate::{Band, Category, Level};

const MAX_USERS: usize = 512;
const MAX_USER_BYTES: usize = 128;

/// Something people do that a school may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Playing games.
    Gaming,
    /// Buying.
    Shopping,
    /// Gambling.
    Gambling,
    /// Sharing files with strangers' services.
    FileSharing,
    /// Putting in a memory stick or disk.
    RemovableMedia,
}

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A pupil or student, and whoever is behind a class log-on.
    Pupil,
    /// A member of staff.
    Staff,
    /// A visitor.
    Guest,
}

/// What the school says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is nobody's concern.
    Acceptable,
    /// It is nobody's concern in these hours.
    AtCertainTimes(Hours),
    /// It is nobody's concern with these accounts, at most 512. A class log-on is nobody's account.
    NominatedUsers(BTreeSet<String>),
    /// It is reported, as without a word of it.
    Unacceptable,
    /// It is reported; the notice says that the law forbids it.
    Illegal,
}

/// Actions by role. What is not named is unacceptable.
pub type Acceptability = BTreeMap<Action, BTreeMap<Role, Standing>>;

/// The account that does something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Doer<'a> {
    /// Its band.
    pub band: Band,
    /// Its name, as the operating system gives it.
    pub account: &'a str,
}

impl fmt::Debug for Doer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:<redacted>", self.band)
    }
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 5] = [Self::Gaming, Self::Shopping, Self::Gambling, Self::FileSharing, Self::RemovableMedia];

    /// The category whose hits tell of it.
    #[must_use]
    pub const fn category(self) -> Category {
        match self {
            Self::Gaming => Category::OffTaskGaming,
            Self::Shopping => Category::Shopping,
            Self::Gambling => Category::Gambling,
            Self::FileSharing => Category::FileSharing,
            Self::RemovableMedia => Category::RemovableMedia,
        }
    }

    /// The action of which hits of `category` tell.
    #[must_use]
    pub fn of(category: Category) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.category() == category)
    }
}

impl Role {
    /// The role of an account of `band`.
    #[must_use]
    pub const fn of(band: Band) -> Self {
        match band {
            Band::Eyfs | Band::Ks1 | Band::Ks2 | Band::Ks3 | Band::Ks4 | Band::Ks5 | Band::Post19 | Band::Shared => {
                Self::Pupil
            }
            Band::Staff => Self::Staff,
            Band::Guest => Self::Guest,
        }
    }
}

impl Standing {
    /// The highest level that it can silence.
    pub const MAX_LEVEL: Level = Level::Moderate;

    fn permits(&self, at: WeekMinute, doer: Doer<'_>) -> bool {
        match self {
            Self::Acceptable => true,
            Self::AtCertainTimes(hours) => hours.hold(at),
            Self::NominatedUsers(users) => doer.band != Band::Shared && users.contains(doer.account),
            Self::Unacceptable | Self::Illegal => false,
        }
    }

    fn check(&self) -> Result<(), String> {
        match self {
            Self::AtCertainTimes(hours) => hours.check(),
            Self::NominatedUsers(users) if users.is_empty() || users.len() > MAX_USERS => {
                Err(format!("has not 1 to {MAX_USERS} nominated users"))
            }
            Self::NominatedUsers(users) => match users.iter().any(|user| !(1..=MAX_USER_BYTES).contains(&user.len())) {
                true => Err(format!("nominates a user whose name is not 1 to {MAX_USER_BYTES} bytes")),
                false => Ok(()),
            },
            Self::Acceptable | Self::Unacceptable | Self::Illegal => Ok(()),
        }
    }
}

/// Checks every standing.
pub(super) fn check(acceptability: &Acceptability) -> Result<(), String> {
    acceptability.values().flat_map(BTreeMap::values).try_for_each(Standing::check)
}

/// Whether a hit tells of something that the school finds acceptable.
pub(super) fn silences(
    acceptability: &Acceptability,
    (category, level): (Category, Level),
    at: WeekMinute,
    doer: Doer<'_>,
) -> bool {
    let standing = Action::of(category).and_then(|action| acceptability.get(&action)?.get(&Role::of(doer.band)));
    let may_be = level <= Standing::MAX_LEVEL && !category.class().is_illegal();
    may_be && standing.is_some_and(|standing| standing.permits(at, doer))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Day, Policy};
    use super::*;

    fn policy(acceptability: &str) -> Result<Policy, String> {
        let json = format!(
            r#"{{"release": 3, "school": "sample", "zone": "Europe/London", "staff_watched": true, "hours": "always",
                "sites": "any", "notice_version": 2, "acceptability": {acceptability}}}"#
        );
        Policy::from_json(&json).map_err(|error| error.to_string())
    }

    fn monday(hour: u8) -> WeekMinute {
        WeekMinute::new(Day::Mon, hour, 0).unwrap()
    }

    fn pupil(account: &str) -> Doer<'_> {
        Doer { band: Band::Ks4, account }
    }

    #[test]
    fn each_standing_silences_what_it_says_and_what_is_not_named_is_kept() {
        let policy = policy(
            r#"{"gaming": {"pupil": {"at_certain_times": {"weekly": [{"day": "mon", "from": "12:00", "to": "13:00"}]}},
                           "staff": "illegal"},
                "removable_media": {"pupil": {"nominated_users": ["kim"]}, "staff": "acceptable"},
                "shopping": {"pupil": "unacceptable"}}"#,
        )
        .unwrap();
        let silences = |category, hour, doer| policy.silences((category, Level::Low), monday(hour), doer);
        assert!(
            silences(Category::OffTaskGaming, 12, pupil("jo")) && !silences(Category::OffTaskGaming, 13, pupil("jo"))
        );
        assert!(
            silences(Category::RemovableMedia, 9, pupil("kim")) && !silences(Category::RemovableMedia, 9, pupil("jo"))
        );
        let (class, staff) = (Doer { band: Band::Shared, account: "kim" }, Doer { band: Band::Staff, account: "kim" });
        assert!(!silences(Category::RemovableMedia, 9, class), "nobody knows who is behind a class log-on");
        assert!(silences(Category::RemovableMedia, 9, staff) && !silences(Category::OffTaskGaming, 12, staff));
        assert!(!silences(Category::Shopping, 9, pupil("kim")) && !silences(Category::FileSharing, 9, pupil("kim")));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (acceptability, said) in [
            (r#"{"csam": {"pupil": "acceptable"}}"#, "unknown variant `csam`"),
            (r#"{"gaming": {"head": "acceptable"}}"#, "unknown variant `head`"),
            (r#"{"gaming": {"pupil": "sometimes"}}"#, "unknown variant `sometimes`"),
            (r#"{"gaming": {"pupil": {"nominated_users": []}}}"#, "has not 1 to 512 nominated users"),
            (r#"{"gaming": {"pupil": {"nominated_users": [""]}}}"#, "not 1 to 128 bytes"),
            (r#"{"gaming": {"pupil": {"at_certain_times": {"weekly": []}}}}"#, "has not 1 to 64 periods"),
        ] {
            let error = policy(acceptability).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_policy_without_a_word_of_it_is_read_and_written_as_before() {
        let policy = policy("{}").unwrap();
        let json = serde_json::to_string(&policy).unwrap();
        assert!(!json.contains("acceptability"), "an older device reads it: {json}");
        assert_eq!(Policy::from_json(&json), Ok(policy));
    }

    fn standing() -> impl Strategy<Value = Standing> {
        let users = prop::collection::btree_set("[a-c]", 1..3);
        prop_oneof![
            Just(Standing::Acceptable),
            Just(Standing::AtCertainTimes(Hours::Always)),
            users.prop_map(Standing::NominatedUsers),
            Just(Standing::Unacceptable),
            Just(Standing::Illegal),
        ]
    }

    fn acceptability() -> impl Strategy<Value = Acceptability> {
        let role = prop::sample::select(vec![Role::Pupil, Role::Staff, Role::Guest]);
        let roles = prop::collection::btree_map(role, standing(), 0..4);
        prop::collection::btree_map(prop::sample::select(Action::ALL.to_vec()), roles, 0..6)
    }

    proptest! {
        /// Whatever a school signs, for whomever, whenever.
        #[test]
        fn nothing_illegal_or_urgent_and_no_other_category_is_ever_silenced(
            acceptability in acceptability(),
            band in prop::sample::select(Band::ALL.to_vec()),
            level in prop::sample::select(Level::ALL.to_vec()),
            account in "[a-d]",
            hour in 0_u8..24,
        ) {
            let policy = Policy { acceptability, ..policy("{}").unwrap() };
            prop_assert!(policy.check().is_ok());
            for category in Category::all() {
                let doer = Doer { band, account: &account };
                let is_silenced = policy.silences((category, level), monday(hour), doer);
                let may_be = !category.class().is_illegal() && level <= Level::Moderate && Action::of(category).is_some();
                prop_assert!(may_be || !is_silenced, "{} at level {}", category, level);
                let standing = Action::of(category).and_then(|action| policy.acceptability.get(&action)?.get(&Role::of(band)));
                let is_kept = matches!(standing, None | Some(Standing::Unacceptable | Standing::Illegal));
                prop_assert!(!(is_kept && is_silenced));
                prop_assert!(is_silenced || !may_be || standing != Some(&Standing::Acceptable));
            }
        }
    }

    #[test]
    fn no_action_is_of_an_illegal_category() {
        assert!(Action::ALL.iter().all(|action| !action.category().class().is_illegal()));
    }
}
