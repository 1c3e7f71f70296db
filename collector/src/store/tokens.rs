//! Campaign tokens: hashes, and how often each may still be used.

use lapwing_proto::SchoolId;
use sqlx::Row;

use super::{StoreError, Tx};
use crate::token::TokenHash;

/// A token to be stored.
#[derive(Debug)]
pub(crate) struct Campaign<'a> {
    /// Group its devices join.
    pub(crate) device_group: &'a str,
    /// End, microseconds of UTC.
    pub(crate) expires_us: i64,
    /// Devices it may enrol.
    pub(crate) uses: u32,
    /// Start, microseconds of UTC.
    pub(crate) created_us: i64,
}

/// What came of using a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    /// One use fewer is left; the device joins this group.
    Granted {
        /// The group.
        device_group: String,
    },
    /// There is no such token.
    Unknown,
    /// Its time is over.
    Expired,
    /// No use is left.
    UsedUp,
}

/// Stores a token.
pub(crate) async fn insert(
    tx: &mut Tx,
    school: &SchoolId,
    token: &TokenHash,
    campaign: &Campaign<'_>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO campaign_tokens (school_id, token_hash, device_group, expires_us, uses_left, created_us)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(school.as_str())
    .bind(token.as_bytes().as_slice())
    .bind(campaign.device_group)
    .bind(campaign.expires_us)
    .bind(i64::from(campaign.uses))
    .bind(campaign.created_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Uses `token` once, in the transaction of what it is used for. Every token of the school is compared, each in
/// constant time.
pub(crate) async fn spend(tx: &mut Tx, school: &SchoolId, token: &TokenHash, now_us: i64) -> Result<Spent, StoreError> {
    let rows =
        sqlx::query("SELECT token_hash, device_group, expires_us, uses_left FROM campaign_tokens WHERE school_id = $1")
            .bind(school.as_str())
            .fetch_all(tx.connection())
            .await?;
    let mut found = None;
    for row in &rows {
        if token.is(row.try_get::<&[u8], _>(0)?) {
            found = Some(row);
        }
    }
    let Some(row) = found else { return Ok(Spent::Unknown) };
    if row.try_get::<i64, _>(2)? <= now_us {
        return Ok(Spent::Expired);
    }
    if row.try_get::<i64, _>(3)? <= 0 {
        return Ok(Spent::UsedUp);
    }
    sqlx::query("UPDATE campaign_tokens SET uses_left = uses_left - 1 WHERE school_id = $1 AND token_hash = $2")
        .bind(school.as_str())
        .bind(token.as_bytes().as_slice())
        .execute(tx.connection())
        .await?;
    Ok(Spent::Granted { device_group: row.try_get(1)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::token::CampaignToken;

    #[tokio::test]
    async fn each_refusal_is_told_apart_and_a_refused_transaction_keeps_the_use() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("lapwing.db")).await.unwrap();
        let school: SchoolId = "sample-school".parse().unwrap();
        let token = CampaignToken::random().unwrap().hash();
        let campaign = Campaign { device_group: "ict-suite", expires_us: 100, uses: 1, created_us: 1 };
        let mut tx = store.begin().await.unwrap();
        insert(&mut tx, &school, &token, &campaign).await.unwrap();
        tx.commit().await.unwrap();

        let granted = Spent::Granted { device_group: "ict-suite".into() };
        let mut undone = store.begin().await.unwrap();
        assert_eq!(spend(&mut undone, &school, &token, 50).await.unwrap(), granted);
        drop(undone);
        let mut tx = store.begin().await.unwrap();
        assert_eq!(spend(&mut tx, &school, &token, 100).await.unwrap(), Spent::Expired);
        assert_eq!(spend(&mut tx, &school, &token, 99).await.unwrap(), granted);
        assert_eq!(spend(&mut tx, &school, &token, 99).await.unwrap(), Spent::UsedUp);
        let other = CampaignToken::random().unwrap().hash();
        assert_eq!(spend(&mut tx, &school, &other, 50).await.unwrap(), Spent::Unknown);
        assert_eq!(spend(&mut tx, &"other".parse().unwrap(), &token, 50).await.unwrap(), Spent::Unknown);
    }
}
