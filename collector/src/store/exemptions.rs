//! Rows of exemptions: what was agreed on, the number of the newest list, and what was counted meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_proto::{ExemptionId, SchoolId};
use lapwing_rules::Category;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError, Tx, id};
use crate::actor::PersonId;
use crate::exemption::{Agreed, Plan};
use crate::ids::RequestId;

/// Hits that are kept of one exemption and category at most.
const MAX_HITS: i64 = 1_000_000;
/// Groups and rooms of a school that a form offers, each.
const MAX_OFFERED: i64 = 1000;

/// Groups and rooms that an exemption may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// Classes and groups of devices.
    pub(crate) groups: BTreeSet<String>,
    pub(crate) rooms: BTreeSet<String>,
}

/// Records what was agreed on.
pub(crate) async fn insert(
    tx: &mut Tx,
    school: &SchoolId,
    request: RequestId,
    plan: &Plan,
    now_us: i64,
) -> Result<(), StoreError> {
    let text = serde_json::to_string(plan).map_err(|_| StoreError::Corrupt { what: "exemption" })?;
    sqlx::query(
        "INSERT INTO exemptions (school_id, exemption_id, request_id, plan, until_us, agreed_us)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(school.as_str())
    .bind(plan.id.as_bytes().as_slice())
    .bind(request.as_bytes().as_slice())
    .bind(text)
    .bind(plan.until_us)
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    renumber(tx, school, now_us).await
}

/// Ends one early; says whether there was one to end.
pub(crate) async fn end(
    tx: &mut Tx,
    school: &SchoolId,
    exemption: ExemptionId,
    by: PersonId,
    now_us: i64,
) -> Result<bool, StoreError> {
    let ended = sqlx::query(
        "UPDATE exemptions SET ended_us = $3, ended_by = $4
         WHERE school_id = $1 AND exemption_id = $2 AND ended_us IS NULL AND until_us > $3",
    )
    .bind(school.as_str())
    .bind(exemption.as_bytes().as_slice())
    .bind(now_us)
    .bind(by.as_bytes().as_slice())
    .execute(tx.connection())
    .await?;
    if ended.rows_affected() == 0 {
        return Ok(false);
    }
    renumber(tx, school, now_us).await?;
    Ok(true)
}

/// Makes the list a newer one: later than any that a device was given, also where the database came from a back-up.
pub(crate) async fn renumber(tx: &mut Tx, school: &SchoolId, now_us: i64) -> Result<(), StoreError> {
    let held: Option<i64> = sqlx::query_scalar("SELECT number FROM exemption_lists WHERE school_id = $1")
        .bind(school.as_str())
        .fetch_optional(tx.connection())
        .await?;
    sqlx::query(
        "INSERT INTO exemption_lists (school_id, number) VALUES ($1, $2)
         ON CONFLICT (school_id) DO UPDATE SET number = excluded.number",
    )
    .bind(school.as_str())
    .bind(now_us.max(held.unwrap_or(0).saturating_add(1)))
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// As [`renumber`], where devices were ever given a list: what it depends on has changed.
pub(crate) async fn renumber_if_any(tx: &mut Tx, school: &SchoolId, now_us: i64) -> Result<(), StoreError> {
    let is_any: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM exemption_lists WHERE school_id = $1)")
        .bind(school.as_str())
        .fetch_one(tx.connection())
        .await?;
    if is_any { renumber(tx, school, now_us).await } else { Ok(()) }
}

/// Number of the newest list, 0 before there was an exemption. Cheap enough to be asked every second.
pub(crate) async fn number(store: &Store, school: &SchoolId) -> Result<u64, StoreError> {
    let number: Option<i64> = sqlx::query_scalar("SELECT number FROM exemption_lists WHERE school_id = $1")
        .bind(school.as_str())
        .fetch_optional(store.reader())
        .await?;
    Ok(number.map_or(0, i64::unsigned_abs))
}

/// What was agreed on and is not over at `since_us`. With a moment in the past, also what a late capture may fall under.
pub(crate) async fn standing(tx: &mut Tx, school: &SchoolId, since_us: i64) -> Result<Vec<Agreed>, StoreError> {
    let rows = sqlx::query(
        "SELECT plan, agreed_us, ended_us FROM exemptions
         WHERE school_id = $1 AND until_us > $2 AND (ended_us IS NULL OR ended_us > $2)
         ORDER BY until_us, exemption_id",
    )
    .bind(school.as_str())
    .bind(since_us)
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(|row| read(row, 0)).collect()
}

/// The exemption that was agreed on by the request of that reference, and who asked for it.
pub(crate) async fn by_reference(
    tx: &mut Tx,
    school: &SchoolId,
    reference: &str,
) -> Result<Option<(ExemptionId, PersonId)>, StoreError> {
    let row = sqlx::query(
        "SELECT e.exemption_id, r.person_id FROM requests AS r
         JOIN exemptions AS e ON e.school_id = r.school_id AND e.request_id = r.request_id
         WHERE r.school_id = $1 AND r.reference = $2",
    )
    .bind(school.as_str())
    .bind(reference)
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| Ok((id(&row, 0)?, id(&row, 1)?))).transpose()
}

/// Exemptions by the request that they were agreed on by, with what was counted of each.
pub(crate) async fn by_request(
    tx: &mut Tx,
    school: &SchoolId,
) -> Result<BTreeMap<RequestId, (Agreed, BTreeMap<String, i64>)>, StoreError> {
    let rows = sqlx::query("SELECT request_id, plan, agreed_us, ended_us FROM exemptions WHERE school_id = $1")
        .bind(school.as_str())
        .fetch_all(tx.connection())
        .await?;
    let mut hits = hits(tx, school).await?;
    rows.iter()
        .map(|row| {
            let agreed = read(row, 1)?;
            let counted = hits.remove(&agreed.plan.id).unwrap_or_default();
            Ok((id(row, 0)?, (agreed, counted)))
        })
        .collect()
}

async fn hits(tx: &mut Tx, school: &SchoolId) -> Result<BTreeMap<ExemptionId, BTreeMap<String, i64>>, StoreError> {
    let rows = sqlx::query("SELECT exemption_id, category, hits FROM exemption_hits WHERE school_id = $1")
        .bind(school.as_str())
        .fetch_all(tx.connection())
        .await?;
    let mut hits: BTreeMap<ExemptionId, BTreeMap<String, i64>> = BTreeMap::new();
    for row in &rows {
        hits.entry(id(row, 0)?).or_default().insert(row.try_get(1)?, row.try_get(2)?);
    }
    Ok(hits)
}

/// Adds what devices counted while an exemption was in force. Of one that nobody agreed on nothing is kept.
pub(crate) async fn add_hits(
    tx: &mut Tx,
    school: &SchoolId,
    counts: &BTreeMap<(ExemptionId, Category), u64>,
) -> Result<(), StoreError> {
    for ((exemption, category), count) in counts {
        sqlx::query(
            "INSERT INTO exemption_hits (school_id, exemption_id, category, hits)
             SELECT e.school_id, e.exemption_id, $3, $4 FROM exemptions AS e
             WHERE e.school_id = $1 AND e.exemption_id = $2
             ON CONFLICT (school_id, exemption_id, category) DO UPDATE SET hits =
             CASE WHEN exemption_hits.hits > $5 THEN exemption_hits.hits ELSE exemption_hits.hits + excluded.hits END",
        )
        .bind(school.as_str())
        .bind(exemption.as_bytes().as_slice())
        .bind(category.id())
        .bind(i64::try_from(*count).unwrap_or(MAX_HITS).min(MAX_HITS))
        .bind(MAX_HITS)
        .execute(tx.connection())
        .await?;
    }
    Ok(())
}

/// The groups and rooms of the school's devices, and its pupils' classes.
pub(crate) async fn places(tx: &mut Tx, school: &SchoolId) -> Result<Places, StoreError> {
    let groups = "SELECT device_group FROM devices WHERE school_id = $1 AND device_group <> '' AND revoked_us IS NULL
         UNION SELECT class FROM persons WHERE school_id = $1 AND class <> '' AND kind = 'pupil' AND left_us IS NULL
         ORDER BY 1 LIMIT $2";
    let rooms = "SELECT DISTINCT room FROM devices WHERE school_id = $1 AND room <> '' AND revoked_us IS NULL
         ORDER BY 1 LIMIT $2";
    let groups: Vec<String> =
        sqlx::query_scalar(groups).bind(school.as_str()).bind(MAX_OFFERED).fetch_all(tx.connection()).await?;
    let rooms: Vec<String> =
        sqlx::query_scalar(rooms).bind(school.as_str()).bind(MAX_OFFERED).fetch_all(tx.connection()).await?;
    Ok(Places { groups: groups.into_iter().collect(), rooms: rooms.into_iter().collect() })
}

fn read(row: &SqliteRow, first: usize) -> Result<Agreed, StoreError> {
    let plan: String = row.try_get(first)?;
    Ok(Agreed {
        plan: serde_json::from_str(&plan).map_err(|_| StoreError::Corrupt { what: "exemption" })?,
        agreed_us: row.try_get(first + 1)?,
        ended_us: row.try_get(first + 2)?,
    })
}
