//! Putting a concern off, and bringing it back.

use lapwing_rules::Level;

use super::{CommandError, Desk, audit};
use crate::actor::Actor;
use crate::audit::{Act, ActKind};
use crate::ids::ConcernId;
use crate::store::snoozes;
use crate::triage::State;

/// The furthest that a concern is put off: two weeks.
const FURTHEST_US: i64 = 14 * 24 * 60 * 60 * 1_000_000;

impl Desk {
    /// Takes a concern out of the list of `actor` until `until_us`, microseconds of UTC, or until anything happens to it.
    /// Somebody has acknowledged it, nobody has finished it, and it is not critical. Nobody else's list changes.
    ///
    /// # Errors
    ///
    /// [`CommandError::CannotPutOff`]; otherwise [`CommandError`].
    pub async fn put_off(&self, actor: &Actor, concern: ConcernId, until_us: i64) -> Result<(), CommandError> {
        let (mut tx, standing) = self.begin(actor, concern).await?;
        let now_us = self.clock.wall_us();
        let is_held = matches!(standing.state, State::LegalHold);
        let is_open = !standing.state.is_waiting() && !standing.state.is_finished() && !is_held;
        let is_near = now_us < until_us && until_us <= now_us.saturating_add(FURTHEST_US);
        let Some(person) = actor.person().filter(|_| is_open && is_near && standing.level < Level::Critical) else {
            return Err(CommandError::CannotPutOff);
        };
        snoozes::put_off(&mut tx, actor, (concern, person), until_us).await?;
        let act = Act::new(actor, now_us, ActKind::ConcernPutOff, concern).with("until", until_us);
        audit::append(&mut tx, &act).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Lets a concern that was put off stand in the list again.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub async fn bring_back(&self, actor: &Actor, concern: ConcernId) -> Result<(), CommandError> {
        let (mut tx, _) = self.begin(actor, concern).await?;
        if let Some(person) = actor.person() {
            snoozes::end(&mut tx, actor, (concern, person)).await?;
        }
        let act = Act::new(actor, self.clock.wall_us(), ActKind::ConcernBroughtBack, concern);
        audit::append(&mut tx, &act).await?;
        tx.commit().await?;
        Ok(())
    }
}
