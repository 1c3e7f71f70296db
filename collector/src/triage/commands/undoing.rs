//! Taking back what was just done: the concern stands as it did, and both acts stay in the log.

use super::{CommandError, Desk, Step, Tx, audit, steps};
use crate::actor::Actor;
use crate::audit::{Act, ActKind};
use crate::ids::ConcernId;
use crate::store::undoable::{self, Before};
use crate::triage::State;
use crate::triage::state::Move;

impl Desk {
    /// Takes back what `actor` did last of a concern: within [`undoable::WITHIN_US`], and while nothing else has happened to
    /// it. Notes stay.
    ///
    /// # Errors
    ///
    /// [`CommandError::TooLate`]; otherwise [`CommandError`].
    pub async fn undo(&self, actor: &Actor, concern: ConcernId) -> Result<State, CommandError> {
        let (mut tx, standing) = self.begin(actor, concern).await?;
        let (school, now_us) = (actor.school(), self.clock.wall_us());
        let person = actor.person().ok_or(CommandError::TooLate)?;
        let before = undoable::take(&mut tx, school, (concern, person), now_us).await?;
        let before = before.ok_or(CommandError::TooLate)?;
        let to: State = before.state.parse().map_err(|_| CommandError::TooLate)?;
        undoable::restore(&mut tx, school, concern, &before, now_us).await?;
        steps::mark(&mut tx, actor, concern, "undone", (standing.state, to), now_us).await?;
        audit::append(&mut tx, &Act::new(actor, now_us, ActKind::ConcernUndone, concern).with("to", to)).await?;
        self.finish(tx, actor, concern).await?;
        Ok(to)
    }

    /// What `actor` just did can be taken back to how the concern stood `before`.
    pub(super) async fn can_undo(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        concern: ConcernId,
        before: &Before,
    ) -> Result<(), CommandError> {
        if let Some(person) = actor.person() {
            undoable::remember(tx, actor.school(), (concern, person), before, self.clock.wall_us()).await?;
        }
        Ok(())
    }
}

impl Step<'_> {
    /// Taking a concern.
    pub(super) const fn acknowledge() -> Self {
        Self { moved: Move::Acknowledge, kind: "acknowledged", act: ActKind::ConcernAcknowledged, note: None }
    }

    /// Finishing one.
    pub(super) const fn close() -> Self {
        Self { moved: Move::Close, kind: "closed", act: ActKind::ConcernClosed, note: None }
    }
}
