//! What a policy looks at that the one before did not: hours, places, staff, categories, and what was acceptable.
//!
//! It errs on one side: where it cannot be sure that nothing more is looked at, it says that something is.

use std::collections::BTreeSet;
use std::fmt;

use super::{Action, Day, Hours, Network, Period, Policy, Role, Sites, Standing};
use crate::Category;

/// Something that is looked at, and was not before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Widening {
    /// Hours are civil time of another zone: nobody can say by how much they move.
    Zone,
    /// More hours of the week.
    Hours(Vec<Period>),
    /// Wherever a device is.
    Everywhere,
    /// A network that is in none of those before.
    Network(Network),
    /// Staff, beyond what is illegal.
    Staff,
    /// A category in a group for which it was off.
    Category {
        /// The group.
        group: String,
        /// The category.
        category: Category,
    },
    /// An action that was acceptable, always or at times or for some.
    Action {
        /// The action.
        action: Action,
        /// By whom.
        role: Role,
    },
}

impl Policy {
    /// What this policy looks at that `before` did not; nothing where it is as narrow.
    #[must_use]
    pub fn widened_from(&self, before: &Self) -> Vec<Widening> {
        let mut widened = Vec::new();
        widened.extend((self.zone != before.zone).then_some(Widening::Zone));
        let hours = self.hours.beyond(&before.hours);
        widened.extend((!hours.is_empty()).then_some(Widening::Hours(hours)));
        widened.extend(sites(&self.sites, &before.sites));
        widened.extend((self.staff_watched && !before.staff_watched).then_some(Widening::Staff));
        for (group, off) in &before.group_off {
            let still_off = self.group_off.get(group);
            let is_on = |category: &&Category| !still_off.is_some_and(|still_off| still_off.contains(*category));
            let on = off.iter().filter(is_on);
            widened.extend(on.map(|category| Widening::Category { group: group.clone(), category: *category }));
        }
        for (action, roles) in &before.acceptability {
            for (role, standing) in roles {
                let now = self.acceptability.get(action).and_then(|roles| roles.get(role));
                if !permits_as_much(now.unwrap_or(&Standing::Unacceptable), standing) {
                    widened.push(Widening::Action { action: *action, role: *role });
                }
            }
        }
        widened
    }
}

fn sites(now: &Sites, before: &Sites) -> Vec<Widening> {
    match (now, before) {
        (_, Sites::Any) => Vec::new(),
        (Sites::Any, Sites::Networks(_)) => vec![Widening::Everywhere],
        (Sites::Networks(now), Sites::Networks(before)) => {
            let is_new = |network: &&Network| !before.iter().any(|held| network.is_within(*held));
            now.iter().filter(is_new).map(|network| Widening::Network(*network)).collect()
        }
    }
}

/// Whether whatever `before` permitted is permitted now.
fn permits_as_much(now: &Standing, before: &Standing) -> bool {
    let always = |standing: &Standing| match standing {
        Standing::Acceptable => true,
        Standing::AtCertainTimes(hours) => hours.beyond_all().is_empty(),
        Standing::NominatedUsers(_) | Standing::Unacceptable | Standing::Illegal => false,
    };
    match (now, before) {
        (_, Standing::Unacceptable | Standing::Illegal) => true,
        (now, _) if always(now) => true,
        (Standing::AtCertainTimes(now), Standing::AtCertainTimes(before)) => before.beyond(now).is_empty(),
        (Standing::NominatedUsers(now), Standing::NominatedUsers(before)) => {
            before.iter().collect::<BTreeSet<_>>().is_subset(&now.iter().collect())
        }
        (
            Standing::Acceptable
            | Standing::AtCertainTimes(_)
            | Standing::NominatedUsers(_)
            | Standing::Unacceptable
            | Standing::Illegal,
            Standing::Acceptable | Standing::AtCertainTimes(_) | Standing::NominatedUsers(_),
        ) => false,
    }
}

impl Hours {
    /// What of the week is out of hours.
    fn beyond_all(&self) -> Vec<Period> {
        Self::Always.beyond(self)
    }
}

impl fmt::Display for Widening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zone => f.write_str("hours are of another time zone"),
            Self::Hours(periods) => {
                let period = |one: &Period| format!("{} {} to {}", day(one.day), one.from, one.to);
                write!(f, "more hours: {}", periods.iter().map(period).collect::<Vec<_>>().join(", "))
            }
            Self::Everywhere => f.write_str("wherever a device is, not at school alone"),
            Self::Network(network) => write!(f, "in the network {network}"),
            Self::Staff => f.write_str("staff, beyond illegal content"),
            Self::Category { group, category } => write!(f, "{category} in the group {}", group.escape_debug()),
            Self::Action { action, role } => {
                let role = match role {
                    Role::Pupil => "pupils",
                    Role::Staff => "staff",
                    Role::Guest => "visitors",
                };
                write!(f, "{} by {role}, which was acceptable", action.category())
            }
        }
    }
}

const fn day(day: Day) -> &'static str {
    match day {
        Day::Mon => "Monday",
        Day::Tue => "Tuesday",
        Day::Wed => "Wednesday",
        Day::Thu => "Thursday",
        Day::Fri => "Friday",
        Day::Sat => "Saturday",
        Day::Sun => "Sunday",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;
    use crate::{Band, Decision, Doer, Level, Presence, Watched, WeekMinute};

    fn policy(fields: &str) -> Policy {
        let json =
            format!(r#"{{"release": 1, "school": "sample", "zone": "Europe/London", "notice_version": 1, {fields}}}"#);
        Policy::from_json(&json).unwrap()
    }

    const SCHOOL: &str = r#""staff_watched": false, "sites": {"networks": ["10.2.0.0/16"]},
        "hours": {"weekly": [{"day": "mon", "from": "08:30", "to": "16:00"}]},
        "group_off": {"sixth": ["gambling", "shopping"]},
        "acceptability": {"gaming": {"pupil": {"at_certain_times": {"weekly": [{"day": "mon", "from": "12:00", "to": "13:00"}]}}}}"#;

    fn words(now: &str) -> Vec<String> {
        policy(now).widened_from(&policy(SCHOOL)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_looked_at_besides_is_said_in_words() {
        assert!(words(SCHOOL).is_empty());
        let wider = r#""staff_watched": true, "sites": {"networks": ["10.2.7.0/24", "10.3.0.0/16"]},
            "hours": {"weekly": [{"day": "mon", "from": "08:00", "to": "16:00"}, {"day": "sat", "from": "10:00", "to": "24:00"}]},
            "group_off": {"sixth": ["shopping"]}, "acceptability": {"gaming": {"pupil": "unacceptable"}}"#;
        assert_eq!(
            words(wider),
            [
                "more hours: Monday 08:00 to 08:30, Saturday 10:00 to 24:00",
                "in the network 10.3.0.0/16",
                "staff, beyond illegal content",
                "gambling in the group sixth",
                "off_task_gaming by pupils, which was acceptable",
            ]
        );
        let everywhere = SCHOOL.replace(r#"{"networks": ["10.2.0.0/16"]}"#, r#""any""#);
        assert_eq!(words(&everywhere), ["wherever a device is, not at school alone"]);
        let moved = Policy { zone: "Europe/Dublin".to_owned(), ..policy(SCHOOL) };
        assert_eq!(moved.widened_from(&policy(SCHOOL)), [Widening::Zone]);
    }

    #[test]
    fn what_is_narrower_is_no_widening() {
        let narrower = r#""staff_watched": false, "sites": {"networks": ["10.2.7.0/24"]},
            "hours": {"weekly": [{"day": "mon", "from": "09:00", "to": "12:00"}, {"day": "mon", "from": "12:00", "to": "15:00"}]},
            "group_off": {"sixth": ["gambling", "shopping", "profanity"], "other": ["drugs"]},
            "acceptability": {"gaming": {"pupil": "acceptable", "staff": "acceptable"}}"#;
        assert!(words(narrower).is_empty());
    }

    fn hours() -> impl Strategy<Value = Hours> {
        let time = |hour: u8| format!("{hour:02}:00").parse().unwrap();
        let period = (prop::sample::select(vec![Day::Mon, Day::Tue]), 0_u8..6, 1_u8..4);
        let period =
            period.prop_map(move |(day, from, lasts)| Period { day, from: time(from), to: time(from + lasts) });
        prop_oneof![1 => Just(Hours::Always), 6 => prop::collection::vec(period, 1..4).prop_map(Hours::Weekly)]
    }

    fn networks() -> impl Strategy<Value = Sites> {
        let network = prop::sample::select(vec!["10.0.0.0/8", "10.2.0.0/16", "10.2.7.0/24", "192.168.0.0/16"]);
        let some = prop::collection::vec(network.prop_map(|text| text.parse().unwrap()), 1..3);
        prop_oneof![1 => Just(Sites::Any), 4 => some.prop_map(Sites::Networks)]
    }

    fn standing() -> impl Strategy<Value = Standing> {
        prop_oneof![
            Just(Standing::Acceptable),
            hours().prop_map(Standing::AtCertainTimes),
            prop::collection::btree_set("[ab]", 1..3).prop_map(Standing::NominatedUsers),
            Just(Standing::Unacceptable),
        ]
    }

    fn any_policy() -> impl Strategy<Value = Policy> {
        let categories = prop::sample::select(vec![Category::Gambling, Category::OffTaskGaming, Category::Drugs]);
        let off = prop::collection::btree_map("[gh]", prop::collection::btree_set(categories, 0..3), 0..3);
        let role = prop::sample::select(vec![Role::Pupil, Role::Staff]);
        let roles = prop::collection::btree_map(role, standing(), 0..3);
        let action = prop::sample::select(vec![Action::Gaming, Action::Gambling]);
        let acceptability = prop::collection::btree_map(action, roles, 0..3);
        (hours(), networks(), any::<bool>(), off, acceptability).prop_map(
            |(hours, sites, staff_watched, group_off, acceptability)| Policy {
                hours,
                sites,
                staff_watched,
                group_off: group_off.into_iter().collect::<BTreeMap<_, _>>(),
                acceptability,
                ..policy(SCHOOL)
            },
        )
    }

    proptest! {
        /// Whatever two policies say: where the later looks at something that the earlier did not, it is wider.
        #[test]
        fn nothing_more_is_looked_at_without_being_said(
            (before, now) in (any_policy(), any_policy()),
            probes in prop::collection::vec((
                prop::sample::select(vec![Day::Mon, Day::Tue, Day::Wed]),
                0_u8..10,
                prop::sample::select(vec!["10.2.7.9", "10.2.8.9", "10.9.9.9", "192.168.0.9", "203.0.113.9"]),
                prop::sample::select(vec![Band::Ks4, Band::Staff]),
                prop::sample::select(vec!["a", "b", "c"]),
                prop::sample::select(vec!["g", "h", "i"]),
                prop::sample::select(Category::all().collect::<Vec<_>>()),
                prop::sample::select(vec![Level::Low, Level::High]),
            ), 64),
        ) {
            let widened = now.widened_from(&before);
            for (day, hour, address, band, account, group, category, level) in probes {
                let at = WeekMinute::new(day, hour, 30).unwrap();
                let address: IpAddr = address.parse().unwrap();
                let looks = |policy: &Policy| {
                    let is_here = policy.sites.hold(address);
                    let presence = if is_here { Presence::OnSite } else { Presence::OffSite };
                    let watched = if band == Band::Staff { Watched::Staff } else { Watched::Pupil };
                    let decision: Decision = policy.decides(at, presence, watched);
                    decision.allows(category)
                        && !policy.is_off(category, [group])
                        && !policy.silences((category, level), at, Doer { band, account })
                };
                let is_wider = looks(&now) && !looks(&before);
                prop_assert!(!is_wider || !widened.is_empty(), "{} {:?} {}", category, at, account);
            }
            prop_assert!(now.widened_from(&now).is_empty());
        }
    }
}
