//! What rules on trial fired: anonymous counts by rule and day, added up over the school's devices.

use lapwing_proto::SchoolId;
use lapwing_rules::RuleId;
use sqlx::Row;

use super::{Store, StoreError};

/// Most counts read: as many as the devices of a school may tell in a few weeks, whatever names they make up.
const MAX_COUNTS: i64 = 50_000;
/// What the keys of these counts begin with.
const PREFIX: &str = "shadow:";

/// How often a rule on trial would have been told on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShadowCount {
    pub(crate) rule: RuleId,
    /// Days since 1970, as the devices told it.
    pub(crate) day: u32,
    pub(crate) times: u64,
}

/// The counts from a day on, the latest first, then by rule. What names no rule is left out: devices choose the keys.
pub(crate) async fn counts(store: &Store, school: &SchoolId, from_day: u32) -> Result<Vec<ShadowCount>, StoreError> {
    let rows = sqlx::query(
        "SELECT key, day, count FROM anonymous_counts
         WHERE school_id = $1 AND day >= $2 AND key LIKE 'shadow:%' ORDER BY day DESC, key LIMIT $3",
    )
    .bind(school.as_str())
    .bind(i64::from(from_day))
    .bind(MAX_COUNTS)
    .fetch_all(store.reader())
    .await?;
    let mut counts = Vec::with_capacity(rows.len());
    for row in rows {
        let (key, day, times): (String, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let Some(rule) = key.strip_prefix(PREFIX).and_then(|rule| rule.parse().ok()) else { continue };
        let day = u32::try_from(day).map_err(|_| StoreError::Corrupt { what: "day of a count" })?;
        counts.push(ShadowCount { rule, day, times: u64::try_from(times).unwrap_or(0) });
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::store::device_health::add_counts;

    #[tokio::test]
    async fn counts_of_rules_are_read_latest_first_and_nothing_else_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("lapwing.db")).await.unwrap();
        let school: SchoolId = "sample-school".parse().unwrap();
        let keys = [
            ("shadow:birds.owl", 20_000, 7),
            ("shadow:birds.kite", 20_001, 2),
            ("shadow:birds.owl", 20_001, 1),
            ("shadow:birds.owl", 19_000, 9),
            ("shadow:9", 20_001, 1),
            ("support:childline.org.uk", 20_001, 3),
        ];
        let told = keys.map(|(key, day, times)| ((key.to_owned(), day), times));
        let mut tx = store.begin().await.unwrap();
        add_counts(&mut tx, &school, &BTreeMap::from(told)).await.unwrap();
        tx.commit().await.unwrap();

        let counts = counts(&store, &school, 20_000).await.unwrap();

        let told: Vec<_> = counts.iter().map(|count| (count.rule.as_str(), count.day, count.times)).collect();
        assert_eq!(told, [("birds.kite", 20_001, 2), ("birds.owl", 20_001, 1), ("birds.owl", 20_000, 7)]);
        assert!(super::counts(&store, &"other".parse().unwrap(), 0).await.unwrap().is_empty());
    }
}
