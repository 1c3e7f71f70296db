//! Control: status up when something changed and at least every minute, a closed list of directives down.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use lapwing_proto::wire::control_down::Directive;
use lapwing_proto::wire::control_up::Message as Up;
use lapwing_proto::{failpoint, wire};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Sleep, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::Farewell;
use super::backlog::Backlog;
use super::backoff::Backoff;
use super::enrol;
use super::link::{Link, Part};
use super::recover::Failure;
use crate::clock::Clock;
use crate::counters::Counters;
use crate::diagnostic::Code;
use crate::status::StatusFacts;

/// A status is sent at least this often.
const HEARTBEAT: Duration = Duration::from_secs(50);
/// Changes within this time travel together.
const SPACING: Duration = Duration::from_secs(1);
/// The collector cannot ask for fewer heartbeats than one in this time: silence is an alarm.
const SPACING_CAP: Duration = Duration::from_mins(1);
/// How long the collector may take to answer a status.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const FAREWELL_WITHIN: Duration = Duration::from_secs(2);
/// Messages between this task and the stream: a status and a goodbye. When it is full the stream is stuck, and ends.
const UP_QUEUE: usize = 2;

/// What the status is made of.
pub(super) struct Facts {
    pub(super) status: watch::Receiver<StatusFacts>,
    pub(super) counters: Counters,
    pub(super) spool: Arc<dyn Backlog>,
    pub(super) clock: Arc<dyn Clock>,
}

/// Where directives go.
pub(super) struct Directives {
    pub(super) rule_set: watch::Sender<Option<wire::Available>>,
    pub(super) policy: watch::Sender<Option<wire::Available>>,
    pub(super) exemptions: watch::Sender<Option<wire::Available>>,
    pub(super) renew: Arc<Notify>,
}

/// Keeps control up until shutdown.
pub(super) async fn run(link: &Link, facts: Facts, directives: Directives, farewell: Farewell) {
    let mut control = Control {
        link,
        facts,
        directives,
        farewell,
        spacing: SPACING,
        counts: Vec::new(),
        unanswered: false,
        asked_us: 0,
        backoff: link.backoff(),
    };
    while !link.shutdown.is_requested() {
        // What this PC tells of itself would be told of the one it was copied from.
        tokio::select! {
            () = link.keeps_identity() => {}
            () = link.shutdown.requested() => return,
        }
        let ended = control.session().await;
        // What was not confirmed is counted again.
        control.facts.counters.give_back(std::mem::take(&mut control.counts));
        let Err(failure) = ended else { return };
        link.wait(Part::Control, &failure, &mut control.backoff, std::future::pending()).await;
    }
}

struct Control<'a> {
    link: &'a Link,
    facts: Facts,
    directives: Directives,
    farewell: Farewell,
    /// Least time between two statuses.
    spacing: Duration,
    /// Anonymous counts of statuses that were not answered yet.
    counts: Vec<wire::Count>,
    /// A status is waiting for its answer.
    unanswered: bool,
    /// When the last one was made, since the device started.
    asked_us: u64,
    backoff: Backoff,
}

struct Stream {
    up: mpsc::Sender<wire::ControlUp>,
    down: Streaming<wire::ControlDown>,
}

impl Control<'_> {
    /// One stream. Ends well only at shutdown.
    async fn session(&mut self) -> Result<(), Failure> {
        let mut identity = self.link.identity.changed();
        let mut status = self.facts.status.clone();
        let link = self.link;
        let mut stream = tokio::select! {
            opened = self.open() => opened?,
            () = link.shutdown.requested() => return Ok(()),
        };
        let mut news = true;
        let (mut heartbeat, mut quiet) = (pin!(sleep(HEARTBEAT)), pin!(sleep(Duration::ZERO)));
        let mut answer = pin!(sleep(ANSWER_WITHIN));
        loop {
            tokio::select! {
                () = self.link.shutdown.requested() => return self.part(stream).await,
                _ = identity.changed() => return Err(Failure::Reconnect(Duration::ZERO)),
                () = self.link.loses_identity() => return Err(Failure::Reconnect(Duration::ZERO)),
                down = stream.down.message() => self.take(down?.ok_or(Failure::Ended)?)?,
                changed = status.changed(), if !news => news = changed.is_ok(),
                () = heartbeat.as_mut() => {
                    heartbeat.set(sleep(HEARTBEAT));
                    news = true;
                }
                () = answer.as_mut(), if self.unanswered => return Err(Failure::Silent),
                () = quiet.as_mut(), if news && !self.unanswered => {
                    news = false;
                    status.mark_unchanged();
                    self.send(&stream).await?;
                    restart(heartbeat.as_mut(), HEARTBEAT);
                    restart(quiet.as_mut(), self.spacing);
                    restart(answer.as_mut(), ANSWER_WITHIN);
                }
            }
        }
    }

    async fn open(&mut self) -> Result<Stream, Failure> {
        self.unanswered = false;
        let mut client = self.link.client()?;
        let (up, queue) = mpsc::channel(UP_QUEUE);
        let call = client.control(ReceiverStream::new(queue));
        let called = failpoint!("control.open", timeout(ANSWER_WITHIN, call).await);
        let down = called.map_err(|_| Failure::Silent)??.into_inner();
        Ok(Stream { up, down })
    }

    async fn send(&mut self, stream: &Stream) -> Result<(), Failure> {
        let spool = Arc::clone(&self.facts.spool);
        self.link.blocking(move || spool.expire()).await?;
        let status = self.status();
        self.asked_us = status.boot_us;
        self.counts.extend(status.counts.iter().cloned());
        self.unanswered = true;
        let message = wire::ControlUp { message: Some(Up::Status(status)) };
        let sent = failpoint!("control.send", timeout(ANSWER_WITHIN, stream.up.send(message)).await);
        sent.map_err(|_| Failure::Silent)?.map_err(|_| Failure::Ended)
    }

    fn status(&self) -> wire::Status {
        let Facts { status, counters, spool, clock } = &self.facts;
        wire::Status {
            wall_us: clock.wall_us(),
            boot_us: clock.boot_us(),
            boot_id: clock.boot_id().as_bytes().to_vec(),
            lanes: spool.lane_states().into_iter().map(wire::LaneState::from).collect(),
            spool_bytes: spool.live_bytes(),
            ..status.borrow().to_wire(counters)
        }
    }

    fn take(&mut self, down: wire::ControlDown) -> Result<(), Failure> {
        match down.directive {
            Some(Directive::Received(received)) => self.answered(received),
            Some(Directive::RuleSet(available)) => offer(&self.directives.rule_set, available),
            Some(Directive::Policy(available)) => offer(&self.directives.policy, available),
            Some(Directive::Exemptions(available)) => offer(&self.directives.exemptions, available),
            Some(Directive::SlowDown(slow)) => {
                let asked = Duration::from_millis(u64::from(slow.delay_ms));
                self.spacing = asked.clamp(SPACING, SPACING_CAP);
            }
            Some(Directive::Reconnect(reconnect)) => {
                self.link.disconnect();
                return Err(Failure::Reconnect(Duration::from_millis(u64::from(reconnect.after_ms))));
            }
            Some(Directive::Renew(wire::RenewNow {})) => self.directives.renew.notify_one(),
            Some(Directive::GoAway(away)) => {
                return Err(Failure::Refused { code: away.code, detail: String::new(), retry: Duration::ZERO });
            }
            // A directive of a newer collector.
            None => {}
        }
        Ok(())
    }

    fn answered(&mut self, received: wire::StatusReceived) {
        self.link.time.answered(received.server_time_us, self.asked_us);
        if received.trouble() == wire::ErrorCode::Clock {
            let off_us = self.facts.clock.wall_us().saturating_sub(received.server_time_us);
            self.link.diagnostics.raise(Code::ClockOff, how_far_off(off_us));
        } else {
            self.link.diagnostics.clear(Code::ClockOff);
        }
        self.counts.clear();
        self.unanswered = false;
        self.backoff.reset();
        enrol::forget_token(&self.link.config);
        self.link.works(Part::Control);
    }

    /// Says why there will be silence.
    async fn part(&mut self, mut stream: Stream) -> Result<(), Failure> {
        let goodbye = wire::ControlUp { message: Some(Up::Goodbye(self.farewell.message())) };
        let said = async {
            let sent = failpoint!("control.goodbye", stream.up.send(goodbye).await);
            drop(stream.up);
            // The collector ends its half once it has written the goodbye down.
            while sent.is_ok() && matches!(stream.down.message().await, Ok(Some(_))) {}
        };
        if timeout(FAREWELL_WITHIN, said).await.is_err() {
            tracing::debug!("the goodbye was not confirmed in time");
        }
        Ok(())
    }
}

/// Coarse, so that it reads the same at the next heartbeat.
fn how_far_off(off_us: i64) -> String {
    let minutes = off_us.unsigned_abs() / 60_000_000;
    let way = if off_us < 0 { "behind" } else { "ahead of" };
    match minutes {
        0..=120 => format!("{minutes} minutes {way} the collector's"),
        121..=2_880 => format!("{} hours {way} the collector's", minutes / 60),
        2_881.. => format!("{} days {way} the collector's", minutes / 1_440),
    }
}

fn restart(mut timer: Pin<&mut Sleep>, after: Duration) {
    timer.set(sleep(after));
}

fn offer(wanted: &watch::Sender<Option<wire::Available>>, available: wire::Available) {
    wanted.send_if_modified(|held| {
        let newer = held.as_ref().is_none_or(|held| *held != available);
        *held = Some(available);
        newer
    });
}
