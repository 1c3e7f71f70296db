//! The notice: what is and is not looked at on this computer, said from the policy in force.

use std::fmt::Write as _;

use lapwing_rules::{Day, Hours, Period, Policy, Role, Sites, Standing};

/// What the watched are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Version that the policy names; 0 before there is a policy.
    pub version: u32,
    /// The text, in plain words.
    pub text: String,
}

const LOOKED_AT: &str = "\
Looked at: titles of the window in front; addresses of web pages and what is searched for; names of files that \
appear in watched folders; removable media.
Never looked at: what is typed, the screen, camera, microphone, pictures, or the content of files and pages.
What matches no rule is forgotten on this computer: it is not stored and not sent.
Pages of helplines are counted without a name. Pages about complaints, whistle-blowing, unions and legal advice are \
not looked at for anyone.
";

impl Notice {
    /// The notice before there is a policy.
    #[must_use]
    pub fn without_policy() -> Self {
        let text = "This computer is looked after by Lapwing. It has no signed policy yet: nothing is looked at.\n";
        Self { version: 0, text: text.to_owned() }
    }

    /// The notice of `policy`.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        let mut text = String::from("This computer is looked after by Lapwing.\n");
        text.push_str(LOOKED_AT);
        text.push_str(&hours(policy));
        text.push_str(match policy.sites {
            Sites::Any => "Where: wherever this computer is.\n",
            Sites::Networks(_) => "Where: at school. Elsewhere nothing is looked at.\n",
        });
        text.push_str(if policy.staff_watched {
            "Staff: as for pupils.\n"
        } else {
            "Staff: only rules about illegal content.\n"
        });
        for (group, categories) in &policy.group_off {
            let names: Vec<&str> = categories.iter().map(|category| category.name()).collect();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "Not looked for in the group {group}: {}.", names.join(", "));
        }
        for (action, roles) in &policy.acceptability {
            for (role, standing) in roles {
                let (action, role) = (action.category().name(), self::role(*role));
                let _ = writeln!(text, "{action}, {role}: {}", self::standing(standing));
            }
        }
        Self { version: policy.notice_version, text }
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Pupil => "pupils",
        Role::Staff => "staff",
        Role::Guest => "visitors",
    }
}

/// Nobody who is nominated is named: everybody reads the notice.
fn standing(standing: &Standing) -> String {
    match standing {
        Standing::Acceptable => "may be done, and is not reported.".to_owned(),
        Standing::AtCertainTimes(Hours::Always) => "may be done at all times, and is not reported.".to_owned(),
        Standing::AtCertainTimes(Hours::Weekly(periods)) => {
            format!("may be done in these hours, and is reported outside them: {}.", in_words(periods))
        }
        Standing::NominatedUsers(_) => "may be done by nominated people, and is reported otherwise.".to_owned(),
        Standing::Unacceptable => "is not acceptable, and is reported.".to_owned(),
        Standing::Illegal => "is against the law, and is reported.".to_owned(),
    }
}

fn in_words(periods: &[Period]) -> String {
    let period = |period: &Period| format!("{} {} to {}", day(period.day), period.from, period.to);
    periods.iter().map(period).collect::<Vec<_>>().join(", ")
}

fn hours(policy: &Policy) -> String {
    match &policy.hours {
        Hours::Always => "When: at all times.\n".to_owned(),
        Hours::Weekly(periods) => {
            format!("When ({}): {}. Outside these hours nothing is looked at.\n", policy.zone, in_words(periods))
        }
    }
}

fn day(day: Day) -> &'static str {
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
    use super::*;

    fn policy(staff: bool, sites: &str) -> Policy {
        Policy::from_json(&format!(
            r#"{{"release": 3, "school": "demo", "zone": "Europe/London", "staff_watched": {staff},
                "hours": {{"weekly": [{{"day": "mon", "from": "08:30", "to": "16:00"}}]}}, "sites": {sites},
                "group_off": {{"sixth-form": ["gambling"]}}, "notice_version": 2,
                "acceptability": {{"removable_media": {{"pupil": {{"nominated_users": ["kim"]}}, "staff": "acceptable"}},
                    "gaming": {{"pupil": {{"at_certain_times": {{"weekly": [{{"day": "fri", "from": "12:00", "to": "13:00"}}]}}}}}}}}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn every_choice_of_the_policy_is_told() {
        let notice = Notice::of(&policy(false, r#"{"networks": ["10.0.0.0/8"]}"#));
        assert_eq!(notice.version, 2);
        for told in ["08:30 to 16:00", "Europe/London", "at school", "only rules about illegal", "sixth-form: Gambling"]
        {
            assert!(notice.text.contains(told), "{told}");
        }
        for told in [
            "Removable media, pupils: may be done by nominated people, and is reported otherwise.",
            "Removable media, staff: may be done, and is not reported.",
            "Off-task gaming, pupils: may be done in these hours, and is reported outside them: Friday 12:00 to 13:00.",
        ] {
            assert!(notice.text.contains(told), "{told} in {}", notice.text);
        }
        assert!(!notice.text.contains("kim"), "who is nominated is not everybody's business");
        let wider = Notice::of(&policy(true, r#""any""#));
        assert!(wider.text.contains("as for pupils") && wider.text.contains("wherever"));
    }

    #[test]
    fn without_a_policy_it_says_that_nothing_is_looked_at() {
        assert!(Notice::without_policy().text.contains("nothing is looked at"));
    }
}
