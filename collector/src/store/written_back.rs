//! Writing the log back into the database beside the writer, so that no commit waits for tens of megabytes.
//!
//! The writer still does it by itself when the log is long; little is left for it then. What is written back is in the
//! log and synced: a crash at any point repeats it.

use std::time::Duration;

use sqlx::Row;

use super::dialect::WRITE_BACK;
use super::{Store, StoreError};
use crate::shutdown::Shutdown;

/// From one look to the next while somebody writes: some megabytes at the most.
const BUSY_EVERY: Duration = Duration::from_millis(100);
/// And while nobody does.
const IDLE_EVERY: Duration = Duration::from_secs(1);

impl Store {
    /// Writes the log back every so often until `shutdown`.
    pub(crate) async fn keep_written_back(self, shutdown: Shutdown) {
        let mut every = IDLE_EVERY;
        let mut before = 0;
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(every) => {}
            }
            every = match self.write_back().await {
                Ok(pages) if pages == before => IDLE_EVERY,
                Ok(pages) => {
                    before = pages;
                    BUSY_EVERY
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the database's log is not written back");
                    IDLE_EVERY
                }
            };
        }
    }

    /// Writes back what nobody reads or writes. Answers the pages of the log.
    async fn write_back(&self) -> Result<i64, StoreError> {
        let row = sqlx::query(WRITE_BACK).fetch_one(&self.back).await?;
        Ok(row.try_get(1)?)
    }
}

#[cfg(test)]
mod tests {
    use crate::store::fixture::School;

    #[tokio::test]
    async fn what_was_committed_is_in_the_database_without_its_log() {
        let school = School::open().await;
        assert!(school.store.write_back().await.unwrap() > 0, "opening it wrote something");
        let alone = school.path("alone.db");
        std::fs::copy(school.folder().join("lapwing.db"), &alone).unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&alone);
        let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
        let schools: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM schools").fetch_one(&pool).await.unwrap();
        assert_eq!(schools, 1);
    }
}
