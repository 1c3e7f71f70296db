//! What ends on a day: whoever looks after devices is told so many days before, each of them once.

use lapwing_proto::SchoolId;

use super::tell_caretakers;
use crate::notify::Purpose;
use crate::store::{Store, StoreError, notices};

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// Something whose end is near.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending<'a> {
    pub(super) purpose: Purpose,
    /// What people call it.
    pub(super) reference: &'a str,
    /// Microseconds of UTC. Another end is told of anew.
    pub(super) ends_us: i64,
    /// The last of the days before its end that has come.
    pub(super) days: i64,
}

/// The last of the days `told_at` before `ends_us` that has come at `now_us`.
pub(super) fn day_come(ends_us: i64, told_at: &[i64], now_us: i64) -> Option<i64> {
    let left_us = ends_us.saturating_sub(now_us);
    told_at.iter().copied().filter(|days| left_us <= days.saturating_mul(DAY_US)).min()
}

/// Tells of it, unless that was done. Says whether messages wait.
pub(super) async fn tell_once(
    store: &Store,
    school: &SchoolId,
    ending: &Ending<'_>,
    now_us: i64,
) -> Result<bool, StoreError> {
    let notice = format!("{} {}", ending.reference, ending.ends_us);
    if notices::is_told(store, school, &notice, ending.days).await? {
        return Ok(false);
    }
    let mut tx = store.begin().await?;
    let mut told = false;
    if notices::begin(&mut tx, school, &notice, ending.days, now_us).await? {
        told = tell_caretakers(&mut tx, school, (ending.purpose, ending.reference), now_us).await?;
        tracing::warn!(reference = ending.reference, days = ending.days, "something ends");
    }
    tx.commit().await?;
    Ok(told)
}
