//! The band and group of a signed-in account, so that the device matches by age.

use lapwing_proto::{band_to_wire, wire};
use lapwing_rules::Band;

use super::{Ingest, Refused};
use crate::store::accounts;
use crate::store::devices;
use crate::subject::Kind;
use crate::tls::Peer;

/// Answers for `account`. Nobody mapped: no band, and the device's own group decides.
pub(super) async fn serve(ingest: &Ingest, peer: Peer, account: &str) -> Result<wire::ResolveSessionResponse, Refused> {
    if let Some(mapped) = accounts::find(&ingest.store, &ingest.school, account).await? {
        let band = band(mapped.kind, mapped.band).map_or(0, band_to_wire);
        return Ok(wire::ResolveSessionResponse { band, group: mapped.class, mapped: true });
    }
    let device = devices::find(&ingest.store, &ingest.school, peer.device).await?.ok_or(Refused::Revoked)?;
    Ok(wire::ResolveSessionResponse { band: 0, group: device.device_group, mapped: false })
}

/// Staff, guests and class log-ons have a band of their own, whatever the list says; a pupil's is what it says.
fn band(kind: Kind, written: Option<Band>) -> Option<Band> {
    match kind {
        Kind::Pupil => written,
        Kind::Staff => Some(Band::Staff),
        Kind::Guest => Some(Band::Guest),
        Kind::Shared => Some(Band::Shared),
    }
}
