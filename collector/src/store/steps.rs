//! Rows of the steps in a concern's life.

use lapwing_proto::SchoolId;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use super::{Store, StoreError, Tx, id, visible_to};
use crate::actor::{Actor, PersonId};
use crate::ids::{ConcernId, KeyId, StepId};
use crate::triage::State;

/// A step to be recorded.
#[derive(Debug)]
pub(crate) struct NewStep<'a> {
    pub(crate) id: StepId,
    pub(crate) concern: ConcernId,
    pub(crate) kind: &'static str,
    pub(crate) from: State,
    pub(crate) to: State,
    pub(crate) at_us: i64,
    pub(crate) note: Option<(KeyId, &'a [u8])>,
}

/// A note, still sealed.
#[derive(Debug)]
pub(crate) struct SealedNote {
    pub(crate) step: StepId,
    pub(crate) at_us: i64,
    pub(crate) person: Option<PersonId>,
    pub(crate) key: KeyId,
    pub(crate) sealed: Vec<u8>,
}

/// Records what `actor` did.
pub(crate) async fn insert(tx: &mut Tx, actor: &Actor, step: &NewStep<'_>) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO concern_steps
         (school_id, step_id, concern_id, at_us, person_id, kind, from_state, to_state, key_id, sealed_note)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(actor.school().as_str())
    .bind(step.id.as_bytes().as_slice())
    .bind(step.concern.as_bytes().as_slice())
    .bind(step.at_us)
    .bind(actor.person().map(|person| person.as_bytes().to_vec()))
    .bind(step.kind)
    .bind(step.from.as_str())
    .bind(step.to.as_str())
    .bind(step.note.map(|(key, _)| key.as_bytes().to_vec()))
    .bind(step.note.map(|(_, sealed)| sealed))
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Records what `actor` did, without a note.
pub(crate) async fn mark(
    tx: &mut Tx,
    actor: &Actor,
    concern: ConcernId,
    kind: &'static str,
    (from, to): (State, State),
    at_us: i64,
) -> Result<(), StoreError> {
    insert(tx, actor, &NewStep { id: StepId::random()?, concern, kind, from, to, at_us, note: None }).await
}

/// Whether a concern has a step of that kind.
pub(crate) async fn has(tx: &mut Tx, school: &SchoolId, concern: ConcernId, kind: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM concern_steps WHERE school_id = $1 AND concern_id = $2 AND kind = $3)",
    )
    .bind(school.as_str())
    .bind(concern.as_bytes().as_slice())
    .bind(kind)
    .fetch_one(tx.connection())
    .await?)
}

/// Up to `limit` notes of a concern that `actor` may see, oldest first.
pub(crate) async fn notes(
    store: &Store,
    actor: &Actor,
    concern: ConcernId,
    limit: u32,
) -> Result<Vec<SealedNote>, StoreError> {
    let visible = visible_to(actor);
    let sql = format!(
        "SELECT t.step_id, t.at_us, t.person_id, t.key_id, t.sealed_note FROM concerns AS c
         JOIN concern_steps AS t ON t.school_id = c.school_id AND t.concern_id = c.concern_id
         WHERE {} AND c.concern_id = $3 AND t.sealed_note IS NOT NULL ORDER BY t.at_us, t.step_id LIMIT $4",
        visible.sql
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(visible.school())
        .bind(visible.person())
        .bind(concern.as_bytes().as_slice())
        .bind(i64::from(limit))
        .fetch_all(store.reader())
        .await?;
    rows.iter().map(read_note).collect()
}

fn read_note(row: &SqliteRow) -> Result<SealedNote, StoreError> {
    let person: Option<Vec<u8>> = row.try_get(2)?;
    Ok(SealedNote {
        step: id(row, 0)?,
        at_us: row.try_get(1)?,
        person: person.map(|bytes| PersonId::try_from(bytes.as_slice())).transpose()?,
        key: id(row, 3)?,
        sealed: row.try_get(4)?,
    })
}
