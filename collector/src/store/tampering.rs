//! When somebody last laid hands on agents: took one off a computer, or changed the files it is made of.

use lapwing_proto::{DiagnosticCode, SchoolId};

use super::devices::REMOVED;
use super::{Store, StoreError};

/// When the agent was last taken off a computer, no later than `now_us`.
pub(crate) async fn removed(store: &Store, school: &SchoolId, now_us: i64) -> Result<Option<i64>, StoreError> {
    let newest = "SELECT MAX(revoked_us) FROM devices WHERE school_id = $1 AND goodbye = $2 AND revoked_us <= $3";
    Ok(sqlx::query_scalar(newest).bind(school.as_str()).bind(REMOVED).bind(now_us).fetch_one(store.reader()).await?)
}

/// When a device last began to tell that files of its agent changed, no later than `now_us`.
pub(crate) async fn changed(store: &Store, school: &SchoolId, now_us: i64) -> Result<Option<i64>, StoreError> {
    let newest = "SELECT MAX(g.since_us) FROM device_diagnostics AS g
         JOIN devices AS d ON d.school_id = g.school_id AND d.device_id = g.device_id
         WHERE g.school_id = $1 AND g.code = $2 AND g.since_us <= $3 AND d.revoked_us IS NULL";
    Ok(sqlx::query_scalar(newest)
        .bind(school.as_str())
        .bind(DiagnosticCode::FilesChanged.as_str())
        .bind(now_us)
        .fetch_one(store.reader())
        .await?)
}
