//! What the parts of the uplink share: the connection, the state it is in, and how to wait.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lapwing_proto::bounds::MAX_MESSAGE_BYTES;
use lapwing_proto::wire;
use lapwing_proto::wire::uplink_client::UplinkClient;
use lapwing_rules::Digest;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;
use tonic::transport::Channel;

use super::backoff::{Backoff, Dice};
use super::recover::{Blocked, Failure, Recovery};
use super::tls::{self, CollectorUrl, Dial, Expiry, Fingerprint};
use super::trusted_time::TrustedTime;
use crate::clock::Clock;
use crate::diagnostic::{Code, Diagnostics};
use crate::identity::{Identity, IdentityStore};
use crate::shutdown::Shutdown;

/// Failures in a row after which the time the collector told is no longer believed.
const DOUBT_AFTER: u32 = 6;
const RETRY_BASE: Duration = Duration::from_secs(1);
const RETRY_CAP: Duration = Duration::from_secs(30);
/// Jitter while something of the highest level waits.
const URGENT_CAP: Duration = Duration::from_secs(5);

/// Where the collector is and how this device presents itself to it.
#[derive(Clone, Debug)]
pub struct UplinkConfig {
    /// Where devices enrol.
    pub enrol: CollectorUrl,
    /// Where enrolled devices deliver.
    pub uplink: CollectorUrl,
    /// The collector's authority; without it the device does not enrol.
    pub ca_fingerprint: Option<Fingerprint>,
    /// File with the campaign token; removed once it was used.
    pub token_file: Option<PathBuf>,
    /// Room, as device management set it; may be empty.
    pub room: String,
    /// Name of the machine; may be empty.
    pub host_name: String,
    /// What the firmware's serial number is recognised by, where it is its own.
    pub serial_hash: Option<Digest>,
}

/// How the uplink is, for `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// There is no identity yet, and why.
    NotEnrolled(String),
    /// Trying to reach the collector, with the reason of the last failure.
    Connecting(Option<String>),
    /// The collector answers.
    Connected,
    /// Only somebody's help goes further: what to do.
    Blocked(String),
}

/// What waits and works on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Delivery,
    Control,
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delay {
    /// What the collector asked for, or what being blocked takes.
    pub(super) at_least: Duration,
    /// On top of it, so that not everybody comes at once.
    pub(super) jitter: Duration,
}

impl Delay {
    pub(super) const fn whole(self) -> Duration {
        self.at_least.saturating_add(self.jitter)
    }
}

/// What the link is made of.
pub(super) struct LinkParts {
    pub(super) config: UplinkConfig,
    pub(super) identity: Arc<IdentityStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tasks: TaskTracker,
    pub(super) shutdown: Shutdown,
    pub(super) diagnostics: Diagnostics,
    pub(super) dice: Dice,
    pub(super) dial: Dial,
}

/// Shared by delivery, control, fetching, renewal and resolving.
pub(super) struct Link {
    pub(super) config: UplinkConfig,
    pub(super) identity: Arc<IdentityStore>,
    pub(super) time: Arc<TrustedTime>,
    pub(super) tasks: TaskTracker,
    pub(super) shutdown: Shutdown,
    pub(super) dice: Dice,
    pub(super) dial: Dial,
    pub(super) diagnostics: Diagnostics,
    pub(super) state: watch::Sender<LinkState>,
    /// Whether the collector has welcomed what delivers, and it was not cut since.
    pub(super) delivers: watch::Sender<bool>,
    /// Parts that only somebody's help gets further.
    blocked: Mutex<BTreeMap<Part, Blocked>>,
    /// The identity that does not go on as it is, and why: see [`super::rejoin`].
    pub(super) lost: watch::Sender<Option<(Arc<Identity>, wire::JoinReason)>>,
    /// Why joining again does not get anywhere, in words.
    not_joined: Mutex<Option<String>>,
    /// Whether the collector said that the certificate has run out.
    expiry: Expiry,
    /// The connection, and the identity it was made with.
    channel: Mutex<Option<(Arc<Identity>, Channel)>>,
}

impl Link {
    pub(super) fn new(parts: LinkParts) -> Self {
        Self {
            config: parts.config,
            identity: parts.identity,
            time: Arc::new(TrustedTime::new(parts.clock)),
            tasks: parts.tasks,
            shutdown: parts.shutdown,
            dice: parts.dice,
            dial: parts.dial,
            diagnostics: parts.diagnostics,
            state: watch::Sender::new(LinkState::Connecting(None)),
            delivers: watch::Sender::new(false),
            blocked: Mutex::default(),
            lost: watch::Sender::new(None),
            not_joined: Mutex::default(),
            expiry: Expiry::default(),
            channel: Mutex::new(None),
        }
    }

    /// A client on the shared connection, made anew where the identity has changed.
    pub(super) fn client(&self) -> Result<UplinkClient<Channel>, Failure> {
        let identity = self.identity.current().ok_or(Failure::NotEnrolled)?;
        let mut held = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = match &*held {
            Some((of, channel)) if Arc::ptr_eq(of, &identity) => channel.clone(),
            Some(_) | None => {
                self.time.is_after(identity.server_time_us());
                let unusable = |error: &dyn std::error::Error| Failure::Unreachable(error.to_string());
                let config = tls::mutual(&identity, &self.time).map_err(|error| unusable(&error))?;
                let channel = tls::channel(&self.config.uplink, config, &self.dial, &self.expiry)
                    .map_err(|error| unusable(&error))?;
                *held = Some((identity, channel.clone()));
                channel
            }
        };
        Ok(UplinkClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// The next client gets a connection of its own.
    pub(super) fn disconnect(&self) {
        *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn backoff(&self) -> Backoff {
        Backoff::new(RETRY_BASE, RETRY_CAP, self.dice)
    }

    /// How long to wait after a failure.
    pub(super) fn delay(failure: &Failure, backoff: &mut Backoff) -> Delay {
        Delay { at_least: failure.recovery().at_least(), jitter: backoff.next() }
    }

    /// Reports a failure of `part` and waits until it may be tried again: after back-off, when the identity changes, or
    /// when the device shuts down. Once `urgent` comes true, what is left of the jitter is shortened; what the
    /// collector asked for is waited for all the same.
    pub(super) async fn wait(
        &self,
        part: Part,
        failure: &Failure,
        backoff: &mut Backoff,
        urgent: impl Future<Output = ()>,
    ) {
        let expired = self.expiry.take().then_some(Failure::Expired);
        let failure = expired.as_ref().unwrap_or(failure);
        self.failed(part, failure);
        let Delay { at_least, jitter } = Self::delay(failure, backoff);
        if backoff.tries() >= DOUBT_AFTER {
            self.time.doubt();
        }
        let short = backoff.within(URGENT_CAP);
        let delay_ms = u64::try_from((at_least + jitter).as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(uplink.part = ?part, error = %failure, delay_ms, "the uplink waits before it tries again");
        let hurried = async {
            urgent.await;
            sleep(short).await;
        };
        let waited = async {
            sleep(at_least).await;
            tokio::select! {
                () = sleep(jitter) => {}
                () = hurried => {}
            }
        };
        let mut identity = self.identity.changed();
        tokio::select! {
            () = waited => {}
            _ = identity.changed() => {}
            () = self.shutdown.requested() => {}
        }
    }

    /// Why the identity is lost where a part is blocked so. A campaign token that somebody put there is a new beginning for
    /// who is denied, or knows another authority than the collector has by now.
    fn loss(&self, blocked: Blocked) -> Option<wire::JoinReason> {
        let has_token = || self.config.token_file.as_deref().is_some_and(Path::exists);
        match blocked {
            Blocked::Expired => Some(wire::JoinReason::Expired),
            Blocked::Revoked | Blocked::Stranger if has_token() => Some(wire::JoinReason::Unspecified),
            Blocked::Clone
            | Blocked::Copy
            | Blocked::Revoked
            | Blocked::Stranger
            | Blocked::Version
            | Blocked::NotEnrolled
            | Blocked::Gone => None,
        }
    }

    /// Takes note that `identity` does not go on by what it is. Whoever has another one by now is not meant; a copy stays
    /// one, whatever else is said of it.
    pub(super) fn lose(&self, identity: &Arc<Identity>, reason: wire::JoinReason) {
        self.lost.send_if_modified(|lost| {
            let is_told = lost.as_ref().is_some_and(|(held, why)| {
                Arc::ptr_eq(held, identity) && (*why == reason || *why == wire::JoinReason::Copy)
            });
            if !is_told {
                *lost = Some((Arc::clone(identity), reason));
            }
            !is_told
        });
    }

    /// Waits until the identity at hand is one that goes on: another one, or the same once it delivers.
    pub(super) async fn keeps_identity(&self) {
        let (mut identity, mut lost) = (self.identity.changed(), self.lost.subscribe());
        while self.is_lost() {
            tokio::select! {
                Ok(()) = identity.changed() => {}
                Ok(()) = lost.changed() => {}
                else => std::future::pending::<()>().await,
            }
        }
    }

    /// Waits until the identity at hand does not go on.
    pub(super) async fn loses_identity(&self) {
        let mut lost = self.lost.subscribe();
        while !self.is_lost() {
            if lost.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn is_lost(&self) -> bool {
        let current = self.identity.current();
        self.lost.borrow().as_ref().is_some_and(|(lost, _)| current.is_some_and(|held| Arc::ptr_eq(lost, &held)))
    }

    /// The collector answers `part`.
    pub(super) fn works(&self, part: Part) {
        self.blocked().remove(&part);
        if part == Part::Delivery {
            self.delivers.send_replace(true);
            // Whoever delivers has not lost its identity, whatever was said before.
            self.lost.send_if_modified(|lost| lost.take().is_some());
            self.note_joining(None);
        }
        self.enter(LinkState::Connected);
    }

    fn failed(&self, part: Part, failure: &Failure) {
        if part == Part::Delivery {
            self.delivers.send_replace(false);
        }
        match failure.recovery() {
            Recovery::Blocked(blocked) => {
                if let (Some(reason), Some(identity)) = (self.loss(blocked), self.identity.current()) {
                    self.lose(&identity, reason);
                }
                self.blocked().insert(part, blocked);
                self.enter(LinkState::Blocked(self.help(blocked)));
            }
            // Asked for, so that it says nothing about the collector.
            Recovery::Retry(_) if matches!(failure, Failure::Reconnect(_)) => {}
            Recovery::Retry(_) => {
                if matches!(failure, Failure::Clock(_)) {
                    self.diagnostics.raise(Code::ClockOff, failure.to_string());
                }
                self.enter(LinkState::Connecting(Some(failure.to_string())));
            }
        }
    }

    /// Joining again failed, for now, or worked.
    pub(super) fn note_joining(&self, failed: Option<String>) {
        let news = failed.clone();
        *self.not_joined.lock().unwrap_or_else(PoisonError::into_inner) = failed;
        if let Some(why) = news {
            self.enter(LinkState::NotEnrolled(why));
        }
    }

    /// What helps, in words.
    fn help(&self, blocked: Blocked) -> String {
        let not_joined = self.not_joined.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let rejoins = !matches!(blocked, Blocked::Clone | Blocked::Version | Blocked::NotEnrolled | Blocked::Gone);
        not_joined.filter(|_| rejoins).unwrap_or_else(|| blocked.in_words().to_owned())
    }

    fn blocked(&self) -> MutexGuard<'_, BTreeMap<Part, Blocked>> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a state, and says so where it is news. While a part is blocked, the uplink is.
    pub(super) fn enter(&self, state: LinkState) {
        let blocked = self.blocked().values().next().copied();
        let state = blocked.map_or(state, |blocked| LinkState::Blocked(self.help(blocked)));
        let news = self.state.send_if_modified(|held| {
            let news = std::mem::discriminant(held) != std::mem::discriminant(&state);
            *held = state.clone();
            news
        });
        match state {
            LinkState::Blocked(help) | LinkState::NotEnrolled(help) => self.diagnostics.raise(Code::Unwelcome, help),
            LinkState::Connected => {
                self.diagnostics.clear(Code::Unwelcome);
                self.diagnostics.clear(Code::Unreached);
                if news {
                    tracing::info!("the collector answers");
                }
            }
            LinkState::Connecting(Some(error)) => self.diagnostics.raise(Code::Unreached, error),
            LinkState::Connecting(None) => {}
        }
    }

    /// Does what blocks where blocking is allowed.
    pub(super) async fn blocking<T, E>(
        &self,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, Failure>
    where
        T: Send + 'static,
        E: Send + 'static,
        Failure: From<E>,
    {
        match self.tasks.spawn_blocking(work).await {
            Ok(result) => Ok(result?),
            Err(error) => Err(Failure::State(std::io::Error::other(error.to_string()))),
        }
    }
}
