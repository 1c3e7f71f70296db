//! What is done by the clock: looking whether each channel works, and making the day's messages.
//!
//! A channel is looked at every [`LOOK`], whether or not anything waits: what that finds is the same with a concern as
//! without. One that has failed for a quarter of an hour is in the log, on every page, and told by the channels that
//! still work.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::civil::Date;
use lapwing_rules::Level;

use super::{Channels, MAIL, Notifier, Purpose};
use crate::actor::Role;
use crate::calendar::Calendar;
use crate::shutdown::Shutdown;
use crate::store::channels::{self, Looked, NOT_SET_UP};
use crate::store::notices::{self, Daily};
use crate::store::outbox::{self, Notice};
use crate::store::{StoreError, Tx};

/// How often a channel is looked at.
const LOOK: Duration = Duration::from_secs(5 * 60);
/// How often it is seen whether something is to be done.
const ROUND: Duration = Duration::from_secs(30);
/// At the latest so long before the school closes the day's messages are made: somebody can still act on them.
const LAST: Duration = Duration::from_secs(60 * 60);

/// Told by mail of a shared channel that fails: whoever can have it repaired.
const LOOKS_AFTER: [Role; 2] = [Role::Technician, Role::Administrator];

impl Notifier {
    /// Goes round until `shutdown`.
    pub(super) async fn rounds(&self, shutdown: &Shutdown) {
        while !shutdown.is_requested() {
            let round = async {
                if let Err(error) = self.round().await {
                    tracing::error!(error = &error as &dyn std::error::Error, "notify cannot use the database");
                }
            };
            tokio::select! {
                () = round => {}
                () = shutdown.requested() => return,
            }
            tokio::select! {
                () = tokio::time::sleep(ROUND) => {}
                () = shutdown.requested() => {}
            }
        }
    }

    /// Does what is due.
    pub(crate) async fn round(&self) -> Result<(), StoreError> {
        let channels = self.channels.load_full();
        self.look(&channels).await?;
        let now_us = self.clock.wall_us();
        let calendar = self.calendar(now_us).await?;
        self.make(&channels, &calendar, Daily::Digest, now_us).await?;
        self.make(&channels, &calendar, Daily::AllWell, now_us).await
    }

    /// Says in the log of a channel that was set up anew whether it will carry concerns.
    async fn look_at_readers(&self, channels: &Channels, name: &str) -> Result<(), StoreError> {
        let Some(target) = channels.target(name) else { return Ok(()) };
        let readers = notices::persons_of(&self.store, &self.school, &target.readers).await?;
        let unknown = readers.iter().filter(|reader| reader.is_none()).count();
        if unknown > 0 {
            tracing::warn!(
                channel.name = name,
                unknown,
                "accounts of its readers are on no list: it carries no concern"
            );
        }
        Ok(())
    }

    async fn look(&self, channels: &Channels) -> Result<(), StoreError> {
        let now_us = self.clock.wall_us();
        let known = channels::all(&self.store, &self.school).await?;
        let due = known.into_iter().filter(|channel| is_due(channel.looked_us, now_us)).collect::<Vec<_>>();
        let found = join_all(due.iter().map(|channel| self.probe(channels, &channel.name))).await;
        for (channel, failed) in due.iter().zip(found) {
            if channel.looked_us.is_none() {
                self.look_at_readers(channels, &channel.name).await?;
            }
            let mut tx = self.store.begin().await?;
            channels::set_looked(&mut tx, &self.school, &channel.name, failed.as_deref(), now_us).await?;
            let since_us = channel.failing_since_us.filter(|since_us| *since_us <= now_us).unwrap_or(now_us);
            let looked = Looked { failing_since_us: failed.is_some().then_some(since_us), ..channel.clone() };
            if looked.is_failing(now_us) && channels::set_told(&mut tx, &self.school, &channel.name, now_us).await? {
                let (name, code) = (channel.name.as_str(), failed.unwrap_or_default());
                tracing::error!(channel.name = name, code, "messages cannot be sent by a channel: have it repaired");
                self.tell_of(&mut tx, name, now_us).await?;
            }
            tx.commit().await?;
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Why a channel cannot be used, as a code; `None` where it can.
    async fn probe(&self, channels: &Channels, name: &str) -> Option<String> {
        let probing = async {
            if name == MAIL {
                let Some(mailer) = channels.mailer() else { return Some(NOT_SET_UP.to_owned()) };
                return mailer.probe().await.err().map(|failure| failure.code);
            }
            channels.target(name)?.probe().await.err().map(|failure| failure.code)
        };
        tokio::time::timeout(self.within, probing).await.unwrap_or_else(|_| Some("timeout".to_owned()))
    }

    /// Tells of a channel that fails by the others.
    async fn tell_of(&self, tx: &mut Tx, name: &str, now_us: i64) -> Result<(), StoreError> {
        let notice = Notice { purpose: Purpose::CannotSend, reference: name, level: Level::High };
        outbox::insert_shared(tx, &self.school, notice, name, now_us).await?;
        if name != MAIL {
            self.mail_to(tx, &LOOKS_AFTER, notice, now_us).await?;
        }
        Ok(())
    }

    /// Makes a day's messages where they are due and were not made.
    async fn make(
        &self,
        channels: &Channels,
        calendar: &Calendar,
        daily: Daily,
        now_us: i64,
    ) -> Result<(), StoreError> {
        let (after, purpose, level) = match daily {
            Daily::Digest => (channels.notices.digest_after, Purpose::Digest, Level::Low),
            Daily::AllWell => (channels.notices.all_well_after, Purpose::AllWell, Level::Info),
        };
        let Some(date) = due(calendar, after, now_us) else { return Ok(()) };
        let day = day_number(date);
        // Without a way for mail a day's mails would only heap up.
        let has_somewhere =
            channels.mailer().is_some() || (daily == Daily::AllWell && channels.targets().next().is_some());
        if !has_somewhere || notices::is_made(&self.store, &self.school, daily, day).await? {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        if !notices::begin_day(&mut tx, &self.school, daily, day, now_us).await? {
            return Ok(());
        }
        let notice = Notice { purpose, reference: &date.to_string(), level };
        let roles = match daily {
            Daily::Digest => Role::ALL.to_vec(),
            Daily::AllWell => channels.notices.all_well_to.clone(),
        };
        if channels.mailer().is_some() {
            self.mail_to(&mut tx, &roles, notice, now_us).await?;
        }
        if daily == Daily::AllWell {
            outbox::insert_shared(&mut tx, &self.school, notice, MAIL, now_us).await?;
        }
        tx.commit().await?;
        self.wake.notify_one();
        Ok(())
    }

    /// Puts a message in for everybody with an address who holds one of `roles`.
    async fn mail_to(&self, tx: &mut Tx, roles: &[Role], notice: Notice<'_>, now_us: i64) -> Result<(), StoreError> {
        for person in notices::reachable(tx, &self.school, roles).await? {
            outbox::insert(tx, &self.school, &notice.to(person), now_us).await?;
        }
        Ok(())
    }
}

/// Whether a channel was not looked at for a while; a clock that was set back looks again.
fn is_due(looked_us: Option<i64>, now_us: i64) -> bool {
    looked_us.is_none_or(|looked_us| u128::from(now_us.abs_diff(looked_us)) >= LOOK.as_micros())
}

/// The school day whose messages are due: from `wait` after it opens, or an hour before it ends, to its midnight.
fn due(calendar: &Calendar, wait: Duration, now_us: i64) -> Option<Date> {
    let date = calendar.date(now_us);
    let open = calendar.open_on(date)?;
    let last_us = super::after(open.until_us, Duration::ZERO).saturating_sub(micros(LAST)).max(open.from_us);
    let from_us = super::after(open.from_us, wait).min(last_us);
    (from_us <= now_us).then_some(date)
}

/// Days of the calendar since 1970.
fn day_number(date: Date) -> i64 {
    date.duration_since(Date::constant(1970, 1, 1)).as_hours() / 24
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::store::fixture::NINE_US;

    const MINUTE_US: i64 = 60_000_000;
    const DAY_US: i64 = 24 * 60 * MINUTE_US;

    #[test]
    fn a_days_messages_are_due_after_a_while_of_it_and_before_its_last_hour() {
        let calendar = Calendar::weekdays(TimeZone::UTC);
        // It opens at 08:30 and closes at 16:00; NINE_US is 09:00 in UTC.
        let is_due = |wait: u64, at_us: i64| due(&calendar, Duration::from_secs(wait * 60), at_us).is_some();
        assert!(is_due(30, NINE_US) && !is_due(31, NINE_US));
        assert!(!is_due(0, NINE_US - 31 * MINUTE_US));
        let three_us = NINE_US + 6 * 60 * MINUTE_US;
        assert!(is_due(999, three_us) && !is_due(999, three_us - 1));
        assert!(is_due(999, NINE_US + 14 * 60 * MINUTE_US));
        // Saturday.
        assert!(!is_due(0, NINE_US + 5 * DAY_US));
    }

    #[test]
    fn days_are_counted_by_the_calendar() {
        assert_eq!(day_number(Date::constant(1970, 1, 2)), 1);
        assert_eq!(day_number(Date::constant(2026, 9, 28)), 20_724);
    }
}
