//! Renewal: a certificate for a new key, under the old one.

use std::time::Duration;

use lapwing_proto::{failpoint, wire};

use super::{Ingest, Refused};
use crate::authority::DeviceKey;
use crate::store::devices;
use crate::tls::Peer;

/// Certificates a device may be issued in a day: enough for answers that got lost, too few to fill a database.
const MAX_A_DAY: i64 = 8;
const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;
const RETRY: Duration = Duration::from_secs(60 * 60);

/// Issues `peer` a certificate for the key of `csr`, which must be another than the one it comes with.
pub(super) async fn serve(ingest: &Ingest, peer: Peer, csr: &[u8]) -> Result<wire::RenewResponse, Refused> {
    let key = DeviceKey::from_request(csr)?;
    if key.digest() == peer.public_key_digest {
        return Err(Refused::Csr("renewal takes a new key"));
    }
    let now_us = ingest.clock.wall_us();
    devices::find(&ingest.store, &ingest.school, peer.device).await?.ok_or(Refused::Revoked)?;
    let mut tx = ingest.store.begin().await?;
    let today = devices::certificates_since(&mut tx, &ingest.school, peer.device, now_us - DAY_US).await?;
    if today >= MAX_A_DAY {
        return Err(Refused::Busy { retry: RETRY });
    }
    let certificate = ingest.authority.issue_device(peer.device, &key, ingest.clock.as_ref())?;
    devices::insert_certificate(&mut tx, &ingest.school, peer.device, &certificate).await?;
    failpoint!("renew.commit", tx.commit().await?);
    Ok(wire::RenewResponse {
        certificate: certificate.der.to_vec(),
        authorities: vec![ingest.authority.certificate().to_vec()],
        server_time_us: now_us,
    })
}
