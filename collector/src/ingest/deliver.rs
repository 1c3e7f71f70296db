//! Delivery: Hello and Welcome, then batches, each acknowledged after its commit.
//!
//! The answers' stream is what runs: asked for the next answer, it reads the next message, waits for room for it, and
//! hands it over; while a few batches fly it reads on. One acknowledgement tells of all that landed together. A device
//! that does not read its answers is thus not read either, and nothing has to be spawned.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use lapwing_proto::bounds::{self, MAX_MESSAGE_BYTES, MAX_STARTS, OutOfBounds};
use lapwing_proto::wire::{self, deliver_down, deliver_up};
use lapwing_proto::{BootId, Epoch, Incarnation, MINOR, OLDEST_MINOR, Seq, failpoint};
use lapwing_rules::Level;
use tonic::body::Body;
use tonic::server::{Grpc, StreamingService};
use tonic::{Code, Request, Response, Status, Streaming};

use super::batch::{check_batch, mark};
use super::boot::Boot;
use super::codec::{DeliverCodec, Received};
use super::flight::{Flight, Landed};
use super::incarnation::{Comes, Turn};
use super::room::{self, Share};
use super::serve::Whole;
use super::uplink::{admit, retire};
use super::{Ingest, Refused};
use crate::intake::{Delivery, Held, TakeError};
use crate::shutdown::Shutdown;
use crate::store::certificates;
use crate::store::deliveries::{self, Spool};
use crate::store::devices::{self, Enrolled, Pc};
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
    let (phase, flight) = (Phase::Greeting, Flight::default());
    let stream = DeliverStream { ingest, peer, retire, share, inbound, phase, flight };
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
    flight: Flight,
}

enum Phase {
    /// Nothing but a Hello may come.
    Greeting,
    /// Batches come, of a device whose boot dates them.
    Open(Turn, Option<Boot>),
    /// Nothing more is read; what flies is answered, and then this, where there is something.
    Over(Option<Ending>),
}

/// What a device is told last.
enum Ending {
    Refused(Refused),
    /// Its goodbye is written down.
    Parted,
}

/// What a stream waits for.
enum Event {
    Came(Received),
    /// The oldest batch that flies has met its fate.
    Landed(Level, Result<Seq, TakeError>),
    /// The device is done or silent too long, or the connection retires.
    Done,
}

impl DeliverStream {
    async fn answer(mut self) -> Option<(Result<wire::DeliverDown, Status>, Self)> {
        let answer = match self.next_answer().await {
            Ok(answer) => answer?,
            Err(refused) => {
                self.ingest.note_refusal(self.peer.device, "delivery", &refused);
                self.flight.clear();
                self.phase = Phase::Over(None);
                deliver_down::Message::Refusal(refused.to_wire())
            }
        };
        Some((Ok(wire::DeliverDown { message: Some(answer) }), self))
    }

    /// What is to be said next; nothing when all was said. What flies is answered before a refusal of what came later.
    async fn next_answer(&mut self) -> Result<Option<deliver_down::Message>, Refused> {
        loop {
            if let Phase::Over(last) = &mut self.phase
                && self.flight.is_empty()
            {
                return match last.take() {
                    None => Ok(None),
                    Some(Ending::Refused(refused)) => Err(refused),
                    Some(Ending::Parted) => {
                        let ack = wire::Ack { goodbye: true, ..self.acknowledges(Vec::new()) };
                        Ok(Some(deliver_down::Message::Ack(ack)))
                    }
                };
            }
            let taken = match self.next().await {
                Ok(Event::Came(message)) => self.take(message).await,
                Ok(Event::Landed(lane, fate)) => {
                    return self.landed(lane, fate).map(deliver_down::Message::Ack).map(Some);
                }
                Ok(Event::Done) => Ok(Taken::Last),
                Err(refused) => Err(refused),
            };
            match taken {
                Ok(Taken::Welcomed(welcome)) => return Ok(Some(deliver_down::Message::Welcome(welcome))),
                Ok(Taken::Held) => return Ok(Some(deliver_down::Message::Ack(self.acknowledges(Vec::new())))),
                Ok(Taken::Flies) => {}
                Ok(Taken::Parted) => self.phase = Phase::Over(Some(Ending::Parted)),
                Ok(Taken::Last) => self.phase = Phase::Over(None),
                Err(refused) => self.phase = Phase::Over(Some(Ending::Refused(refused))),
            }
        }
    }

    async fn next(&mut self) -> Result<Event, Refused> {
        let within = match self.phase {
            Phase::Greeting => Some(HELLO_WITHIN),
            Phase::Open(..) => self.may_read().then_some(IDLE),
            Phase::Over(_) => None,
        };
        let Self { flight, inbound, retire, .. } = self;
        tokio::select! {
            biased;
            Some((lane, fate)) = flight.oldest() => Ok(Event::Landed(lane, fate)),
            () = retire.requested(), if within.is_some() => Ok(Event::Done),
            message = tokio::time::timeout(within.unwrap_or(IDLE), inbound.message()), if within.is_some() => match message {
                Ok(Ok(Some(message))) => Ok(Event::Came(message)),
                Ok(Err(status)) => unreadable(&status).map_or(Ok(Event::Done), Err),
                Ok(Ok(None)) | Err(_) => Ok(Event::Done),
            },
        }
    }

    /// Whether the next message is read already: always when nothing flies, and further ahead while there is room.
    fn may_read(&self) -> bool {
        self.flight.is_empty() || (!self.flight.is_full() && self.ingest.room.is_ample(&self.share))
    }

    async fn take(&mut self, received: Received) -> Result<Taken, Refused> {
        self.ingest.check_not_denied(self.peer.device)?;
        let bytes = received.bytes();
        let place = self.ingest.room.enter(&self.share, bytes).await?;
        let Some(message) = received.read()?.message else { return Ok(Taken::Last) };
        match (message, &mut self.phase) {
            (deliver_up::Message::Hello(hello), Phase::Greeting) => {
                let (turn, welcome) = greet(&self.ingest, self.peer, &hello).await?;
                let boot_id = BootId::try_from(hello.boot_id.as_slice())?;
                let boot = Boot::of(boot_id, hello.boot_us, self.ingest.clock.wall_us());
                self.phase = Phase::Open(turn, boot);
                Ok(Taken::Welcomed(welcome))
            }
            (deliver_up::Message::Batch(batch), Phase::Open(turn, boot)) => {
                let delivery = check_batch(&self.ingest, (self.peer, *boot), turn.epoch(), (batch, bytes))?;
                let (lane, delivery) = (delivery.lane, Delivery { held: Held::of(place), ..delivery });
                self.ingest.welcoming.carry(turn).await?;
                let fate = failpoint!("deliver.take", self.ingest.intake.hand_over(delivery).await?);
                self.flight.push(lane, fate);
                Ok(Taken::Flies)
            }
            (deliver_up::Message::Held(wire::Held {}), Phase::Open(turn, _)) => {
                self.ingest.welcoming.carry(turn).await?;
                Ok(Taken::Held)
            }
            (deliver_up::Message::Goodbye(goodbye), Phase::Open(turn, _)) => {
                self.ingest.welcoming.carry(turn).await?;
                self.ingest.goodbye(self.peer.device, &goodbye).await?;
                Ok(Taken::Parted)
            }
            (_, Phase::Greeting) => Err(Refused::Malformed("a stream begins with Hello".to_owned())),
            (_, Phase::Open(..) | Phase::Over(_)) => Err(Refused::Malformed("Hello comes once".to_owned())),
        }
    }

    /// One acknowledgement for the oldest batch and those after it that landed as well.
    fn landed(&mut self, lane: Level, fate: Result<Seq, TakeError>) -> Result<wire::Ack, Refused> {
        let Landed { through, refused } = self.flight.landed(lane, fate?);
        if let Some(error) = refused {
            self.phase = Phase::Over(Some(Ending::Refused(error.into())));
        }
        Ok(self.acknowledges(through.into_iter().map(|(lane, through)| mark(lane, through)).collect()))
    }

    fn acknowledges(&self, through: Vec<wire::LaneMark>) -> wire::Ack {
        let now_us = self.ingest.clock.wall_us();
        self.ingest.heard.note(self.peer.device, now_us);
        wire::Ack {
            through,
            server_time_us: now_us,
            credit: self.ingest.room.credit(),
            retry_delay_ms: 0,
            goodbye: false,
        }
    }
}

/// What came of a message.
enum Taken {
    Welcomed(wire::Welcome),
    /// The incarnation is held.
    Held,
    Flies,
    /// Its goodbye is written down.
    Parted,
    /// Nothing more is read.
    Last,
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
    let (epoch, presented, boot) = check_hello(hello)?;
    let earlier = hello.earlier_boots.iter().map(|boot| BootId::try_from(boot.as_slice()));
    let earlier = earlier.collect::<Result<Vec<_>, _>>()?;
    let enrolled = devices::find(&ingest.store, &ingest.school, peer.device).await?.ok_or(Refused::Revoked)?;
    let (theirs, ours) = (hello.hardware_hash.as_slice(), enrolled.hardware_hash.as_slice());
    let is_known_pc = !theirs.is_empty() && theirs == ours;
    if !is_known_pc && !theirs.is_empty() && !ours.is_empty() {
        return Err(Refused::Copy);
    }
    let now_us = ingest.clock.wall_us();
    let comes = Comes { presented, boot, is_known_pc, random: Incarnation::random()?, now_us };
    let turn = ingest.welcoming.hello(Spool { device: peer.device, epoch }, comes, earlier).await;
    if matches!(turn, Err(Refused::Clone)) {
        ingest.note_older(peer.device);
    }
    let turn = turn?;
    note_news(ingest, peer, &enrolled, &hello.agent_version).await?;
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

/// Takes note of a key or a version that is new, and that the PC of a device that is new is no longer the one before.
async fn note_news(ingest: &Ingest, peer: Peer, enrolled: &Enrolled, version: &str) -> Result<(), Refused> {
    let has_new_key = enrolled.seen_key != peer.public_key_digest;
    let has_new_version = enrolled.agent_version != version;
    if !has_new_key && !has_new_version && !enrolled.is_unheard {
        return Ok(());
    }
    let (school, device) = (&ingest.school, peer.device);
    let mut tx = ingest.store.begin().await?;
    if has_new_key {
        certificates::set_seen_key(&mut tx, school, device, &peer.public_key_digest).await?;
    }
    if has_new_version {
        devices::set_agent_version(&mut tx, school, device, version).await?;
    }
    if enrolled.is_unheard {
        let pc = Pc { hardware_hash: &enrolled.hardware_hash, hostname: &enrolled.hostname };
        devices::replace_on_pc(&mut tx, school, device, pc, ingest.clock.wall_us()).await?;
    }
    Ok(failpoint!("welcome.newcomer", tx.commit().await?))
}

fn check_hello(hello: &wire::Hello) -> Result<(Epoch, Option<Incarnation>, BootId), Refused> {
    if !(OLDEST_MINOR..=MINOR).contains(&hello.minor) {
        return Err(Refused::Version { minor: hello.minor });
    }
    bounds::text("hello.agent_version", &hello.agent_version, 32)?;
    bounds::list("hello.lanes", &hello.lanes, Level::ALL.len())?;
    bounds::list("hello.earlier_boots", &hello.earlier_boots, MAX_STARTS)?;
    if !matches!(hello.hardware_hash.len(), 0 | 32) {
        return Err(OutOfBounds::new("hello.hardware_hash", "32 bytes or none").into());
    }
    let boot = BootId::try_from(hello.boot_id.as_slice())?;
    let epoch = Epoch::try_from(hello.epoch.as_slice())?;
    let presented = match hello.incarnation.as_slice() {
        [] => None,
        bytes => Some(Incarnation::try_from(bytes)?),
    };
    Ok((epoch, presented, boot))
}
