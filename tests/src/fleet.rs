//! Thousands of enrolled devices in one process: a school's worth of agents for a collector to serve.
//!
//! ```text
//! Site ──enrol──▶ Fleet ─┬─ crew ───▶ Crew ──deliver──▶ Delivered    a load generator: lean, never tries again
//!                        └─ agents ─▶ Agents                        the agent's own uplink, over spools in memory
//! ```
//!
//! Each device has a key of its own, and a certificate that the collector's enrol listener issued for a real campaign
//! token. That listener lets 64 devices join at once from one address and then one a second: the fleet joins as
//! classrooms do, 50 from each of its loopback addresses (127.66.x.y), so that thousands take seconds and no limit is
//! lifted. Connections are real mutual TLS and real HTTP/2; what all of them share (provider, verifier) exists once, and
//! a device on the wire costs this process about 40 KiB.
//!
//! # Limits
//!
//! - Keys and certificates differ from run to run; the seed decides epochs, hardware and what captures say.
//! - TLS sessions are not resumed: a collector that was restarted knows none.
//! - A [`Crew`] opens Deliver alone, no Control: a device of it counts as silent on the devices page.
//! - [`Agents`] say that they have release 1 of rule set and policy, match nothing, and report no sensors.
//! - Loopback only: source addresses of 127/8 are Linux.

mod agents;
mod backlog;
mod captures;
mod connection;
mod crew;
mod enrol;
mod limits;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;

use anyhow::Context as _;
use lapwing_collector::clock::{Clock as _, SystemClock};
use lapwing_proto::{DeviceId, Epoch, Seq};
use lapwing_rules::Level;
use rustls::ClientConfig;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::School;

pub use agents::Agents;
pub use captures::Writer;
pub use crew::{Crew, Delivered, Load, Pace, Until};
pub use limits::{OpenFiles, raise_open_files};

use enrol::Classroom;

/// Devices of one source address: within what the collector lets join at once.
const CLASSROOM: usize = 50;
/// Classrooms that join at the same time.
const JOINING: usize = 8;

/// A collector, and what lets devices enrol with it.
#[derive(Clone)]
pub struct Site {
    /// Where devices enrol.
    pub enrol: SocketAddr,
    /// Where enrolled devices deliver.
    pub uplink: SocketAddr,
    /// The collector's authority.
    pub authority: CertificateDer<'static>,
    /// A campaign token with a use for every device.
    pub token: String,
}

/// Enrolled devices.
pub struct Fleet {
    site: Site,
    devices: Vec<Arc<Device>>,
}

/// One enrolled device.
pub struct Device {
    /// Its place in the fleet, from 0.
    pub index: usize,
    /// As its certificate says.
    pub id: DeviceId,
    /// Of its only spool.
    pub epoch: Epoch,
    /// SHA-256 of its firmware's facts, as far as the collector can tell.
    pub hardware: [u8; 32],
    /// Writes what it captures.
    pub writer: Writer,
    /// Its private key, PKCS #8.
    pub key: Vec<u8>,
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    /// The collector's clock when it joined, microseconds of UTC.
    pub enrolled_us: i64,
    tls: Arc<ClientConfig>,
}

/// How far one lane of one device came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LaneAccount {
    /// The device.
    pub device: DeviceId,
    /// Its spool.
    pub epoch: Epoch,
    /// The lane.
    pub lane: Level,
    /// The last sequence it made: all from 1 to it were issued.
    pub issued: Seq,
    /// The last sequence the collector acknowledged.
    pub acknowledged: Seq,
}

impl Site {
    /// The sample school's collector, with a new token of `uses`.
    ///
    /// # Errors
    ///
    /// When the collector's program makes no token, or its authority cannot be read.
    pub fn of(school: &School, uses: usize) -> anyhow::Result<Self> {
        let token = school.collect(&["token", "create", "--group", "fleet", "--uses", &uses.to_string()], &[])?;
        let authority = CertificateDer::from_pem_file(school.folder().join("authority.pem"));
        let authority = authority.context("failed to read the authority")?;
        Ok(Self { enrol: school.enrol(), uplink: school.uplink(), authority, token: token.trim().to_owned() })
    }
}

impl Fleet {
    /// Enrols `devices` with the collector at `site`, over the wire. Raises the limit of open files where it has to.
    ///
    /// # Errors
    ///
    /// When open files are too few, or the collector does not let a device join.
    pub async fn enrol(site: Site, devices: usize, seed: u64) -> anyhow::Result<Self> {
        raise_open_files(devices)?;
        let mut waiting = (0..devices).step_by(CLASSROOM).map(|first| first..devices.min(first + CLASSROOM));
        let since_us = SystemClock.wall_us();
        let mut joining = JoinSet::new();
        let mut joined = Vec::with_capacity(devices);
        loop {
            while joining.len() < JOINING
                && let Some(places) = waiting.next()
            {
                let address = classroom(places.start / CLASSROOM)?;
                joining.spawn(Classroom { site: site.clone(), address, seed, since_us }.join(places));
            }
            let Some(done) = joining.join_next().await else { break };
            joined.extend(done.context("a classroom panicked")??.into_iter().map(Arc::new));
        }
        joined.sort_by_key(|device: &Arc<Device>| device.index);
        Ok(Self { site, devices: joined })
    }

    /// The devices, in order of their index.
    #[must_use]
    pub fn devices(&self) -> &[Arc<Device>] {
        &self.devices
    }

    /// Connects the devices at `places`: each says Hello and is welcomed. A device boards once: a crew keeps nothing by
    /// which it could show that it is no copy.
    ///
    /// # Errors
    ///
    /// When the fleet is smaller, or one is not welcomed.
    pub async fn crew(&self, places: Range<usize>) -> anyhow::Result<Crew> {
        let devices = self.devices.get(places).context("the fleet is smaller than the crew")?;
        Crew::board(self.site.uplink, devices).await
    }
}

impl Device {
    fn lane_account(&self, lane: Level, issued: Seq, acknowledged: Seq) -> LaneAccount {
        LaneAccount { device: self.id, epoch: self.epoch, lane, issued, acknowledged }
    }
}

#[expect(clippy::disallowed_methods, reason = "a fleet measures real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The source address of a classroom.
fn classroom(number: usize) -> anyhow::Result<IpAddr> {
    let [low, high] = u16::try_from(number + 1).context("more classrooms than addresses")?.to_le_bytes();
    Ok(Ipv4Addr::new(127, 66, high, low).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classrooms_have_addresses_of_their_own() {
        assert_eq!(classroom(0).unwrap(), IpAddr::from([127, 66, 0, 1]));
        assert_eq!(classroom(255).unwrap(), IpAddr::from([127, 66, 1, 0]));
        assert!(classroom(65_535).is_err());
    }
}
