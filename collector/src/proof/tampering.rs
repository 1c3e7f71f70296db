//! Agents that somebody laid hands on: taken off a computer, or their files changed. Whoever looks after devices is told
//! within a minute, then of removals at most once an hour and of changes once a day: a whole fleet is one message.

use lapwing_proto::SchoolId;

use super::tell_caretakers;
use crate::notify::Purpose;
use crate::store::{Store, StoreError, notices, tampering};

const HOUR_US: i64 = 60 * 60 * 1_000_000;
const DAY_US: i64 = 24 * HOUR_US;

/// Something that may happen to one device or to all of them at once.
struct News {
    purpose: Purpose,
    /// When it last happened.
    newest_us: Option<i64>,
    /// How long one message is enough.
    every_us: i64,
}

/// Tells of removals and changes that nobody was told of. Says whether messages wait.
pub(crate) async fn look(store: &Store, school: &SchoolId, now_us: i64) -> Result<bool, StoreError> {
    let news = [
        News {
            purpose: Purpose::Removed,
            newest_us: tampering::removed(store, school, now_us).await?,
            every_us: HOUR_US,
        },
        News {
            purpose: Purpose::Changed,
            newest_us: tampering::changed(store, school, now_us).await?,
            every_us: DAY_US,
        },
    ];
    let mut told = false;
    for news in news {
        told |= tell(store, school, &news, now_us).await?;
    }
    Ok(told)
}

async fn tell(store: &Store, school: &SchoolId, news: &News, now_us: i64) -> Result<bool, StoreError> {
    let notice = news.purpose.as_str();
    let Some(newest_us) = news.newest_us else { return Ok(false) };
    let told_us = notices::last_made(store, school, notice, now_us).await?;
    if told_us.is_some_and(|told_us| newest_us <= told_us) {
        return Ok(false);
    }
    let number = now_us.div_euclid(news.every_us);
    let mut tx = store.begin().await?;
    let mut told = false;
    if notices::begin(&mut tx, school, notice, number, now_us).await? {
        let reference = format!("{}-{number}", notice.to_uppercase());
        told = tell_caretakers(&mut tx, school, (news.purpose, &reference), now_us).await?;
        tracing::warn!(reference, "somebody laid hands on agents");
    }
    tx.commit().await?;
    Ok(told)
}

#[cfg(test)]
mod tests {
    use lapwing_proto::{DeviceId, DiagnosticCode};

    use super::*;
    use crate::actor::Role;
    use crate::store::device_health::{self, Health};
    use crate::store::devices;
    use crate::store::fixture::{NINE_US, School};
    use crate::store::seeded::{self, Enrolling};
    use crate::subject::Kind;

    const MINUTE_US: i64 = 60 * 1_000_000;

    async fn school() -> (School, [DeviceId; 3]) {
        let school = School::open().await;
        school.person("tech", Kind::Staff, &[Role::Technician]).await;
        let found = [21, 22, 23].map(|number| DeviceId::from_bytes([number; 16]));
        for device in found {
            let new = Enrolling { device, hostname: "pc", room: "Library", enrolled_us: 1 };
            seeded::enrol(&school, &new).await;
        }
        (school, found)
    }

    async fn removes(school: &School, device: DeviceId, now_us: i64) -> bool {
        let mut tx = school.store.begin().await.unwrap();
        let is_news = devices::remove(&mut tx, &school.id, device, now_us).await.unwrap();
        tx.commit().await.unwrap();
        is_news
    }

    async fn changes(school: &School, device: DeviceId, now_us: i64) {
        let told = [(DiagnosticCode::FilesChanged.as_str().to_owned(), "program".to_owned())];
        let health = Health { diagnostics: told.into(), ..Health::default() };
        let mut tx = school.store.begin().await.unwrap();
        device_health::replace(&mut tx, &school.id, device, &health, now_us).await.unwrap();
        tx.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_removal_is_told_at_once_and_those_that_follow_within_the_hour() {
        let (school, found) = school().await;
        let looks = async |after_us: i64| look(&school.store, &school.id, NINE_US + after_us).await.unwrap();
        assert!(!looks(0).await);
        assert!(removes(&school, found[0], NINE_US).await && !removes(&school, found[0], NINE_US + 1).await);
        assert!(looks(MINUTE_US).await && !looks(2 * MINUTE_US).await);
        removes(&school, found[1], NINE_US + 3 * MINUTE_US).await;
        removes(&school, found[2], NINE_US + 4 * MINUTE_US).await;
        assert!(!looks(5 * MINUTE_US).await, "this hour's message says which page to look at");
        assert!(looks(HOUR_US).await && !looks(2 * HOUR_US).await);
        assert_eq!(school.count("SELECT COUNT(*) FROM outbox WHERE kind = 'removed'").await, 2);
    }

    #[tokio::test]
    async fn changes_are_told_once_a_day_and_of_who_is_removed_no_more() {
        let (school, found) = school().await;
        let looks = async |after_us: i64| look(&school.store, &school.id, NINE_US + after_us).await.unwrap();
        changes(&school, found[0], NINE_US).await;
        assert!(looks(1).await && !looks(2).await);
        changes(&school, found[1], NINE_US + MINUTE_US).await;
        assert!(!looks(HOUR_US).await);
        assert!(looks(DAY_US).await && !looks(DAY_US + HOUR_US).await);
        changes(&school, found[2], NINE_US + DAY_US + 2 * HOUR_US).await;
        removes(&school, found[2], NINE_US + DAY_US + 3 * HOUR_US).await;
        assert!(looks(2 * DAY_US).await, "the removal");
        let kinds = school.texts("SELECT kind FROM outbox ORDER BY created_us").await;
        assert_eq!(kinds, ["changed", "changed", "removed"]);
    }

    #[tokio::test]
    async fn a_clock_that_was_ahead_hides_nothing() {
        let (school, found) = school().await;
        let looks = async |after_us: i64| look(&school.store, &school.id, NINE_US + after_us).await.unwrap();
        removes(&school, found[0], NINE_US + 400 * DAY_US).await;
        assert!(looks(400 * DAY_US).await);
        assert!(!looks(0).await);
        removes(&school, found[1], NINE_US + 1).await;
        assert!(looks(MINUTE_US).await);
    }
}
