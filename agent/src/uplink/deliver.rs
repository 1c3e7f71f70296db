//! Delivery: what the spool holds, highest lane first, until the collector has committed it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use lapwing_proto::wire::deliver_down::Message as Down;
use lapwing_proto::wire::deliver_up::Message as Up;
use lapwing_proto::{BootId, Epoch, Incarnation, MINOR, Seq, failpoint, wire};
use lapwing_rules::Level;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::backlog::Backlog;
use super::backoff::Backoff;
use super::link::{Link, Part};
use super::pace::Pace;
use super::recover::Failure;
use super::window::{Sent, Window, next_batch};
use super::{AGENT_VERSION, Farewell};
use crate::identity::HardwareHash;
use crate::spool::LaneState;

/// How long the collector may take to answer Hello, or to commit a batch.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How long the last acknowledgements are waited for at shutdown.
const DRAIN_WITHIN: Duration = Duration::from_secs(3);
/// A stream that has lasted this long worked: the next failure is a first one. So does an acknowledgement.
const STEADY: Duration = Duration::from_mins(1);
/// Messages between this task and the stream. One is enough to keep the stream busy; when it is full nothing is read
/// from the spool.
const UP_QUEUE: usize = 2;
/// Captures sent one by one after one among them was refused.
const NARROW_FOR: u32 = 512;
/// Minor from which a collector is told that its incarnation is held.
const HELD_SINCE: u32 = 1;

/// Delivers until shutdown.
pub(super) async fn run(link: &Link, spool: Arc<dyn Backlog>, about: About, farewell: Farewell) {
    let mut delivery = Delivery { link, spool, about, farewell, narrow: 0, suspect: None, backoff: link.backoff() };
    while !link.shutdown.is_requested() {
        let identity = link.identity.current();
        let Err(failure) = delivery.session().await else { return };
        if let (Some(wire::ErrorCode::Copy), Some(identity)) = (failure.code(), identity) {
            link.lose(&identity, wire::JoinReason::Copy);
        }
        if let Err(failure) = delivery.learn(&failure).await {
            tracing::warn!(error = %failure, "a refused capture cannot be taken out of the spool");
        }
        let urgent = urgent(delivery.spool.as_ref());
        link.wait(Part::Delivery, &failure, &mut delivery.backoff, urgent).await;
    }
}

/// What Hello says beside the spool.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    pub(super) hardware: HardwareHash,
    pub(super) boot_id: BootId,
}

struct Delivery<'a> {
    link: &'a Link,
    spool: Arc<dyn Backlog>,
    about: About,
    farewell: Farewell,
    /// Captures still to be sent one by one.
    narrow: u32,
    /// The one batch that was in flight when a narrow stream was refused.
    suspect: Option<Sent>,
    backoff: Backoff,
}

/// A stream that was welcomed.
struct Stream {
    up: mpsc::Sender<wire::DeliverUp>,
    down: Streaming<wire::DeliverDown>,
    epoch: Epoch,
    window: Window,
    /// The spool may hold something that was not sent.
    more: bool,
    /// The collector asked not to be sent anything for this long.
    pause: Duration,
    /// How what waited is drained.
    pace: Pace,
    /// The collector has acknowledged something: nobody else is this device.
    confirmed: bool,
}

/// When the next batch of what waited may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// When there is room.
    AtOnce,
    /// Not before its time.
    Waits,
}

impl Delivery<'_> {
    /// One stream, from Hello on. Ends well only at shutdown.
    async fn session(&mut self) -> Result<(), Failure> {
        let mut identity = self.link.identity.changed();
        let mut appended = self.spool.appended();
        let link = self.link;
        let mut stream = tokio::select! {
            greeted = self.greet() => greeted?,
            () = link.shutdown.requested() => return Ok(()),
        };
        self.link.works(Part::Delivery);
        let mut silence = pin!(sleep(ANSWER_WITHIN));
        let mut steady = pin!(sleep(STEADY));
        let mut is_steady = false;
        let mut pause = pin!(sleep(Duration::ZERO));
        let mut turn = pin!(sleep(stream.pace.first(&self.backoff)));
        loop {
            let sending = stream.more && stream.window.room() > 0;
            let waiting = !stream.window.in_flight().is_empty();
            tokio::select! {
                () = self.link.shutdown.requested() => return self.part(stream).await,
                _ = identity.changed() => return Err(Failure::Reconnect(Duration::ZERO)),
                message = stream.down.message() => {
                    silence.set(sleep(ANSWER_WITHIN));
                    self.take(&mut stream, message?.ok_or(Failure::Ended)?).await?;
                    pause.set(sleep(stream.pause));
                }
                () = &mut steady, if !is_steady => {
                    is_steady = true;
                    self.backoff.reset();
                }
                () = &mut silence, if waiting => return Err(Failure::Silent),
                () = &mut pause, if !stream.pause.is_zero() => stream.pause = Duration::ZERO,
                () = &mut turn, if stream.pace.is_held() => {
                    stream.pace.release();
                    stream.more = true;
                }
                changed = appended.changed() => stream.more = changed.is_ok(),
                room = reserve(stream.up.clone()), if sending && stream.pause.is_zero() => {
                    if !waiting {
                        silence.set(sleep(ANSWER_WITHIN));
                    }
                    if self.send(&mut stream, room?).await? == Next::Waits {
                        turn.set(sleep(stream.pace.every()));
                    }
                }
            }
        }
    }

    async fn greet(&mut self) -> Result<Stream, Failure> {
        let mut client = self.link.client()?;
        let epoch = self.spool.epoch();
        let (up, queue) = mpsc::channel(UP_QUEUE);
        let hello = Up::Hello(self.hello(epoch).await?);
        up.send(wire::DeliverUp { message: Some(hello) }).await.map_err(|_| Failure::Ended)?;
        let call = client.deliver(ReceiverStream::new(queue));
        let called = failpoint!("deliver.hello", timeout(ANSWER_WITHIN, call).await);
        let mut down = called.map_err(|_| Failure::Silent)??.into_inner();
        let first = timeout(ANSWER_WITHIN, down.message()).await.map_err(|_| Failure::Silent)??;
        let welcome = match first.and_then(|down| down.message) {
            Some(Down::Welcome(welcome)) => welcome,
            Some(Down::Refusal(refusal)) => return Err(refusal.into()),
            Some(Down::Ack(_)) => return Err(Failure::Contract("an acknowledgement came before Welcome")),
            None => return Err(Failure::Ended),
        };
        let window = failpoint!("deliver.welcome", self.welcomed(epoch, &welcome).await?);
        if welcome.minor >= HELD_SINCE {
            let held = wire::DeliverUp { message: Some(Up::Held(wire::Held {})) };
            failpoint!("deliver.held", up.send(held).await.map_err(|_| Failure::Ended)?);
        }
        // One by one it is slow enough.
        let pace = if self.narrow > 0 { Pace::default() } else { Pace::of(&self.spool.lane_states()) };
        Ok(Stream { up, down, epoch, window, more: true, pause: Duration::ZERO, pace, confirmed: false })
    }

    async fn hello(&self, epoch: Epoch) -> Result<wire::Hello, Failure> {
        let identity = Arc::clone(&self.link.identity);
        let read = move || Ok::<_, std::io::Error>((identity.incarnation()?, identity.starts(epoch)?));
        let (incarnation, starts) = self.link.blocking(read).await?;
        let boot_id = self.about.boot_id.as_bytes().to_vec();
        let earlier_boots = starts.into_iter().map(|start| start.boot_id).filter(|boot| *boot != boot_id).collect();
        Ok(wire::Hello {
            epoch: epoch.as_bytes().to_vec(),
            hardware_hash: self.about.hardware.as_bytes().to_vec(),
            boot_id,
            earlier_boots,
            incarnation: incarnation.map(|incarnation| incarnation.as_bytes().to_vec()).unwrap_or_default(),
            minor: MINOR,
            agent_version: AGENT_VERSION.to_owned(),
            lanes: self.spool.lane_states().into_iter().map(wire::LaneState::from).collect(),
            boot_us: self.farewell.clock.boot_us(),
        })
    }

    /// Makes the incarnation durable, then takes up each lane where the collector's commits end.
    async fn welcomed(&self, epoch: Epoch, welcome: &wire::Welcome) -> Result<Window, Failure> {
        let malformed = |_| Failure::Contract("Welcome holds no incarnation");
        let incarnation = Incarnation::try_from(welcome.incarnation.as_slice()).map_err(malformed)?;
        let identity = Arc::clone(&self.link.identity);
        self.link.blocking(move || identity.set_incarnation(epoch, incarnation)).await?;
        self.link.time.tell(welcome.server_time_us);
        let marks = marks(&welcome.high_water)?;
        let (spool, given) = (Arc::clone(&self.spool), marks.clone());
        let moved = self.link.blocking(move || spool.resume(&given)).await?;
        for lane in moved {
            tracing::warn!(spool.lane = lane.number(), "the spool came back from an earlier time; its lane moved on");
        }
        Ok(Window::new(&marks, welcome.credit, self.narrow > 0))
    }

    async fn send(&mut self, stream: &mut Stream, room: mpsc::OwnedPermit<wire::DeliverUp>) -> Result<Next, Failure> {
        if self.spool.epoch() != stream.epoch {
            return Err(Failure::Reconnect(Duration::ZERO));
        }
        let (spool, cursors) = (Arc::clone(&self.spool), stream.window.cursors(&stream.pace));
        let Some((batch, sent)) = self.link.blocking(move || next_batch(spool.as_ref(), &cursors)).await? else {
            stream.more = false;
            return Ok(Next::AtOnce);
        };
        let first = Seq::new(batch.first_seq);
        failpoint!("deliver.send", room.send(wire::DeliverUp { message: Some(Up::Batch(batch)) }));
        stream.window.sent(sent);
        self.suspect = (self.narrow > 0).then_some(sent);
        Ok(if stream.pace.sent(sent.lane, first) { Next::Waits } else { Next::AtOnce })
    }

    async fn take(&mut self, stream: &mut Stream, down: wire::DeliverDown) -> Result<(), Failure> {
        match down.message {
            Some(Down::Ack(ack)) => self.acknowledge(stream, ack).await,
            Some(Down::Refusal(refusal)) => Err(refusal.into()),
            Some(Down::Welcome(_)) => Err(Failure::Contract("Welcome came twice")),
            None => Ok(()),
        }
    }

    async fn acknowledge(&mut self, stream: &mut Stream, ack: wire::Ack) -> Result<(), Failure> {
        if ack.goodbye {
            self.farewell.was_heard();
        }
        self.link.time.tell(ack.server_time_us);
        if !std::mem::replace(&mut stream.confirmed, true) {
            let (identity, boot) = (Arc::clone(&self.link.identity), self.about.boot_id);
            failpoint!("deliver.confirmed", self.link.blocking(move || identity.confirm_incarnation(boot)).await?);
        }
        for (lane, through) in marks(&ack.through)? {
            let done = stream.window.acknowledged(lane, through);
            if !done.is_empty() {
                self.backoff.reset();
            }
            self.suspect = None;
            self.narrow = self.narrow.saturating_sub(u32::try_from(done.len()).unwrap_or(u32::MAX));
            let earlier = done.iter().any(|sent| sent.earlier);
            let spool = Arc::clone(&self.spool);
            let forget = move || {
                spool.acknowledge(lane, through)?;
                if earlier { spool.forget_earlier_gaps(lane) } else { Ok(()) }
            };
            failpoint!("deliver.acknowledged", self.link.blocking(forget).await?);
        }
        stream.window.set_credit(ack.credit);
        stream.pause = Duration::from_millis(u64::from(ack.retry_delay_ms));
        stream.more = true;
        Ok(())
    }

    /// Says goodbye, and takes the acknowledgements that are still to come.
    async fn part(&mut self, mut stream: Stream) -> Result<(), Failure> {
        let goodbye = wire::DeliverUp { message: Some(Up::Goodbye(self.farewell.message())) };
        let drained = timeout(DRAIN_WITHIN, async {
            failpoint!("deliver.goodbye", stream.up.send(goodbye).await.map_err(|_| Failure::Ended)?);
            // Closes our half, so that the collector ends its own once it has answered everything.
            let (closed, _) = mpsc::channel(1);
            stream.up = closed;
            while let Some(message) = stream.down.message().await? {
                self.take(&mut stream, message).await?;
            }
            Ok::<_, Failure>(())
        });
        if let Ok(Err(failure)) = pin!(drained).await {
            tracing::debug!(error = %failure, "the last acknowledgements did not come; they come again");
        }
        Ok(())
    }

    /// A capture that the collector cannot take would hold its lane for ever: find it by sending one at a time, then
    /// leave a gap in its place. Gaps go alone meanwhile, so that no capture is blamed for one.
    async fn learn(&mut self, failure: &Failure) -> Result<(), Failure> {
        let suspect = self.suspect.take();
        if failure.code() != Some(wire::ErrorCode::Malformed) {
            return Ok(());
        }
        let Some(Sent { lane, last, captures, earlier }) = suspect else {
            self.narrow = NARROW_FOR;
            return Ok(());
        };
        let (number, spool) = (lane.number(), Arc::clone(&self.spool));
        tracing::error!(spool.lane = number, spool.seq = last.number(), captures, error = %failure, "a batch was refused");
        if captures > 0 {
            self.narrow = 0;
            return self.link.blocking(move || spool.give_up(lane, last)).await;
        }
        if earlier {
            return self.link.blocking(move || spool.forget_earlier_gaps(lane)).await;
        }
        Ok(())
    }
}

/// Comes true once something of the highest level waits.
async fn urgent(spool: &dyn Backlog) {
    let mut appended = spool.appended();
    let waits = |state: &LaneState| state.lane == Level::Critical && state.first.is_some();
    while !spool.lane_states().iter().any(waits) {
        if appended.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

async fn reserve(up: mpsc::Sender<wire::DeliverUp>) -> Result<mpsc::OwnedPermit<wire::DeliverUp>, Failure> {
    up.reserve_owned().await.map_err(|_| Failure::Ended)
}

fn marks(marks: &[wire::LaneMark]) -> Result<Vec<(Level, Seq)>, Failure> {
    let mark = |mark: &wire::LaneMark| {
        let lane = u8::try_from(mark.lane).ok().and_then(|lane| Level::try_from(lane).ok());
        Ok((lane.ok_or(Failure::Contract("a lane is not 1 to 5"))?, Seq::new(mark.through)))
    };
    marks.iter().map(mark).collect()
}
