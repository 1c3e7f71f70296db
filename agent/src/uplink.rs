//! The uplink: enrolment, delivery, control and what they fetch. Mutual TLS to the one collector; nothing comes back
//! but acknowledgements, a closed list of directives, and artefacts that others verify.
//!
//! ```text
//! enrol ──identity──▶ link ─┬─ deliver   spool ▶ batches, acknowledgements ▶ spool
//!                           ├─ control   status ▶, ◀ directives
//!                           ├─ fetch     ◀ rule set, ◀ policy, ◀ exemptions
//!                           ├─ renew     a new key and certificate
//!                           ├─ rejoin    the same by the earlier key, where the certificate or the identity is over
//!                           └─ resolve   account ▶ band, group
//! ```
//!
//! Each part has a stream or call of its own on one connection, and waits by [`recover`]'s table. Nothing is spawned:
//! [`Uplink::run`] is one future.

use std::sync::Arc;
use std::time::Duration;

use lapwing_proto::wire;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::counters::Counters;
use crate::diagnostic::Diagnostics;
use crate::identity::{HardwareHash, IdentityStore};
use crate::shutdown::Shutdown;
use crate::status::StatusFacts;

mod backlog;
mod backoff;
mod control;
mod deliver;
mod enrol;
mod fetch;
mod link;
mod pace;
mod recover;
mod rejoin;
mod renew;
mod resolve;
#[cfg(test)]
mod tests;
mod tls;
mod trusted_time;
mod window;

pub use backlog::Backlog;
pub use backoff::Dice;
pub use enrol::{EnrolError, enrol};
pub use fetch::{ArtefactKind, FetchedArtefact};
pub use link::{LinkState, UplinkConfig};
pub use recover::Failure;
pub use resolve::{Resolution, Resolver};
pub use tls::{CollectorUrl, Fingerprint, InvalidFingerprint, InvalidUrl};
pub(crate) use trusted_time::{Between, TrustedTime};

use backoff::Backoff;
use link::{Link, LinkParts};
use tls::Dial;

/// Version of this build, as it travels: at most 32 bytes.
const AGENT_VERSION: &str = env!("CARGO_PKG_VERSION");
const ENROL_BASE: Duration = Duration::from_secs(5);
const ENROL_CAP: Duration = Duration::from_mins(5);
/// Where somebody has to act, how often it is looked whether they did.
const ENROL_LOOK: Duration = Duration::from_secs(30);

/// What the uplink is made of.
pub struct UplinkParts {
    /// Where captures wait.
    pub spool: Arc<dyn Backlog>,
    /// The device's identity, or the place for it.
    pub identity: Arc<IdentityStore>,
    /// Where the collector is.
    pub config: UplinkConfig,
    /// The physical PC.
    pub hardware: HardwareHash,
    /// What the status says.
    pub status: watch::Receiver<StatusFacts>,
    /// Numbers for the status.
    pub counters: Counters,
    /// Where it is said that the clock is wrong, or that the collector takes nothing.
    pub diagnostics: Diagnostics,
    /// Where fetched artefacts go. Full: fetching waits.
    pub artefacts: mpsc::Sender<FetchedArtefact>,
    /// Why the device will be silent, read when shutdown is requested.
    pub goodbye: watch::Receiver<wire::GoodbyeReason>,
    /// The device's clocks.
    pub clock: Arc<dyn Clock>,
    /// Where work that blocks is tracked.
    pub tasks: TaskTracker,
    /// The wish to stop.
    pub shutdown: Shutdown,
}

/// The uplink, ready to run.
pub struct Uplink {
    parts: UplinkParts,
    link: Arc<Link>,
    goodbye_heard: watch::Sender<bool>,
}

/// Says why there will be silence.
#[derive(Clone)]
struct Farewell {
    reason: watch::Receiver<wire::GoodbyeReason>,
    clock: Arc<dyn Clock>,
    /// Whether the collector said to whoever delivers that it is written down.
    heard: watch::Sender<bool>,
}

impl Farewell {
    fn message(&self) -> wire::Goodbye {
        wire::Goodbye { reason: (*self.reason.borrow()).into(), wall_us: self.clock.wall_us() }
    }

    fn was_heard(&self) {
        self.heard.send_replace(true);
    }
}

impl Uplink {
    /// Puts the parts together, and takes note of what the spool holds: to be called before anything is captured. Nothing
    /// connects before [`Uplink::run`].
    #[must_use]
    pub fn new(parts: UplinkParts) -> Self {
        Self::with_dice(parts, backoff::system_dice)
    }

    /// As [`Uplink::new`], with waiting times drawn by `dice`.
    #[must_use]
    pub fn with_dice(parts: UplinkParts, dice: Dice) -> Self {
        Self::with_network(parts, dice, tls::over_tcp())
    }

    /// As [`Uplink::with_dice`], on connections that `dial` makes.
    fn with_network(parts: UplinkParts, dice: Dice, dial: Dial) -> Self {
        let (epoch, lanes) = (parts.spool.epoch(), parts.spool.lane_states());
        if let Err(error) = parts.identity.note_start(epoch, parts.clock.boot_id(), &lanes) {
            tracing::warn!(error = %error, "what the spool held at the start cannot be noted");
        }
        let link = Arc::new(Link::new(LinkParts {
            config: parts.config.clone(),
            identity: Arc::clone(&parts.identity),
            clock: Arc::clone(&parts.clock),
            tasks: parts.tasks.clone(),
            shutdown: parts.shutdown.clone(),
            diagnostics: parts.diagnostics.clone(),
            dice,
            dial,
        }));
        Self { parts, link, goodbye_heard: watch::Sender::new(false) }
    }

    /// The time by which the collector's certificate is judged, and the school's hours.
    #[must_use]
    pub(crate) fn time(&self) -> Arc<TrustedTime> {
        Arc::clone(&self.link.time)
    }

    /// Resolves accounts over this uplink.
    #[must_use]
    pub fn resolver(&self) -> Resolver {
        Resolver::new(Arc::clone(&self.link), Arc::clone(&self.parts.clock))
    }

    /// How the uplink is, now and later.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.link.state.subscribe()
    }

    /// Whether the collector has welcomed this device, now and later: it is the PC it says it is.
    #[must_use]
    pub fn delivers(&self) -> watch::Receiver<bool> {
        self.link.delivers.subscribe()
    }

    /// Whether the collector has written the goodbye down, now and later.
    #[must_use]
    pub fn goodbye_heard(&self) -> watch::Receiver<bool> {
        self.goodbye_heard.subscribe()
    }

    /// Enrols where needed, then delivers, reports and fetches until shutdown.
    pub async fn run(self) {
        let Self { parts, link, goodbye_heard } = self;
        if !enrolled(&link, &parts).await {
            return;
        }
        let joining = rejoin::Facts {
            spool: Arc::clone(&parts.spool),
            hardware: parts.hardware,
            clock: Arc::clone(&parts.clock),
        };
        let farewell = Farewell { reason: parts.goodbye, clock: Arc::clone(&parts.clock), heard: goodbye_heard };
        let about = deliver::About { hardware: parts.hardware, boot_id: parts.clock.boot_id() };
        let renew = Arc::new(Notify::new());
        let (rule_set, policy, exemptions) =
            (watch::Sender::new(None), watch::Sender::new(None), watch::Sender::new(None));
        let (rule_sets, policies, lists) = (rule_set.subscribe(), policy.subscribe(), exemptions.subscribe());
        let directives = control::Directives { rule_set, policy, exemptions, renew: Arc::clone(&renew) };
        let facts = control::Facts {
            status: parts.status,
            counters: parts.counters,
            spool: Arc::clone(&parts.spool),
            clock: parts.clock,
        };
        let calls = async {
            tokio::join!(
                fetch::run(&link, ArtefactKind::RuleSet, rule_sets, parts.artefacts.clone()),
                fetch::run(&link, ArtefactKind::Policy, policies, parts.artefacts.clone()),
                fetch::run(&link, ArtefactKind::Exemptions, lists, parts.artefacts),
                renew::run(&link, renew),
                rejoin::run(&link, joining),
            )
        };
        let until_stopped = async {
            // A call that is cut short is made again at the next start.
            tokio::select! {
                _ = calls => {}
                () = link.shutdown.requested() => {}
            }
        };
        tokio::join!(
            deliver::run(&link, parts.spool, about, farewell.clone()),
            control::run(&link, facts, directives, farewell),
            until_stopped,
        );
    }
}

/// Waits until the device has an identity, enrolling where it can. `false`: shutdown came first.
async fn enrolled(link: &Link, parts: &UplinkParts) -> bool {
    let mut backoff = Backoff::new(ENROL_BASE, ENROL_CAP, link.dice);
    while parts.identity.current().is_none() {
        if link.shutdown.is_requested() {
            return false;
        }
        let enrolling = async {
            parts.identity.look_again()?;
            if parts.identity.current().is_none() {
                let (hardware, spool) = (parts.hardware, Some(backlog::delivered(parts.spool.as_ref())));
                enrol(&parts.config, &parts.identity, hardware, spool, Arc::clone(&parts.clock)).await?;
            }
            Ok::<_, EnrolError>(())
        };
        let error = tokio::select! {
            enrolled = enrolling => match enrolled {
                Ok(()) => break,
                Err(error) => error,
            },
            () = link.shutdown.requested() => return false,
        };
        let wait = if let Some(retry) = error.asked_to_wait() {
            retry + backoff.next()
        } else if error.is_transient() {
            backoff.next()
        } else {
            ENROL_LOOK
        };
        link.enter(LinkState::NotEnrolled(error.to_string()));
        let mut identity = parts.identity.changed();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = identity.changed() => {}
            () = link.shutdown.requested() => return false,
        }
    }
    true
}
