//! Whether a device's silence means something. Pure: last words, a calendar and the time are parameters.
//!
//! A device speaks about every 50 seconds. One that spoke in school hours and then stops without a goodbye is silent
//! after [`ALLOWANCE_US`]; one that never came on that day is not: it is counted as not heard. A goodbye explains
//! silence for [`AWAY_DAYS`] school days, and no device is away longer unseen. Time in which the collector itself did
//! not listen says nothing about anybody.

use lapwing_proto::DeviceId;

use crate::calendar::{Calendar, Open};
use crate::ids::{InvalidId, SilenceId};

/// How long nothing is said of a device that went quiet: four heartbeats, and the way back after a cut line. With the
/// minute between two looks it is below five minutes.
pub(crate) const ALLOWANCE_US: i64 = 210 * 1_000_000;
/// School days after which a goodbye explains nothing any more.
pub(crate) const AWAY_DAYS: usize = 3;
/// A silence that grew is told again no sooner than this: the devices behind one switch go quiet within a minute or two.
const TOLD_AGAIN_US: i64 = 15 * 60_000_000;
/// A room that fell silent again on the same day is told no sooner than this: a device that comes and goes is one trouble.
const RESUMED_US: i64 = 60 * 60_000_000;
/// A silence is told again when it has this many devices more, and twice as many as were told.
const GROWN: i64 = 4;

/// Without the letters and digits that are taken for one another.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
const REFERENCE_LETTERS: usize = 5;

/// What is known of a device that may be silent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) device: DeviceId,
    pub(crate) room: String,
    pub(crate) enrolled_us: i64,
    pub(crate) heard_us: Option<i64>,
    /// Its last word was a goodbye.
    pub(crate) is_away: bool,
}

/// When and since when the collector listens.
#[derive(Debug)]
pub(crate) struct Moment<'a> {
    now_us: i64,
    /// Since when it listens without a break.
    listening_us: i64,
    calendar: &'a Calendar,
    /// The school hours in which a word that is now overdue was the last.
    hours: Option<Open>,
}

/// Why a device is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Why {
    /// It stopped in school hours and said nothing.
    Unexplained,
    /// Nothing was heard for [`AWAY_DAYS`] school days, whatever its last word was.
    LongAway,
    /// It enrolled [`AWAY_DAYS`] school days ago and never spoke.
    NeverHeard,
}

/// A device is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Silent {
    pub(crate) why: Why,
    /// Its last word, or its enrolment.
    pub(crate) since_us: i64,
}

impl Why {
    /// The one text form.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unexplained => "unexplained",
            Self::LongAway => "long_away",
            Self::NeverHeard => "never_heard",
        }
    }
}

impl std::str::FromStr for Why {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let expected = "unexplained, long_away or never_heard";
        [Self::Unexplained, Self::LongAway, Self::NeverHeard]
            .into_iter()
            .find(|one| one.as_str() == text)
            .ok_or(InvalidId { what: "reason of a silence", expected })
    }
}

impl<'a> Moment<'a> {
    /// `now_us`, to a collector that has listened without a break since `listening_us`.
    pub(crate) fn new(now_us: i64, listening_us: i64, calendar: &'a Calendar) -> Self {
        let hours = calendar.open_on(calendar.date(now_us.saturating_sub(ALLOWANCE_US)));
        Self { now_us, listening_us, calendar, hours }
    }

    /// The time.
    pub(crate) const fn now_us(&self) -> i64 {
        self.now_us
    }

    /// The day of the school's calendar, counted since 1970.
    pub(crate) fn day(&self) -> i64 {
        day(self.calendar, self.now_us)
    }
}

/// The day of the school's calendar that holds `at_us`, counted since 1970.
pub(crate) fn day(calendar: &Calendar, at_us: i64) -> i64 {
    let since_1970 = calendar.date(at_us).since(jiff::civil::Date::constant(1970, 1, 1));
    since_1970.map_or(0, |span| i64::from(span.get_days()))
}

/// What people call a silence on the telephone, as `SIL-7K3FQ`: no concern is called so.
pub(crate) fn reference(silence: &SilenceId) -> String {
    let letters = silence.as_bytes().iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
    format!("SIL-{}", letters.take(REFERENCE_LETTERS).map(|letter| char::from(*letter)).collect::<String>())
}

/// Whether `device` is silent; `None` where it speaks, or its silence is explained or means nothing.
pub(crate) fn decide(device: &Watched, moment: &Moment<'_>) -> Option<Silent> {
    let Some(heard_us) = device.heard_us else {
        let since_us = device.enrolled_us;
        return is_long(since_us, moment).then_some(Silent { why: Why::NeverHeard, since_us });
    };
    let overdue_us = heard_us.max(moment.listening_us).saturating_add(ALLOWANCE_US);
    if moment.now_us < overdue_us {
        return None;
    }
    let is_in_hours = moment.hours.is_some_and(|hours| hours.from_us <= heard_us && heard_us < hours.until_us);
    if is_in_hours && !device.is_away {
        return Some(Silent { why: Why::Unexplained, since_us: heard_us });
    }
    is_long(heard_us, moment).then_some(Silent { why: Why::LongAway, since_us: heard_us })
}

/// Whether a device that was silent since `since_us` has spoken since.
pub(crate) fn is_back(device: &Watched, since_us: i64, moment: &Moment<'_>) -> bool {
    let Some(heard_us) = device.heard_us else { return false };
    // Where a clock that has been set back since says when it fell silent, a fresh word is enough.
    let is_fresh = heard_us > moment.now_us.saturating_sub(ALLOWANCE_US);
    heard_us > since_us || (since_us > moment.now_us && is_fresh)
}

/// Whether a silence has lasted so long that the DSL is told: a school day's hours have passed since it was raised.
pub(crate) fn is_lasting(raised_us: i64, moment: &Moment<'_>) -> bool {
    let Some(open) = moment.calendar.open_from(raised_us) else { return false };
    let lasting_us = moment.calendar.after(raised_us, open.until_us - open.from_us);
    lasting_us.is_some_and(|lasting_us| moment.now_us >= lasting_us)
}

/// Whether technicians are told again of a silence that was `raised_us`, had `told` devices when they were told at
/// `told_us`, and has `devices` now: it grew, or it had ended and came back.
pub(crate) const fn is_told_again(raised_us: i64, (told, told_us): (i64, i64), devices: i64, now_us: i64) -> bool {
    let waited_us = now_us.saturating_sub(told_us);
    let grew = devices >= told.saturating_mul(2) && devices.saturating_sub(told) >= GROWN;
    grew && waited_us >= TOLD_AGAIN_US || told_us < raised_us && waited_us >= RESUMED_US
}

/// Only in school hours: nobody acts on it before, and devices have had the morning to come back.
fn is_long(since_us: i64, moment: &Moment<'_>) -> bool {
    is_open(moment) && moment.calendar.days_between(since_us, moment.now_us) >= AWAY_DAYS
}

fn is_open(moment: &Moment<'_>) -> bool {
    moment.calendar.is_open(moment.now_us)
}

#[cfg(test)]
mod tests;
