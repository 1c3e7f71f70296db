//! By when a concern should be acknowledged, in the school's own hours.

use lapwing_proto::SchoolId;
use lapwing_rules::Level;

use super::is_illegal;
use crate::calendar::{Calendar, Watch};
use crate::ids::ConcernId;
use crate::store::concerns::{self, Undecided};
use crate::store::{StoreError, Tx, escalations, holds, verdicts};

const MINUTE_US: i64 = 60_000_000;

/// How long a level may wait.
pub(super) const fn within_us(level: Level) -> Option<i64> {
    match level {
        Level::Critical => Some(15 * MINUTE_US),
        Level::High => Some(60 * MINUTE_US),
        Level::Moderate | Level::Low | Level::Info => None,
    }
}

/// When a concern of `level` opened at `opened_us` should be acknowledged; `None` where nobody is promised to look.
///
/// Minutes count in school hours, or at all hours where somebody is on call for the level.
pub(crate) fn acknowledge_by(level: Level, opened_us: i64, calendar: &Calendar) -> Option<i64> {
    let within_us = match (within_us(level), level) {
        (Some(within_us), _) => within_us,
        (None, Level::Moderate) => return calendar.day_ends(opened_us),
        (None, _) => return None,
    };
    if calendar.watch(level, opened_us) == Watch::OnCall {
        return Some(opened_us.saturating_add(within_us));
    }
    calendar.after(opened_us, within_us)
}

/// A concern waits to be acknowledged from now on: its clock on the page and its ladder, together.
pub(super) async fn wait_anew(
    tx: &mut Tx,
    school: &SchoolId,
    (concern, level): (ConcernId, Level),
    (now_us, calendar): (i64, &Calendar),
) -> Result<(), StoreError> {
    let due_us = acknowledge_by(level, now_us, calendar);
    concerns::set_due(tx, school, concern, due_us).await?;
    match due_us {
        Some(due_us) => escalations::start(tx, school, concern, due_us).await,
        None => escalations::stop(tx, school, concern).await,
    }
}

/// A concern that was decided is taken up again: its verdict and outcome are taken back, it waits to be acknowledged, and an
/// illegal case keeps what belongs to its subject again.
pub(super) async fn taken_up_again(
    tx: &mut Tx,
    school: &SchoolId,
    concern: &Undecided,
    (now_us, calendar): (i64, &Calendar),
) -> Result<(), StoreError> {
    verdicts::take_back(tx, school, concern.id).await?;
    wait_anew(tx, school, (concern.id, concern.level), (now_us, calendar)).await?;
    if is_illegal(&concern.category) {
        holds::again(tx, school, concern.id, now_us).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::*;

    fn by(level: Level, opened: &str) -> Option<String> {
        let calendar = Calendar::weekdays(TimeZone::get("Europe/London").unwrap());
        let opened: Timestamp = opened.parse().unwrap();
        let by = acknowledge_by(level, opened.as_microsecond(), &calendar)?;
        Some(Timestamp::from_microsecond(by).unwrap().to_string())
    }

    #[test]
    fn urgent_levels_count_minutes_of_school_hours() {
        assert_eq!(by(Level::Critical, "2026-09-07T09:00:00Z").unwrap(), "2026-09-07T09:15:00Z");
        assert_eq!(by(Level::High, "2026-09-07T09:00:00Z").unwrap(), "2026-09-07T10:00:00Z");
        // Ten minutes before the school closes, and in the night.
        assert_eq!(by(Level::High, "2026-09-07T14:50:00Z").unwrap(), "2026-09-08T08:20:00Z");
        assert_eq!(by(Level::Critical, "2026-09-07T23:00:00Z").unwrap(), "2026-09-08T07:45:00Z");
        assert_eq!(by(Level::Low, "2026-09-07T09:00:00Z"), None);
    }

    #[test]
    fn where_somebody_is_on_call_minutes_count_at_night() {
        let zone = TimeZone::get("Europe/London").unwrap();
        let text = "[hours]\nmonday = [\"08:30\", \"16:00\"]\n[out_of_hours]\non_call = [5]";
        let calendar = Calendar::parse(text, zone, jiff::civil::date(2026, 9, 1)).unwrap();
        let night_us = "2026-09-09T23:00:00Z".parse::<Timestamp>().unwrap().as_microsecond();
        assert_eq!(acknowledge_by(Level::Critical, night_us, &calendar), Some(night_us + 15 * MINUTE_US));
        assert!(acknowledge_by(Level::High, night_us, &calendar).unwrap() > night_us + 4 * 24 * 60 * MINUTE_US);
    }

    #[test]
    fn whatever_is_opened_later_is_due_later_or_at_the_same_time() {
        let calendar = Calendar::weekdays(TimeZone::get("Europe/London").unwrap());
        let opened: Timestamp = "2026-10-19T00:30:00Z".parse().unwrap();
        for level in Level::ALL {
            let hours = (0..14 * 24).map(|hour| opened.as_microsecond() + hour * 60 * MINUTE_US);
            let due: Vec<_> = hours.map(|opened_us| acknowledge_by(level, opened_us, &calendar)).collect();
            assert!(due.is_sorted(), "{level}");
        }
    }

    #[test]
    fn moderate_waits_for_the_end_of_the_school_day() {
        assert_eq!(by(Level::Moderate, "2026-09-07T09:00:00Z").unwrap(), "2026-09-07T15:00:00Z");
        // Friday evening: Monday
        assert_eq!(by(Level::Moderate, "2026-09-11T18:00:00Z").unwrap(), "2026-09-14T15:00:00Z");
    }
}
