//! Rows of verdicts, a rule each.

use lapwing_proto::SchoolId;
use sqlx::Row as _;

use super::{StoreError, Tx};
use crate::ids::ConcernId;

/// The rules that captures of a concern, and of those merged into it, fired; each the highest of its capture.
pub(crate) async fn rules(tx: &mut Tx, school: &SchoolId, concern: ConcernId) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(
        "SELECT DISTINCT k.rule FROM concerns AS c
         JOIN concern_captures AS l ON l.school_id = c.school_id AND l.concern_id = c.concern_id
         JOIN captures AS k ON k.school_id = l.school_id AND k.capture_id = l.capture_id
         WHERE c.school_id = $1 AND (c.concern_id = $2 OR c.merged_into = $2) ORDER BY k.rule",
    )
    .bind(school.as_str())
    .bind(concern.as_bytes().as_slice())
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Says whether `rule` was right about `concern`.
pub(crate) async fn set(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    (rule, verdict): (&str, &str),
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO rule_verdicts (school_id, concern_id, rule, verdict, at_us) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (school_id, concern_id, rule) DO UPDATE SET verdict = excluded.verdict, at_us = excluded.at_us",
    )
    .bind(school.as_str())
    .bind(concern.as_bytes().as_slice())
    .bind(rule)
    .bind(verdict)
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Takes back what was judged of a concern.
pub(crate) async fn clear(tx: &mut Tx, school: &SchoolId, concern: ConcernId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM rule_verdicts WHERE school_id = $1 AND concern_id = $2")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .execute(tx.connection())
        .await?;
    Ok(())
}
