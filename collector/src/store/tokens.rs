//! Campaign tokens: hashes, terms, and what came of every use.

use lapwing_proto::{DeviceId, SchoolId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError, Tx, id};
use crate::campaign::{Terms, networks_from_text, networks_to_text};
use crate::token::TokenHash;

/// Uses of a token on a day that made no device, kept by host: whoever has it may invent hosts.
const MAX_REFUSED: i64 = 1000;
const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// A token to be stored.
#[derive(Debug)]
pub(crate) struct NewToken<'a> {
    /// What people call it.
    pub(crate) reference: &'a str,
    /// What it is for, in a technician's words.
    pub(crate) label: &'a str,
    pub(crate) terms: &'a Terms,
    /// Start, microseconds of UTC.
    pub(crate) created_us: i64,
}

/// A token as it is shown: nothing of it can be used.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) reference: String,
    pub(crate) label: String,
    pub(crate) terms: Terms,
    pub(crate) created_us: i64,
    pub(crate) withdrawn_us: Option<i64>,
    /// Devices that joined by it.
    pub(crate) joined: i64,
    /// Uses that were refused.
    pub(crate) refused: i64,
}

/// One line of a token's log: uses of a host on a day that came to the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) reference: String,
    pub(crate) hostname: String,
    pub(crate) address: String,
    pub(crate) outcome: String,
    pub(crate) device: Option<DeviceId>,
    pub(crate) uses: i64,
    /// Last.
    pub(crate) at_us: i64,
}

/// What is written of a use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used<'a> {
    pub(crate) hostname: &'a str,
    pub(crate) address: &'a str,
    /// `joined`, `again`, `waits`, or the code of a refusal.
    pub(crate) outcome: &'a str,
    pub(crate) device: Option<DeviceId>,
}

/// Stores a token.
pub(crate) async fn insert(
    tx: &mut Tx,
    school: &SchoolId,
    token: &TokenHash,
    new: &NewToken<'_>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO campaign_tokens (school_id, token_hash, reference, label, device_group, networks, listed_only,
         by_approval, expires_us, uses_left, created_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(school.as_str())
    .bind(token.as_bytes().as_slice())
    .bind(new.reference)
    .bind(new.label)
    .bind(&new.terms.device_group)
    .bind(networks_to_text(&new.terms.networks))
    .bind(new.terms.is_listed_only)
    .bind(new.terms.is_by_approval)
    .bind(new.terms.expires_us)
    .bind(new.terms.uses_left)
    .bind(new.created_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Reference and terms of `token`. Every token of the school is compared, each in constant time.
pub(crate) async fn find(
    tx: &mut Tx,
    school: &SchoolId,
    token: &TokenHash,
) -> Result<Option<(String, Terms)>, StoreError> {
    let rows = sqlx::query(
        "SELECT reference, device_group, networks, listed_only, by_approval, expires_us, uses_left, token_hash
         FROM campaign_tokens WHERE school_id = $1",
    )
    .bind(school.as_str())
    .fetch_all(tx.connection())
    .await?;
    let mut found = None;
    for row in &rows {
        if token.is(row.try_get::<&[u8], _>(7)?) {
            found = Some(row);
        }
    }
    found.map(|row| Ok((row.try_get(0)?, terms(row, 1)?))).transpose()
}

/// One use fewer is left, in the transaction of what it is used for.
pub(crate) async fn spend(tx: &mut Tx, school: &SchoolId, token: &TokenHash) -> Result<(), StoreError> {
    sqlx::query("UPDATE campaign_tokens SET uses_left = uses_left - 1 WHERE school_id = $1 AND token_hash = $2")
        .bind(school.as_str())
        .bind(token.as_bytes().as_slice())
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Logs a use at `now_us`.
pub(crate) async fn log(
    tx: &mut Tx,
    school: &SchoolId,
    token: &TokenHash,
    used: Used<'_>,
    now_us: i64,
) -> Result<(), StoreError> {
    let day = now_us.div_euclid(DAY_US);
    let is_full = used.device.is_none() && without_device(tx, school, token, day).await? >= MAX_REFUSED;
    let hostname = if is_full { "" } else { used.hostname };
    sqlx::query(
        "INSERT INTO token_uses (school_id, token_hash, day, outcome, hostname, address, device_id, uses, at_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8)
         ON CONFLICT (school_id, token_hash, day, outcome, hostname, device_id)
         DO UPDATE SET address = excluded.address, uses = uses + 1, at_us = excluded.at_us",
    )
    .bind(school.as_str())
    .bind(token.as_bytes().as_slice())
    .bind(day)
    .bind(used.outcome)
    .bind(hostname)
    .bind(used.address)
    .bind(used.device.map(|device| device.as_bytes().to_vec()).unwrap_or_default())
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

async fn without_device(tx: &mut Tx, school: &SchoolId, token: &TokenHash, day: i64) -> Result<i64, StoreError> {
    let count =
        "SELECT COUNT(*) FROM token_uses WHERE school_id = $1 AND token_hash = $2 AND day = $3 AND device_id = x''";
    Ok(sqlx::query_scalar(count)
        .bind(school.as_str())
        .bind(token.as_bytes().as_slice())
        .bind(day)
        .fetch_one(tx.connection())
        .await?)
}

/// Forgets uses before `before_us`.
pub(crate) async fn forget_uses(tx: &mut Tx, school: &SchoolId, before_us: i64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM token_uses WHERE school_id = $1 AND at_us < $2")
        .bind(school.as_str())
        .bind(before_us)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Ends a token now. Says whether there is such a token that was not withdrawn before.
pub(crate) async fn withdraw(tx: &mut Tx, school: &SchoolId, reference: &str, now_us: i64) -> Result<bool, StoreError> {
    let withdrawn = sqlx::query(
        "UPDATE campaign_tokens SET withdrawn_us = $3, expires_us = MIN(expires_us, $3)
         WHERE school_id = $1 AND reference = $2 AND withdrawn_us IS NULL",
    )
    .bind(school.as_str())
    .bind(reference)
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(withdrawn.rows_affected() > 0)
}

/// The school's tokens, the newest first, at most `limit`.
pub(crate) async fn all(store: &Store, school: &SchoolId, limit: u32) -> Result<Vec<Shown>, StoreError> {
    let rows = sqlx::query(
        "SELECT t.reference, t.device_group, t.networks, t.listed_only, t.by_approval, t.expires_us, t.uses_left,
         t.label, t.created_us, t.withdrawn_us,
         (SELECT COUNT(DISTINCT u.device_id) FROM token_uses AS u WHERE u.school_id = t.school_id
          AND u.token_hash = t.token_hash AND u.device_id <> x''),
         (SELECT COALESCE(SUM(u.uses), 0) FROM token_uses AS u WHERE u.school_id = t.school_id
          AND u.token_hash = t.token_hash AND u.outcome NOT IN ('joined', 'again', 'waits'))
         FROM campaign_tokens AS t WHERE t.school_id = $1 ORDER BY t.created_us DESC, t.reference LIMIT $2",
    )
    .bind(school.as_str())
    .bind(i64::from(limit))
    .fetch_all(store.reader())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Shown {
                reference: row.try_get(0)?,
                terms: terms(row, 1)?,
                label: row.try_get(7)?,
                created_us: row.try_get(8)?,
                withdrawn_us: row.try_get(9)?,
                joined: row.try_get(10)?,
                refused: row.try_get(11)?,
            })
        })
        .collect()
}

/// The latest uses of tokens, of one alone where `reference` names it, at most `limit`.
pub(crate) async fn uses(
    store: &Store,
    school: &SchoolId,
    reference: Option<&str>,
    limit: u32,
) -> Result<Vec<Use>, StoreError> {
    let rows = sqlx::query(
        "SELECT t.reference, u.hostname, u.address, u.outcome, u.device_id, u.uses, u.at_us FROM token_uses AS u
         JOIN campaign_tokens AS t ON t.school_id = u.school_id AND t.token_hash = u.token_hash
         WHERE u.school_id = $1 AND ($2 IS NULL OR t.reference = $2)
         ORDER BY u.at_us DESC, u.hostname LIMIT $3",
    )
    .bind(school.as_str())
    .bind(reference)
    .bind(i64::from(limit))
    .fetch_all(store.reader())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Use {
                reference: row.try_get(0)?,
                hostname: row.try_get(1)?,
                address: row.try_get(2)?,
                outcome: row.try_get(3)?,
                device: if row.try_get::<&[u8], _>(4)?.is_empty() { None } else { Some(id(row, 4)?) },
                uses: row.try_get(5)?,
                at_us: row.try_get(6)?,
            })
        })
        .collect()
}

/// Group, networks, the two conditions, end and uses, from column `first` on.
fn terms(row: &SqliteRow, first: usize) -> Result<Terms, StoreError> {
    let networks = networks_from_text(row.try_get(first + 1)?);
    Ok(Terms {
        device_group: row.try_get(first)?,
        networks: networks.ok_or(StoreError::Corrupt { what: "networks of a token" })?,
        is_listed_only: row.try_get(first + 2)?,
        is_by_approval: row.try_get(first + 3)?,
        expires_us: row.try_get(first + 4)?,
        uses_left: row.try_get(first + 5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::School;
    use crate::token::CampaignToken;

    async fn with_token(school: &School, reference: &str) -> TokenHash {
        let token = CampaignToken::random().unwrap().hash();
        let terms = Terms {
            device_group: "ict-suite".into(),
            networks: networks_from_text("10.0.0.0/8").unwrap(),
            is_listed_only: true,
            is_by_approval: true,
            expires_us: 100,
            uses_left: 1,
        };
        let mut tx = school.store.begin().await.unwrap();
        let new = NewToken { reference, label: "New PCs", terms: &terms, created_us: 1 };
        insert(&mut tx, &school.id, &token, &new).await.unwrap();
        tx.commit().await.unwrap();
        token
    }

    #[tokio::test]
    async fn a_token_is_found_by_its_hash_and_a_use_that_is_not_committed_is_not_spent() {
        let school = School::open().await;
        let token = with_token(&school, "TOK-A").await;
        let mut undone = school.store.begin().await.unwrap();
        spend(&mut undone, &school.id, &token).await.unwrap();
        drop(undone);
        let mut tx = school.store.begin().await.unwrap();
        let (reference, terms) = find(&mut tx, &school.id, &token).await.unwrap().unwrap();
        assert_eq!((reference.as_str(), terms.uses_left, terms.is_listed_only), ("TOK-A", 1, true));
        spend(&mut tx, &school.id, &token).await.unwrap();
        assert_eq!(find(&mut tx, &school.id, &token).await.unwrap().unwrap().1.uses_left, 0);
        let other = CampaignToken::random().unwrap().hash();
        assert!(find(&mut tx, &school.id, &other).await.unwrap().is_none());
        assert!(find(&mut tx, &"other".parse().unwrap(), &token).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn uses_are_logged_by_host_and_day_and_those_of_invented_hosts_are_bounded() {
        let school = School::open().await;
        let token = with_token(&school, "TOK-A").await;
        let mut tx = school.store.begin().await.unwrap();
        let refused = Used { hostname: "", address: "192.0.2.1", outcome: "network", device: None };
        for number in 0..MAX_REFUSED + 5 {
            let used = Used { hostname: &format!("pc-{number}"), ..refused };
            log(&mut tx, &school.id, &token, used, 5).await.unwrap();
        }
        let device = Some(DeviceId::from_bytes([1; 16]));
        let joined = Used { hostname: "pc-1", outcome: "joined", device, ..refused };
        log(&mut tx, &school.id, &token, joined, 7).await.unwrap();
        tx.commit().await.unwrap();
        let rows = school.count("SELECT COUNT(*) FROM token_uses").await;
        assert_eq!(rows, MAX_REFUSED + 2, "one for those beyond, and the one that joined");
        let shown = all(&school.store, &school.id, 10).await.unwrap();
        assert_eq!((shown[0].joined, shown[0].refused), (1, MAX_REFUSED + 5));
        let last = uses(&school.store, &school.id, Some("TOK-A"), 1).await.unwrap();
        assert_eq!((last[0].outcome.as_str(), last[0].hostname.as_str()), ("joined", "pc-1"));
        assert!(uses(&school.store, &school.id, Some("TOK-B"), 1).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_withdrawn_token_has_ended_and_is_withdrawn_once() {
        let school = School::open().await;
        let token = with_token(&school, "TOK-A").await;
        let mut tx = school.store.begin().await.unwrap();
        assert!(withdraw(&mut tx, &school.id, "TOK-A", 50).await.unwrap());
        assert!(!withdraw(&mut tx, &school.id, "TOK-A", 60).await.unwrap());
        assert!(!withdraw(&mut tx, &school.id, "TOK-B", 60).await.unwrap());
        assert_eq!(find(&mut tx, &school.id, &token).await.unwrap().unwrap().1.expires_us, 50);
    }
}
