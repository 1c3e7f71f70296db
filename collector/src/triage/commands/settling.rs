//! Settling a routine concern: taken, decided and closed as one act.

use std::collections::BTreeMap;

use lapwing_rules::Level;

use super::judging::Judging;
use super::{CommandError, Desk, Judgement, Seen, Step, is_illegal};
use crate::actor::Actor;
use crate::ids::ConcernId;
use crate::store::{reviews, undoable};
use crate::triage::State;

impl Desk {
    /// Takes a concern where nobody did, decides and closes it as it was `seen`: all of it or nothing. Not what is high,
    /// critical or illegal, and no case on the child's file or for another body: they are decided a step at a time.
    ///
    /// # Errors
    ///
    /// [`CommandError::NotAtOnce`]; [`CommandError::Moved`] where anything happened since; otherwise as [`Self::judge`] and [`Self::close`].
    pub async fn settle(
        &self,
        actor: &Actor,
        concern: ConcernId,
        judgement: Judgement,
        seen: Seen,
    ) -> Result<State, CommandError> {
        let hosts = self.hosts_for(actor, concern, judgement).await?;
        let (mut tx, mut standing) = self.begin_as_seen(actor, concern, seen).await?;
        let is_case = standing.state.is_case() || judgement.decision().state().is_case();
        if is_case || standing.level >= Level::High || is_illegal(&standing.category) {
            return Err(CommandError::NotAtOnce);
        }
        let before = undoable::before(&mut tx, actor.school(), concern).await?;
        if standing.state.is_waiting() {
            standing.state = self.carry_out(&mut tx, actor, concern, &standing, Step::acknowledge()).await?;
        }
        let judging = Judging { judgement, reason: "", rules: &BTreeMap::new(), hosts };
        standing.state = self.judge_within(&mut tx, actor, (concern, &standing), &judging).await?;
        let state = self.carry_out(&mut tx, actor, concern, &standing, Step::close()).await?;
        reviews::clear(&mut tx, actor.school(), concern).await?;
        self.can_undo(&mut tx, actor, concern, &before).await?;
        self.finish(tx, actor, concern).await?;
        Ok(state)
    }
}
