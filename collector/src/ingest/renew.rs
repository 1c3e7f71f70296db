//! Renewal: a certificate for a new key, under the old one.

use std::time::Duration;

use lapwing_proto::{failpoint, wire};

use super::{Ingest, Refused};
use crate::authority::DeviceKey;
use crate::store::{certificates, devices};
use crate::tls::Peer;

/// Certificates a device may be issued in a day: enough for answers that got lost, too few to fill a database.
pub(super) const MAX_A_DAY: i64 = 8;
pub(super) const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;
pub(super) const RETRY: Duration = Duration::from_secs(60 * 60);

/// Issues `peer` a certificate for the key of `csr`, which must be another than the one it comes with.
pub(super) async fn serve(ingest: &Ingest, peer: Peer, csr: &[u8]) -> Result<wire::RenewResponse, Refused> {
    let key = DeviceKey::from_request(csr)?;
    if key.digest() == peer.public_key_digest {
        return Err(Refused::Csr("renewal takes a new key"));
    }
    let now_us = ingest.clock.wall_us();
    if is_over_while_connected(peer.not_after_us, now_us, ingest.limits.uplink_age) {
        return Err(Refused::Busy { retry: RETRY });
    }
    devices::find(&ingest.store, &ingest.school, peer.device).await?.ok_or(Refused::Revoked)?;
    let mut tx = ingest.store.begin().await?;
    let today = certificates::count_between(&mut tx, &ingest.school, peer.device, (now_us - DAY_US, now_us)).await?;
    if today >= MAX_A_DAY {
        return Err(Refused::Busy { retry: RETRY });
    }
    let authority = ingest.authority.load();
    let certificate = authority.issue_device(peer.device, &key, ingest.clock.as_ref())?;
    certificates::insert(&mut tx, &ingest.school, peer.device, &certificate).await?;
    failpoint!("renew.commit", tx.commit().await?);
    Ok(wire::RenewResponse {
        certificate: certificate.der.to_vec(),
        authorities: authority.to_wire(),
        server_time_us: now_us,
    })
}

/// Whether the certificate that a connection came with has been over for longer than a connection lasts: TLS found it
/// valid, so that it is the clock that jumped since. A device that took such a time for the collector's would not believe
/// the collector's certificates again until then.
fn is_over_while_connected(not_after_us: i64, now_us: i64, age: Duration) -> bool {
    let over_us = u64::try_from(now_us.saturating_sub(not_after_us)).unwrap_or(0);
    Duration::from_micros(over_us) > age
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_outlives_its_certificate_by_more_than_its_age_shows_that_the_clock_jumped() {
        let (age, not_after_us) = (Duration::from_secs(10), 1_000_000_000);
        assert!(!is_over_while_connected(not_after_us, 0, age));
        assert!(!is_over_while_connected(not_after_us, not_after_us + 10_000_000, age));
        assert!(is_over_while_connected(not_after_us, not_after_us + 10_000_001, age));
    }
}
