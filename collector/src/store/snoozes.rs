//! Rows of what somebody put off: out of their own list until a time, or until anything happens to it.

use sqlx::AssertSqlSafe;

use super::{Store, StoreError, Tx, visible_to};
use crate::actor::{Actor, PersonId};
use crate::ids::ConcernId;

/// A concern `c` that person `$2` put off, with `{}` now.
pub(super) const PUT_OFF: &str = "EXISTS (SELECT 1 FROM snoozes AS z WHERE z.school_id = c.school_id AND z.person_id = $2 \
     AND z.concern_id = c.concern_id AND z.changed_us = c.changed_us AND z.until_us > {})";

/// Puts a concern off for `person`.
pub(crate) async fn put_off(
    tx: &mut Tx,
    actor: &Actor,
    (concern, person): (ConcernId, PersonId),
    until_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO snoozes (school_id, person_id, concern_id, until_us, changed_us)
         SELECT $1, $2, $3, $4, c.changed_us FROM concerns AS c WHERE c.school_id = $1 AND c.concern_id = $3
         ON CONFLICT (school_id, person_id, concern_id)
         DO UPDATE SET until_us = excluded.until_us, changed_us = excluded.changed_us",
    )
    .bind(actor.school().as_str())
    .bind(person.as_bytes().as_slice())
    .bind(concern.as_bytes().as_slice())
    .bind(until_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// It stands in their list again.
pub(crate) async fn end(
    tx: &mut Tx,
    actor: &Actor,
    (concern, person): (ConcernId, PersonId),
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM snoozes WHERE school_id = $1 AND person_id = $2 AND concern_id = $3")
        .bind(actor.school().as_str())
        .bind(person.as_bytes().as_slice())
        .bind(concern.as_bytes().as_slice())
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Until when `actor` put a concern off, where they did and may know of it.
pub(crate) async fn until_us(
    store: &Store,
    actor: &Actor,
    concern: ConcernId,
    now_us: i64,
) -> Result<Option<i64>, StoreError> {
    let visible = visible_to(actor);
    let sql = format!(
        "SELECT z.until_us FROM concerns AS c JOIN snoozes AS z ON z.school_id = c.school_id AND z.person_id = $2
         AND z.concern_id = c.concern_id AND z.changed_us = c.changed_us AND z.until_us > $4
         WHERE {} AND c.concern_id = $3",
        visible.sql
    );
    Ok(sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(visible.school())
        .bind(visible.person())
        .bind(concern.as_bytes().as_slice())
        .bind(now_us)
        .fetch_optional(store.reader())
        .await?)
}
