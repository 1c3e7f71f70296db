//! Bringing alerts in: each becomes a capture of a lane of its own spool, which intake takes as it takes a device's.
//!
//! Alerts are placed and delivered some hundred at a time, so that nobody waits for the database meanwhile. Every row gets
//! its place in a lane before it is delivered, and keeps it: a crash in between leaves places beyond the lane's mark, which
//! the next import gives away anew. Nothing is lost and nothing comes twice. Two imports at once would give the same
//! places away: a lock in the data directory keeps the second out.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lapwing_proto::{Capture, DeviceId, Epoch, SchoolId, Seq, bounds};
use lapwing_rules::{Level, RuleSet};
use tokio::sync::Notify;

use super::{Alert, Source};
use crate::actor::Actor;
use crate::audit::{self, Act, ActKind};
use crate::intake::{Delivery, Held, Intake, IntakeParts, TakeError};
use crate::seal::{Identity, Vault};
use crate::shutdown::Shutdown;
use crate::store::filter_alerts::{self, Placed};
use crate::store::{Store, StoreError, Tx};
use crate::subject::AccountGroups;

/// Alerts of one transaction.
const AT_ONCE: usize = bounds::MAX_BATCH;
/// Held while an import runs.
const LOCK_FILE: &str = "filter-import.lock";
/// How often it is tried, and how long between.
const LOCK_TRIES: u32 = 100;
const LOCK_AGAIN: Duration = Duration::from_millis(100);
/// What ids of filters among devices begin with.
const PREFIX: &str = "filt-";

/// What an import stands on.
#[derive(Clone, Debug)]
pub struct BringIn {
    /// The school.
    pub school: SchoolId,
    /// The database.
    pub store: Store,
    /// Seals.
    pub vault: Vault,
    /// The rules in force, whose careful hosts hold here too; none before the first are published.
    pub rules: Option<Arc<RuleSet>>,
    /// Where the database lies.
    pub data_dir: PathBuf,
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BroughtIn {
    /// New.
    pub added: usize,
    /// Imported before.
    pub known: usize,
    /// From hosts that are looked at with care, and not grave enough.
    pub careful: usize,
}

/// Why an import stopped. What was delivered stays; the same file brings the rest.
#[derive(Debug, thiserror::Error)]
pub enum BringInError {
    /// Another import is under way.
    #[error("another import of alerts is under way")]
    Busy,
    /// The lock cannot be taken.
    #[error("cannot lock the data directory for an import")]
    Lock(#[source] std::io::Error),
    /// The database did not do it.
    #[error("cannot store alerts of the filter")]
    Store(#[from] StoreError),
    /// Intake did not take them.
    #[error("cannot deliver alerts of the filter")]
    Take(#[from] TakeError),
}

/// Captures of a lane that follow each other, from a sequence on.
type Lanes = BTreeMap<Level, (Seq, Vec<Capture>)>;

impl BringIn {
    /// Brings `alerts` of `source` in at `now_us`.
    ///
    /// # Errors
    ///
    /// When another import is under way, or the database or the vault does not do it.
    pub async fn run(
        &self,
        actor: &Actor,
        source: Source,
        alerts: &[Alert],
        now_us: i64,
    ) -> Result<BroughtIn, BringInError> {
        let lock = self.lock().await?;
        self.begin(source, now_us).await?;
        let mut brought_in = BroughtIn::default();
        let is_looked_at = |alert: &&Alert| self.rules.as_ref().is_none_or(|rules| alert.is_looked_at(rules));
        let (alerts, careful): (Vec<_>, Vec<_>) = alerts.iter().partition(is_looked_at);
        brought_in.careful = careful.len();
        for part in alerts.chunks(AT_ONCE) {
            let lanes = self.place(actor, source, part, &mut brought_in, now_us).await?;
            self.deliver(source, lanes, now_us).await?;
        }
        drop(lock);
        Ok(brought_in)
    }

    /// Waits a while for an import that is under way.
    async fn lock(&self) -> Result<File, BringInError> {
        let place = self.data_dir.join(LOCK_FILE);
        let made = File::options().create(true).truncate(false).write(true).open(&place);
        // One that another account made is as good: nothing is ever written to it.
        let file = made.or_else(|_| File::open(&place)).map_err(BringInError::Lock)?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_AGAIN).await,
                Err(TryLockError::Error(error)) => return Err(BringInError::Lock(error)),
            }
        }
        Err(BringInError::Busy)
    }

    /// Makes the filter's row, and takes back what an import placed that stopped.
    async fn begin(&self, source: Source, now_us: i64) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        filter_alerts::ensure_device(&mut tx, &self.school, device(source), source.name(), now_us).await?;
        for lane in Level::ALL {
            filter_alerts::forget_undelivered(&mut tx, &self.school, device(source), epoch(source), lane).await?;
        }
        tx.commit().await
    }

    /// Places a part of the alerts, in one transaction.
    async fn place(
        &self,
        actor: &Actor,
        source: Source,
        part: &[&Alert],
        brought_in: &mut BroughtIn,
        now_us: i64,
    ) -> Result<Lanes, StoreError> {
        let mut tx = self.store.begin().await?;
        let (placed, lanes) = self.placed(&mut tx, source, part, now_us).await?;
        // What was known already changes nothing.
        if placed.added > 0 {
            let act = Act::new(actor, now_us, ActKind::FilterImported, device(source))
                .with("source", source.as_str())
                .with("added", placed.added)
                .with("known", placed.known);
            audit::append(&mut tx, &act).await?;
        }
        tx.commit().await?;
        brought_in.added += placed.added;
        brought_in.known += placed.known;
        Ok(lanes)
    }

    /// Gives each alert that is new its place.
    async fn placed(
        &self,
        tx: &mut Tx,
        source: Source,
        alerts: &[&Alert],
        now_us: i64,
    ) -> Result<(BroughtIn, Lanes), StoreError> {
        let (mut brought_in, mut lanes) = (BroughtIn::default(), Lanes::new());
        for alert in alerts {
            let Some(capture) = alert.capture(source, now_us) else { continue };
            // Keyed: nobody can tell from a row which request it stands for.
            let identity = alert.identity();
            let of_row = Identity::Session { device: device(source), account: &identity, session: "filter row" };
            let row = self.vault.identity(of_row);
            let level = capture.level();
            match filter_alerts::place(tx, &self.school, device(source), row, level, now_us).await? {
                Placed::Known => brought_in.known += 1,
                Placed::At(seq) => {
                    brought_in.added += 1;
                    lanes.entry(level).or_insert((seq, Vec::new())).1.push(capture);
                }
            }
        }
        Ok((brought_in, lanes))
    }

    async fn deliver(&self, source: Source, lanes: Lanes, now_us: i64) -> Result<(), TakeError> {
        let (intake, worker) = Intake::new(IntakeParts {
            school: self.school.clone(),
            store: self.store.clone(),
            vault: self.vault.clone(),
            groups: AccountGroups::default(),
            triage: Arc::new(Notify::new()),
        });
        let stop = Shutdown::new();
        let delivering = async {
            let mut outcome = Ok(());
            // The gravest first.
            for (lane, (first, captures)) in lanes.into_iter().rev() {
                outcome = lane_of(&intake, source, lane, first, captures, now_us).await;
                if outcome.is_err() {
                    break;
                }
            }
            stop.request();
            outcome
        };
        let ((), outcome) = tokio::join!(worker.run(stop.clone()), delivering);
        outcome
    }
}

async fn lane_of(
    intake: &Intake,
    source: Source,
    lane: Level,
    first: Seq,
    captures: Vec<Capture>,
    received_us: i64,
) -> Result<(), TakeError> {
    let mut first = first;
    let mut captures = captures.into_iter();
    loop {
        let batch: Vec<Capture> = captures.by_ref().take(bounds::MAX_BATCH).collect();
        if batch.is_empty() {
            return Ok(());
        }
        let next = (0..batch.len()).fold(first, |seq, _| seq.next());
        let delivery = Delivery {
            device: device(source),
            epoch: epoch(source),
            lane,
            first,
            captures: batch,
            gaps: Vec::new(),
            received_us,
            held: Held::default(),
        };
        intake.hand_over(delivery).await?.await?;
        first = next;
    }
}

/// Whether a device stands for a filter.
pub(crate) fn is_filter(device: DeviceId) -> bool {
    device.as_bytes().starts_with(PREFIX.as_bytes())
}

/// What stands for the filter among devices.
fn device(source: Source) -> DeviceId {
    DeviceId::from_bytes(padded(source))
}

/// Its only spool.
fn epoch(source: Source) -> Epoch {
    Epoch::from_bytes(padded(source))
}

/// No random id begins so but by a chance of one in 2^40.
fn padded(source: Source) -> [u8; 16] {
    let mut bytes = [0; 16];
    let text = format!("{PREFIX}{}", source.as_str());
    for (to, byte) in bytes.iter_mut().zip(text.bytes()) {
        *to = byte;
    }
    bytes
}
