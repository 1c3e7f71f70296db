//! Rows of the outbox: who is to be told of which reference, and what became of it.

use lapwing_proto::SchoolId;
use lapwing_rules::Level;

use super::{StoreError, Tx};
use crate::actor::PersonId;
use crate::ids::MessageId;

/// Puts a mail to `person` into the outbox.
pub(crate) async fn insert(
    tx: &mut Tx,
    school: &SchoolId,
    person: PersonId,
    reference: &str,
    level: Level,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO outbox (school_id, message_id, channel, person_id, reference, level, created_us, due_us)
         VALUES ($1, $2, 'mail', $3, $4, $5, $6, $6)",
    )
    .bind(school.as_str())
    .bind(MessageId::random()?.as_bytes().as_slice())
    .bind(person.as_bytes().as_slice())
    .bind(reference)
    .bind(i64::from(level.number()))
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}
