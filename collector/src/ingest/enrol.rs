//! Enrolment: a campaign token and a signing request become a device with a certificate, or nothing at all.

use std::net::IpAddr;

use lapwing_proto::bounds::{self, MAX_CSR_BYTES, MAX_NAME_BYTES, OutOfBounds};
use lapwing_proto::{DeviceId, failpoint, wire};
use tonic::{Request, Response, Status};

use super::{EnrolService, Ingest, Refused};
use crate::actor::Actor;
use crate::audit::{self, Act, ActKind};
use crate::authority::DeviceKey;
use crate::store::devices::{self, NewDevice};
use crate::store::tokens::{self, Spent};
use crate::token::CampaignToken;

const MAX_TOKEN_BYTES: usize = 64;

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
}

async fn join(
    ingest: &Ingest,
    address: Option<IpAddr>,
    request: &wire::JoinRequest,
) -> Result<wire::JoinResponse, Refused> {
    let now_us = ingest.clock.wall_us();
    if let Some(address) = address {
        ingest.rate.admit(address, now_us).map_err(|retry| Refused::Busy { retry })?;
    }
    let facts = check(request)?;
    let token: CampaignToken = request.token.parse().map_err(|_| Refused::TokenUnknown)?;
    let key = DeviceKey::from_request(&request.csr)?;
    let device = DeviceId::random()?;

    let mut tx = ingest.store.begin().await?;
    let device_group =
        match failpoint!("enrol.spend", tokens::spend(&mut tx, &ingest.school, &token.hash(), now_us).await?) {
            Spent::Granted { device_group } => device_group,
            Spent::Unknown => return Err(Refused::TokenUnknown),
            Spent::Expired => return Err(Refused::TokenExpired),
            Spent::UsedUp => return Err(Refused::TokenSpent),
        };
    let certificate = ingest.authority.issue_device(device, &key, ingest.clock.as_ref())?;
    let new = NewDevice {
        device,
        hostname: &facts.hostname,
        room: &facts.room,
        device_group: &device_group,
        hardware_hash: &facts.hardware_hash,
        os: &facts.os,
        agent_version: &facts.agent_version,
        enrolled_us: now_us,
    };
    failpoint!("enrol.device", devices::insert(&mut tx, &ingest.school, &new).await?);
    failpoint!("enrol.certificate", devices::insert_certificate(&mut tx, &ingest.school, device, &certificate).await?);
    let product = Actor::Product { school: ingest.school.clone() };
    audit::append(&mut tx, &Act::new(&product, now_us, ActKind::DeviceEnrolled, device)).await?;
    failpoint!("enrol.commit", tx.commit().await?);

    tracing::info!(device.id = %device, "device enrolled");
    Ok(wire::JoinResponse {
        certificate: certificate.der.to_vec(),
        authorities: vec![ingest.authority.certificate().to_vec()],
        device_id: device.to_string(),
        server_time_us: now_us,
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
    if !matches!(facts.hardware_hash.len(), 0 | 32) {
        return Err(OutOfBounds::new("facts.hardware_hash", "32 bytes or none").into());
    }
    Ok(facts)
}

fn cause(refused: &Refused) -> Option<String> {
    std::error::Error::source(refused).map(ToString::to_string)
}
