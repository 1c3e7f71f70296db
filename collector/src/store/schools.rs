//! The school's own row, which every other key begins with.

use super::{StoreError, Tx};
use crate::config::School;

/// Stores the school, or its name and zone where they changed.
pub(crate) async fn ensure(tx: &mut Tx, school: &School, now_us: i64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO schools (school_id, name, zone, created_us) VALUES ($1, $2, $3, $4)
         ON CONFLICT (school_id) DO UPDATE SET name = excluded.name, zone = excluded.zone",
    )
    .bind(school.id.as_str())
    .bind(&school.name)
    .bind(&school.zone)
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}
