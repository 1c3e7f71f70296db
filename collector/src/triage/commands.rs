//! What people do with a concern: one transaction each, with the act in the audit log.
//!
//! Whoever is no recipient gets [`CommandError::NotFound`], the same as for a concern that does not exist, and the
//! attempt is in the log. Evidence is unsealed only after the act of opening it has been committed.

mod assigning;
mod attributing;
mod closing;
mod evidence;
mod handing;
mod holding;
mod judgement;
mod judging;
mod merging;
mod referring;
mod reporting;
mod sameness;
mod settling;
mod snoozing;
mod undoing;
mod watching;

use std::sync::Arc;

use lapwing_proto::failpoint;
use tokio::sync::{Notify, broadcast};

pub use closing::{AskCloseError, Closing, MAX_ELSEWHERE_BYTES, Review};
pub use evidence::{Evidence, Note, Opened, OpenedCapture};
pub use judgement::{Judgement, Outcome, Verdict};
pub use referring::{Basis, Referral};
pub use sameness::Same;
pub use watching::Wish;

use super::deadline::taken_up_again;
use super::state::{InvalidTransition, Move, State};
use super::{ConcernChanged, is_illegal};
use crate::actor::Actor;
use crate::audit::{self, Act, ActKind};
use crate::clock::Clock;
use crate::ids::{ConcernId, KeyId, StepId};
use crate::seal::{Place, SealError, Vault};
use crate::store::concerns::{self, Standing};
use crate::store::steps::{self, NewStep};
use crate::store::{Store, StoreError, Tx, settings, undoable};

/// Longest note, in bytes.
pub const MAX_NOTE_BYTES: usize = 8 * 1024;
/// Table of a note's seal.
const STEPS: &str = "concern_steps";

/// Carries out what people do.
#[derive(Clone)]
pub struct Desk {
    store: Store,
    vault: Vault,
    clock: Arc<dyn Clock>,
    mail: Arc<Notify>,
    events: broadcast::Sender<ConcernChanged>,
}

/// Why it was not done; nothing was.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is none, or the actor may not know of it.
    #[error("no such concern for this actor")]
    NotFound,
    /// The concern's life has no such step.
    #[error(transparent)]
    Invalid(#[from] InvalidTransition),
    /// The step needs two approvers besides whoever asks.
    #[error("an illegal case closes with two approvers besides whoever asks")]
    NeedsApprovers,
    /// A note is empty or too long.
    #[error("a note has 1 to {MAX_NOTE_BYTES} bytes, not {0}")]
    NoteLength(usize),
    /// A case for the child's file, or for another body, closes with a review date and what was learnt.
    #[error("such a case closes with a review date or the word that none is needed, and with what was learnt")]
    NeedsReview,
    /// A review date that has passed, or is years away.
    #[error("a review date lies between now and two years from now")]
    ReviewDate,
    /// It counts towards another concern: that one is worked on.
    #[error("the concern counts towards another one")]
    IsMerged,
    /// Two concerns that cannot become one.
    #[error("only undecided concerns about the same person become one, the lower counting towards the higher")]
    CannotMerge,
    /// An illegal case keeps what belongs to its subject as it is.
    #[error("an illegal case keeps everything about this person as it is")]
    IsHeld,
    /// Whoever teaches a class decides, and does no more.
    #[error("the actor's role does not do that")]
    NotForRole,
    /// Somebody who may not see it.
    #[error("that person may not see this concern")]
    NotForThem,
    /// Not a class log-on, or not a pupil.
    #[error("only what a class log-on did can be said to be a pupil's")]
    CannotAttribute,
    /// Something happened to it since it was seen.
    #[error("the concern has moved on since it was seen")]
    Moved,
    /// It is closed.
    #[error("the concern is finished")]
    Finished,
    /// A rule that technicians are not told of.
    #[error("technicians are told of rules that fired on a pupil's own account, and of no illegal class")]
    CannotReport,
    /// High, critical or illegal, or a case: it is decided a step at a time.
    #[error("such a concern is decided a step at a time")]
    NotAtOnce,
    /// Nobody took it yet, it is finished or critical, or the time is no time.
    #[error("only what somebody took and nobody finished is put off, by two weeks at most, and nothing critical")]
    CannotPutOff,
    /// Nothing to take back, or no longer.
    #[error("there is nothing that can be taken back any more")]
    TooLate,
    /// Nobody further up may see it who does not see it already.
    #[error("nobody further up may see this concern")]
    NobodyFurther,
    /// The evidence was erased, and with it the key that a note would be sealed under.
    #[error("what was known of the subject was erased")]
    Erased,
    /// The database did not do it.
    #[error("cannot store the decision")]
    Store(#[from] StoreError),
    /// The vault did not do it.
    #[error("cannot use the vault")]
    Seal(#[from] SealError),
}

/// A concern as somebody saw it: whatever happens to it later makes it another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen(i64);

impl Seen {
    /// Of the time of its last change, microseconds of UTC.
    #[must_use]
    pub const fn at(changed_us: i64) -> Self {
        Self(changed_us)
    }
}

/// A step about to be committed.
struct Step<'a> {
    moved: Move,
    kind: &'static str,
    act: ActKind,
    note: Option<&'a str>,
}

impl Desk {
    /// A desk over `store`; the mailer is told by `mail`, listeners by `events`.
    #[must_use]
    pub const fn new(
        store: Store,
        vault: Vault,
        clock: Arc<dyn Clock>,
        mail: Arc<Notify>,
        events: broadcast::Sender<ConcernChanged>,
    ) -> Self {
        Self { store, vault, clock, mail, events }
    }

    /// Takes a concern.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub async fn acknowledge(&self, actor: &Actor, concern: ConcernId) -> Result<State, CommandError> {
        let (tx, standing) = self.begin(actor, concern).await?;
        self.acknowledge_within(tx, actor, (concern, &standing)).await
    }

    /// Takes a concern as it was `seen` in a list.
    ///
    /// # Errors
    ///
    /// [`CommandError::Moved`] where anything happened since; otherwise [`CommandError`].
    pub async fn acknowledge_seen(&self, actor: &Actor, concern: ConcernId, seen: Seen) -> Result<State, CommandError> {
        let (tx, standing) = self.begin_as_seen(actor, concern, seen).await?;
        self.acknowledge_within(tx, actor, (concern, &standing)).await
    }

    /// Writes a note, sealed under the subject's key.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub async fn note(&self, actor: &Actor, concern: ConcernId, text: &str) -> Result<State, CommandError> {
        let text = checked(text)?;
        let step = Step { moved: Move::Note, kind: "noted", act: ActKind::ConcernNoted, note: Some(text) };
        let (mut tx, standing) = self.begin(actor, concern).await?;
        let state = self.carry_out(&mut tx, actor, concern, &standing, step).await?;
        self.finish(tx, actor, concern).await?;
        Ok(state)
    }

    /// Takes a decided or closed concern up again: it waits to be acknowledged. Its verdict and outcome are taken back; the
    /// steps keep them. An illegal case keeps what belongs to its subject again.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub async fn reopen(&self, actor: &Actor, concern: ConcernId) -> Result<State, CommandError> {
        let step = Step { moved: Move::Reopen, kind: "reopened", act: ActKind::ConcernReopened, note: None };
        let (mut tx, standing) = self.begin(actor, concern).await?;
        let before = undoable::before(&mut tx, actor.school(), concern).await?;
        let state = self.carry_out(&mut tx, actor, concern, &standing, step).await?;
        let (school, now_us) = (actor.school(), self.clock.wall_us());
        let calendar = settings::calendar(&mut tx, school, now_us).await?;
        if let Some(routed) = concerns::routed(&mut tx, school, concern).await? {
            taken_up_again(&mut tx, school, &routed, (now_us, &calendar)).await?;
        }
        // What an illegal case keeps from then on is let go of by two people alone.
        if !is_illegal(&standing.category) {
            self.can_undo(&mut tx, actor, concern, &before).await?;
        }
        self.finish(tx, actor, concern).await?;
        Ok(state)
    }

    /// Begins, and refuses whoever may not know of the concern, with a leaf in the log.
    async fn begin(&self, actor: &Actor, concern: ConcernId) -> Result<(Tx, Standing), CommandError> {
        let mut tx = self.store.begin().await?;
        if let Some(standing) = concerns::standing(&mut tx, actor, concern).await? {
            return Ok((tx, standing));
        }
        self.refuse(tx, actor, concern).await
    }

    async fn acknowledge_within(
        &self,
        mut tx: Tx,
        actor: &Actor,
        (concern, standing): (ConcernId, &Standing),
    ) -> Result<State, CommandError> {
        let before = undoable::before(&mut tx, actor.school(), concern).await?;
        let state = self.carry_out(&mut tx, actor, concern, standing, Step::acknowledge()).await?;
        self.can_undo(&mut tx, actor, concern, &before).await?;
        self.finish(tx, actor, concern).await?;
        Ok(state)
    }

    /// As [`Self::begin`], and refuses where anything happened to the concern since it was `seen`.
    async fn begin_as_seen(
        &self,
        actor: &Actor,
        concern: ConcernId,
        seen: Seen,
    ) -> Result<(Tx, Standing), CommandError> {
        let (tx, standing) = self.begin(actor, concern).await?;
        if Seen::at(standing.changed_us) == seen { Ok((tx, standing)) } else { Err(CommandError::Moved) }
    }

    /// Refuses whoever may not know of `concern`, with a leaf in the log and nothing else.
    async fn refuse<T>(&self, mut tx: Tx, actor: &Actor, concern: ConcernId) -> Result<T, CommandError> {
        audit::append(&mut tx, &Act::new(actor, self.clock.wall_us(), ActKind::ConcernRefused, concern)).await?;
        tx.commit().await?;
        Err(CommandError::NotFound)
    }

    /// As [`Self::begin`], for what the DSL's team, the headteacher and the chair do alone.
    async fn begin_as_senior(&self, actor: &Actor, concern: ConcernId) -> Result<(Tx, Standing), CommandError> {
        let begun = self.begin(actor, concern).await?;
        if actor.is_senior() { Ok(begun) } else { Err(CommandError::NotForRole) }
    }

    async fn carry_out(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        concern: ConcernId,
        standing: &Standing,
        step: Step<'_>,
    ) -> Result<State, CommandError> {
        if standing.merged_into.is_some() && !matches!(step.moved, Move::Note) {
            return Err(CommandError::IsMerged);
        }
        let to = standing.state.after(step.moved)?;
        let at_us = self.clock.wall_us();
        let id = StepId::random().map_err(StoreError::from)?;
        let sealed = match step.note {
            Some(text) => Some(self.seal_note(standing.key, id, text).await?),
            None => None,
        };
        let note = sealed.as_ref().map(|(key, sealed)| (*key, sealed.as_slice()));
        let row = NewStep { id, concern, kind: step.kind, from: standing.state, to, at_us, note };
        steps::insert(tx, actor, &row).await?;
        concerns::set_state(tx, actor.school(), concern, to, at_us).await?;
        let act = Act::new(actor, at_us, step.act, concern).with("step", id).with("to", to);
        audit::append(tx, &act).await?;
        Ok(to)
    }

    async fn finish(&self, tx: Tx, actor: &Actor, concern: ConcernId) -> Result<(), CommandError> {
        failpoint!("desk.commit", tx.commit().await?);
        self.mail.notify_one();
        // Nobody listening is nothing lost: a page reads the database when it opens.
        let _ = self.events.send(ConcernChanged { school: actor.school().clone(), concern });
        Ok(())
    }

    async fn seal_note(&self, key: KeyId, step: StepId, text: &str) -> Result<(KeyId, Vec<u8>), CommandError> {
        let key = self.vault.key(key).await?.ok_or(CommandError::Erased)?;
        let sealed = self.vault.seal(&key, Place { table: STEPS, row: step.as_bytes() }, text.as_bytes())?;
        Ok((key.id(), sealed))
    }
}

/// A note or reason that is neither empty nor too long.
fn checked(text: &str) -> Result<&str, CommandError> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_NOTE_BYTES { Err(CommandError::NoteLength(text.len())) } else { Ok(text) }
}

#[cfg(test)]
mod tests;
