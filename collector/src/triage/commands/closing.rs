//! Closing: with a review date, what was learnt, and where it is recorded.

use super::{CommandError, Desk, MAX_NOTE_BYTES, Move, NewStep, Step, concerns, is_illegal, steps};
use crate::actor::Actor;
use crate::audit::ActKind;
use crate::ids::{ConcernId, StepId};
use crate::store::{StoreError, reviews};
use crate::triage::State;

/// Longest reference in another system, in bytes.
pub const MAX_ELSEWHERE_BYTES: usize = 64;
/// The furthest review: two years.
const FURTHEST_US: i64 = 2 * 366 * 24 * 60 * 60 * 1_000_000;

/// When a closed concern is looked at again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Review {
    /// Nobody said.
    #[default]
    Unsaid,
    /// It need not be.
    NotNeeded,
    /// At this time, microseconds of UTC.
    At(i64),
}

/// What is said when a concern is closed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Closing<'a> {
    /// When it is looked at again.
    pub review: Review,
    /// What was learnt; may be empty.
    pub lesson: &'a str,
    /// Its reference in the child-protection system; may be empty.
    pub elsewhere: &'a str,
}

impl Desk {
    /// Finishes a concern that was decided.
    ///
    /// # Errors
    ///
    /// [`CommandError::NeedsApprovers`] for an illegal class; [`CommandError::NeedsReview`] for a case on the child's file
    /// or with another body that says neither when it is reviewed nor what was learnt; otherwise [`CommandError`].
    pub async fn close(&self, actor: &Actor, concern: ConcernId, closing: Closing<'_>) -> Result<State, CommandError> {
        let review_us = self.check_closing(&closing)?;
        let (lesson, elsewhere) = (closing.lesson.trim(), closing.elsewhere.trim());
        let step = Step { moved: Move::Close, kind: "closed", act: ActKind::ConcernClosed, note: None };
        let (mut tx, standing) = self.begin(actor, concern).await?;
        if is_illegal(&standing.category) {
            return Err(CommandError::NeedsApprovers);
        }
        if standing.state.is_case() && (closing.review == Review::Unsaid || lesson.is_empty()) {
            return Err(CommandError::NeedsReview);
        }
        if !lesson.is_empty() {
            self.write_lesson(&mut tx, actor, concern, &standing, lesson).await?;
        }
        let state = self.carry_out(&mut tx, actor, concern, &standing, step).await?;
        reviews::set(&mut tx, actor.school(), concern, review_us).await?;
        if !elsewhere.is_empty() {
            concerns::set_recorded_elsewhere(&mut tx, actor.school(), concern, elsewhere).await?;
        }
        self.finish(tx, actor, concern).await?;
        Ok(state)
    }

    /// Writes down what was learnt of an illegal case that others are asked to let be closed. Answers when the concern last
    /// changed, and when it is looked at again.
    ///
    /// # Errors
    ///
    /// As [`Self::close`].
    pub async fn prepare_close(
        &self,
        actor: &Actor,
        concern: ConcernId,
        closing: Closing<'_>,
    ) -> Result<(i64, Option<i64>), CommandError> {
        let review_us = self.check_closing(&closing)?;
        let (mut tx, standing) = self.begin(actor, concern).await?;
        let lesson = closing.lesson.trim();
        if standing.state.is_case() && (closing.review == Review::Unsaid || lesson.is_empty()) {
            return Err(CommandError::NeedsReview);
        }
        if !lesson.is_empty() {
            self.write_lesson(&mut tx, actor, concern, &standing, lesson).await?;
        }
        tx.commit().await?;
        Ok((standing.changed_us, review_us))
    }

    /// The review date, where everything is of its length and in its time.
    fn check_closing(&self, closing: &Closing<'_>) -> Result<Option<i64>, CommandError> {
        let (lesson, elsewhere) = (closing.lesson.trim(), closing.elsewhere.trim());
        if lesson.len() > MAX_NOTE_BYTES || elsewhere.len() > MAX_ELSEWHERE_BYTES {
            return Err(CommandError::NoteLength(lesson.len().max(elsewhere.len())));
        }
        let now_us = self.clock.wall_us();
        match closing.review {
            Review::Unsaid | Review::NotNeeded => Ok(None),
            Review::At(at_us) if now_us < at_us && at_us <= now_us.saturating_add(FURTHEST_US) => Ok(Some(at_us)),
            Review::At(_) => Err(CommandError::ReviewDate),
        }
    }

    async fn write_lesson(
        &self,
        tx: &mut super::Tx,
        actor: &Actor,
        concern: ConcernId,
        standing: &super::Standing,
        lesson: &str,
    ) -> Result<(), CommandError> {
        let id = StepId::random().map_err(StoreError::from)?;
        let (key, sealed) = self.seal_note(standing.key, id, lesson).await?;
        let (from, at_us) = (standing.state, self.clock.wall_us());
        let note = Some((key, sealed.as_slice()));
        let step = NewStep { id, concern, kind: "lesson", from, to: from, at_us, note };
        Ok(steps::insert(tx, actor, &step).await?)
    }
}
