//! Rows of channels: which there are, how each was when it was last looked at, and what of it a person is shown.
//!
//! No concern changes such a row: each channel is looked at by the clock, whether or not anything is to be sent. So
//! everybody may be shown that one fails, and nobody can infer from it that something was to be sent.

use std::time::Duration;

use lapwing_proto::SchoolId;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use super::notices::{meant_by, reads};
use super::{Store, StoreError, Tx, visible_to};
use crate::actor::{Actor, Role};
use crate::notify::Kind;

/// Code of mail that nobody set up.
pub(crate) const NOT_SET_UP: &str = "not_set_up";
/// A channel that fails for so long is said to fail, and a message that waits for so long is said to wait.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// How long a message that was given up is shown.
const SHOWN: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// A channel of the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: Kind,
    pub(crate) has_readers: bool,
}

/// A channel as it was when it was last looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Looked {
    pub(crate) name: String,
    pub(crate) looked_us: Option<i64>,
    pub(crate) failing_since_us: Option<i64>,
    pub(crate) code: String,
    pub(crate) told_us: Option<i64>,
}

/// What a person is shown of messages that do not go out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// Since when mail has failed, for a while now.
    pub(crate) mail_since_us: Option<i64>,
    /// Nobody set mail up.
    pub(crate) mail_is_not_set_up: bool,
    /// Shared channels that have failed for a while; told to whoever looks after them.
    pub(crate) shared: u64,
    /// Messages to the person, or about what they may see, that wait for long or were given up.
    pub(crate) undelivered: u64,
}

/// Makes the rows those of `listed`. What is known of a channel that stays is kept; what waits for one that is no more
/// goes with it.
pub(crate) async fn list(tx: &mut Tx, school: &SchoolId, listed: &[Listed<'_>]) -> Result<(), StoreError> {
    for name in names(tx, school).await? {
        if !listed.iter().any(|one| one.name == name) {
            remove(tx, school, &name).await?;
        }
    }
    for one in listed {
        sqlx::query(
            "INSERT INTO channels (school_id, name, kind, has_readers) VALUES ($1, $2, $3, $4)
             ON CONFLICT (school_id, name) DO UPDATE SET kind = excluded.kind, has_readers = excluded.has_readers,
             looked_us = NULL",
        )
        .bind(school.as_str())
        .bind(one.name)
        .bind(one.kind.as_str())
        .bind(i64::from(one.has_readers))
        .execute(tx.connection())
        .await?;
        // What waits for one that is of another kind now goes by that.
        sqlx::query(
            "UPDATE outbox SET channel = $3 WHERE school_id = $1 AND target = $2 AND target <> '' AND sent_us IS NULL",
        )
        .bind(school.as_str())
        .bind(one.name)
        .bind(one.kind.as_str())
        .execute(tx.connection())
        .await?;
    }
    Ok(())
}

/// Every channel, in the order of their names.
pub(crate) async fn all(store: &Store, school: &SchoolId) -> Result<Vec<Looked>, StoreError> {
    let rows = sqlx::query(
        "SELECT name, looked_us, failing_since_us, code, told_us FROM channels WHERE school_id = $1 ORDER BY name",
    )
    .bind(school.as_str())
    .fetch_all(store.reader())
    .await?;
    rows.iter().map(looked).collect()
}

/// Writes down how a channel was: `failed` with a code, or well.
pub(crate) async fn set_looked(
    tx: &mut Tx,
    school: &SchoolId,
    name: &str,
    failed: Option<&str>,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE channels SET looked_us = $4, code = COALESCE($3, ''),
         failing_since_us = CASE WHEN $3 IS NULL THEN NULL WHEN failing_since_us <= $4 THEN failing_since_us ELSE $4 END,
         told_us = CASE WHEN $3 IS NULL THEN NULL ELSE told_us END
         WHERE school_id = $1 AND name = $2",
    )
    .bind(school.as_str())
    .bind(name)
    .bind(failed)
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Notes that others were told of a channel that fails. Answers whether nobody had been yet.
pub(crate) async fn set_told(tx: &mut Tx, school: &SchoolId, name: &str, now_us: i64) -> Result<bool, StoreError> {
    let set = sqlx::query(
        "UPDATE channels SET told_us = $3
         WHERE school_id = $1 AND name = $2 AND told_us IS NULL AND failing_since_us IS NOT NULL",
    )
    .bind(school.as_str())
    .bind(name)
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(set.rows_affected() == 1)
}

/// Since when the channel of that name fails; `None` where it works, or is no more.
pub(crate) async fn failing_since(store: &Store, school: &SchoolId, name: &str) -> Result<Option<i64>, StoreError> {
    let since = sqlx::query_scalar("SELECT failing_since_us FROM channels WHERE school_id = $1 AND name = $2")
        .bind(school.as_str())
        .bind(name)
        .fetch_optional(store.reader())
        .await?;
    Ok(since.flatten())
}

/// Messages that are counted at most; that many stand for all that there are.
pub(crate) const MOST_COUNTED: u64 = 100;

/// What `actor` is shown: of channels, what everybody is, or those who look after them; of messages, those to them and
/// those about concerns that they may see.
pub(crate) async fn trouble(store: &Store, actor: &Actor, now_us: i64) -> Result<Trouble, StoreError> {
    let looks_after = actor.has(Role::Technician) || actor.has(Role::Administrator);
    let mut trouble = Trouble::default();
    for channel in all(store, actor.school()).await?.iter().filter(|channel| channel.is_failing(now_us)) {
        match (channel.name.as_str(), channel.code.as_str()) {
            (crate::notify::MAIL, NOT_SET_UP) => trouble.mail_is_not_set_up = true,
            (crate::notify::MAIL, _) => trouble.mail_since_us = channel.failing_since_us,
            (_, _) => trouble.shared += u64::from(looks_after),
        }
    }
    // Where no mail goes out at all, which ones do not is no news, and there may be many.
    if trouble.mail_since_us.is_none() && !trouble.mail_is_not_set_up {
        trouble.undelivered = undelivered(store, actor, None, now_us).await?;
    }
    Ok(trouble)
}

/// Messages that wait for long or were given up lately: to `actor`, or about a concern that they may see, or, for
/// whoever looks after channels, to a shared one about no concern. Where it is told to an `address`, nothing about whom
/// reads that too. Counted up to [`MOST_COUNTED`]: it stands on every page.
pub(crate) async fn undelivered(
    store: &Store,
    actor: &Actor,
    address: Option<&str>,
    now_us: i64,
) -> Result<u64, StoreError> {
    let visible = visible_to(actor);
    let sql = format!(
        concat!(
            "SELECT COUNT(*) FROM (SELECT 1 FROM outbox AS o WHERE o.school_id = $1 AND o.sent_us IS NULL
             AND (o.dead_us > $3 OR (o.dead_us IS NULL AND o.created_us < $4))
             AND (o.person_id = $2 OR ($5 AND o.target <> '' AND o.kind IN ('all_well', 'cannot_send'))
             OR EXISTS (SELECT 1 FROM concerns AS c WHERE {} AND c.reference = o.reference))
             AND NOT EXISTS (SELECT 1 FROM concerns AS a
             JOIN subjects AS s ON s.school_id = a.school_id AND s.subject_id = a.subject_id
             WHERE a.school_id = $1 AND a.concern_id IN ",
            meant_by!("o.reference"),
            " AND ",
            reads!("$6"),
            ") LIMIT $7) AS counted"
        ),
        visible.sql
    );
    let looks_after = actor.has(Role::Technician) || actor.has(Role::Administrator);
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(visible.school())
        .bind(visible.person())
        .bind(now_us.saturating_sub(micros(SHOWN)))
        .bind(now_us.saturating_sub(micros(PATIENCE)))
        .bind(looks_after)
        .bind(address.map(str::to_lowercase))
        .bind(MOST_COUNTED.cast_signed())
        .fetch_one(store.reader())
        .await?;
    Ok(count.unsigned_abs())
}

impl Looked {
    /// Whether it has failed for so long that somebody has to know. A time that lies ahead is that of a clock which was
    /// set back since.
    pub(crate) fn is_failing(&self, now_us: i64) -> bool {
        let for_long = |since_us: i64| since_us > now_us || now_us.saturating_sub(since_us) >= micros(PATIENCE);
        self.failing_since_us.is_some_and(for_long)
    }
}

async fn remove(tx: &mut Tx, school: &SchoolId, name: &str) -> Result<(), StoreError> {
    let statements = [
        "DELETE FROM channels WHERE school_id = $1 AND name = $2",
        "DELETE FROM outbox WHERE school_id = $1 AND target = $2 AND target <> '' AND sent_us IS NULL",
    ];
    for statement in statements {
        sqlx::query(statement).bind(school.as_str()).bind(name).execute(tx.connection()).await?;
    }
    Ok(())
}

async fn names(tx: &mut Tx, school: &SchoolId) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar("SELECT name FROM channels WHERE school_id = $1")
        .bind(school.as_str())
        .fetch_all(tx.connection())
        .await?)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn looked(row: &SqliteRow) -> Result<Looked, StoreError> {
    Ok(Looked {
        name: row.try_get(0)?,
        looked_us: row.try_get(1)?,
        failing_since_us: row.try_get(2)?,
        code: row.try_get(3)?,
        told_us: row.try_get(4)?,
    })
}
