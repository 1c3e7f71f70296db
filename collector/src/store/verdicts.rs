//! Rows of verdicts, a rule each.

use std::collections::BTreeMap;

use lapwing_proto::SchoolId;
use sqlx::Row as _;

use super::{StoreError, Tx, concerns};
use crate::ids::ConcernId;

/// The statement of [`rules`]. In this order whatever the database thinks: else it goes through all captures of the school.
const fn rules_statement() -> &'static str {
    "SELECT DISTINCT k.rule FROM (SELECT $2 AS concern_id
        UNION ALL SELECT m.concern_id FROM concerns AS m WHERE m.school_id = $1 AND m.merged_into = $2) AS c
    CROSS JOIN concern_captures AS l CROSS JOIN captures AS k
    WHERE l.school_id = $1 AND l.concern_id = c.concern_id AND k.school_id = $1 AND k.capture_id = l.capture_id
    ORDER BY k.rule"
}

/// The rules that captures of a concern, and of those merged into it, fired; each the highest of its capture.
pub(crate) async fn rules(tx: &mut Tx, school: &SchoolId, concern: ConcernId) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(rules_statement())
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .fetch_all(tx.connection())
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// What was judged of each rule of a concern.
pub(crate) async fn of(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
) -> Result<BTreeMap<String, String>, StoreError> {
    let rows = sqlx::query("SELECT rule, verdict FROM rule_verdicts WHERE school_id = $1 AND concern_id = $2")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .fetch_all(tx.connection())
        .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
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

/// Takes back what was judged of a concern, and of each of its rules.
pub(crate) async fn take_back(tx: &mut Tx, school: &SchoolId, concern: ConcernId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM rule_verdicts WHERE school_id = $1 AND concern_id = $2")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .execute(tx.connection())
        .await?;
    concerns::set_verdict(tx, school, concern, None, None).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::School;

    /// Every judgement asks this: going through all captures of a school, it would be slower with each of them.
    #[tokio::test]
    async fn rules_are_looked_for_among_the_captures_of_the_concern() {
        let school = School::open().await;
        let steps = school.plan(rules_statement()).await;
        let place = |step: &str| steps.iter().position(|one| one.starts_with(step));
        let (links, captures) =
            (place("SEARCH l USING PRIMARY KEY (school_id=? AND concern_id=?)"), place("SEARCH k USING"));
        assert!(links.is_some() && links < captures, "{steps:?}");
    }
}
