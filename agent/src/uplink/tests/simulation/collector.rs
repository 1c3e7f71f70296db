//! A collector in memory that keeps the contract and breaks everything else: it goes away before and after a commit,
//! refuses, repeats and delays what it says, and comes back from an older copy of its database.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::Stream;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use lapwing_proto::MINOR;
use lapwing_proto::wire::{self, ErrorCode, control_down, deliver_down, deliver_up};
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use wire::uplink_server::{Uplink, UplinkServer};

use super::draw::Draw;
use super::spawn;
use crate::uplink::tests::book::Book;

/// A capture of this application is over its bound.
pub(super) const POISON: &str = "poison";

#[derive(Clone)]
pub(super) struct Collector {
    state: Arc<Mutex<State>>,
    /// Ends every connection when it changes; the value says whether new ones are served.
    serving: watch::Sender<bool>,
    /// Which connection this is, in the order of their arrival.
    connection: u64,
}

struct State {
    book: Book,
    copy: Book,
    /// What a copy of the database did not hold any more: lane and sequence.
    lost: Vec<(u32, u64)>,
    draw: Draw,
    /// So many of a hundred answers go wrong.
    trouble: u64,
    current: Option<Vec<u8>>,
    /// `None`: the current one has carried a message.
    previous: Option<Vec<u8>>,
    /// The newest connection that said Hello.
    newest: u64,
    /// What Hellos are refused with, first come first.
    refusals: VecDeque<(ErrorCode, Duration)>,
    /// When Hellos came.
    hellos: Vec<Instant>,
    /// When batches came, and how many captures each held.
    batches: Vec<(Instant, usize)>,
    /// What the next acknowledgements ask for.
    pauses: VecDeque<Duration>,
    broken: Vec<String>,
}

/// What is done about a message.
enum Answer {
    Say(Vec<deliver_down::Message>),
    Late(Duration, deliver_down::Message),
    /// Says no, and ends the stream.
    Refuse(ErrorCode, Duration),
    /// The collector goes away.
    Die,
}

impl Collector {
    pub(super) fn start(seed: u64, mut arrivals: mpsc::UnboundedReceiver<DuplexStream>) -> Self {
        let state = State {
            book: Book::default(),
            copy: Book::default(),
            lost: Vec::new(),
            draw: Draw::of(seed),
            trouble: 0,
            current: None,
            previous: None,
            newest: 0,
            refusals: VecDeque::new(),
            hellos: Vec::new(),
            batches: Vec::new(),
            pauses: VecDeque::new(),
            broken: Vec::new(),
        };
        let collector = Self { state: Arc::new(Mutex::new(state)), serving: watch::Sender::new(true), connection: 0 };
        let mut serving = collector.clone();
        spawn(async move {
            while let Some(end) = arrivals.recv().await {
                let mut over = serving.serving.subscribe();
                if !*over.borrow_and_update() {
                    continue;
                }
                serving.connection += 1;
                let service = TowerToHyperService::new(UplinkServer::new(serving.clone()));
                spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new()).http2_only();
                    tokio::select! {
                        ended = server.serve_connection(TokioIo::new(end), service) => drop(ended),
                        _ = over.changed() => {}
                    }
                });
            }
        });
        collector
    }

    pub(super) fn goes_away(&self) {
        self.serving.send_replace(false);
    }

    pub(super) fn comes_back(&self) {
        self.serving.send_replace(true);
    }

    pub(super) fn makes_trouble(&self, percent: u64) {
        self.with(|state| state.trouble = percent);
    }

    /// Copies its database.
    pub(super) fn is_copied(&self) {
        self.with(|state| state.copy = state.book.clone());
    }

    /// Goes on from the last copy. Which devices are welcome is not part of it here.
    pub(super) fn is_restored(&self) {
        self.with(|state| {
            let held: Vec<_> = state.copy.captures.iter().map(|(lane, seq, _)| (*lane, *seq)).collect();
            let had = state.book.captures.iter().map(|(lane, seq, _)| (*lane, *seq));
            state.lost.extend(had.filter(|key| !held.contains(key)));
            state.book = state.copy.clone();
        });
    }

    /// Refuses the next Hello, one after the other, with each of `refusals`.
    pub(super) fn refuses(&self, refusals: impl IntoIterator<Item = (ErrorCode, Duration)>) {
        self.with(|state| state.refusals.extend(refusals));
    }

    /// Asks for a pause with each of the next acknowledgements.
    pub(super) fn pauses(&self, pauses: impl IntoIterator<Item = Duration>) {
        self.with(|state| state.pauses.extend(pauses));
    }

    /// When Hellos came.
    pub(super) fn hellos(&self) -> Vec<Instant> {
        self.with(|state| state.hellos.clone())
    }

    /// When batches came, and how many captures each held.
    pub(super) fn batches(&self) -> Vec<(Instant, usize)> {
        self.with(|state| state.batches.clone())
    }

    /// What it has committed, what it lost to a copy, and what the device did that the contract forbids.
    pub(super) fn outcome(&self) -> (Book, Vec<(u32, u64)>, Vec<String>) {
        self.with(|state| (state.book.clone(), state.lost.clone(), state.broken.clone()))
    }

    fn with<T>(&self, call: impl FnOnce(&mut State) -> T) -> T {
        call(&mut self.state.lock().unwrap())
    }
}

impl State {
    fn greet(&mut self, hello: &wire::Hello, connection: u64) -> Answer {
        self.hellos.push(now());
        if let Some((code, retry)) = self.refusals.pop_front() {
            return Answer::Refuse(code, retry);
        }
        let presented = Some(hello.incarnation.clone());
        let overtaken = connection < self.newest;
        self.newest = self.newest.max(connection);
        let is_known = self.current.is_none() || presented == self.current || presented == self.previous;
        if !is_known && overtaken {
            return Answer::Refuse(ErrorCode::Clone, Duration::ZERO);
        }
        if !is_known {
            self.broken.push("the device was taken for a copy of itself".to_owned());
            return Answer::Refuse(ErrorCode::Clone, Duration::ZERO);
        }
        if self.draw.percent(self.trouble) {
            return self.refuse(&[ErrorCode::Busy, ErrorCode::Store, ErrorCode::Hole, ErrorCode::Unspecified]);
        }
        if presented != self.previous {
            let fresh = [self.draw.next(), self.draw.next()].into_iter().flat_map(u64::to_le_bytes).collect();
            self.previous = presented;
            self.current = Some(fresh);
        }
        Answer::Say(vec![deliver_down::Message::Welcome(wire::Welcome {
            incarnation: self.current.clone().unwrap_or_default(),
            server_time_us: 1,
            credit: self.credit(),
            high_water: self.book.marks(),
            minor: MINOR,
        })])
    }

    fn held(&mut self, turn: &[u8]) -> Answer {
        if self.current.as_deref() != Some(turn) {
            return Answer::Refuse(ErrorCode::Copy, Duration::ZERO);
        }
        self.previous = None;
        let ack = wire::Ack {
            through: Vec::new(),
            server_time_us: 1,
            credit: self.credit(),
            retry_delay_ms: 0,
            goodbye: false,
        };
        Answer::Say(vec![deliver_down::Message::Ack(ack)])
    }

    fn take(&mut self, batch: wire::Batch, turn: &[u8]) -> Answer {
        if self.current.as_deref() != Some(turn) {
            return Answer::Refuse(ErrorCode::Clone, Duration::ZERO);
        }
        self.previous = None;
        self.batches.push((now(), batch.captures.len()));
        if batch.captures.iter().any(|capture| capture.app == POISON) {
            return Answer::Refuse(ErrorCode::Malformed, Duration::ZERO);
        }
        let wrong = if self.draw.percent(self.trouble) { self.draw.below(6) } else { 6 };
        if wrong == 0 {
            return Answer::Die;
        }
        if wrong == 1 {
            return self.refuse(&[ErrorCode::Busy, ErrorCode::Store, ErrorCode::Clock]);
        }
        let mark = match self.book.commit(batch) {
            Ok(mark) => mark,
            Err(code) => {
                self.broken.push("the device left a hole".to_owned());
                return Answer::Refuse(code, Duration::ZERO);
            }
        };
        let pause = self.pauses.pop_front().unwrap_or_default();
        let retry_delay_ms = u32::try_from(pause.as_millis()).unwrap();
        let ack =
            wire::Ack { through: vec![mark], server_time_us: 1, credit: self.credit(), retry_delay_ms, goodbye: false };
        match wrong {
            2 => Answer::Die,
            3 => Answer::Say(vec![deliver_down::Message::Ack(ack.clone()), deliver_down::Message::Ack(ack)]),
            4 => Answer::Late(self.draw.millis(90_000), deliver_down::Message::Ack(ack)),
            5 => {
                let retry_delay_ms = u32::try_from(self.draw.below(9_000)).unwrap();
                Answer::Say(vec![deliver_down::Message::Ack(wire::Ack { retry_delay_ms, ..ack })])
            }
            _ => Answer::Say(vec![deliver_down::Message::Ack(ack)]),
        }
    }

    fn refuse(&mut self, codes: &[ErrorCode]) -> Answer {
        let code = codes[usize::try_from(self.draw.below(codes.len() as u64)).unwrap()];
        let retry = self.draw.millis(20_000);
        Answer::Refuse(code, retry)
    }

    fn credit(&mut self) -> u32 {
        if self.trouble > 0 { 1 + u32::try_from(self.draw.below(9)).unwrap() } else { 1024 }
    }
}

#[expect(clippy::disallowed_methods, reason = "the simulated clock")]
fn now() -> Instant {
    Instant::now()
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Uplink for Collector {
    type DeliverStream = Answers<wire::DeliverDown>;
    type ControlStream = Answers<wire::ControlDown>;
    type FetchStream = Answers<wire::FetchChunk>;

    async fn deliver(
        &self,
        request: Request<Streaming<wire::DeliverUp>>,
    ) -> Result<Response<Self::DeliverStream>, Status> {
        let (answers, queue) = mpsc::channel(8);
        let (collector, mut inbound) = (self.clone(), request.into_inner());
        spawn(async move {
            let mut turn = Vec::new();
            // What a process that went away had read is gone with it.
            let over = collector.serving.subscribe();
            while let Ok(Some(wire::DeliverUp { message: Some(message) })) = inbound.message().await {
                if over.has_changed().unwrap_or(true) {
                    return;
                }
                let answer = collector.with(|state| match message {
                    deliver_up::Message::Hello(hello) => {
                        let answer = state.greet(&hello, collector.connection);
                        turn = state.current.clone().unwrap_or_default();
                        answer
                    }
                    deliver_up::Message::Batch(batch) => state.take(batch, &turn),
                    deliver_up::Message::Held(wire::Held {}) => state.held(&turn),
                    deliver_up::Message::Goodbye(_) => Answer::Say(Vec::new()),
                });
                let mut refused = false;
                let said = match answer {
                    Answer::Say(said) => said,
                    Answer::Late(wait, said) => {
                        sleep(wait).await;
                        vec![said]
                    }
                    Answer::Refuse(code, retry) => {
                        refused = true;
                        let retry_delay_ms = u32::try_from(retry.as_millis()).unwrap();
                        let refusal = wire::Refusal { code: code.into(), detail: String::new(), retry_delay_ms };
                        vec![deliver_down::Message::Refusal(refusal)]
                    }
                    Answer::Die => {
                        collector.goes_away();
                        collector.comes_back();
                        return;
                    }
                };
                for message in said {
                    if answers.send(Ok(wire::DeliverDown { message: Some(message) })).await.is_err() {
                        return;
                    }
                }
                if refused {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(queue))))
    }

    async fn control(
        &self,
        request: Request<Streaming<wire::ControlUp>>,
    ) -> Result<Response<Self::ControlStream>, Status> {
        let (directives, queue) = mpsc::channel(8);
        let mut inbound = request.into_inner();
        spawn(async move {
            while let Ok(Some(_)) = inbound.message().await {
                let received =
                    control_down::Directive::Received(wire::StatusReceived { server_time_us: 1, trouble: 0 });
                let down = wire::ControlDown { directive: Some(received) };
                if directives.send(Ok(down)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(queue))))
    }

    async fn fetch(&self, _: Request<wire::FetchRequest>) -> Result<Response<Self::FetchStream>, Status> {
        Err(Status::unimplemented("nothing is published"))
    }

    async fn renew(&self, _: Request<wire::RenewRequest>) -> Result<Response<wire::RenewResponse>, Status> {
        Err(Status::unimplemented("certificates live long here"))
    }

    async fn resolve_session(
        &self,
        _: Request<wire::ResolveSessionRequest>,
    ) -> Result<Response<wire::ResolveSessionResponse>, Status> {
        Err(Status::unimplemented("nobody signs in"))
    }
}
