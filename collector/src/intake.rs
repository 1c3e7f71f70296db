//! Taking delivery: what devices sent is sealed, deduplicated and committed; then it may be acknowledged.
//!
//! Each lane of each spool has a high-water mark. At or below it a capture was taken before and is dropped; the next
//! one is stored; above that, a gap record has to account for what is missing. A crash at any point repeats the
//! delivery, not its effect.
//!
//! ```text
//! handed over -> described (by its stream) -> queue -> sealed, a few batches at a time -> queue -> committed, a group at a time
//! ```
//!
//! A commit costs a sync of the disk whatever it holds, so batches of all devices share one: what arrived during the
//! previous sync goes into the next. Sealing goes on meanwhile.

mod committing;
mod described;
mod sealing;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use lapwing_proto::{Capture, DeviceId, Epoch, SchoolId, Seq, bounds};
use lapwing_rules::Level;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::seal::{SealError, Vault};
use crate::shutdown::Shutdown;
use crate::store::{Store, StoreError};
use crate::subject::AccountGroups;
use committing::Committing;
use described::Described;
use sealing::Sealing;

/// Highest sequence the database can hold; no spool comes near.
const MAX_SEQ: u64 = i64::MAX as u64 - 1;
/// Batches that wait to be sealed: one of each of many streams. When it is full, streams wait, and their devices with
/// them.
const WAITING: usize = 1024;
/// Sealed batches that wait for the commit before theirs: a few groups. When it is full, sealing waits.
const SEALED: usize = 1024;

/// Takes deliveries of one school.
#[derive(Clone, Debug)]
pub struct Intake {
    queue: mpsc::Sender<Waiting>,
    store: Store,
}

/// What an [`Intake`] stands on.
#[derive(Debug)]
pub struct IntakeParts {
    /// The school.
    pub school: SchoolId,
    /// The database.
    pub store: Store,
    /// Seals.
    pub vault: Vault,
    /// Tells pupils from staff where nobody is mapped.
    pub groups: AccountGroups,
    /// Told after each commit.
    pub triage: Arc<Notify>,
}

/// Seals and commits what an [`Intake`] takes.
#[derive(Debug)]
pub struct IntakeWorker {
    waiting: mpsc::Receiver<Waiting>,
    sealing: Sealing,
    committing: Committing,
}

/// A batch of one lane, checked against the bounds of the contract.
#[derive(Debug)]
pub struct Delivery {
    /// Whose certificate brought it.
    pub device: DeviceId,
    /// The spool.
    pub epoch: Epoch,
    /// The lane.
    pub lane: Level,
    /// Sequence of the first capture; the rest follow without a hole.
    pub first: Seq,
    /// At most [`bounds::MAX_BATCH`].
    pub captures: Vec<Capture>,
    /// Ranges that will never come, at most [`bounds::MAX_GAPS`].
    pub gaps: Vec<Gap>,
    /// When it arrived, microseconds of UTC.
    pub received_us: i64,
    /// What it takes up until its fate is known, even when its stream is gone.
    pub held: Held,
}

/// Something that is given back when dropped.
#[derive(Default)]
pub struct Held(Option<Box<dyn fmt::Debug + Send>>);

/// A range of a lane that will never come; [`Seq::NONE`] alone where nobody can read any more how much an earlier spool
/// held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The earlier spool it belongs to; `None` for this one.
    pub epoch: Option<Epoch>,
    /// First missing.
    pub from: Seq,
    /// Last missing.
    pub to: Seq,
    /// `lapwing.v1.GapReason`, unknown values kept.
    pub reason: i32,
}

/// Why a delivery was not taken; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// Sequences are missing and no gap accounts for them.
    #[error("sequence {found} came where {expected} was expected, without a gap")]
    Hole {
        /// The next sequence that fits.
        expected: Seq,
        /// What came.
        found: Seq,
    },
    /// The batch breaks the contract; sending it again will not help.
    #[error("malformed batch: {0}")]
    Malformed(&'static str),
    /// The database did not do it, for this batch and those it shared a commit with.
    #[error("cannot store a batch")]
    Store(#[source] Arc<StoreError>),
    /// The vault did not do it.
    #[error("cannot seal a batch")]
    Seal(#[source] Arc<SealError>),
    /// The collector stops.
    #[error("the collector stops")]
    Stopping,
}

impl TakeError {
    /// Whether the same batch may be taken later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Store(_) | Self::Seal(_) | Self::Stopping => true,
            Self::Hole { .. } | Self::Malformed(_) => false,
        }
    }
}

impl Held {
    /// Holds `what`.
    #[must_use]
    pub fn of(what: impl fmt::Debug + Send + 'static) -> Self {
        Self(Some(Box::new(what)))
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.0).finish()
    }
}

impl From<StoreError> for TakeError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<SealError> for TakeError {
    fn from(error: SealError) -> Self {
        Self::Seal(Arc::new(error))
    }
}

/// A batch as it travels from its stream to its commit.
#[derive(Debug)]
struct Batch<C> {
    device: DeviceId,
    epoch: Epoch,
    lane: Level,
    /// Sequence of the first capture.
    first: Seq,
    captures: Vec<C>,
    /// In order.
    gaps: Vec<Gap>,
    received_us: i64,
}

/// A batch whose stream waits for its fate.
#[derive(Debug)]
struct Awaited<C> {
    batch: Batch<C>,
    /// Given back when dropped.
    held: Held,
    answer: oneshot::Sender<Result<Seq, TakeError>>,
}

type Waiting = Awaited<Described>;

/// What becomes of a batch that was handed over: its lane's high-water mark once it is committed, safe to acknowledge; or
/// why nothing of it was, or nobody knows: a delivery may be repeated.
#[derive(Debug)]
pub struct Fate(oneshot::Receiver<Result<Seq, TakeError>>);

impl Intake {
    /// An intake, and the worker that has to run for it.
    #[must_use]
    pub fn new(parts: IntakeParts) -> (Self, IntakeWorker) {
        let (queue, waiting) = mpsc::channel(WAITING);
        let intake = Self { queue, store: parts.store.clone() };
        let sealing = Sealing::new(parts.school.clone(), parts.store.clone(), parts.vault, parts.groups);
        let committing = Committing::new(parts.school, parts.store, parts.triage);
        (intake, IntakeWorker { waiting, sealing, committing })
    }

    /// Hands a batch over to be sealed and committed. Those handed over one after the other are committed in that order:
    /// one that follows a batch that fails is a [`TakeError::Hole`].
    ///
    /// # Errors
    ///
    /// When it breaks the contract, or the collector stops.
    pub async fn hand_over(&self, delivery: Delivery) -> Result<Fate, TakeError> {
        check(&delivery)?;
        let mut gaps = delivery.gaps;
        gaps.sort_by_key(|gap| gap.from);
        let batch = Batch {
            device: delivery.device,
            epoch: delivery.epoch,
            lane: delivery.lane,
            first: delivery.first,
            captures: delivery.captures.into_iter().map(Described::of).collect::<Result<_, _>>()?,
            gaps,
            received_us: delivery.received_us,
        };
        let (answer, answered) = oneshot::channel();
        let held = Held::of((delivery.held, self.store.press()));
        self.queue.send(Awaited { batch, held, answer }).await.map_err(|_| TakeError::Stopping)?;
        Ok(Fate(answered))
    }

    /// Hands a batch over and waits for its fate.
    #[cfg(test)]
    pub(crate) async fn take(&self, delivery: Delivery) -> Result<Seq, TakeError> {
        self.hand_over(delivery).await?.await
    }
}

impl Fate {
    /// A fate that is known.
    #[cfg(test)]
    pub(crate) fn told(fate: Result<Seq, TakeError>) -> Self {
        let (answer, answered) = oneshot::channel();
        drop(answer.send(fate));
        Self(answered)
    }

    /// A fate that stays open.
    #[cfg(test)]
    pub(crate) fn open() -> Self {
        let (answer, answered) = oneshot::channel();
        // The sender is kept for as long as the test runs: a dropped one is a collector that stops.
        std::mem::forget(answer);
        Self(answered)
    }

    /// Where it is known, without waiting. Once it was told it is not told again.
    pub(crate) fn known(&mut self) -> Option<Result<Seq, TakeError>> {
        match self.0.try_recv() {
            Ok(fate) => Some(fate),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Closed) => Some(Err(TakeError::Stopping)),
        }
    }
}

impl Future for Fate {
    type Output = Result<Seq, TakeError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|fate| fate.unwrap_or(Err(TakeError::Stopping)))
    }
}

impl IntakeWorker {
    /// Works until `stop`, and until what was taken before it is committed.
    pub async fn run(self, stop: Shutdown) {
        let (sealed, to_commit) = mpsc::channel(SEALED);
        tokio::join!(self.sealing.run(self.waiting, sealed, stop), self.committing.run(to_commit));
    }
}

impl<C> Awaited<C> {
    /// Tells the stream. One that is gone reads its mark when it comes back.
    fn tell(self, fate: Result<Seq, TakeError>) {
        drop(self.answer.send(fate));
    }
}

fn check(delivery: &Delivery) -> Result<(), TakeError> {
    let count = delivery.captures.len();
    if count > bounds::MAX_BATCH || delivery.gaps.len() > bounds::MAX_GAPS {
        return Err(TakeError::Malformed("more captures or gaps than a batch holds"));
    }
    if delivery.first == Seq::NONE && count > 0 {
        return Err(TakeError::Malformed("sequences begin at 1"));
    }
    if delivery.first.number() > MAX_SEQ - count as u64 {
        return Err(TakeError::Malformed("a sequence is beyond any spool"));
    }
    let unknown_extent = |gap: &Gap| gap.epoch.is_some() && gap.to == Seq::NONE;
    let sound = |gap: &Gap| gap.from <= gap.to && gap.to.number() <= MAX_SEQ;
    if !delivery.gaps.iter().all(|gap| sound(gap) && (gap.from > Seq::NONE || unknown_extent(gap))) {
        return Err(TakeError::Malformed("a gap is no range"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
