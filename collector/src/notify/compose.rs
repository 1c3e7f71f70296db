//! What a claimed message says now, or that nobody may be told of it any more.
//!
//! Asked when it is sent, not when it was put in: a person may have become the subject of their concern since, a digest
//! be empty, a channel work again.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;

use super::letter::{Failing, Saying};
use super::purpose::Bond;
use super::readers::may_carry;
use super::{Channels, Notifier, Purpose};
use crate::actor::{Actor, PersonId};
use crate::calendar::Calendar;
use crate::store::notices::Standing;
use crate::store::outbox::Claimed;
use crate::store::{StoreError, channels, notices, settings};

/// What is to be done with a claimed message.
pub(super) enum Composed {
    /// It says this.
    Says(Saying),
    /// There is nobody to tell, or nothing.
    Nothing,
    /// Whom it is about would read it: they have the reader's address too.
    Misaddressed,
}

impl Notifier {
    /// What `claimed` says at `now_us`.
    pub(super) async fn compose(
        &self,
        channels: &Channels,
        claimed: &Claimed,
        now_us: i64,
    ) -> Result<Composed, StoreError> {
        let may_be_told = match (claimed.purpose.bond(), claimed.person) {
            (Bond::None, _) => {
                let saying = self.of_the_school(claimed, now_us).await?;
                return Ok(saying.map_or(Composed::Nothing, Composed::Says));
            }
            (Bond::Sees, Some(person)) => self.sees(claimed, &[Some(person)]).await?,
            (Bond::Sees, None) => {
                let target = channels.target(&claimed.target);
                let accounts = target.as_ref().map_or(&[] as &[String], |target| target.readers.as_slice());
                let readers = notices::persons_of(&self.store, &self.school, accounts).await?;
                self.sees(claimed, &readers).await?
            }
            (Bond::NotTheSubject, Some(_)) => true,
            (Bond::NotTheSubject, None) => false,
        };
        if !may_be_told || self.is_settled(claimed).await? {
            return Ok(Composed::Nothing);
        }
        if let Some(person) = claimed.person {
            let (reference, address) = (claimed.reference.as_str(), claimed.address.as_deref());
            match notices::standing(&self.store, &self.school, reference, person, address).await? {
                Standing::Apart => {}
                Standing::Subject => return Ok(Composed::Nothing),
                Standing::SharesAddress => return Ok(Composed::Misaddressed),
            }
        }
        let Claimed { purpose, level, .. } = *claimed;
        let watch = self.calendar(now_us).await?.watch(level, now_us);
        Ok(Composed::Says(Saying::Of { purpose, reference: claimed.reference.clone(), level, watch }))
    }

    /// Whether every one of `readers` may see the concern of a message.
    async fn sees(&self, claimed: &Claimed, readers: &[Option<PersonId>]) -> Result<bool, StoreError> {
        let known: BTreeSet<_> = readers.iter().flatten().copied().collect();
        let may_see = notices::who_may_see(&self.store, &self.school, &claimed.reference, &known).await?;
        Ok(may_carry(readers, &may_see))
    }

    /// Whether somebody has acknowledged meanwhile what the message says that nobody has.
    async fn is_settled(&self, claimed: &Claimed) -> Result<bool, StoreError> {
        let says_so = matches!(claimed.purpose, Purpose::Climbed | Purpose::Again);
        Ok(says_so && !notices::is_waiting(&self.store, &self.school, &claimed.reference).await?)
    }

    /// What is about no concern.
    async fn of_the_school(&self, claimed: &Claimed, now_us: i64) -> Result<Option<Saying>, StoreError> {
        let calendar = self.calendar(now_us).await?;
        match (claimed.purpose, claimed.person) {
            (Purpose::CannotSend, _) => self.failing(claimed, &calendar).await,
            (Purpose::Digest, Some(person)) if is_of_today(claimed, &calendar, now_us) => {
                self.digest(person, claimed, &calendar, now_us).await
            }
            (Purpose::AllWell, _) if is_of_today(claimed, &calendar, now_us) => {
                self.all_well(claimed, &calendar, now_us).await
            }
            (_, _) => Ok(None),
        }
    }

    /// The school's calendar, as it stands.
    pub(super) async fn calendar(&self, now_us: i64) -> Result<Calendar, StoreError> {
        settings::calendar(&mut self.store.view().await?, &self.school, now_us).await
    }

    async fn failing(&self, claimed: &Claimed, calendar: &Calendar) -> Result<Option<Saying>, StoreError> {
        let since_us = channels::failing_since(&self.store, &self.school, &claimed.reference).await?;
        let since = since_us.and_then(|at_us| Timestamp::from_microsecond(at_us).ok());
        Ok(since.map(|since| {
            let since = since.to_zoned(calendar.zone().clone()).datetime();
            Saying::CannotSend(Failing { channel: claimed.reference.clone(), since })
        }))
    }

    async fn digest(
        &self,
        person: PersonId,
        claimed: &Claimed,
        calendar: &Calendar,
        now_us: i64,
    ) -> Result<Option<Saying>, StoreError> {
        let week_from_us = week_that_ends(calendar, calendar.date(now_us));
        let reader = (person, claimed.address.as_deref());
        let digest = notices::digest(&self.store, &self.school, reader, calendar, week_from_us).await?;
        let says_something = !digest.waiting.is_empty() || digest.week.unwrap_or(0) > 0;
        Ok(says_something.then_some(Saying::Digest(digest)))
    }

    async fn all_well(
        &self,
        claimed: &Claimed,
        calendar: &Calendar,
        now_us: i64,
    ) -> Result<Option<Saying>, StoreError> {
        let today_us = midnight(calendar, calendar.date(now_us)).unwrap_or(now_us);
        let mut condition = notices::condition(&self.store, &self.school, now_us, today_us).await?;
        let known = channels::all(&self.store, &self.school).await?;
        condition.failing_channels = known.iter().filter(|channel| channel.is_failing(now_us)).count() as u64;
        if let Some(person) = claimed.person {
            let reader = Actor::Person { school: self.school.clone(), person, roles: BTreeSet::new() };
            condition.undelivered =
                channels::undelivered(&self.store, &reader, claimed.address.as_deref(), now_us).await?;
        }
        Ok(Some(Saying::AllWell(condition)))
    }
}

/// Whether a day's message is still of the day: yesterday's says nothing that today's will not say better.
fn is_of_today(claimed: &Claimed, calendar: &Calendar, now_us: i64) -> bool {
    claimed.reference.parse::<Date>().is_ok_and(|day| day == calendar.date(now_us))
}

/// Where `day` is the last school day of its week, when that week began.
pub(super) fn week_that_ends(calendar: &Calendar, day: Date) -> Option<i64> {
    let open = calendar.open_on(day)?;
    if calendar.week_ends(open.from_us) != Some(open.until_us) {
        return None;
    }
    let since_monday = i64::from(day.weekday().to_monday_zero_offset());
    midnight(calendar, day.checked_sub(jiff::Span::new().days(since_monday)).ok()?)
}

/// When `day` began.
fn midnight(calendar: &Calendar, day: Date) -> Option<i64> {
    Some(day.to_zoned(calendar.zone().clone()).ok()?.timestamp().as_microsecond())
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn the_last_school_day_of_a_week_looks_back_to_its_monday() {
        let text = "[hours]\nmonday = [\"08:30\", \"16:00\"]\nthursday = [\"08:30\", \"16:00\"]\n";
        let today = Date::constant(2026, 9, 28);
        let calendar = Calendar::parse(text, TimeZone::get("Europe/London").unwrap(), today).unwrap();
        let week = |day: i8| week_that_ends(&calendar, Date::constant(2026, 9, day));
        assert_eq!((week(21), week(25)), (None, None));
        assert_eq!(week(24), midnight(&calendar, Date::constant(2026, 9, 21)));
        assert!(week(24).is_some());
    }
}
