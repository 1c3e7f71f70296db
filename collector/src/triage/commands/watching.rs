//! Being told when a topic comes again about the same subject.

use super::{CommandError, Desk, audit};
use crate::actor::Actor;
use crate::audit::{Act, ActKind};
use crate::ids::ConcernId;
use crate::store::recurrences;

/// How long somebody is told: a school year has 39 weeks, a term about 13.
const FOR_US: i64 = 91 * 24 * 60 * 60 * 1_000_000;

/// Whether somebody wants to hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// For 13 weeks.
    Tell,
    /// No more.
    Stop,
}

impl Desk {
    /// Tells `actor` when a concern of the same topic opens about the same subject, as far as they may see that one.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub async fn if_it_recurs(&self, actor: &Actor, concern: ConcernId, wish: Wish) -> Result<(), CommandError> {
        let (mut tx, standing) = self.begin(actor, concern).await?;
        let Some(person) = actor.person() else { return Ok(()) };
        let (school, now_us) = (actor.school(), self.clock.wall_us());
        let topic = (standing.subject, standing.category.as_str());
        let told = match wish {
            Wish::Tell => {
                let until_us = now_us.saturating_add(FOR_US);
                recurrences::watch(&mut tx, school, topic, person, (now_us, until_us)).await?;
                "tell"
            }
            Wish::Stop => {
                recurrences::end(&mut tx, school, topic, person).await?;
                "stop"
            }
        };
        audit::append(&mut tx, &Act::new(actor, now_us, ActKind::RecurrenceWatched, concern).with("wish", told))
            .await?;
        tx.commit().await?;
        Ok(())
    }
}
