//! Merging and splitting: a link that can be taken back, never a copy.

use super::{CommandError, Desk, audit, concerns, is_illegal, steps};
use crate::actor::Actor;
use crate::audit::{Act, ActKind};
use crate::ids::ConcernId;
use crate::store::{escalations, holds, merges, settings};
use crate::triage::deadline::wait_anew;

impl Desk {
    /// Lets `concern` count towards `into`: both undecided, about the same person, `into` the higher or equal. What is
    /// captured of its topic from then on goes there.
    ///
    /// # Errors
    ///
    /// [`CommandError::CannotMerge`], [`CommandError::IsHeld`] where an illegal case keeps things as they are; otherwise
    /// [`CommandError`].
    pub async fn merge(&self, actor: &Actor, concern: ConcernId, into: ConcernId) -> Result<(), CommandError> {
        let (mut tx, lower) = self.begin_as_senior(actor, concern).await?;
        let Some(higher) = concerns::standing(&mut tx, actor, into).await? else {
            return self.refuse(tx, actor, into).await;
        };
        let school = actor.school();
        let fit = concern != into
            && lower.subject == higher.subject
            && lower.level <= higher.level
            && [&lower, &higher]
                .iter()
                .all(|one| one.state.is_undecided() && one.merged_into.is_none() && !is_illegal(&one.category));
        if !fit || merges::has_any(&mut tx, school, concern).await? {
            return Err(CommandError::CannotMerge);
        }
        if holds::keeps_subject(&mut tx, school, lower.subject).await? {
            return Err(CommandError::IsHeld);
        }
        let now_us = self.clock.wall_us();
        merges::link(&mut tx, school, concern, Some(into), now_us).await?;
        escalations::stop(&mut tx, school, concern).await?;
        steps::mark(&mut tx, actor, concern, "merged", (lower.state, lower.state), now_us).await?;
        steps::mark(&mut tx, actor, into, "took_in", (higher.state, higher.state), now_us).await?;
        let act = Act::new(actor, now_us, ActKind::ConcernMerged, concern).with("into", into);
        audit::append(&mut tx, &act).await?;
        self.finish(tx, actor, concern).await
    }

    /// Lets a merged concern stand by itself again, as it stood; one that nobody had acknowledged has its time anew.
    ///
    /// # Errors
    ///
    /// [`CommandError::CannotMerge`] where it is not merged; otherwise [`CommandError`].
    pub async fn split(&self, actor: &Actor, concern: ConcernId) -> Result<(), CommandError> {
        let (mut tx, standing) = self.begin_as_senior(actor, concern).await?;
        if standing.merged_into.is_none() {
            return Err(CommandError::CannotMerge);
        }
        let (school, now_us) = (actor.school(), self.clock.wall_us());
        merges::link(&mut tx, school, concern, None, now_us).await?;
        let calendar = settings::calendar(&mut tx, school, now_us).await?;
        if standing.state.is_waiting() {
            wait_anew(&mut tx, school, (concern, standing.level), (now_us, &calendar)).await?;
        }
        steps::mark(&mut tx, actor, concern, "split", (standing.state, standing.state), now_us).await?;
        audit::append(&mut tx, &Act::new(actor, now_us, ActKind::ConcernSplit, concern)).await?;
        self.finish(tx, actor, concern).await
    }
}
