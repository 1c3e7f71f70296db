//! Devices that deliver what was encoded beforehand: a load generator that costs little beside what it loads.
//!
//! A crew's captures repeat those of its first batch: only the sequence differs from batch to batch, so that a batch
//! costs one copy and one TLS record or two. It never tries again: what goes wrong ends the run with an error.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use hyper::body::Bytes;
use lapwing_proto::wire::{self, deliver_down, deliver_up};
use lapwing_proto::{MINOR, Seq, bounds};
use lapwing_rules::Level;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::{Call, Connection, prefix};
use super::{Device, LaneAccount, now};

const DELIVER: &str = "/lapwing.v1.Uplink/Deliver";
/// Number of `batch` in `DeliverUp`.
const BATCH_FIELD: u32 = 2;
/// Devices that board at the same time.
const BOARDING: usize = 64;
/// How long an acknowledgement may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Connected devices, each with an open Deliver stream.
pub struct Crew(Vec<Member>);

/// What every member of a crew delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// The lane.
    pub lane: Level,
    /// Captures a batch, 1 to [`bounds::MAX_BATCH`].
    pub batch: usize,
    /// Captures of one connection on their way at a time; the collector's credit bounds it too.
    pub in_flight: usize,
    /// When batches are sent.
    pub pace: Pace,
    /// When sending ends; what was sent is waited for.
    pub until: Until,
}

/// When a connection has sent enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// After this many batches of its own.
    Batches(usize),
    /// After this long.
    Elapsed(Duration),
}

/// When a connection sends its batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As soon as there is room.
    FlatOut,
    /// One each so often, the connections evenly staggered. A batch that finds no room counts as waiting from when it
    /// was due, so that a slow answer hides no later one.
    Every(Duration),
}

/// What a crew delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Captures acknowledged.
    pub captures: u64,
    /// From the first batch to the last acknowledgement.
    pub took: Duration,
    /// From when each batch was due to its acknowledgement, sorted.
    pub latencies: Vec<Duration>,
}

struct Member {
    device: Arc<Device>,
    _connection: Connection,
    call: Call,
    credit: usize,
    lanes: BTreeMap<Level, Lane>,
}

/// Both are last sequences.
#[derive(Clone, Copy, Default)]
struct Lane {
    issued: Seq,
    acknowledged: Seq,
}

/// A batch that was sent.
struct Flying {
    last: Seq,
    captures: usize,
    due: Instant,
}

impl Delivered {
    /// Captures a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    pub fn rate(&self) -> f64 {
        self.captures as f64 / self.took.as_secs_f64()
    }

    /// The acknowledgement latency below which `of_thousand` in 1,000 lie; zero where nothing was delivered.
    #[must_use]
    pub fn latency(&self, of_thousand: usize) -> Duration {
        let place = self.latencies.len().saturating_sub(1) * of_thousand.min(1000) / 1000;
        self.latencies.get(place).copied().unwrap_or_default()
    }
}

impl Crew {
    pub(super) async fn board(to: SocketAddr, devices: &[Arc<Device>]) -> anyhow::Result<Self> {
        let mut waiting = devices.iter();
        let mut boarding = JoinSet::new();
        let mut members = Vec::with_capacity(devices.len());
        loop {
            while boarding.len() < BOARDING
                && let Some(device) = waiting.next()
            {
                boarding.spawn(Member::board(to, Arc::clone(device)));
            }
            let Some(aboard) = boarding.join_next().await else { break };
            members.push(aboard.context("a device panicked")??);
        }
        members.sort_by_key(|member: &Member| member.device.index);
        Ok(Self(members))
    }

    /// Connections.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is aboard.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Delivers `load` over every connection at once.
    ///
    /// # Errors
    ///
    /// When a batch is refused or not acknowledged within a minute, or a connection breaks.
    pub async fn deliver(&mut self, load: Load) -> anyhow::Result<Delivered> {
        ensure!((1..=bounds::MAX_BATCH).contains(&load.batch), "a batch holds 1 to {} captures", bounds::MAX_BATCH);
        let started = now();
        let connections = u32::try_from(self.0.len().max(1))?;
        let mut running = JoinSet::new();
        for (place, member) in (0..).zip(std::mem::take(&mut self.0)) {
            let first_due = match load.pace {
                Pace::FlatOut => started,
                Pace::Every(every) => started + every * place / connections,
            };
            running.spawn(member.deliver(load, (started, first_due)));
        }
        let mut delivered = Delivered::default();
        while let Some(done) = running.join_next().await {
            let (member, part) = done.context("a device panicked")??;
            self.0.push(member);
            delivered.captures += part.captures;
            delivered.latencies.extend(part.latencies);
        }
        delivered.took = started.elapsed();
        delivered.latencies.sort_unstable();
        self.0.sort_by_key(|member| member.device.index);
        Ok(delivered)
    }

    /// How far each lane came.
    #[must_use]
    pub fn account(&self) -> Vec<LaneAccount> {
        let lanes = self.0.iter().flat_map(|member| member.lanes.iter().map(|(lane, at)| (&member.device, lane, at)));
        lanes.map(|(device, lane, at)| device.lane_account(*lane, at.issued, at.acknowledged)).collect()
    }
}

impl Device {
    fn hello(&self) -> wire::DeliverUp {
        let hello = wire::Hello {
            epoch: self.epoch.as_bytes().to_vec(),
            hardware_hash: self.hardware.to_vec(),
            boot_id: vec![1; 16],
            incarnation: Vec::new(),
            minor: MINOR,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            lanes: Vec::new(),
            boot_us: 0,
            earlier_boots: Vec::new(),
        };
        wire::DeliverUp { message: Some(deliver_up::Message::Hello(hello)) }
    }

    /// `count` captures of `lane` from the first sequence on, encoded as a batch holds them.
    fn encoded(&self, lane: Level, count: usize) -> Vec<u8> {
        let captures = (1..).take(count).map(|seq| self.writer.capture(lane, Seq::new(seq))).collect();
        wire::Batch { captures, ..wire::Batch::default() }.encode_to_vec()
    }
}

impl Member {
    async fn board(to: SocketAddr, device: Arc<Device>) -> anyhow::Result<Self> {
        let connection = Connection::open(to, None, Arc::clone(&device.tls)).await?;
        let mut call = connection.call(DELIVER, &device.hello()).await?;
        let welcome = match call.down.expect::<wire::DeliverDown>().await?.message {
            Some(deliver_down::Message::Welcome(welcome)) => welcome,
            other => bail!("device {} was not welcomed: {other:?}", device.index),
        };
        let credit = usize::try_from(welcome.credit)?;
        Ok(Self { device, _connection: connection, call, credit, lanes: BTreeMap::new() })
    }

    async fn deliver(
        mut self,
        load: Load,
        (started, first_due): (Instant, Instant),
    ) -> anyhow::Result<(Self, Delivered)> {
        let captures = self.device.encoded(load.lane, load.batch);
        let mut lane = self.lanes.get(&load.lane).copied().unwrap_or_default();
        let (mut flying, mut delivered) = (VecDeque::<Flying>::new(), Delivered::default());
        let (mut due, mut batches) = (first_due, 0);
        loop {
            let at = now();
            let more = match load.until {
                Until::Batches(most) => batches < most,
                Until::Elapsed(lasting) => at.saturating_duration_since(started) < lasting,
            };
            let room = in_flight(&flying) + load.batch <= load.in_flight.min(self.credit).max(load.batch);
            if more && room && at >= due {
                let first = lane.issued.next();
                lane.issued = Seq::new(lane.issued.number() + u64::try_from(load.batch)?);
                self.call.up.send(composed(load.lane, first, &captures))?;
                let since = if load.pace == Pace::FlatOut { at } else { due };
                flying.push_back(Flying { last: lane.issued, captures: load.batch, due: since });
                batches += 1;
                if let Pace::Every(every) = load.pace {
                    due += every;
                }
                continue;
            }
            if flying.is_empty() && !more {
                break;
            }
            tokio::select! {
                answer = timeout(ANSWER_WITHIN, self.call.down.next()), if !flying.is_empty() => {
                    let answer = answer.context("no acknowledgement in time")??.context("the stream ended")?;
                    lane.acknowledged = self.take(answer, load.lane)?.max(lane.acknowledged);
                    settle(&mut flying, lane.acknowledged, &mut delivered);
                }
                () = sleep_until(due), if more && room => {}
            }
        }
        self.lanes.insert(load.lane, lane);
        Ok((self, delivered))
    }

    /// What an answer acknowledges of `lane`.
    fn take(&mut self, answer: wire::DeliverDown, lane: Level) -> anyhow::Result<Seq> {
        match answer.message {
            Some(deliver_down::Message::Ack(ack)) => {
                self.credit = usize::try_from(ack.credit)?;
                let mark = ack.through.iter().find(|mark| mark.lane == u32::from(lane.number()));
                Ok(mark.map_or(Seq::NONE, |mark| Seq::new(mark.through)))
            }
            other => bail!("device {} got no acknowledgement: {other:?}", self.device.index),
        }
    }
}

fn in_flight(flying: &VecDeque<Flying>) -> usize {
    flying.iter().map(|batch| batch.captures).sum()
}

/// Counts what is acknowledged.
fn settle(flying: &mut VecDeque<Flying>, through: Seq, delivered: &mut Delivered) {
    let at = now();
    while flying.front().is_some_and(|batch| batch.last <= through)
        && let Some(batch) = flying.pop_front()
    {
        delivered.captures += batch.captures as u64;
        delivered.latencies.push(at.saturating_duration_since(batch.due));
    }
}

/// A framed message of a batch that begins at `first`.
fn composed(lane: Level, first: Seq, captures: &[u8]) -> Bytes {
    let batch = wire::Batch { lane: lane.number().into(), first_seq: first.number(), ..wire::Batch::default() };
    let head = batch.encode_to_vec();
    let length = head.len() + captures.len();
    let mut message = Vec::with_capacity(16);
    encode_key(BATCH_FIELD, WireType::LengthDelimited, &mut message);
    encode_varint(length as u64, &mut message);
    let mut framed = Vec::with_capacity(prefix(0).len() + message.len() + length);
    framed.extend_from_slice(&prefix(message.len() + length));
    framed.extend_from_slice(&message);
    framed.extend_from_slice(&head);
    framed.extend_from_slice(captures);
    framed.into()
}

#[cfg(test)]
mod tests {
    use super::super::connection::framed;
    use super::*;
    use crate::fleet::Writer;

    #[test]
    fn a_composed_batch_is_what_encoding_it_whole_gives() {
        let captures: Vec<_> = (1..=3).map(|seq| Writer::new(1, 2, 5).capture(Level::High, Seq::new(seq))).collect();
        let encoded = wire::Batch { captures: captures.clone(), ..wire::Batch::default() }.encode_to_vec();
        let whole = wire::Batch { lane: 4, first_seq: 300, captures, gaps: Vec::new() };
        let whole = wire::DeliverUp { message: Some(deliver_up::Message::Batch(whole)) };
        assert_eq!(composed(Level::High, Seq::new(300), &encoded), framed(&whole));
    }

    #[test]
    fn latencies_are_read_by_rank() {
        let latencies: Vec<_> = (0..=100).map(Duration::from_millis).collect();
        let delivered = Delivered { captures: 101, took: Duration::from_secs(2), latencies };
        assert_eq!(delivered.latency(500), Duration::from_millis(50));
        assert_eq!(delivered.latency(990), Duration::from_millis(99));
        assert_eq!(Delivered::default().latency(990), Duration::ZERO);
    }

    #[test]
    fn an_acknowledgement_settles_all_batches_up_to_it() {
        let batch = |last| Flying { last: Seq::new(last), captures: 16, due: now() };
        let mut flying: VecDeque<_> = [batch(16), batch(32), batch(48)].into();
        let mut delivered = Delivered::default();
        settle(&mut flying, Seq::new(40), &mut delivered);
        assert_eq!((delivered.captures, flying.len()), (32, 1));
    }
}
