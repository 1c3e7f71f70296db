//! Committing: batches of all devices in one transaction, each with its own fate.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use lapwing_proto::{SchoolId, Seq, failpoint};
use tokio::sync::{Notify, mpsc};

use super::{Awaited, Batch, TakeError};
use crate::clock::Stopwatch;
use crate::store::captures::{self, GapRow, Lane, Row, SealedCapture};
use crate::store::{Store, StoreError};

/// Captures a transaction holds at most, a larger batch alone excepted.
const MOST: usize = 256;
/// Never fewer: a disk that is slow is slow for one as well.
const FEWEST: usize = 16;
/// What a transaction may hold the database for; beyond it the next holds half as many captures.
const HOLD: Duration = Duration::from_millis(20);

type Sealed = Awaited<SealedCapture>;

#[derive(Debug)]
pub(super) struct Committing {
    school: SchoolId,
    store: Store,
    triage: Arc<Notify>,
    /// Captures the next transaction holds at most.
    room: usize,
}

/// What a transaction writes, and each batch's part in it.
#[derive(Debug)]
struct Group<'a> {
    marks: HashMap<Lane, Seq>,
    moved: HashMap<Lane, Seq>,
    rows: Vec<Row<'a>>,
    gaps: Vec<GapRow>,
    fates: Vec<Result<Seq, TakeError>>,
}

impl Committing {
    pub(super) const fn new(school: SchoolId, store: Store, triage: Arc<Notify>) -> Self {
        Self { school, store, triage, room: MOST }
    }

    /// Commits what is `sealed` until nothing can come any more.
    pub(super) async fn run(mut self, mut sealed: mpsc::Receiver<Sealed>) {
        let mut left = None;
        loop {
            let next = match left.take() {
                Some(left) => Some(left),
                None => sealed.recv().await,
            };
            let Some(first) = next else { return };
            let (group, over) = gather(first, &mut sealed, self.room);
            left = over;
            self.commit(group).await;
        }
    }

    /// Commits `group`; where that fails, each batch by itself, so that none fails for another.
    async fn commit(&mut self, group: Vec<Sealed>) {
        let batches: Vec<_> = group.iter().map(|awaited| &awaited.batch).collect();
        let fates = match self.write(&batches).await {
            Ok(fates) => fates,
            Err(error) if batches.len() == 1 || error.is_transient() => {
                let error = Arc::new(error);
                batches.iter().map(|_| Err(TakeError::Store(Arc::clone(&error)))).collect()
            }
            Err(_) => {
                let mut fates = Vec::with_capacity(batches.len());
                for batch in batches {
                    match self.write(&[batch]).await {
                        Ok(alone) => fates.extend(alone),
                        Err(error) => fates.push(Err(error.into())),
                    }
                }
                fates
            }
        };
        for (awaited, fate) in group.into_iter().zip(fates) {
            awaited.tell(fate);
        }
        self.triage.notify_one();
    }

    /// One transaction: where the lanes stand, what is new, where they stand then.
    async fn write(&mut self, batches: &[&Batch<SealedCapture>]) -> Result<Vec<Result<Seq, TakeError>>, StoreError> {
        let mut tx = self.store.begin().await?;
        let held = Stopwatch::start();
        let lanes: Vec<_> = batches.iter().map(|batch| batch.of()).collect();
        let mut group = Group::above(captures::marks(&mut tx, &self.school, &lanes).await?);
        for batch in batches {
            group.take(batch);
        }
        if !group.gaps.is_empty() {
            failpoint!("intake.gap", captures::insert_gaps(&mut tx, &self.school, &group.gaps).await?);
        }
        if !group.rows.is_empty() {
            failpoint!("intake.insert", captures::insert(&mut tx, &self.school, &group.rows).await?);
        }
        if !group.moved.is_empty() {
            let now_us = batches.iter().map(|batch| batch.received_us).max().unwrap_or_default();
            failpoint!("intake.high_water", captures::set_marks(&mut tx, &self.school, &group.moved, now_us).await?);
        }
        failpoint!("intake.commit", tx.commit().await?);
        self.room = paced(self.room, held.elapsed());
        Ok(group.fates)
    }
}

/// `first` and what waits with it, at most `room` captures unless it is larger alone; and the one that was too many.
fn gather(first: Sealed, sealed: &mut mpsc::Receiver<Sealed>, room: usize) -> (Vec<Sealed>, Option<Sealed>) {
    let mut captures = first.batch.captures.len();
    let mut group = vec![first];
    while let Ok(next) = sealed.try_recv() {
        captures += next.batch.captures.len();
        if captures > room {
            return (group, Some(next));
        }
        group.push(next);
    }
    (group, None)
}

/// Half the room when the database was held too long; otherwise a little more again.
fn paced(room: usize, held: Duration) -> usize {
    if held > HOLD { (room / 2).max(FEWEST) } else { (room + FEWEST).min(MOST) }
}

impl Batch<SealedCapture> {
    const fn of(&self) -> Lane {
        Lane { device: self.device, epoch: self.epoch, level: self.lane }
    }
}

impl<'a> Group<'a> {
    /// A group of batches whose lanes stand at `marks`.
    fn above(marks: HashMap<Lane, Seq>) -> Self {
        Self { marks, moved: HashMap::new(), rows: Vec::new(), gaps: Vec::new(), fates: Vec::new() }
    }

    /// Adds what is new of `batch`, or nothing of it.
    fn take(&mut self, batch: &'a Batch<SealedCapture>) {
        let fate = self.try_take(batch);
        self.fates.push(fate);
    }

    fn try_take(&mut self, batch: &'a Batch<SealedCapture>) -> Result<Seq, TakeError> {
        let lane = batch.of();
        let before = self.marks.get(&lane).copied().unwrap_or(Seq::NONE);
        let (mut through, mut gaps) = (before, Vec::new());
        for gap in &batch.gaps {
            let of = Lane { epoch: gap.epoch.unwrap_or(lane.epoch), ..lane };
            if of == lane {
                if gap.to <= through {
                    continue;
                }
                if gap.from > through.next() {
                    return Err(TakeError::Hole { expected: through.next(), found: gap.from });
                }
                through = gap.to;
            }
            let (from, to) = (gap.from, gap.to);
            gaps.push(GapRow { lane: of, from, to, reason: gap.reason, received_us: batch.received_us });
        }
        let known = through;
        let mut new = batch.captures.iter().skip_while(|capture| capture.seq <= known).peekable();
        if let Some(first) = new.peek()
            && first.seq != through.next()
        {
            return Err(TakeError::Hole { expected: through.next(), found: first.seq });
        }
        for capture in new {
            through = capture.seq;
            self.rows.push(Row { lane, received_us: batch.received_us, capture });
        }
        for gap in &gaps {
            self.reach(gap.lane, gap.to);
        }
        self.gaps.extend(gaps);
        if through > before {
            self.marks.insert(lane, through);
            self.reach(lane, through);
        }
        Ok(through)
    }

    fn reach(&mut self, lane: Lane, through: Seq) {
        match self.moved.entry(lane) {
            Entry::Occupied(mut at) => {
                let further = through.max(*at.get());
                at.insert(further);
            }
            Entry::Vacant(at) => {
                at.insert(through);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lapwing_proto::{DeviceId, Epoch};
    use lapwing_rules::Level;
    use tokio::sync::oneshot;

    use super::*;
    use crate::ids::{CaptureId, KeyId, SubjectId};
    use crate::intake::Held;

    fn batch(count: usize) -> Sealed {
        let capture = |seq| SealedCapture {
            id: CaptureId::from_bytes([1; 16]),
            seq: Seq::new(seq),
            signal: 1,
            rule: "a.b".to_owned(),
            category: "drugs".to_owned(),
            release: 1,
            marked: false,
            repeats: 0,
            wall_us: 1,
            subject: SubjectId::from_bytes([2; 16]),
            key: KeyId::from_bytes([3; 16]),
            sealed: vec![4],
        };
        let batch = Batch {
            device: DeviceId::from_bytes([5; 16]),
            epoch: Epoch::from_bytes([6; 16]),
            lane: Level::Low,
            first: Seq::new(1),
            captures: (1..).take(count).map(capture).collect(),
            gaps: Vec::new(),
            received_us: 1,
        };
        Awaited { batch, held: Held::default(), answer: oneshot::channel().0 }
    }

    #[test]
    fn a_transaction_holds_what_waits_up_to_its_room_and_loses_nothing() {
        let (sender, mut sealed) = mpsc::channel(64);
        for _ in 0..40 {
            sender.try_send(batch(16)).unwrap();
        }
        sender.try_send(batch(300)).unwrap();
        let mut sizes = Vec::new();
        let mut left = sealed.try_recv().ok();
        while let Some(first) = left.take() {
            let (group, over) = gather(first, &mut sealed, MOST);
            sizes.push(group.iter().map(|one| one.batch.captures.len()).sum::<usize>());
            left = over.or_else(|| sealed.try_recv().ok());
        }
        assert_eq!(sizes, [256, 256, 128, 300]);
    }

    #[test]
    fn a_database_held_too_long_is_asked_for_less_and_then_for_more_again() {
        let slow = HOLD + Duration::from_millis(1);
        assert_eq!(paced(MOST, slow), 128);
        assert_eq!((0..9).fold(MOST, |room, _| paced(room, slow)), FEWEST);
        assert_eq!((0..15).fold(FEWEST, |room, _| paced(room, HOLD)), MOST);
    }
}
