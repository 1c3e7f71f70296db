//! Bringing alerts in: each becomes a capture of a lane of its own spool, which intake takes as it takes a device's.
//!
//! Every row gets its place in a lane before it is delivered, and keeps it: a crash in between leaves places beyond the
//! lane's mark, which the next import gives away anew. Nothing is lost and nothing comes twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use lapwing_proto::{Capture, DeviceId, Epoch, SchoolId, Seq, bounds};
use lapwing_rules::Level;
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

/// What an import stands on.
#[derive(Clone, Debug)]
pub struct BringIn {
    /// The school.
    pub school: SchoolId,
    /// The database.
    pub store: Store,
    /// Seals.
    pub vault: Vault,
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BroughtIn {
    /// New.
    pub added: usize,
    /// Imported before.
    pub known: usize,
}

/// Why an import stopped. What was delivered stays; the same file brings the rest.
#[derive(Debug, thiserror::Error)]
pub enum BringInError {
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
    /// When the database or the vault does not do it.
    pub async fn run(
        &self,
        actor: &Actor,
        source: Source,
        alerts: &[Alert],
        now_us: i64,
    ) -> Result<BroughtIn, BringInError> {
        let mut tx = self.store.begin().await?;
        filter_alerts::ensure_device(&mut tx, &self.school, device(source), source.name(), now_us).await?;
        filter_alerts::forget_undelivered(&mut tx, &self.school, device(source), epoch(source)).await?;
        let (brought_in, lanes) = self.placed(&mut tx, source, alerts, now_us).await?;
        let act = Act::new(actor, now_us, ActKind::FilterImported, device(source))
            .with("source", source.as_str())
            .with("added", brought_in.added)
            .with("known", brought_in.known);
        audit::append(&mut tx, &act).await?;
        tx.commit().await?;
        self.deliver(source, lanes, now_us).await?;
        Ok(brought_in)
    }

    /// Gives each alert that is new its place.
    async fn placed(
        &self,
        tx: &mut Tx,
        source: Source,
        alerts: &[Alert],
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
    let text = format!("filt-{}", source.as_str());
    for (to, byte) in bytes.iter_mut().zip(text.bytes()) {
        *to = byte;
    }
    bytes
}
