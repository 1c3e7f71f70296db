//! Plain words for times, clocks and people.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use lapwing_rules::{Band, Level};

use crate::calendar::Calendar;
use crate::triage;

const MINUTE_US: i64 = 60_000_000;
const HOUR_MINUTES: i64 = 60;
/// A person counts down for so long; further off, the time of day says more.
const COUNTED_MINUTES: i64 = 2 * HOUR_MINUTES;
const DAY_MINUTES: i64 = 24 * HOUR_MINUTES;

/// The present moment in the school's zone: everything a page needs to speak about time.
#[derive(Clone, Debug)]
pub(crate) struct Present {
    now_us: i64,
    zone: TimeZone,
    calendar: Calendar,
}

impl Present {
    /// `now_us` in microseconds of UTC, in a school's hours.
    pub(crate) fn new(now_us: i64, calendar: &Calendar) -> Self {
        Self { now_us, zone: calendar.zone().clone(), calendar: calendar.clone() }
    }

    /// Microseconds of UTC.
    pub(crate) const fn now_us(&self) -> i64 {
        self.now_us
    }

    /// Midnight at the start of today, microseconds of UTC.
    pub(crate) fn today_us(&self) -> i64 {
        self.midnight_us(self.zoned(self.now_us).date())
    }

    /// Eight in the morning of `date`, microseconds of UTC.
    pub(crate) fn morning_us(&self, date: Date) -> i64 {
        let morning = date.at(8, 0, 0, 0).to_zoned(self.zone.clone());
        morning.map_or(0, |morning| morning.timestamp().as_microsecond())
    }

    /// Eight in the morning, `days` from today, microseconds of UTC.
    pub(crate) fn morning_after_us(&self, days: i32) -> i64 {
        let today = self.zoned(self.now_us).date();
        today.checked_add(jiff::Span::new().days(days)).map_or(0, |day| self.morning_us(day))
    }

    /// A date and a time as a browser's field says them, "2026-09-07T09:00", in microseconds of UTC.
    pub(crate) fn local_us(&self, text: &str) -> Option<i64> {
        let local: jiff::civil::DateTime = text.trim().parse().ok()?;
        Some(local.to_zoned(self.zone.clone()).ok()?.timestamp().as_microsecond())
    }

    /// The midnight after the day that a browser's field says, "2026-09-07", in microseconds of UTC.
    pub(crate) fn day_ends_us(&self, text: &str) -> Option<i64> {
        let date: Date = text.trim().parse().ok()?;
        Some(date.tomorrow().ok()?.to_zoned(self.zone.clone()).ok()?.timestamp().as_microsecond())
    }

    /// "Monday 7 September 2026, 09:00".
    pub(crate) fn date_and_time(&self, at_us: i64) -> String {
        self.zoned(at_us).strftime("%A %-d %B %Y, %H:%M").to_string()
    }

    /// The first of September on or before today, at midnight: when the school year began.
    pub(crate) fn school_year_us(&self) -> i64 {
        let today = self.zoned(self.now_us).date();
        let year = if today.month() >= 9 { today.year() } else { today.year() - 1 };
        self.midnight_us(Date::new(year, 9, 1).unwrap_or(today))
    }

    /// "09:41", "yesterday 09:41", "Monday 09:41" within a week, else "3 March 2026, 09:41".
    pub(crate) fn when(&self, at_us: i64) -> String {
        let (at, now) = (self.zoned(at_us), self.zoned(self.now_us));
        let days = now.date().since(at.date()).map_or(i32::MAX, |span| span.get_days());
        match days {
            0 => at.strftime("%H:%M").to_string(),
            1 => at.strftime("yesterday %H:%M").to_string(),
            2..=6 => at.strftime("%A %H:%M").to_string(),
            _ => at.strftime("%-d %B %Y, %H:%M").to_string(),
        }
    }

    /// "3 March 2026, 09:41".
    pub(crate) fn at(&self, at_us: i64) -> String {
        self.zoned(at_us).strftime("%-d %B %Y, %H:%M").to_string()
    }

    /// "today", "yesterday", "Monday" within a week, else "3 March 2026".
    pub(crate) fn day(&self, at_us: i64) -> String {
        let (at, now) = (self.zoned(at_us), self.zoned(self.now_us));
        let days = now.date().since(at.date()).map_or(i32::MAX, |span| span.get_days());
        match days {
            0 => "today".to_owned(),
            1 => "yesterday".to_owned(),
            2..=6 => at.strftime("%A").to_string(),
            _ => at.strftime("%-d %B %Y").to_string(),
        }
    }

    /// The clock of a concern of `level` that nobody has acknowledged.
    pub(crate) fn acknowledge_by(&self, due_us: i64, level: Level) -> Clock {
        let left_us = due_us.saturating_sub(self.now_us);
        // Whatever is opened later is due later, or at the same time.
        if triage::acknowledge_by(level, self.now_us, &self.calendar).is_some_and(|latest_us| due_us > latest_us) {
            // Opened by a clock that was ahead: nobody knows any more when, so that it does not wait.
            return Clock { words: "Acknowledge now".to_owned(), is_late: true };
        }
        if left_us < 0 {
            let late = minutes_up(left_us.saturating_neg());
            return Clock { words: format!("Overdue by {}", duration(late)), is_late: true };
        }
        let left = left_us / MINUTE_US;
        let words = match left {
            0 => "Acknowledge within a minute".to_owned(),
            1..=COUNTED_MINUTES => format!("Acknowledge within {}", duration(left)),
            _ => format!("Acknowledge by {}", self.coming(due_us)),
        };
        Clock { words, is_late: false }
    }

    /// "16:00", "Monday 16:00" within a week, else "Monday 30 November, 16:00".
    fn coming(&self, at_us: i64) -> String {
        let (at, now) = (self.zoned(at_us), self.zoned(self.now_us));
        let format = match at.date().since(now.date()).map_or(i32::MAX, |span| span.get_days()) {
            0 => "%H:%M",
            1..=6 => "%A %H:%M",
            _ => "%A %-d %B, %H:%M",
        };
        at.strftime(format).to_string()
    }

    /// "16:00" today, else "Monday 30 November, 16:00"; with the year where it is another.
    pub(crate) fn moment(&self, at_us: i64) -> String {
        let (at, now) = (self.zoned(at_us), self.zoned(self.now_us));
        let format = match (at.date() == now.date(), at.year() == now.year()) {
            (true, _) => "%H:%M",
            (false, true) => "%A %-d %B, %H:%M",
            (false, false) => "%A %-d %B %Y, %H:%M",
        };
        at.strftime(format).to_string()
    }

    /// Today, as a form wants it.
    pub(crate) fn date_text(&self) -> String {
        self.zoned(self.now_us).date().to_string()
    }

    fn zoned(&self, at_us: i64) -> Zoned {
        Timestamp::from_microsecond(at_us).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(self.zone.clone())
    }

    /// Midnight at the start of `date`, microseconds of UTC.
    pub(crate) fn midnight_us(&self, date: Date) -> i64 {
        date.to_zoned(self.zone.clone()).map_or(0, |midnight| midnight.timestamp().as_microsecond())
    }
}

/// A clock in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    /// Sentence without full stop.
    pub(crate) words: String,
    /// Past its time.
    pub(crate) is_late: bool,
}

/// "12 minutes", "1 hour 5 minutes", "2 days 3 hours"; never less than a minute.
pub(crate) fn duration(minutes: i64) -> String {
    let minutes = minutes.max(1);
    let (days, hours) = (minutes / DAY_MINUTES, minutes % DAY_MINUTES / HOUR_MINUTES);
    match (days, hours, minutes % HOUR_MINUTES) {
        (0, 0, minutes) => plural(minutes, "minute"),
        (0, hours, 0) => plural(hours, "hour"),
        (0, hours, minutes) => format!("{} {}", plural(hours, "hour"), plural(minutes, "minute")),
        (days, 0, _) => plural(days, "day"),
        (days, hours, _) => format!("{} {}", plural(days, "day"), plural(hours, "hour")),
    }
}

/// "1 device", "2 devices", "2,000 devices".
pub(crate) fn plural(count: i64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{} {noun}s", thousands(count)) }
}

/// A number with a comma between thousands.
pub(crate) fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The initials of a name: "Amelia Rose Jones" is "A. R. J.".
pub(crate) fn initials(name: &str) -> String {
    let letters = name.split_whitespace().filter_map(|word| word.chars().next()).take(4);
    letters.map(|letter| format!("{}.", letter.to_uppercase())).collect::<Vec<_>>().join(" ")
}

/// The first letter of an account and dots: lists do not spell it out.
pub(crate) fn masked_account(account: &str) -> String {
    account.chars().next().map_or_else(|| "no name".to_owned(), |first| format!("{first}\u{2022}\u{2022}\u{2022}"))
}

/// How often something was seen: "Once, 09:41" or "3 times in 20 minutes".
pub(crate) fn how_often(present: &Present, times: i64, first_us: i64, last_us: i64) -> String {
    if times <= 1 {
        return format!("Once, {}", present.when(last_us));
    }
    let minutes = minutes_up(last_us.saturating_sub(first_us));
    format!("{times} times in {}", duration(minutes))
}

/// An age band as a school says it.
pub(crate) const fn band(band: Band) -> &'static str {
    match band {
        Band::Eyfs => "Early years",
        Band::Ks1 => "Key stage 1",
        Band::Ks2 => "Key stage 2",
        Band::Ks3 => "Key stage 3",
        Band::Ks4 => "Key stage 4",
        Band::Ks5 => "Key stage 5",
        Band::Post19 => "After 19",
        Band::Staff => "Staff",
        Band::Guest => "Guest",
        Band::Shared => "Class log-on",
    }
}

/// "Level 4, high".
pub(crate) fn level(level: Level) -> String {
    format!("Level {}, {}", level.number(), level.word())
}

/// A category id as words; what this build does not know is shown by its id.
pub(crate) fn category(id: &str) -> String {
    let known = id.parse::<lapwing_rules::Category>();
    known.map_or_else(|_| id.replace('_', " "), |category| category.name().to_owned())
}

const fn minutes_up(us: i64) -> i64 {
    (us + MINUTE_US - 1) / MINUTE_US
}

/// An error's words as a sentence.
pub(super) fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    fn present(text: &str) -> Present {
        Present::new(at(text), &Calendar::weekdays(TimeZone::get("Europe/London").unwrap()))
    }

    #[test]
    fn long_numbers_have_a_comma_between_thousands() {
        let told = [0, 999, 1_000, -12_345, 1_000_000].map(thousands);
        assert_eq!(told, ["0", "999", "1,000", "-12,345", "1,000,000"]);
    }

    #[test]
    fn a_clock_counts_down_and_then_says_how_late() {
        let monday = present("2026-11-23T10:00:00Z");
        let words = |due: &str| monday.acknowledge_by(at(due), Level::Moderate).words;
        assert_eq!(words("2026-11-23T10:12:30Z"), "Acknowledge within 12 minutes");
        assert_eq!(words("2026-11-23T10:00:20Z"), "Acknowledge within a minute");
        assert_eq!(words("2026-11-23T11:00:00Z"), "Acknowledge within 1 hour");
        assert_eq!(words("2026-11-23T08:55:00Z"), "Overdue by 1 hour 5 minutes");
        assert_eq!(words("2026-11-23T09:59:59Z"), "Overdue by 1 minute");
        assert_eq!(words("2026-11-23T12:00:00Z"), "Acknowledge within 2 hours");
        assert_eq!(words("2026-11-23T16:00:00Z"), "Acknowledge by 16:00");
        let friday = present("2026-11-27T17:00:00Z");
        let words = |due: &str| friday.acknowledge_by(at(due), Level::Moderate).words;
        assert_eq!(words("2026-11-30T15:30:00Z"), "Acknowledge by Monday 15:30");
    }

    #[test]
    fn a_clock_further_ahead_than_any_is_given_says_now() {
        let present = present("2026-11-23T10:00:00Z");
        assert!(!present.acknowledge_by(at("2026-11-23T11:00:00Z"), Level::High).is_late);
        let ahead = present.acknowledge_by(at("2026-11-23T11:00:01Z"), Level::High);
        assert_eq!(ahead, Clock { words: "Acknowledge now".to_owned(), is_late: true });
    }

    #[test]
    fn times_are_the_schools_not_the_devices() {
        assert_eq!(present("2026-07-01T10:00:00Z").when(at("2026-07-01T08:30:00Z")), "09:30");
        assert_eq!(present("2026-07-01T10:00:00Z").when(at("2026-06-30T23:30:00Z")), "00:30");
        assert_eq!(present("2026-07-01T10:00:00Z").when(at("2026-06-30T08:30:00Z")), "yesterday 09:30");
        assert_eq!(present("2026-07-01T10:00:00Z").when(at("2026-06-28T08:30:00Z")), "Sunday 09:30");
        assert_eq!(present("2026-07-01T10:00:00Z").when(at("2026-03-03T09:41:00Z")), "3 March 2026, 09:41");
    }

    #[test]
    fn the_school_year_begins_in_september() {
        assert_eq!(present("2026-07-01T10:00:00Z").school_year_us(), at("2025-08-31T23:00:00Z"));
        assert_eq!(present("2026-11-01T10:00:00Z").school_year_us(), at("2026-08-31T23:00:00Z"));
    }

    #[test]
    fn a_list_shows_initials_only() {
        assert_eq!(initials("Amelia Rose Jones"), "A. R. J.");
        assert_eq!(initials(""), "");
        assert_eq!(masked_account("amelia.jones"), "a\u{2022}\u{2022}\u{2022}");
    }

    #[test]
    fn repeats_are_counted_in_words() {
        let present = present("2026-11-23T10:00:00Z");
        let (first, last) = (at("2026-11-23T09:20:00Z"), at("2026-11-23T09:40:00Z"));
        assert_eq!(how_often(&present, 3, first, last), "3 times in 20 minutes");
        assert_eq!(how_often(&present, 1, last, last), "Once, 09:40");
    }

    #[test]
    fn an_unknown_category_is_shown_by_its_id() {
        assert_eq!(category("self_harm"), "Self-harm");
        assert_eq!(category("new_topic"), "new topic");
    }
}
