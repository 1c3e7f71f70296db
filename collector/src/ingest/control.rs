//! Control: status up, a closed list of directives down.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use lapwing_proto::failpoint;
use lapwing_proto::wire::{self, control_down::Directive, control_up};
use tokio::sync::watch;
use tonic::{Status, Streaming};

use super::published::{Offer, Published};
use super::{Ingest, Refused, status};
use crate::authority::DEVICE_LIFE;
use crate::shutdown::Shutdown;
use crate::store::artefacts::ArtefactKind;
use crate::store::device_health::{self, Health};
use crate::store::{StoreError, devices, exemptions};
use crate::tls::Peer;

/// A device sends a status at least every minute: one silent for this long is gone.
const IDLE: Duration = Duration::from_secs(200);
/// When the collector stops, devices come back after this.
const RECONNECT_AFTER_MS: u32 = 2000;
/// A device whose clock is further off is told so, and goes on all the same.
const CLOCK_OFF: Duration = Duration::from_mins(5);
/// A certificate with less than this left is to be renewed: from its tenth day on.
const RENEW_WITH_LEFT: Duration = DEVICE_LIFE.saturating_sub(Duration::from_secs(10 * 24 * 60 * 60));

/// The stream of directives.
pub(super) type Directives = Pin<Box<dyn Stream<Item = Result<wire::ControlDown, Status>> + Send>>;

/// Serves one stream of `peer`.
pub(super) fn serve(
    ingest: Arc<Ingest>,
    peer: Peer,
    retire: Shutdown,
    inbound: Streaming<wire::ControlUp>,
) -> Directives {
    let published = ingest.published.subscribe();
    let stream = ControlStream {
        ingest,
        peer,
        retire,
        inbound,
        published,
        stored: None,
        group: String::new(),
        offered: (0, 0),
        exemptions_offered: 0,
        waiting: VecDeque::new(),
        over: false,
    };
    Box::pin(stream::unfold(stream, ControlStream::directive))
}

struct ControlStream {
    ingest: Arc<Ingest>,
    peer: Peer,
    /// Requested when the connection or the collector ends.
    retire: Shutdown,
    inbound: Streaming<wire::ControlUp>,
    published: watch::Receiver<Published>,
    /// What this stream stored last: an equal status is not stored again.
    stored: Option<Health>,
    /// The device's, as it was at its first status.
    group: String,
    /// Releases of rule set and policy that the device has or was told of on this stream.
    offered: (u64, u64),
    /// Number of the list of exemptions that it has or was told of.
    exemptions_offered: u64,
    /// To be sent before anything is read: a handful at most.
    waiting: VecDeque<Directive>,
    over: bool,
}

enum Event {
    Message(Box<control_up::Message>),
    Published,
    Stop,
    Gone,
}

impl ControlStream {
    async fn directive(mut self) -> Option<(Result<wire::ControlDown, Status>, Self)> {
        loop {
            if let Some(directive) = self.waiting.pop_front() {
                return Some((Ok(wire::ControlDown { directive: Some(directive) }), self));
            }
            if self.over {
                return None;
            }
            match self.next().await {
                Event::Message(message) => self.take_or_refuse(*message).await,
                Event::Published => {
                    if let Err(error) = self.offer().await {
                        // It is told of it with its next status.
                        tracing::warn!(error = &error as &dyn std::error::Error, "exemptions cannot be announced yet");
                    }
                }
                Event::Stop => {
                    self.waiting.push_back(Directive::Reconnect(wire::Reconnect { after_ms: RECONNECT_AFTER_MS }));
                    self.over = true;
                }
                Event::Gone => return None,
            }
        }
    }

    async fn next(&mut self) -> Event {
        tokio::select! {
            () = self.retire.requested() => Event::Stop,
            changed = self.published.changed(), if self.stored.is_some() => match changed {
                Ok(()) => Event::Published,
                Err(_) => Event::Stop,
            },
            message = tokio::time::timeout(IDLE, self.inbound.message()) => match message {
                Ok(Ok(Some(wire::ControlUp { message: Some(message) }))) => Event::Message(Box::new(message)),
                Ok(_) | Err(_) => Event::Gone,
            },
        }
    }

    async fn take_or_refuse(&mut self, message: control_up::Message) {
        if let Err(refused) = self.take(message).await {
            self.ingest.note_refusal(self.peer.device, "control", &refused);
            self.waiting.push_back(Directive::GoAway(wire::GoAway { code: refused.code().into() }));
            self.over = true;
        }
    }

    async fn take(&mut self, message: control_up::Message) -> Result<(), Refused> {
        self.ingest.check_not_denied(self.peer.device)?;
        match message {
            control_up::Message::Status(status) => self.take_status(status).await,
            control_up::Message::Goodbye(goodbye) => {
                self.over = true;
                // A copy of a PC may have this stream: only who delivers is known to be the PC that is removed.
                if goodbye.reason() == wire::GoodbyeReason::Removed {
                    return Ok(());
                }
                self.ingest.goodbye(self.peer.device, &goodbye).await
            }
        }
    }

    async fn take_status(&mut self, status: wire::Status) -> Result<(), Refused> {
        let now_us = self.ingest.clock.wall_us();
        let trouble = trouble(status.wall_us, now_us);
        let told = status::check(status, now_us)?;
        let changed = self.stored.as_ref() != Some(&told.health);
        if changed || !told.counts.is_empty() || !told.exempted.is_empty() {
            let (store, school) = (&self.ingest.store, &self.ingest.school);
            let mut tx = store.begin().await?;
            if changed {
                device_health::replace(&mut tx, school, self.peer.device, &told.health, now_us).await?;
            }
            device_health::add_counts(&mut tx, school, &told.counts).await?;
            exemptions::add_hits(&mut tx, school, &told.exempted).await?;
            failpoint!("status.commit", tx.commit().await?);
        }
        self.ingest.heard.note(self.peer.device, now_us);
        let first = self.stored.is_none();
        if first {
            let (store, school) = (&self.ingest.store, &self.ingest.school);
            let enrolled = devices::find(store, school, self.peer.device).await?.ok_or(Refused::Revoked)?;
            self.group = enrolled.device_group;
        }
        self.offered =
            (self.offered.0.max(told.health.rule_set_release), self.offered.1.max(told.health.policy_release));
        self.exemptions_offered = self.exemptions_offered.max(told.exemptions_number);
        self.stored = Some(told.health);
        let received = wire::StatusReceived { server_time_us: now_us, trouble: trouble.into() };
        self.waiting.push_back(Directive::Received(received));
        self.offer().await?;
        if first && self.is_due_for_renewal(now_us) {
            self.waiting.push_back(Directive::Renew(wire::RenewNow {}));
        }
        Ok(())
    }

    /// Tells of what is published and newer than what the device has or was told of.
    async fn offer(&mut self) -> Result<(), StoreError> {
        let published = self.published.borrow_and_update().clone();
        let device = (self.peer.device, self.group.as_str());
        let rule_set = published.for_device(ArtefactKind::RuleSet, device).map(Arc::as_ref);
        if let Some(offer) = newer(rule_set, &mut self.offered.0) {
            self.waiting.push_back(Directive::RuleSet(offer));
        }
        let policy = published.for_device(ArtefactKind::Policy, device).map(Arc::as_ref);
        if let Some(offer) = newer(policy, &mut self.offered.1) {
            self.waiting.push_back(Directive::Policy(offer));
        }
        if published.exemptions_number() > self.exemptions_offered {
            let list = self.ingest.exemptions_for(self.peer.device).await?;
            let offer = newer(list.as_deref(), &mut self.exemptions_offered);
            self.waiting.extend(offer.map(Directive::Exemptions));
        }
        Ok(())
    }

    fn is_due_for_renewal(&self, now_us: i64) -> bool {
        let left_us = self.peer.not_after_us.saturating_sub(now_us);
        u64::try_from(left_us).unwrap_or(0) < u64::try_from(RENEW_WITH_LEFT.as_micros()).unwrap_or(u64::MAX)
    }
}

fn newer(offer: Option<&Offer>, offered: &mut u64) -> Option<wire::Available> {
    let offer = offer.filter(|offer| offer.release > *offered)?;
    *offered = offer.release;
    Some(offer.available())
}

/// What is wrong with a device that says it is `wall_us`.
fn trouble(wall_us: i64, now_us: i64) -> wire::ErrorCode {
    if u128::from(wall_us.abs_diff(now_us)) > CLOCK_OFF.as_micros() {
        return wire::ErrorCode::Clock;
    }
    wire::ErrorCode::Unspecified
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_minutes_off_is_trouble_whichever_way_it_is_off() {
        let now_us = 1_795_000_000_000_000;
        let bound_us = i64::try_from(CLOCK_OFF.as_micros()).unwrap();
        for fine in [now_us, now_us + bound_us, now_us - bound_us] {
            assert_eq!(trouble(fine, now_us), wire::ErrorCode::Unspecified);
        }
        for off in [now_us + bound_us + 1, now_us - bound_us - 1, 0, i64::MIN, i64::MAX] {
            assert_eq!(trouble(off, now_us), wire::ErrorCode::Clock);
        }
    }
}
