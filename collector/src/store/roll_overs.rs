//! Rows of school years that pupils have moved up into.

use lapwing_proto::SchoolId;

use super::{StoreError, Tx};
use crate::people::roll_over::SchoolYear;

/// The latest of them.
pub(crate) async fn latest(tx: &mut Tx, school: &SchoolId) -> Result<Option<SchoolYear>, StoreError> {
    let latest: Option<i64> = sqlx::query_scalar("SELECT MAX(into_year) FROM roll_overs WHERE school_id = $1")
        .bind(school.as_str())
        .fetch_one(tx.connection())
        .await?;
    let year = |year: i64| i16::try_from(year).map_err(|_| StoreError::Corrupt { what: "school year" });
    Ok(latest.map(year).transpose()?.map(SchoolYear::beginning))
}

/// Pupils moved up into `year`.
pub(crate) async fn insert(tx: &mut Tx, school: &SchoolId, year: SchoolYear, now_us: i64) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO roll_overs (school_id, into_year, at_us) VALUES ($1, $2, $3)")
        .bind(school.as_str())
        .bind(i64::from(year.begins()))
        .bind(now_us)
        .execute(tx.connection())
        .await?;
    Ok(())
}
