//! To whom a concern that nobody acknowledged climbs, and when next. Pure.
//!
//! ```text
//! level 5   DSL and deputy at once; every 15 minutes again to all of them, and one rung further
//! level 4   DSL at once; every 60 minutes one rung further, and from the last rung on to all once a school day
//! level 3   in the lists; at the end of each school day one rung further, and no further than the last
//! ```
//!
//! Minutes are the school's, or at all hours where somebody is on call. A rung on which nobody is there is passed.

use lapwing_rules::Level;

use super::deadline::{acknowledge_by, within_us};
use crate::actor::PersonId;
use crate::calendar::Calendar;
use crate::routing::Rung;

/// What one step does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Climb {
    /// Sees it from now on, and is told so.
    pub(super) to: Vec<PersonId>,
    /// Is told again.
    pub(super) again: Vec<PersonId>,
    /// Rungs that it passed.
    pub(super) passed: usize,
    /// When the next step is due; `None` where there is none.
    pub(super) next_us: Option<i64>,
}

/// The step of a concern that climbed `climbed` rungs beyond those who were told when it opened, at `now_us`. `is_present`
/// says who is there.
pub(super) fn climb(
    level: Level,
    climbed: usize,
    rungs: &[Rung],
    is_present: impl Fn(PersonId) -> bool,
    (now_us, calendar): (i64, &Calendar),
) -> Climb {
    let reached = told_at_first(level, rungs).saturating_add(climbed).min(rungs.len());
    let (below, above) = rungs.split_at(reached);
    let below: Vec<_> = below.iter().flat_map(|rung| &rung.people).copied().collect();
    let present = |rung: &Rung| rung.people.iter().any(|person| is_present(*person));
    let passed = above.iter().position(present).map_or(above.len().min(1), |index| index + 1);
    let to: Vec<_> = above.iter().take(passed).flat_map(|rung| &rung.people).copied().collect();
    let is_last = reached.saturating_add(passed) >= rungs.len();
    let again = if level == Level::Critical || (level == Level::High && to.is_empty()) { below } else { Vec::new() };
    Climb { to, again, passed, next_us: next_us(level, is_last, now_us, calendar) }
}

/// Rungs whose people were told when the concern opened.
fn told_at_first(level: Level, rungs: &[Rung]) -> usize {
    rungs.iter().take_while(|rung| rung.place.is_told(level)).count()
}

fn next_us(level: Level, is_last: bool, now_us: i64, calendar: &Calendar) -> Option<i64> {
    match (level, is_last) {
        (Level::Critical, _) | (Level::High, false) => acknowledge_by(level, now_us, calendar),
        // Once a school day: an hour into the next one.
        (Level::High, true) => {
            let ends_us = calendar.day_ends(now_us)?;
            calendar.after(ends_us, within_us(level)?)
        }
        (Level::Moderate, false) => {
            let ends_us = calendar.day_ends(now_us)?;
            // At the end of a day the next end is that of the next day.
            if ends_us > now_us { Some(ends_us) } else { calendar.day_ends(now_us.saturating_add(1)) }
        }
        (Level::Moderate, true) | (Level::Low | Level::Info, _) => None,
    }
}

/// Whether it climbs before its time: of those who were told at first nobody is there, and somebody further up is.
pub(super) fn is_deserted(level: Level, rungs: &[Rung], is_present: impl Fn(PersonId) -> bool) -> bool {
    let (below, above) = rungs.split_at(told_at_first(level, rungs));
    let someone = |rungs: &[Rung]| rungs.iter().flat_map(|rung| &rung.people).any(|person| is_present(*person));
    !someone(below) && someone(above)
}

/// The latest that a step of `level` can be due, as the clock stands.
pub(super) fn latest_us(level: Level, now_us: i64, calendar: &Calendar) -> Option<i64> {
    next_us(level, true, now_us, calendar).max(acknowledge_by(level, now_us, calendar))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::routing::Place;

    const DSL: PersonId = PersonId::from_bytes([1; 16]);
    const DEPUTY: PersonId = PersonId::from_bytes([2; 16]);
    const HEAD: PersonId = PersonId::from_bytes([3; 16]);
    const CHAIR: PersonId = PersonId::from_bytes([4; 16]);

    fn rungs() -> Vec<Rung> {
        [(Place::First, DSL), (Place::Also, DEPUTY), (Place::Otherwise, HEAD), (Place::Otherwise, CHAIR)]
            .map(|(place, person)| Rung { place, people: vec![person] })
            .to_vec()
    }

    fn calendar() -> Calendar {
        Calendar::weekdays(TimeZone::get("Europe/London").unwrap())
    }

    fn us(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    fn step(level: Level, climbed: usize, at: &str) -> (Vec<PersonId>, Vec<PersonId>, Option<String>) {
        let climb = climb(level, climbed, &rungs(), |_| true, (us(at), &calendar()));
        let next = climb.next_us.map(|next_us| Timestamp::from_microsecond(next_us).unwrap().to_string());
        (climb.to, climb.again, next)
    }

    #[test]
    fn a_critical_concern_is_told_again_every_quarter_of_an_hour_and_climbs() {
        let at = "2026-09-07T09:15:00Z";
        let next = Some("2026-09-07T09:30:00Z".to_owned());
        assert_eq!(step(Level::Critical, 0, at), (vec![HEAD], vec![DSL, DEPUTY], next.clone()));
        assert_eq!(step(Level::Critical, 1, at), (vec![CHAIR], vec![DSL, DEPUTY, HEAD], next.clone()));
        assert_eq!(step(Level::Critical, 2, at), (vec![], vec![DSL, DEPUTY, HEAD, CHAIR], next.clone()));
        assert_eq!(step(Level::Critical, 40, at), (vec![], vec![DSL, DEPUTY, HEAD, CHAIR], next));
    }

    #[test]
    fn a_high_concern_climbs_by_the_hour_and_then_comes_back_once_a_day() {
        let at = "2026-09-07T09:00:00Z";
        let (hour, day) = (Some("2026-09-07T10:00:00Z".to_owned()), Some("2026-09-08T08:30:00Z".to_owned()));
        assert_eq!(step(Level::High, 0, at), (vec![DEPUTY], vec![], hour.clone()));
        assert_eq!(step(Level::High, 1, at), (vec![HEAD], vec![], hour));
        assert_eq!(step(Level::High, 2, at), (vec![CHAIR], vec![], day.clone()));
        assert_eq!(step(Level::High, 3, at), (vec![], vec![DSL, DEPUTY, HEAD, CHAIR], day));
    }

    #[test]
    fn a_moderate_concern_climbs_at_the_end_of_each_day_and_stops() {
        let (monday, tuesday) = ("2026-09-07T15:00:00Z", Some("2026-09-08T15:00:00Z".to_owned()));
        assert_eq!(step(Level::Moderate, 0, monday), (vec![DSL], vec![], tuesday));
        assert_eq!(step(Level::Moderate, 3, monday), (vec![CHAIR], vec![], None));
        assert_eq!(step(Level::Moderate, 4, monday), (vec![], vec![], None));
    }

    #[test]
    fn a_rung_on_which_nobody_is_there_is_passed() {
        let without_deputy = |person| person != DEPUTY;
        let climb = climb(Level::High, 0, &rungs(), without_deputy, (us("2026-09-07T09:00:00Z"), &calendar()));
        assert_eq!((climb.to, climb.passed), (vec![DEPUTY, HEAD], 2));
        let nobody = super::climb(Level::High, 0, &rungs(), |_| false, (us("2026-09-07T09:00:00Z"), &calendar()));
        assert_eq!(nobody.to, [DEPUTY], "somebody is told, there or not");
    }

    #[test]
    fn it_does_not_wait_for_people_who_went_away() {
        assert!(!is_deserted(Level::High, &rungs(), |_| true));
        assert!(is_deserted(Level::High, &rungs(), |person| person != DSL));
        assert!(!is_deserted(Level::Critical, &rungs(), |person| person != DSL));
        assert!(!is_deserted(Level::High, &rungs(), |_| false), "nobody is there at all");
    }

    #[test]
    fn where_nobody_sees_it_too_the_next_is_told_at_the_first_step() {
        // A school without a deputy, and the row of a member of staff.
        let short = [(Place::First, DSL), (Place::Otherwise, HEAD)];
        let short = short.map(|(place, person)| Rung { place, people: vec![person] });
        for level in [Level::Critical, Level::High] {
            let climb = climb(level, 0, &short, |_| true, (us("2026-09-07T09:15:00Z"), &calendar()));
            assert_eq!(climb.to, [HEAD], "{level}");
        }
        assert!(is_deserted(Level::Critical, &short, |person| person != DSL));
    }

    proptest! {
        #[test]
        fn whoever_could_be_told_is_told_in_the_end_and_nobody_is_told_again_who_was_not(
            places in proptest::collection::vec(
                prop_oneof![Just(Place::First), Just(Place::Also), Just(Place::Otherwise)], 0..6),
            away in proptest::collection::btree_set(1_u8..6, 0..6),
            level in prop_oneof![Just(Level::Critical), Just(Level::High), Just(Level::Moderate)],
            start in 0_i64..14 * 24 * 60,
        ) {
            let mut places = places;
            places.sort_unstable();
            let rungs: Vec<_> = (1_u8..).zip(places)
                .map(|(one, place)| Rung { place, people: vec![PersonId::from_bytes([one; 16])] }).collect();
            let present = |person: PersonId| !away.contains(person.as_bytes().first().unwrap());
            let first = rungs.iter().filter(|rung| rung.place.is_told(level));
            let mut told: Vec<_> = first.flat_map(|rung| &rung.people).copied().collect();
            let (mut now_us, mut climbed) = (us("2026-10-19T00:00:00Z") + start * 60_000_000, 0);
            for _ in 0..8 {
                let climb = climb(level, climbed, &rungs, present, (now_us, &calendar()));
                prop_assert!(climb.again.iter().all(|person| told.contains(person)));
                prop_assert!(climb.to.iter().all(|person| !told.contains(person)));
                told.extend(climb.to);
                climbed += climb.passed;
                let Some(next_us) = climb.next_us else { break };
                prop_assert!(next_us > now_us && next_us <= latest_us(level, now_us, &calendar()).unwrap());
                now_us = next_us;
            }
            for person in rungs.iter().flat_map(|rung| &rung.people) {
                prop_assert!(told.contains(person));
            }
        }
    }
}
