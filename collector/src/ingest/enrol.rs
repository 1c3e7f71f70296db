//! Enrolment: a campaign token, or the proof of an earlier key, and a signing request become a device with a
//! certificate, or nothing at all.
//!
//! ```text
//! token            a new device of the campaign's group; a PC that its firmware or the list of the MDM knows is the same asset
//! proof, expired   the same device, with a new certificate
//! proof, copy      a new device of the same group; what its spool held before it was copied counts as delivered
//! ```
//!
//! A key that was issued a certificate before belongs to its device: whoever asks again, since the answer got lost, is
//! answered with the same device.

mod by_proof;
mod by_token;
mod nonces;

use std::collections::BTreeSet;
use std::net::IpAddr;

use lapwing_proto::bounds::{self, MAX_CSR_BYTES, MAX_NAME_BYTES, MAX_STARTS, OutOfBounds};
use lapwing_proto::{BootId, DeviceId, Epoch, Seq, failpoint, wire};
use lapwing_rules::Level;
use tonic::{Request, Response, Status};

use super::{EnrolService, Ingest, Refused};
use crate::actor::Actor;
use crate::audit::{self, Act, ActKind};
use crate::authority::DeviceKey;
use crate::store::deliveries::{self, Spool};
use crate::store::devices::{self, NewDevice, Pc};
use crate::store::{Tx, certificates};

pub(super) use nonces::Nonces;

const MAX_TOKEN_BYTES: usize = 64;

/// What of a spool need not be delivered any more, and what it held at each start of the PC, in order.
struct Held {
    epoch: Epoch,
    through: Vec<(Level, Seq)>,
    starts: Vec<(BootId, Vec<(Level, Seq)>)>,
}

/// Who asks, checked.
struct Asks<'a> {
    address: Option<IpAddr>,
    facts: &'a wire::DeviceFacts,
    csr: &'a [u8],
    key: DeviceKey,
    spool: Option<Held>,
    now_us: i64,
}

#[tonic::async_trait]
impl wire::enrol_server::Enrol for EnrolService {
    async fn join(&self, request: Request<wire::JoinRequest>) -> Result<Response<wire::JoinResponse>, Status> {
        let address = request.remote_addr().map(|address| address.ip());
        match join(&self.0, address, &request.into_inner()).await {
            Ok(response) => Ok(Response::new(response)),
            Err(refused) => {
                tracing::info!(code = refused.code().as_str_name(), error = cause(&refused), "enrolment refused");
                Err(refused.into())
            }
        }
    }

    async fn challenge(
        &self,
        request: Request<wire::ChallengeRequest>,
    ) -> Result<Response<wire::ChallengeResponse>, Status> {
        let now_us = self.0.clock.wall_us();
        admit(&self.0, request.remote_addr().map(|address| address.ip()), now_us)?;
        let nonce = self.0.nonces.make(now_us).map_err(Refused::from)?;
        Ok(Response::new(wire::ChallengeResponse { nonce: nonce.to_vec(), server_time_us: now_us }))
    }
}

async fn join(
    ingest: &Ingest,
    address: Option<IpAddr>,
    request: &wire::JoinRequest,
) -> Result<wire::JoinResponse, Refused> {
    let now_us = ingest.clock.wall_us();
    // Whoever comes with a nonce has been counted when it was made.
    let is_counted = request.proof.as_ref().is_some_and(|proof| ingest.nonces.holds(&proof.nonce, now_us));
    if !is_counted {
        admit(ingest, address, now_us)?;
    }
    let facts = check(request)?;
    let spool = request.spool.as_ref().map(check_spool).transpose()?;
    let key = DeviceKey::from_request(&request.csr)?;
    let asks = Asks { address, facts, csr: &request.csr, key, spool, now_us };
    match &request.proof {
        Some(proof) => by_proof::join(ingest, &asks, proof).await,
        None => by_token::join(ingest, &asks, &request.token).await,
    }
}

/// One call more of `address`, unless it calls too often.
fn admit(ingest: &Ingest, address: Option<IpAddr>, now_us: i64) -> Result<(), Refused> {
    let Some(address) = address else { return Ok(()) };
    ingest.rate.admit(address, now_us).map_err(|retry| Refused::Busy { retry })
}

/// Where a new device belongs.
struct Place<'a> {
    device_group: &'a str,
    room: &'a str,
    /// The device whose identity it came with, and the one whose identity that came with, or itself.
    copied: Option<(DeviceId, DeviceId)>,
}

/// Makes the device that `asks`, with a certificate; `act` is what the audit log says of it.
async fn make_device(
    ingest: &Ingest,
    tx: &mut Tx,
    asks: &Asks<'_>,
    place: Place<'_>,
    act: impl FnOnce(Act) -> Act,
) -> Result<(DeviceId, wire::JoinResponse), Refused> {
    let (school, facts, device) = (&ingest.school, asks.facts, DeviceId::random()?);
    let pc = Pc { hardware_hash: &facts.hardware_hash, hostname: &facts.hostname };
    let former = devices::room_of_pc(tx, school, pc).await?;
    let room = [facts.room.as_str(), place.room, former.as_deref().unwrap_or_default()];
    let new = NewDevice {
        device,
        hostname: &facts.hostname,
        room: room.into_iter().find(|room| !room.is_empty()).unwrap_or_default(),
        device_group: place.device_group,
        hardware_hash: &facts.hardware_hash,
        os: &facts.os,
        agent_version: &facts.agent_version,
        enrolled_us: asks.now_us,
        copied_from: place.copied.map(|(_, root)| root),
    };
    failpoint!("enrol.device", devices::insert(tx, school, &new).await?);
    if let Some(held) = &asks.spool {
        let shared = match place.copied {
            Some((origin, _)) => held.shared_with(&deliveries::boots(tx, school, origin).await?),
            None => &held.through,
        };
        deliveries::begin_above(tx, school, Spool { device, epoch: held.epoch }, shared).await?;
    }
    let response = certify(ingest, tx, asks, device).await?;
    let product = Actor::Product { school: school.clone() };
    audit::append(tx, &act(Act::new(&product, asks.now_us, ActKind::DeviceEnrolled, device))).await?;
    Ok((device, response))
}

/// Issues `device` a certificate for the key of `asks`.
async fn certify(
    ingest: &Ingest,
    tx: &mut Tx,
    asks: &Asks<'_>,
    device: DeviceId,
) -> Result<wire::JoinResponse, Refused> {
    let authority = ingest.authority.load();
    let certificate = authority.issue_device(device, &asks.key, ingest.clock.as_ref())?;
    failpoint!("enrol.certificate", certificates::insert(tx, &ingest.school, device, &certificate).await?);
    Ok(wire::JoinResponse {
        certificate: certificate.der.to_vec(),
        authorities: authority.to_wire(),
        device_id: device.to_string(),
        server_time_us: asks.now_us,
    })
}

fn check(request: &wire::JoinRequest) -> Result<&wire::DeviceFacts, Refused> {
    bounds::text("join.token", &request.token, MAX_TOKEN_BYTES)?;
    bounds::list("join.csr", &request.csr, MAX_CSR_BYTES)?;
    let facts = request.facts.as_ref().ok_or_else(|| OutOfBounds::new("join.facts", "present"))?;
    bounds::text("facts.hostname", &facts.hostname, MAX_NAME_BYTES)?;
    bounds::text("facts.os", &facts.os, 16)?;
    bounds::text("facts.agent_version", &facts.agent_version, 32)?;
    bounds::text("facts.room", &facts.room, MAX_NAME_BYTES)?;
    for (name, hash) in [("facts.hardware_hash", &facts.hardware_hash), ("facts.serial_hash", &facts.serial_hash)] {
        if !matches!(hash.len(), 0 | 32) {
            return Err(OutOfBounds::new(name, "32 bytes or none").into());
        }
    }
    Ok(facts)
}

impl Held {
    /// What was there before the first start that a PC with these starts does not know; what was delivered, where it knows
    /// all of them, for then nothing tells.
    fn shared_with(&self, boots: &BTreeSet<BootId>) -> &[(Level, Seq)] {
        let own = self.starts.iter().find(|(boot, _)| !boots.contains(boot));
        own.map_or(&self.through, |(_, through)| through)
    }
}

fn check_spool(spool: &wire::SpoolState) -> Result<Held, Refused> {
    bounds::list("spool.starts", &spool.starts, MAX_STARTS)?;
    let start = |start: &wire::SpoolStart| -> Result<_, Refused> {
        Ok((BootId::try_from(start.boot_id.as_slice())?, check_marks(&start.through)?))
    };
    Ok(Held {
        epoch: Epoch::try_from(spool.epoch.as_slice())?,
        through: check_marks(&spool.through)?,
        starts: spool.starts.iter().map(start).collect::<Result<_, _>>()?,
    })
}

fn check_marks(marks: &[wire::LaneMark]) -> Result<Vec<(Level, Seq)>, Refused> {
    bounds::list("spool.through", marks, Level::ALL.len())?;
    let mark = |mark: &wire::LaneMark| {
        let lane = u8::try_from(mark.lane).ok().and_then(|lane| Level::try_from(lane).ok());
        let lane = lane.ok_or_else(|| OutOfBounds::new("spool.through.lane", "1 to 5"))?;
        let fits = i64::try_from(mark.through).is_ok_and(|through| through < i64::MAX);
        if fits {
            Ok((lane, Seq::new(mark.through)))
        } else {
            Err(OutOfBounds::new("spool.through", "below 2^63").into())
        }
    };
    marks.iter().map(mark).collect()
}

fn cause(refused: &Refused) -> Option<String> {
    std::error::Error::source(refused).map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_before_the_first_start_that_the_origin_does_not_know_is_shared() {
        let boot = |number| BootId::from_bytes([number; 16]);
        let mark = |through| vec![(Level::High, Seq::new(through))];
        let starts = vec![(boot(1), mark(0)), (boot(2), mark(3)), (boot(3), mark(5))];
        let held = Held { epoch: Epoch::from_bytes([1; 16]), through: mark(2), starts };
        for (known, through) in [(vec![], 0), (vec![1], 3), (vec![1, 2, 9], 5), (vec![2], 0), (vec![1, 2, 3], 2)] {
            let boots = known.iter().copied().map(boot).collect();
            assert_eq!(held.shared_with(&boots), mark(through), "{known:?}");
        }
    }

    #[test]
    fn a_spool_out_of_bounds_is_refused() {
        let sound = wire::SpoolState { epoch: vec![1; 16], ..wire::SpoolState::default() };
        assert!(check_spool(&sound).is_ok());
        let start = wire::SpoolStart { boot_id: vec![1; 16], through: Vec::new() };
        let mark = |lane, through| vec![wire::LaneMark { lane, through }];
        for bad in [
            wire::SpoolState { epoch: vec![1; 15], ..sound.clone() },
            wire::SpoolState { through: mark(6, 1), ..sound.clone() },
            wire::SpoolState { through: mark(1, u64::MAX), ..sound.clone() },
            wire::SpoolState { starts: vec![start.clone(); MAX_STARTS + 1], ..sound.clone() },
            wire::SpoolState { starts: vec![wire::SpoolStart { boot_id: Vec::new(), ..start }], ..sound },
        ] {
            assert!(matches!(check_spool(&bad), Err(Refused::Malformed(_))));
        }
    }
}
