//! Closing: with a review date, what was learnt, and where it is recorded.

use super::{CommandError, Desk, MAX_NOTE_BYTES, NewStep, Standing, Step, Tx, concerns, is_illegal, steps};
use crate::actor::Actor;
use crate::audit::{self, Act, ActKind};
use crate::ids::{ConcernId, StepId};
use crate::requests::{self, Change, RequestError};
use crate::store::{StoreError, reviews, undoable};
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

/// Why an illegal case was not asked to be closed; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum AskCloseError {
    /// Of the concern.
    #[error(transparent)]
    Concern(#[from] CommandError),
    /// Of the request.
    #[error(transparent)]
    Request(#[from] RequestError),
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
        let (mut tx, standing) = self.begin(actor, concern).await?;
        if is_illegal(&standing.category) {
            return Err(CommandError::NeedsApprovers);
        }
        let before = undoable::before(&mut tx, actor.school(), concern).await?;
        self.write_down(&mut tx, actor, (concern, &standing), &closing).await?;
        let state = self.carry_out(&mut tx, actor, concern, &standing, Step::close()).await?;
        reviews::set(&mut tx, actor.school(), concern, review_us).await?;
        self.can_undo(&mut tx, actor, concern, &before).await?;
        self.finish(tx, actor, concern).await?;
        Ok(state)
    }

    /// Asks others to let an illegal case be closed, and writes down what was learnt of it and where it is recorded: all of it
    /// or nothing. Answers the request's reference.
    ///
    /// # Errors
    ///
    /// As [`Self::close`], and as [`crate::requests::Approvals::ask`].
    pub async fn ask_close(
        &self,
        actor: &Actor,
        concern: ConcernId,
        closing: Closing<'_>,
        reason: &str,
    ) -> Result<String, AskCloseError> {
        let review_us = self.check_closing(&closing)?;
        let (mut tx, standing) = self.begin(actor, concern).await?;
        let change = Change::CloseIllegal { concern, changed_us: standing.changed_us, review_us };
        self.write_down(&mut tx, actor, (concern, &standing), &closing).await?;
        let now_us = self.clock.wall_us();
        let reference = requests::desk::ask(&mut tx, actor, change, reason, now_us).await?;
        let act = Act::new(actor, now_us, ActKind::ConcernNoted, concern).with("to", standing.state);
        audit::append(&mut tx, &act).await.map_err(CommandError::from)?;
        self.finish(tx, actor, concern).await?;
        Ok(reference)
    }

    /// Writes what was learnt and where the case is recorded.
    async fn write_down(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        (concern, standing): (ConcernId, &Standing),
        closing: &Closing<'_>,
    ) -> Result<(), CommandError> {
        let (lesson, elsewhere) = (closing.lesson.trim(), closing.elsewhere.trim());
        if standing.state.is_case() && (closing.review == Review::Unsaid || lesson.is_empty()) {
            return Err(CommandError::NeedsReview);
        }
        if !lesson.is_empty() {
            self.write_lesson(tx, actor, concern, standing, lesson).await?;
        }
        if !elsewhere.is_empty() {
            concerns::set_recorded_elsewhere(tx, actor.school(), concern, elsewhere).await?;
        }
        Ok(())
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
        tx: &mut Tx,
        actor: &Actor,
        concern: ConcernId,
        standing: &Standing,
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
