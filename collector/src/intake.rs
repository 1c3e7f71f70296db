//! Taking delivery: what a device sent is sealed, deduplicated and committed; then it may be acknowledged.
//!
//! Each lane of each spool has a high-water mark. At or below it a capture was taken before and is dropped; the next
//! one is stored; above that, a gap record has to account for what is missing. A crash at any point repeats the
//! delivery, not its effect.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lapwing_proto::{Capture, DeviceId, Epoch, SchoolId, Seq, bounds, failpoint, wire};
use lapwing_rules::{Level, Mark};
use prost::Message;
use tokio::sync::Notify;

use crate::ids::{CaptureId, SubjectId};
use crate::seal::{Place, SealError, SubjectKey, Vault};
use crate::store::captures::{self, Lane, SealedCapture};
use crate::store::subjects::{self, Filed};
use crate::store::{Store, StoreError};
use crate::subject::{AccountGroups, Named, account_key};

/// Highest sequence the database can hold; no spool comes near.
const MAX_SEQ: u64 = i64::MAX as u64 - 1;

/// Takes deliveries of one school.
#[derive(Clone, Debug)]
pub struct Intake {
    school: SchoolId,
    store: Store,
    vault: Vault,
    groups: AccountGroups,
    triage: Arc<Notify>,
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
}

/// A range of a lane that will never come.
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
    /// The database did not do it.
    #[error("cannot store a batch")]
    Store(#[from] StoreError),
    /// The vault did not do it.
    #[error("cannot seal a batch")]
    Seal(#[from] SealError),
}

impl TakeError {
    /// Whether the same batch may be taken later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Store(_) | Self::Seal(_) => true,
            Self::Hole { .. } | Self::Malformed(_) => false,
        }
    }
}

impl Intake {
    /// Takes deliveries into `store`; `triage` is told after each.
    #[must_use]
    pub const fn new(school: SchoolId, store: Store, vault: Vault, groups: AccountGroups, triage: Arc<Notify>) -> Self {
        Self { school, store, vault, groups, triage }
    }

    /// The high-water mark of a lane: everything up to it is committed.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn through(&self, device: DeviceId, epoch: Epoch, lane: Level) -> Result<Seq, StoreError> {
        captures::through(&self.store, Lane { school: &self.school, device, epoch, level: lane }).await
    }

    /// Seals and commits a batch. Answers the lane's high-water mark, which is safe to acknowledge.
    ///
    /// # Errors
    ///
    /// [`TakeError`]; nothing of the batch was committed then.
    pub async fn take(&self, mut delivery: Delivery) -> Result<Seq, TakeError> {
        check(&delivery)?;
        let lane = Lane { school: &self.school, device: delivery.device, epoch: delivery.epoch, level: delivery.lane };
        let taken = captures::through(&self.store, lane).await?;
        drop_taken(&mut delivery, taken);
        let sealed = self.seal(&delivery).await?;
        let through = self.commit(lane, &delivery, sealed).await?;
        self.triage.notify_one();
        Ok(through)
    }

    async fn commit(
        &self,
        lane: Lane<'_>,
        delivery: &Delivery,
        mut sealed: Vec<SealedCapture>,
    ) -> Result<Seq, TakeError> {
        let mut tx = self.store.begin().await?;
        let mut through = captures::through_in(&mut tx, lane).await?;
        for gap in &delivery.gaps {
            let of = Lane { epoch: gap.epoch.unwrap_or(lane.epoch), ..lane };
            if of.epoch == lane.epoch {
                if gap.to <= through {
                    continue;
                }
                if gap.from > through.next() {
                    return Err(TakeError::Hole { expected: through.next(), found: gap.from });
                }
                through = gap.to;
            }
            let insert = captures::insert_gap(&mut tx, of, gap.from, gap.to, gap.reason, delivery.received_us);
            failpoint!("intake.gap", insert.await?);
            captures::set_through(&mut tx, of, gap.to).await?;
        }
        sealed.retain(|capture| capture.seq > through);
        if let (Some(first), Some(last)) = (sealed.first(), sealed.last()) {
            if first.seq != through.next() {
                return Err(TakeError::Hole { expected: through.next(), found: first.seq });
            }
            through = last.seq;
            failpoint!("intake.insert", captures::insert(&mut tx, lane, &sealed, delivery.received_us).await?);
            failpoint!("intake.high_water", captures::set_through(&mut tx, lane, through).await?);
        }
        failpoint!("intake.commit", tx.commit().await?);
        Ok(through)
    }

    /// Seals each capture under its subject's key, making subjects and keys that are new.
    async fn seal(&self, delivery: &Delivery) -> Result<Vec<SealedCapture>, TakeError> {
        let named = self.name_subjects(delivery).await?;
        let filed = self.file(&named, delivery.received_us).await?;
        let mut sealed = Vec::with_capacity(delivery.captures.len());
        let mut seq = delivery.first;
        for (capture, named) in delivery.captures.iter().zip(&named) {
            let Some((subject, key)) = filed.get(named) else {
                return Err(StoreError::Corrupt { what: "subject" }.into());
            };
            sealed.push(self.seal_one(capture, seq, *subject, key)?);
            seq = seq.next();
        }
        Ok(sealed)
    }

    fn seal_one(
        &self,
        capture: &Capture,
        seq: Seq,
        subject: SubjectId,
        key: &SubjectKey,
    ) -> Result<SealedCapture, TakeError> {
        let id = CaptureId::random().map_err(StoreError::from)?;
        let message = wire::Capture::from(capture.clone());
        let sealed = self.vault.seal(key, Place { table: "captures", row: id.as_bytes() }, &message.encode_to_vec())?;
        let Some(hit) = capture.verdict.hits.iter().max_by_key(|hit| hit.level) else {
            return Err(TakeError::Malformed("a verdict has no hit"));
        };
        let marks = capture.verdict.hits.iter().flat_map(|hit| &hit.spans).map(|span| span.mark);
        Ok(SealedCapture {
            id,
            seq,
            signal: message.signal,
            rule: hit.rule.to_string(),
            category: hit.category.id().to_owned(),
            release: capture.verdict.release.number(),
            marked: marks.into_iter().any(|mark| matches!(mark, Mark::Intent | Mark::Method)),
            repeats: u64::from(capture.repeats).saturating_add(u64::from(capture.burst.saturating_sub(1))),
            wall_us: capture.wall_us,
            subject,
            key: key.id(),
            sealed,
        })
    }

    /// Whom each capture of the batch is about.
    async fn name_subjects(&self, delivery: &Delivery) -> Result<Vec<Named>, StoreError> {
        let accounts: BTreeSet<_> = delivery.captures.iter().map(|one| account_key(&one.account.name)).collect();
        let accounts: Vec<_> = accounts.into_iter().collect();
        let persons = subjects::persons_of(&self.store, &self.school, &accounts).await?;
        let named = |capture: &Capture| {
            let mapped = persons.get(&account_key(&capture.account.name)).copied();
            Named::by(&capture.account, delivery.device, mapped, &self.groups)
        };
        Ok(delivery.captures.iter().map(named).collect())
    }

    /// Finds or makes each subject and its key. Keys are durable before the row that names them.
    async fn file<'a>(
        &self,
        named: &'a [Named],
        now_us: i64,
    ) -> Result<BTreeMap<&'a Named, (SubjectId, SubjectKey)>, TakeError> {
        let wanted: BTreeMap<&Named, [u8; 32]> =
            named.iter().map(|named| (named, self.vault.identity(named.identity()))).collect();
        let identities: Vec<_> = wanted.values().copied().collect();
        let mut known = subjects::filed(&self.store, &self.school, &identities).await?;
        let new: Vec<_> = wanted.iter().filter(|(_, identity)| !known.contains_key(*identity)).collect();
        if !new.is_empty() {
            let mut rows = Vec::with_capacity(new.len());
            for (named, identity) in new {
                let key = self.vault.new_key(now_us).await?.id();
                rows.push((named, identity, Filed { subject: SubjectId::random().map_err(StoreError::from)?, key }));
            }
            let mut tx = self.store.begin().await?;
            for (named, identity, filed) in rows {
                failpoint!("intake.subject", subjects::insert(&mut tx, &self.school, named, identity, filed).await?);
            }
            failpoint!("intake.commit_subjects", tx.commit().await?);
            known = subjects::filed(&self.store, &self.school, &identities).await?;
        }
        let mut filed = BTreeMap::new();
        for (named, identity) in wanted {
            let row = known.get(&identity).ok_or(StoreError::Corrupt { what: "subject" })?;
            filed.insert(named, (row.subject, self.live_key(*row, now_us).await?));
        }
        Ok(filed)
    }

    /// The subject's key; a new one where it was erased, so that what was erased stays so.
    async fn live_key(&self, filed: Filed, now_us: i64) -> Result<SubjectKey, TakeError> {
        if let Some(key) = self.vault.key(filed.key).await? {
            return Ok(key);
        }
        let key = self.vault.new_key(now_us).await?;
        let mut tx = self.store.begin().await?;
        subjects::replace_key(&mut tx, &self.school, filed.subject, key.id()).await?;
        tx.commit().await?;
        Ok(key)
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
    let sound = |gap: &Gap| Seq::NONE < gap.from && gap.from <= gap.to && gap.to.number() <= MAX_SEQ;
    if !delivery.gaps.iter().all(sound) {
        return Err(TakeError::Malformed("a gap is no range"));
    }
    Ok(())
}

/// Spares the sealing of captures that were taken before. The transaction checks again.
fn drop_taken(delivery: &mut Delivery, taken: Seq) {
    let already = taken.next().number().saturating_sub(delivery.first.number());
    let already = usize::try_from(already).unwrap_or(usize::MAX).min(delivery.captures.len());
    delivery.captures.drain(..already);
    delivery.first = Seq::new(delivery.first.number().saturating_add(already as u64));
    delivery.gaps.sort_by_key(|gap| gap.from);
}

#[cfg(test)]
mod tests;
