//! Keeping a concern for a case at law, and ending that.

use super::checked;
use super::{CommandError, Desk, Move, Step};
use crate::actor::Actor;
use crate::audit::ActKind;
use crate::ids::ConcernId;
use crate::triage::State;

impl Desk {
    /// Keeps a concern as it is until it is released. `reason` is a note.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub async fn hold(&self, actor: &Actor, concern: ConcernId, reason: &str) -> Result<State, CommandError> {
        let note = Some(checked(reason)?);
        let step = Step { moved: Move::Hold, kind: "held", act: ActKind::ConcernHeld, note };
        self.move_on(actor, concern, step).await
    }

    /// Lets go of a concern that was kept; it is under review then. `reason` is a note.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub async fn release(&self, actor: &Actor, concern: ConcernId, reason: &str) -> Result<State, CommandError> {
        let note = Some(checked(reason)?);
        let step = Step { moved: Move::Release, kind: "released", act: ActKind::ConcernReleased, note };
        self.move_on(actor, concern, step).await
    }

    async fn move_on(&self, actor: &Actor, concern: ConcernId, step: Step<'_>) -> Result<State, CommandError> {
        let (mut tx, standing) = self.begin_as_senior(actor, concern).await?;
        let state = self.carry_out(&mut tx, actor, concern, &standing, step).await?;
        self.finish(tx, actor, concern).await?;
        Ok(state)
    }
}
