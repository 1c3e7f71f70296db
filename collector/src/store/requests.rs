//! Rows of requests: changes that take more than one person, and what people answered.

use std::collections::BTreeMap;

use lapwing_proto::SchoolId;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{StoreError, Tx, id, parsed};
use crate::actor::PersonId;
use crate::ids::RequestId;
use crate::requests::{Answer, Request, State};

const COLUMNS: &str = "request_id, reference, change, reason, person_id, asked_us, lapses_us, state";
/// Requests with one row an answer, or one without; what is chosen of them comes between the two.
const READ: &str =
    "SELECT r.request_id, r.reference, r.change, r.reason, r.person_id, r.asked_us, r.lapses_us, r.state,
    a.person_id, a.answer FROM (SELECT * FROM requests WHERE school_id = $1 AND";
const WITH_ANSWERS: &str = "LEFT JOIN request_answers AS a ON a.school_id = r.school_id AND a.request_id = r.request_id
    ORDER BY (r.state = 'waiting') DESC, r.asked_us DESC, r.reference";
/// What somebody may still have to act on at $2.
const STANDS: &str = "(state = 'waiting' OR request_id IN (SELECT e.request_id FROM exemptions AS e
    WHERE e.school_id = $1 AND e.until_us > $2 AND e.ended_us IS NULL))";

/// Records what is asked for.
pub(crate) async fn insert(tx: &mut Tx, school: &SchoolId, request: &Request) -> Result<(), StoreError> {
    let change = serde_json::to_string(&request.change).map_err(|_| StoreError::Corrupt { what: "change" })?;
    sqlx::query(
        "INSERT INTO requests (school_id, request_id, reference, change, reason, concern_id, person_id, asked_us,
         lapses_us, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(school.as_str())
    .bind(request.id.as_bytes().as_slice())
    .bind(&request.reference)
    .bind(change)
    .bind(&request.reason)
    .bind(request.change.concern().map(|concern| concern.as_bytes().to_vec()))
    .bind(request.by.as_bytes().as_slice())
    .bind(request.asked_us)
    .bind(request.lapses_us)
    .bind(request.state.as_str())
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Whether a reference is taken.
pub(crate) async fn reference_exists(tx: &mut Tx, school: &SchoolId, reference: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM requests WHERE school_id = $1 AND reference = $2)")
        .bind(school.as_str())
        .bind(reference)
        .fetch_one(tx.connection())
        .await?)
}

/// The request of that reference.
pub(crate) async fn by_reference(
    tx: &mut Tx,
    school: &SchoolId,
    reference: &str,
) -> Result<Option<Request>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM requests WHERE school_id = $1 AND reference = $2"));
    let row = sqlx::query(sql).bind(school.as_str()).bind(reference).fetch_optional(tx.connection()).await?;
    let Some(row) = row else { return Ok(None) };
    let mut request = read_request(&row)?;
    let answers = sqlx::query(
        "SELECT request_id, person_id, answer FROM request_answers WHERE school_id = $1 AND request_id = $2",
    )
    .bind(school.as_str())
    .bind(request.id.as_bytes().as_slice())
    .fetch_all(tx.connection())
    .await?;
    for row in &answers {
        let (_, person, answer) = read_answer(row)?;
        request.answers.insert(person, answer);
    }
    Ok(Some(request))
}

/// Requests that wait, and those of exemptions that are not over at `now_us`: those that wait first, the latest first. Who may
/// see which is for the caller to say.
pub(crate) async fn standing(tx: &mut Tx, school: &SchoolId, now_us: i64) -> Result<Vec<Request>, StoreError> {
    let sql =
        format!("{READ} {STANDS} ORDER BY (state = 'waiting') DESC, asked_us DESC, reference) AS r {WITH_ANSWERS}");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(school.as_str()).bind(now_us);
    gathered(&rows.fetch_all(tx.connection()).await?)
}

/// Up to `limit` of the others, the latest first, of those after `last`: when it was asked for, and its reference.
pub(crate) async fn settled(
    tx: &mut Tx,
    school: &SchoolId,
    now_us: i64,
    last: Option<&(i64, String)>,
    limit: u32,
) -> Result<Vec<Request>, StoreError> {
    let sql = format!(
        "{READ} NOT {STANDS} AND (asked_us < $3 OR asked_us = $3 AND reference > $4)
         ORDER BY asked_us DESC, reference LIMIT $5) AS r {WITH_ANSWERS}"
    );
    let (asked_us, reference) = last.map_or((i64::MAX, ""), |(asked_us, reference)| (*asked_us, reference));
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(school.as_str()).bind(now_us);
    let rows = rows.bind(asked_us).bind(reference).bind(i64::from(limit));
    gathered(&rows.fetch_all(tx.connection()).await?)
}

/// Requests of rows, each of which holds one answer or none.
fn gathered(rows: &[SqliteRow]) -> Result<Vec<Request>, StoreError> {
    let mut requests: Vec<Request> = Vec::new();
    for row in rows {
        let request = read_request(row)?;
        if requests.last().is_none_or(|last| last.id != request.id) {
            requests.push(request);
        }
        if let (Some(last), Some(_)) = (requests.last_mut(), row.try_get::<Option<&str>, _>(9)?) {
            last.answers.insert(id(row, 8)?, parsed(row, 9)?);
        }
    }
    Ok(requests)
}

/// Records what `person` says; a later answer takes the place of an earlier one.
pub(crate) async fn answer(
    tx: &mut Tx,
    school: &SchoolId,
    request: RequestId,
    person: PersonId,
    answer: Answer,
    at_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO request_answers (school_id, request_id, person_id, answer, at_us) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (school_id, request_id, person_id) DO UPDATE SET answer = excluded.answer, at_us = excluded.at_us",
    )
    .bind(school.as_str())
    .bind(request.as_bytes().as_slice())
    .bind(person.as_bytes().as_slice())
    .bind(answer.as_str())
    .bind(at_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Settles a request.
pub(crate) async fn settle(
    tx: &mut Tx,
    school: &SchoolId,
    request: RequestId,
    state: State,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE requests SET state = $3, settled_us = $4 WHERE school_id = $1 AND request_id = $2")
        .bind(school.as_str())
        .bind(request.as_bytes().as_slice())
        .bind(state.as_str())
        .bind(now_us)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// How many requests of `person` wait.
pub(crate) async fn waiting_of(tx: &mut Tx, school: &SchoolId, person: PersonId) -> Result<i64, StoreError> {
    let count = "SELECT COUNT(*) FROM requests WHERE school_id = $1 AND person_id = $2 AND state = 'waiting'";
    let count = sqlx::query_scalar(count).bind(school.as_str()).bind(person.as_bytes().as_slice());
    Ok(count.fetch_one(tx.connection()).await?)
}

/// Lets every request lapse that nobody settled in time. Answers which.
pub(crate) async fn lapse(tx: &mut Tx, school: &SchoolId, now_us: i64) -> Result<Vec<RequestId>, StoreError> {
    let rows = sqlx::query(
        "UPDATE requests SET state = 'lapsed', settled_us = $2
         WHERE school_id = $1 AND state = 'waiting' AND lapses_us <= $2 RETURNING request_id",
    )
    .bind(school.as_str())
    .bind(now_us)
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(|row| id(row, 0)).collect()
}

fn read_request(row: &SqliteRow) -> Result<Request, StoreError> {
    let change: String = row.try_get(2)?;
    Ok(Request {
        id: id(row, 0)?,
        reference: row.try_get(1)?,
        change: serde_json::from_str(&change).map_err(|_| StoreError::Corrupt { what: "change" })?,
        reason: row.try_get(3)?,
        by: id(row, 4)?,
        asked_us: row.try_get(5)?,
        lapses_us: row.try_get(6)?,
        state: parsed(row, 7)?,
        answers: BTreeMap::new(),
    })
}

fn read_answer(row: &SqliteRow) -> Result<(RequestId, PersonId, Answer), StoreError> {
    Ok((id(row, 0)?, id(row, 1)?, parsed(row, 2)?))
}
