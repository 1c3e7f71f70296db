//! Ingest: what devices may do over the wire, and nothing else.
//!
//! ```text
//! enrol   Join, Challenge       token or earlier key -> device, certificate
//! uplink  Deliver               room -> Hello -> welcoming -> Welcome, Batch -> intake -> Ack
//!         Control               Status -> device health; rule set, policy, exemptions, renewal announced
//!         Fetch, Renew, ResolveSession
//! ```
//!
//! The certificate says who calls, a message never does. Everything in a message is checked against the contract's
//! bounds before it is used; every refusal has a code of its own.

mod batch;
mod boot;
mod codec;
mod connected;
mod control;
mod copies;
mod deliver;
mod enrol;
mod exempting;
mod fetch;
mod flight;
mod heard;
mod incarnation;
mod metered;
mod older;
mod published;
mod rate;
mod refusal;
mod renew;
mod resolve;
mod room;
mod serve;
mod status;
mod uplink;
mod welcoming;

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use lapwing_proto::wire::enrol_server::EnrolServer;
use lapwing_proto::wire::uplink_server::UplinkServer;
use lapwing_proto::{DeviceId, SchoolId, failpoint, wire};
use tokio::sync::{Semaphore, watch};

use crate::actor::Actor;
use crate::audit::{self, Act, ActKind};
use crate::authority::Authority;
use crate::clock::Clock;
use crate::intake::Intake;
use crate::shutdown::Shutdown;
use crate::store::{Store, StoreError, devices};
use connected::Connected;
use copies::Copies;
use enrol::Nonces;
use heard::Heard;
use older::Older;
use published::Published;
use rate::RateLimit;
use room::Room;

pub(crate) use rate::network;
pub use refusal::{ERROR_CODE_KEY, Refused};
pub use serve::Limits;
pub use welcoming::Welcomer;
use welcoming::Welcoming;

/// Largest message at enrolment: a token, a request, a few names.
const MAX_JOIN_BYTES: usize = 8 * 1024;
/// Largest message of the uplink but a delivery: a status, a signing request, an account.
const MAX_TOLD_BYTES: usize = 64 * 1024;

/// What ingest stands on.
pub struct IngestParts {
    /// The school.
    pub school: SchoolId,
    /// The database.
    pub store: Store,
    /// Takes batches.
    pub intake: Intake,
    /// Issues certificates.
    pub authority: Arc<ArcSwap<Authority>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ends open streams.
    pub shutdown: Shutdown,
    /// What is borne at most.
    pub limits: Limits,
}

/// Everything the two services share.
pub struct Ingest {
    school: SchoolId,
    store: Store,
    intake: Intake,
    authority: Arc<ArcSwap<Authority>>,
    clock: Arc<dyn Clock>,
    shutdown: Shutdown,
    /// The deny-set, as last read.
    denied: ArcSwap<BTreeSet<DeviceId>>,
    published: watch::Sender<Published>,
    welcoming: Welcoming,
    heard: Heard,
    rate: RateLimit,
    connected: Connected,
    older: Older,
    copies: Copies,
    nonces: Nonces,
    limits: Limits,
    /// For messages that are received in part.
    receiving_bytes: Arc<Semaphore>,
    /// For messages that are whole and not yet committed.
    room: Room,
}

/// The enrolment service.
pub struct EnrolService(Arc<Ingest>);

/// The service of enrolled devices.
pub struct UplinkService(Arc<Ingest>);

/// What [`Ingest::refresh`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// A rule set or policy was published since.
    Published,
    /// The same as before.
    Same,
}

impl Ingest {
    /// Ingest that has not read yet what is published and who is denied (see [`Ingest::refresh`]), and who has to run
    /// for devices to be welcomed.
    #[must_use]
    pub fn new(parts: IngestParts) -> (Arc<Self>, Welcomer) {
        let (welcoming, welcomer) = Welcoming::new(parts.school.clone(), parts.store.clone(), Arc::clone(&parts.clock));
        let ingest = Arc::new(Self {
            school: parts.school,
            store: parts.store,
            intake: parts.intake,
            authority: parts.authority,
            clock: parts.clock,
            shutdown: parts.shutdown,
            denied: ArcSwap::default(),
            published: watch::Sender::new(Published::default()),
            welcoming,
            heard: Heard::default(),
            rate: RateLimit::default(),
            connected: Connected::default(),
            older: Older::default(),
            copies: Copies::default(),
            nonces: Nonces::default(),
            limits: parts.limits,
            receiving_bytes: Arc::new(Semaphore::new(parts.limits.received_bytes)),
            room: Room::new(parts.limits.received_bytes, parts.limits.built_bytes),
        });
        (ingest, welcomer)
    }

    /// The enrolment service, its messages bounded.
    fn enrol_service(self: &Arc<Self>) -> EnrolServer<EnrolService> {
        EnrolServer::new(EnrolService(Arc::clone(self))).max_decoding_message_size(MAX_JOIN_BYTES)
    }

    /// The uplink service, its messages bounded; deliveries go another way, see [`deliver`].
    fn uplink_service(self: &Arc<Self>) -> UplinkServer<UplinkService> {
        UplinkServer::new(UplinkService(Arc::clone(self))).max_decoding_message_size(MAX_TOLD_BYTES)
    }

    /// Reads who is denied and what is published, by this process or another. Two short queries.
    ///
    /// # Errors
    ///
    /// When the database cannot be read; what was read before stays.
    pub async fn refresh(&self) -> Result<Refreshed, StoreError> {
        let denied = devices::revoked(&self.store, &self.school).await?;
        if denied != **self.denied.load() {
            self.denied.store(Arc::new(denied));
        }
        let published = self.published.borrow().clone();
        match published.newer(&self.store, &self.school, self.clock.wall_us()).await? {
            Some(newer) => {
                self.published.send_replace(newer);
                Ok(Refreshed::Published)
            }
            None => Ok(Refreshed::Same),
        }
    }

    /// Writes when devices were last heard.
    ///
    /// # Errors
    ///
    /// When the database cannot be written; those times are lost until the devices are heard again.
    pub async fn write_heard(&self) -> Result<(), StoreError> {
        self.heard.write(&self.store, &self.school, self.clock.wall_us()).await
    }

    fn check_not_denied(&self, device: DeviceId) -> Result<(), Refused> {
        if self.denied.load().contains(&device) {
            return Err(Refused::Revoked);
        }
        Ok(())
    }

    async fn goodbye(&self, device: DeviceId, goodbye: &wire::Goodbye) -> Result<(), Refused> {
        let reason = match wire::GoodbyeReason::try_from(goodbye.reason) {
            Ok(wire::GoodbyeReason::Shutdown) => "shutdown",
            Ok(wire::GoodbyeReason::Sleep) => "sleep",
            Ok(wire::GoodbyeReason::Stop) => "stop",
            Ok(wire::GoodbyeReason::Upgrade) => "upgrade",
            Ok(wire::GoodbyeReason::Removed) => return self.removed(device).await,
            Ok(wire::GoodbyeReason::Unspecified) | Err(_) => "unknown",
        };
        let mut tx = self.store.begin().await?;
        devices::goodbye(&mut tx, &self.school, device, reason, self.clock.wall_us()).await?;
        Ok(failpoint!("goodbye.commit", tx.commit().await)?)
    }

    /// The agent was taken off the computer. Its key may still lie on a disk that is given away: it is denied.
    async fn removed(&self, device: DeviceId) -> Result<(), Refused> {
        let now_us = self.clock.wall_us();
        let mut tx = self.store.begin().await?;
        // Said twice, it is one removal.
        if devices::remove(&mut tx, &self.school, device, now_us).await? {
            let product = Actor::Product { school: self.school.clone() };
            audit::append(&mut tx, &Act::new(&product, now_us, ActKind::DeviceRemoved, device)).await?;
        }
        Ok(failpoint!("goodbye.commit", tx.commit().await)?)
    }

    fn note_refusal(&self, device: DeviceId, stream: &'static str, refused: &Refused) {
        if matches!(refused, Refused::Copy) {
            self.copies.note(device, self.clock.wall_us());
        }
        let code = refused.code().as_str_name();
        self.heard.note_refusal(device, code, self.clock.wall_us());
        match std::error::Error::source(refused) {
            Some(cause) => tracing::error!(device.id = %device, stream, code, error = cause, "device refused"),
            None => tracing::info!(device.id = %device, stream, code, reason = %refused, "device refused"),
        }
    }

    /// A Hello was refused since it shows what this database never gave.
    fn note_older(&self, device: DeviceId) {
        if self.older.are_now_many(device) {
            tracing::error!(
                "several devices show what this database never gave: if it came from a back-up, stop the \
                 collector, run `lapwing-collector restored` once, and start it again"
            );
        }
    }
}
