//! Delivery: Hello and Welcome, then batches, each acknowledged after its commit.
//!
//! The answers' stream is what runs: asked for the next answer, it reads the next message, waits for room for it, and does it. A device that
//! does not read its answers is thus not read either, and nothing has to be spawned.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use lapwing_proto::bounds::{self, MAX_CAPTURE_BYTES, MAX_MESSAGE_BYTES, OutOfBounds};
use lapwing_proto::wire::{self, deliver_down, deliver_up};
use lapwing_proto::{BootId, Capture, Epoch, Incarnation, MINOR, OLDEST_MINOR, Seq, failpoint};
use lapwing_rules::Level;
use prost::Message;
use tonic::body::Body;
use tonic::server::{Grpc, StreamingService};
use tonic::{Code, Request, Response, Status, Streaming};

use super::boot::Boot;
use super::codec::{DeliverCodec, Received};
use super::incarnation::Turn;
use super::room::{self, Place, Share};
use super::serve::Whole;
use super::uplink::{admit, retire};
use super::{Ingest, Refused};
use crate::intake::{Delivery, Gap, Held};
use crate::shutdown::Shutdown;
use crate::store::deliveries::{self, Spool};
use crate::store::devices;
use crate::tls::Peer;

/// A device says Hello within this.
const HELLO_WITHIN: Duration = Duration::from_secs(15);
/// A stream without a batch ends after this; the device opens another when it has something.
const IDLE: Duration = Duration::from_secs(6 * 60 * 60);

/// The stream of answers.
pub(super) type Answers = Pin<Box<dyn Stream<Item = Result<wire::DeliverDown, Status>> + Send>>;

/// The method, as its calls name it.
pub(super) const PATH: &str = "/lapwing.v1.Uplink/Deliver";

/// `Deliver` by a codec of its own: see [`super::codec`].
#[derive(Clone)]
pub(super) struct Delivering(pub(super) Arc<Ingest>);

impl Delivering {
    pub(super) async fn call(self, request: http::Request<Body>) -> http::Response<Body> {
        let mut grpc = Grpc::new(DeliverCodec).max_decoding_message_size(MAX_MESSAGE_BYTES);
        grpc.streaming(self, request).await
    }
}

impl StreamingService<Received> for Delivering {
    type Response = wire::DeliverDown;
    type ResponseStream = Answers;
    type Future = std::future::Ready<Result<Response<Answers>, Status>>;

    fn call(&mut self, request: Request<Streaming<Received>>) -> Self::Future {
        std::future::ready(open(&self.0, request))
    }
}

/// Opens the stream that `request` asks for.
fn open(ingest: &Arc<Ingest>, request: Request<Streaming<Received>>) -> Result<Response<Answers>, Status> {
    let peer = admit(ingest, &request, "delivery")?;
    let retire = retire(ingest, &request);
    let share = request.extensions().get::<Whole>().map(|whole| Arc::clone(&whole.0)).ok_or(Refused::Revoked)?;
    let (ingest, inbound) = (Arc::clone(ingest), request.into_inner());
    let stream = DeliverStream { ingest, peer, retire, share, inbound, phase: Phase::Greeting };
    Ok(Response::new(Box::pin(stream::unfold(stream, DeliverStream::answer))))
}

struct DeliverStream {
    ingest: Arc<Ingest>,
    peer: Peer,
    /// Requested when the connection or the collector ends.
    retire: Shutdown,
    /// What its whole messages take up at most.
    share: Share,
    inbound: Streaming<Received>,
    phase: Phase,
}

enum Phase {
    /// Nothing but a Hello may come.
    Greeting,
    /// Batches come, of a device whose boot dates them.
    Open(Turn, Option<Boot>),
    /// A refusal was sent.
    Over,
}

impl DeliverStream {
    async fn answer(mut self) -> Option<(Result<wire::DeliverDown, Status>, Self)> {
        let answer = match self.next().await {
            Ok(None) => return None,
            Ok(Some(message)) => self.take(message).await,
            Err(refused) => Err(refused),
        };
        let answer = match answer {
            Ok(answer) => answer?,
            Err(refused) => {
                self.ingest.note_refusal(self.peer.device, "delivery", &refused);
                self.phase = Phase::Over;
                deliver_down::Message::Refusal(refused.to_wire())
            }
        };
        Some((Ok(wire::DeliverDown { message: Some(answer) }), self))
    }

    /// The next message; none when the device is done, silent too long, or the connection retires.
    async fn next(&mut self) -> Result<Option<Received>, Refused> {
        let within = match self.phase {
            Phase::Greeting => HELLO_WITHIN,
            Phase::Open(..) => IDLE,
            Phase::Over => return Ok(None),
        };
        tokio::select! {
            () = self.retire.requested() => Ok(None),
            message = tokio::time::timeout(within, self.inbound.message()) => match message {
                Ok(Ok(message)) => Ok(message),
                Ok(Err(status)) => unreadable(&status).map_or(Ok(None), Err),
                Err(_) => Ok(None),
            },
        }
    }

    async fn take(&mut self, received: Received) -> Result<Option<deliver_down::Message>, Refused> {
        self.ingest.check_not_denied(self.peer.device)?;
        let bytes = received.bytes();
        let place = self.ingest.room.enter(&self.share, bytes).await?;
        let Some(message) = received.read()?.message else { return Ok(None) };
        match (message, &mut self.phase) {
            (deliver_up::Message::Hello(hello), Phase::Greeting) => {
                let (turn, welcome) = greet(&self.ingest, self.peer, &hello).await?;
                let boot_id = BootId::try_from(hello.boot_id.as_slice())?;
                let boot = Boot::of(boot_id, hello.boot_us, self.ingest.clock.wall_us());
                self.phase = Phase::Open(turn, boot);
                Ok(Some(deliver_down::Message::Welcome(welcome)))
            }
            (deliver_up::Message::Batch(batch), Phase::Open(turn, boot)) => {
                let ack = take_batch(&self.ingest, (self.peer, *boot), turn, (batch, bytes, place)).await?;
                Ok(Some(deliver_down::Message::Ack(ack)))
            }
            (deliver_up::Message::Goodbye(goodbye), Phase::Open(turn, _)) => {
                self.ingest.welcoming.carry(turn).await?;
                self.ingest.goodbye(self.peer.device, &goodbye).await?;
                Ok(None)
            }
            (_, Phase::Greeting) => Err(Refused::Malformed("a stream begins with Hello".to_owned())),
            (_, Phase::Open(..) | Phase::Over) => Err(Refused::Malformed("Hello comes once".to_owned())),
        }
    }
}

/// Why a message was not read, where the device is to know; a cut connection is nobody's fault.
fn unreadable(status: &Status) -> Option<Refused> {
    if matches!(status.code(), Code::OutOfRange | Code::InvalidArgument) {
        return Some(Refused::Malformed(status.message().to_owned()));
    }
    let is_too_much = matches!(status.code(), Code::ResourceExhausted | Code::DeadlineExceeded);
    is_too_much.then(room::busy)
}

async fn greet(ingest: &Ingest, peer: Peer, hello: &wire::Hello) -> Result<(Turn, wire::Welcome), Refused> {
    let (epoch, presented) = check_hello(hello)?;
    let enrolled = devices::find(&ingest.store, &ingest.school, peer.device).await?.ok_or(Refused::Revoked)?;
    let hardware = (enrolled.hardware_hash.as_slice(), hello.hardware_hash.as_slice());
    if !hardware.0.is_empty() && !hardware.1.is_empty() && hardware.0 != hardware.1 {
        return Err(Refused::Clone);
    }
    let turn = ingest.welcoming.hello(Spool { device: peer.device, epoch }, presented).await;
    if matches!(turn, Err(Refused::Clone)) {
        ingest.note_copy(peer.device);
    }
    let turn = turn?;
    let marks = deliveries::high_water(&ingest.store, &ingest.school, peer.device, epoch).await?;
    let welcome = wire::Welcome {
        incarnation: turn.incarnation().as_bytes().to_vec(),
        server_time_us: ingest.clock.wall_us(),
        credit: ingest.room.credit(),
        high_water: marks.into_iter().map(|(lane, through)| mark(lane, through)).collect(),
        minor: MINOR,
    };
    ingest.heard.note(peer.device, ingest.clock.wall_us());
    Ok((turn, welcome))
}

fn check_hello(hello: &wire::Hello) -> Result<(Epoch, Option<Incarnation>), Refused> {
    if !(OLDEST_MINOR..=MINOR).contains(&hello.minor) {
        return Err(Refused::Version { minor: hello.minor });
    }
    bounds::text("hello.agent_version", &hello.agent_version, 32)?;
    bounds::list("hello.lanes", &hello.lanes, Level::ALL.len())?;
    if !matches!(hello.hardware_hash.len(), 0 | 32) {
        return Err(OutOfBounds::new("hello.hardware_hash", "32 bytes or none").into());
    }
    BootId::try_from(hello.boot_id.as_slice())?;
    let epoch = Epoch::try_from(hello.epoch.as_slice())?;
    let presented = match hello.incarnation.as_slice() {
        [] => None,
        bytes => Some(Incarnation::try_from(bytes)?),
    };
    Ok((epoch, presented))
}

async fn take_batch(
    ingest: &Ingest,
    (peer, boot): (Peer, Option<Boot>),
    turn: &mut Turn,
    (batch, bytes, place): (wire::Batch, usize, Place),
) -> Result<wire::Ack, Refused> {
    let delivery = check_batch(ingest, (peer, boot), turn.epoch(), (batch, bytes))?;
    let delivery = Delivery { held: Held::of(place), ..delivery };
    ingest.welcoming.carry(turn).await?;
    let lane = delivery.lane;
    let through = failpoint!("deliver.take", ingest.intake.take(delivery).await?);
    ingest.heard.note(peer.device, ingest.clock.wall_us());
    Ok(wire::Ack {
        through: vec![mark(lane, through)],
        server_time_us: ingest.clock.wall_us(),
        credit: ingest.room.credit(),
        retry_delay_ms: 0,
    })
}

fn check_batch(
    ingest: &Ingest,
    (peer, boot): (Peer, Option<Boot>),
    epoch: Epoch,
    (batch, bytes): (wire::Batch, usize),
) -> Result<Delivery, Refused> {
    let received_us = ingest.clock.wall_us();
    let lane = lane("batch.lane", batch.lane)?;
    bounds::list("batch.captures", &batch.captures, bounds::MAX_BATCH)?;
    bounds::list("batch.gaps", &batch.gaps, bounds::MAX_GAPS)?;
    if batch.captures.is_empty() && batch.gaps.is_empty() {
        return Err(OutOfBounds::new("batch.captures", "at least one, or a gap").into());
    }
    let gaps = batch.gaps.iter().map(|gap| check_gap(lane, gap)).collect::<Result<_, _>>()?;
    let dated = |capture| {
        let capture = check_capture((lane, bytes), capture)?;
        Ok::<_, Refused>(Capture { wall_us: Boot::date(boot, &capture, received_us), ..capture })
    };
    let captures = batch.captures.into_iter().map(dated).collect::<Result<_, _>>()?;
    let (first, held) = (Seq::new(batch.first_seq), Held::default());
    Ok(Delivery { device: peer.device, epoch, lane, first, captures, gaps, received_us, held })
}

/// A capture of a batch of so many bytes.
fn check_capture((lane, bytes): (Level, usize), capture: wire::Capture) -> Result<Capture, Refused> {
    if bytes > MAX_CAPTURE_BYTES && capture.encoded_len() > MAX_CAPTURE_BYTES {
        return Err(OutOfBounds::new("batch.captures", format!("at most {MAX_CAPTURE_BYTES} bytes each")).into());
    }
    let capture = Capture::try_from(capture)?;
    if capture.level() != lane {
        return Err(OutOfBounds::new("batch.captures", "captures of the lane's level").into());
    }
    Ok(capture)
}

fn check_gap(of: Level, gap: &wire::Gap) -> Result<Gap, Refused> {
    if lane("gap.lane", gap.lane)? != of {
        return Err(OutOfBounds::new("gap.lane", "the batch's lane").into());
    }
    let epoch = match gap.epoch.as_slice() {
        [] => None,
        bytes => Some(Epoch::try_from(bytes)?),
    };
    Ok(Gap { epoch, from: Seq::new(gap.from), to: Seq::new(gap.to), reason: gap.reason })
}

fn lane(field: &'static str, number: u32) -> Result<Level, Refused> {
    let level = u8::try_from(number).ok().and_then(|number| Level::try_from(number).ok());
    level.ok_or_else(|| OutOfBounds::new(field, "1 to 5").into())
}

fn mark(lane: Level, through: Seq) -> wire::LaneMark {
    wire::LaneMark { lane: u32::from(lane.number()), through: through.number() }
}
