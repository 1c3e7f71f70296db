//! What is on its way: a cursor a lane, and the batches that were sent and not acknowledged.

use std::collections::{BTreeMap, VecDeque};

use lapwing_proto::bounds::{MAX_BATCH, MAX_CREDIT, MAX_GAPS};
use lapwing_proto::{Seq, wire};
use lapwing_rules::Level;

use super::backlog::Backlog;
use super::pace::Pace;
use crate::spool::{Gap, SpoolError};

/// A batch that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) lane: Level,
    /// The last sequence it accounts for.
    pub(super) last: Seq,
    pub(super) captures: usize,
    /// It told of gaps of earlier epochs.
    pub(super) earlier: bool,
}

/// What may be sent next, and what was.
#[derive(Debug)]
pub(super) struct Window {
    cursors: BTreeMap<Level, Seq>,
    in_flight: VecDeque<Sent>,
    credit: usize,
    /// Batches of one capture each, one at a time: something in the spool was refused as malformed.
    narrow: bool,
    /// Lanes whose gaps of earlier epochs were sent.
    told: Vec<Level>,
}

impl Window {
    /// A window that opens above what is committed.
    pub(super) fn new(marks: &[(Level, Seq)], credit: u32, narrow: bool) -> Self {
        let through = |lane| marks.iter().find(|(of, _)| *of == lane).map_or(Seq::NONE, |(_, mark)| *mark);
        let cursors = Level::ALL.into_iter().map(|lane| (lane, through(lane).next())).collect();
        let mut window = Self { cursors, in_flight: VecDeque::new(), credit: 1, narrow, told: Vec::new() };
        window.set_credit(credit);
        window
    }

    pub(super) fn set_credit(&mut self, credit: u32) {
        self.credit = usize::try_from(credit.clamp(1, MAX_CREDIT)).unwrap_or(1);
    }

    /// Most captures the next batch may hold; 0: wait for an acknowledgement.
    pub(super) fn room(&self) -> usize {
        if self.narrow {
            return usize::from(self.in_flight.is_empty());
        }
        let flying: usize = self.in_flight.iter().map(|sent| sent.captures.max(1)).sum();
        self.credit.saturating_sub(flying).min(MAX_BATCH)
    }

    pub(super) fn in_flight(&self) -> &VecDeque<Sent> {
        &self.in_flight
    }

    /// Where reading goes on, highest lane first, of the lanes that may send at this pace.
    pub(super) fn cursors(&self, pace: &Pace) -> Vec<Cursor> {
        let cursor = |(lane, at): (&Level, &Seq)| {
            let earlier = if self.told.contains(lane) { Earlier::Told } else { Earlier::Untold };
            Cursor { lane: *lane, at: *at, earlier, room: pace.room(*lane, *at, self.room()) }
        };
        self.cursors.iter().rev().map(cursor).filter(|cursor| cursor.room > 0).collect()
    }

    pub(super) fn sent(&mut self, sent: Sent) {
        self.cursors.insert(sent.lane, sent.last.next());
        if sent.earlier {
            self.told.push(sent.lane);
        }
        self.in_flight.push_back(sent);
    }

    /// Takes out what an acknowledgement of `lane` covers: batches of a lane are answered in order.
    pub(super) fn acknowledged(&mut self, lane: Level, through: Seq) -> Vec<Sent> {
        let (done, flying) = self.in_flight.drain(..).partition(|sent| sent.lane == lane && sent.last <= through);
        self.in_flight = flying;
        done.into_iter().collect::<VecDeque<_>>().into()
    }
}

/// Where reading a lane goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) lane: Level,
    pub(super) at: Seq,
    pub(super) earlier: Earlier,
    /// Captures the next batch may hold.
    pub(super) room: usize,
}

/// Whether a lane's gaps of earlier epochs were told on this stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Earlier {
    Told,
    Untold,
}

/// The next batch of the highest lane that has something. Where there is room for one capture only, gaps go alone.
pub(super) fn next_batch(spool: &dyn Backlog, cursors: &[Cursor]) -> Result<Option<(wire::Batch, Sent)>, SpoolError> {
    for Cursor { lane, at, earlier, room } in cursors.iter().copied() {
        // The run first: what is dropped meanwhile only adds gaps.
        let run = spool.read(lane, at, room)?;
        let earlier = match earlier {
            Earlier::Told => Vec::new(),
            Earlier::Untold => spool.earlier_gaps()?.into_iter().filter(|gap| gap.lane == lane).collect(),
        };
        let gaps = gaps_below(&spool.gaps(lane, at)?, at, run.first().map(|(seq, _)| *seq));
        let run = if room == 1 && earlier.len() + gaps.len() > 0 { Vec::new() } else { run };
        if let Some(batch) = batch(lane, at, earlier, gaps, run) {
            return Ok(Some(batch));
        }
    }
    Ok(None)
}

/// The gaps between `cursor` and the first capture of the run, none of which reaches into it.
fn gaps_below(gaps: &[Gap], cursor: Seq, first: Option<Seq>) -> Vec<Gap> {
    let end = first.map_or(Seq::new(u64::MAX), |first| Seq::new(first.number().saturating_sub(1)));
    let clamp = |gap: &Gap| Gap { from: gap.from.max(cursor), to: gap.to.min(end), ..*gap };
    gaps.iter().map(clamp).filter(|gap| gap.from <= gap.to).collect()
}

fn batch(
    lane: Level,
    cursor: Seq,
    earlier: Vec<Gap>,
    mut gaps: Vec<Gap>,
    mut run: Vec<(Seq, wire::Capture)>,
) -> Option<(wire::Batch, Sent)> {
    if earlier.len() + gaps.len() > MAX_GAPS {
        gaps.truncate(MAX_GAPS.saturating_sub(earlier.len()));
        run.clear();
    }
    let after_gaps = gaps.last().map_or(cursor, |gap| gap.to.next());
    let first = run.first().map_or(after_gaps, |(seq, _)| *seq);
    let last = run.last().map_or_else(|| Seq::new(after_gaps.number().saturating_sub(1)), |(seq, _)| *seq);
    if earlier.is_empty() && gaps.is_empty() && run.is_empty() {
        return None;
    }
    let sent = Sent { lane, last, captures: run.len(), earlier: !earlier.is_empty() };
    let batch = wire::Batch {
        lane: u32::from(lane.number()),
        first_seq: first.number(),
        captures: run.into_iter().map(|(_, capture)| capture).collect(),
        gaps: earlier.into_iter().chain(gaps).map(wire::Gap::from).collect(),
    };
    Some((batch, sent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::GapReason;

    fn sent(lane: Level, last: u64, captures: usize) -> Sent {
        Sent { lane, last: Seq::new(last), captures, earlier: false }
    }

    fn gap(from: u64, to: u64) -> Gap {
        Gap { lane: Level::Low, from: Seq::new(from), to: Seq::new(to), reason: GapReason::Full, epoch: None }
    }

    #[test]
    fn credit_bounds_what_is_in_flight() {
        let mut window = Window::new(&[], 300, false);
        assert_eq!(window.room(), MAX_BATCH);
        window.sent(sent(Level::High, 256, 256));
        assert_eq!(window.room(), 44);
        window.sent(sent(Level::Low, 44, 44));
        assert_eq!(window.room(), 0);
        assert_eq!(window.acknowledged(Level::High, Seq::new(255)), []);
        assert_eq!(window.acknowledged(Level::High, Seq::new(256)).len(), 1);
        assert_eq!(window.room(), 256);
    }

    #[test]
    fn a_narrow_window_sends_one_at_a_time() {
        let mut window = Window::new(&[], 1024, true);
        assert_eq!(window.room(), 1);
        window.sent(sent(Level::High, 1, 1));
        assert_eq!(window.room(), 0);
    }

    #[test]
    fn urgent_lanes_come_first_and_begin_above_their_marks() {
        let window = Window::new(&[(Level::High, Seq::new(9))], 1, false);
        let cursors = window.cursors(&Pace::default());
        let cursor = |lane, at| Cursor { lane, at: Seq::new(at), earlier: Earlier::Untold, room: 1 };
        assert_eq!(cursors[..2], [cursor(Level::Critical, 1), cursor(Level::High, 10)]);
    }

    #[test]
    fn a_gap_never_covers_what_is_sent() {
        let below = gaps_below(&[gap(1, 3), gap(5, 9)], Seq::new(2), Some(Seq::new(7)));
        assert_eq!(below, [gap(2, 3), gap(5, 6)]);
    }

    #[test]
    fn more_gaps_than_a_batch_holds_go_ahead_of_the_captures() {
        let gaps: Vec<_> = (1..=20).map(|seq| gap(seq, seq)).collect();
        let run = vec![(Seq::new(21), wire::Capture::default())];
        let (batch, sent) = batch(Level::Low, Seq::new(1), Vec::new(), gaps, run).unwrap();
        assert_eq!((batch.gaps.len(), batch.captures.len(), sent.last.number()), (MAX_GAPS, 0, 16));
    }
}
