//! What the parts of the uplink share: the connection, the state it is in, and how to wait.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapwing_proto::bounds::MAX_MESSAGE_BYTES;
use lapwing_proto::wire::uplink_client::UplinkClient;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tonic::transport::Channel;

use super::backoff::{Backoff, Dice};
use super::recover::{Failure, Recovery};
use super::tls::{self, CollectorUrl, Fingerprint};
use super::trusted_time::TrustedTime;
use crate::identity::{Identity, IdentityStore};
use crate::shutdown::Shutdown;

/// How long a blocked device waits before it looks whether somebody helped.
const BLOCKED_RETRY: Duration = Duration::from_mins(15);
/// Failures in a row after which the time the collector told is no longer believed.
const DOUBT_AFTER: u32 = 6;
const RETRY_BASE: Duration = Duration::from_secs(1);
const RETRY_CAP: Duration = Duration::from_mins(2);

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

/// Shared by delivery, control, fetching, renewal and resolving.
pub(super) struct Link {
    pub(super) config: UplinkConfig,
    pub(super) identity: Arc<IdentityStore>,
    pub(super) time: Arc<TrustedTime>,
    pub(super) tasks: TaskTracker,
    pub(super) shutdown: Shutdown,
    pub(super) dice: Dice,
    pub(super) state: watch::Sender<LinkState>,
    /// The connection, and the identity it was made with.
    channel: Mutex<Option<(Arc<Identity>, Channel)>>,
}

impl Link {
    pub(super) fn new(
        config: UplinkConfig,
        identity: Arc<IdentityStore>,
        time: Arc<TrustedTime>,
        (tasks, shutdown, dice): (TaskTracker, Shutdown, Dice),
    ) -> Self {
        let state = watch::Sender::new(LinkState::Connecting(None));
        Self { config, identity, time, tasks, shutdown, dice, state, channel: Mutex::new(None) }
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
                let channel = tls::channel(&self.config.uplink, config).map_err(|error| unusable(&error))?;
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

    /// Reports a failure of `part` and waits until it may be tried again: after back-off, when the identity changes, or
    /// when the device shuts down.
    pub(super) async fn wait(&self, part: &'static str, failure: &Failure, backoff: &mut Backoff) {
        let delay = match failure.recovery() {
            Recovery::Retry(at_least) => {
                self.enter(LinkState::Connecting(Some(failure.to_string())));
                backoff.next(at_least)
            }
            Recovery::Blocked(blocked) => {
                self.enter(LinkState::Blocked(blocked.in_words().to_owned()));
                backoff.next(BLOCKED_RETRY)
            }
        };
        if backoff.tries() >= DOUBT_AFTER {
            self.time.doubt();
        }
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(uplink.part = part, error = %failure, delay_ms, "the uplink waits before it tries again");
        let mut identity = self.identity.changed();
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            _ = identity.changed() => {}
            () = self.shutdown.requested() => {}
        }
    }

    /// Takes note of a state, and logs it where it is news.
    pub(super) fn enter(&self, state: LinkState) {
        let news = self.state.send_if_modified(|held| {
            let news = std::mem::discriminant(held) != std::mem::discriminant(&state);
            *held = state.clone();
            news
        });
        match state {
            LinkState::Connected if news => tracing::info!("the collector answers"),
            LinkState::Connecting(Some(error)) if news => tracing::warn!(error, "the collector does not answer"),
            LinkState::NotEnrolled(error) if news => tracing::warn!(error, "the device is not enrolled"),
            LinkState::Blocked(error) if news => tracing::error!(error, "the collector refuses this device"),
            LinkState::Connected | LinkState::Connecting(_) | LinkState::NotEnrolled(_) | LinkState::Blocked(_) => {}
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
