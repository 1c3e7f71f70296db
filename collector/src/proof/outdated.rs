//! A rule set that is to be replaced by a day, or is a year old then: whoever looks after devices is told 14 and 7 days
//! before, and once it has come. It stays in force whatever the day.

use lapwing_proto::SchoolId;

use super::ending::{Ending, day_come, tell_once};
use crate::notify::Purpose;
use crate::store::{Store, StoreError};

/// Days before its end on which it is told of.
const TOLD_AT: [i64; 3] = [14, 7, 0];

/// Tells of the newest rule set, this release, where it ends. Says whether messages wait.
pub(crate) async fn look(
    store: &Store,
    school: &SchoolId,
    (release, ends_us): (u64, Option<i64>),
    now_us: i64,
) -> Result<bool, StoreError> {
    let Some((ends_us, days)) = ends_us.and_then(|ends_us| Some((ends_us, day_come(ends_us, &TOLD_AT, now_us)?)))
    else {
        return Ok(false);
    };
    let reference = format!("RULES-{release}");
    tell_once(store, school, &Ending { purpose: Purpose::Outdated, reference: &reference, ends_us, days }, now_us).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::Role;
    use crate::store::fixture::{NINE_US, School};
    use crate::subject::Kind;

    const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

    #[tokio::test]
    async fn each_day_is_told_once_and_a_rule_set_without_an_end_never() {
        let school = School::open().await;
        school.person("tech", Kind::Staff, &[Role::Technician]).await;
        let mut told = Vec::new();
        for day in [0, 15, 16, 17, 22, 23, 24, 30, 31, 400] {
            let newest = (7, Some(NINE_US + 30 * DAY_US));
            told.push(look(&school.store, &school.id, newest, NINE_US + day * DAY_US).await.unwrap());
        }
        assert_eq!(told, [false, false, true, false, false, true, false, true, false, false]);
        let late_us = NINE_US + 400 * DAY_US;
        assert!(!look(&school.store, &school.id, (8, None), late_us).await.unwrap());
        assert!(look(&school.store, &school.id, (9, Some(late_us - 1)), late_us).await.unwrap(), "another");
    }
}
