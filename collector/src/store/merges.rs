//! Links between concerns: one counts towards another, until it is split off again.

use lapwing_proto::SchoolId;

use super::{StoreError, Tx};
use crate::ids::ConcernId;

/// Lets `concern` count towards `into`; `None`: it stands by itself.
pub(crate) async fn link(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    into: Option<ConcernId>,
    now_us: i64,
) -> Result<(), StoreError> {
    // Both change, and where it is split off again the one that it counted towards.
    let both = "UPDATE concerns SET changed_us = $4 WHERE school_id = $1 AND (concern_id = $3 OR concern_id =
         (SELECT c.merged_into FROM concerns AS c WHERE c.school_id = $1 AND c.concern_id = $2))";
    let link = "UPDATE concerns SET merged_into = $3, changed_us = $4 WHERE school_id = $1 AND concern_id = $2";
    for sql in [both, link] {
        sqlx::query(sql)
            .bind(school.as_str())
            .bind(concern.as_bytes().as_slice())
            .bind(into.map(|into| into.as_bytes().to_vec()))
            .bind(now_us)
            .execute(tx.connection())
            .await?;
    }
    Ok(())
}

/// Whether anything counts towards `concern`.
pub(crate) async fn has_any(tx: &mut Tx, school: &SchoolId, concern: ConcernId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM concerns WHERE school_id = $1 AND merged_into = $2)")
        .bind(school.as_str())
        .bind(concern.as_bytes().as_slice())
        .fetch_one(tx.connection())
        .await?)
}
