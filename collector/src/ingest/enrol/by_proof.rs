//! Joining again, by the key of a certificate that was issued before.

use std::time::Duration;

use lapwing_proto::bounds::{self, MAX_NAME_BYTES, OutOfBounds};
use lapwing_proto::joining::{NONCE_BYTES, POINT_BYTES, RENEWABLE_DAYS, proof_message, public_key_info};
use lapwing_proto::{DeviceId, failpoint, wire};
use lapwing_rules::Digest;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

use super::{Asks, Place, certify, make_device};
use crate::ingest::incarnation::is_settling;
use crate::ingest::renew::{DAY_US, RETRY};
use crate::ingest::{Ingest, Refused};
use crate::notify::Purpose;
use crate::proof::tell_caretakers;
use crate::store::certificates::{self, Earlier};
use crate::store::{Tx, deliveries, images};

/// Certificates that a device may be issued in a day by its old key: each copy of an image that lay for long needs one
/// before it can be told apart.
const MAX_RENEWED_A_DAY: i64 = 256;
/// Devices that may come out of one identity in a day.
const MAX_COPIES_A_DAY: i64 = 512;
/// When a copy asks again that came before it was seen who goes on.
const SOON: Duration = Duration::from_millis(500);

/// Exchanges `proof` for a certificate.
pub(super) async fn join(ingest: &Ingest, asks: &Asks<'_>, proof: &wire::Proof) -> Result<wire::JoinResponse, Refused> {
    bounds::text("proof.device_id", &proof.device_id, MAX_NAME_BYTES)?;
    let device: DeviceId = proof.device_id.parse()?;
    let (key_digest, reason) = verify(ingest, asks, (proof, device))?;
    ingest.check_not_denied(device)?;
    let mut tx = ingest.store.begin().await?;
    let earlier = certificates::earlier(&mut tx, &ingest.school, device, &key_digest).await?.ok_or(Refused::Proof)?;
    // A key that another has taken the place of belongs to a copy that was made before, or to a disk that was reset.
    let is_known_pc = !earlier.hardware_hash.is_empty() && earlier.hardware_hash == asks.facts.hardware_hash;
    if reason == wire::JoinReason::Expired && earlier.is_superseded && !is_known_pc {
        ingest.copies.note(device, asks.now_us);
        return Err(Refused::Copy);
    }
    let over_us = asks.now_us.saturating_sub(earlier.not_after_us);
    if reason == wire::JoinReason::Expired && over_us <= 0 {
        return Err(Refused::Busy { retry: RETRY });
    }
    if over_us > i64::from(RENEWABLE_DAYS).saturating_mul(DAY_US) {
        return Err(Refused::Expired);
    }
    let issued = certificates::of_key(&mut tx, &ingest.school, &asks.key.digest()).await?;
    let response = match (issued, reason) {
        (Some(known), _) if known != device => {
            // It asked before, and the answer got lost: the device that it became.
            ingest.check_not_denied(known)?;
            limit(ingest, &mut tx, asks, known).await?;
            certify(ingest, &mut tx, asks, known).await?
        }
        (Some(_), wire::JoinReason::Copy) => return Err(Refused::Csr("a copy joins with a new key")),
        (Some(_) | None, wire::JoinReason::Expired) => {
            limit(ingest, &mut tx, asks, device).await?;
            certify(ingest, &mut tx, asks, device).await?
        }
        // Nobody is a copy that was not refused as one.
        (None, wire::JoinReason::Copy) if !ingest.copies.has(device, asks.now_us) => return Err(Refused::Proof),
        (None, wire::JoinReason::Copy) => copy(ingest, &mut tx, asks, (device, &earlier)).await?,
        (_, wire::JoinReason::Unspecified) => return Err(OutOfBounds::new("proof.reason", "known").into()),
    };
    failpoint!("rejoin.commit", tx.commit().await?);
    tracing::info!(device.id = %device, reason = reason.as_str_name(), "a device joined by its earlier key");
    Ok(response)
}

/// Digest of the earlier key, and the reason, of a proof that holds.
fn verify(
    ingest: &Ingest,
    asks: &Asks<'_>,
    (proof, device): (&wire::Proof, DeviceId),
) -> Result<([u8; 32], wire::JoinReason), Refused> {
    let nonce: [u8; NONCE_BYTES] =
        proof.nonce.as_slice().try_into().map_err(|_| OutOfBounds::new("proof.nonce", "32 bytes"))?;
    let point: [u8; POINT_BYTES] =
        proof.public_key.as_slice().try_into().map_err(|_| OutOfBounds::new("proof.public_key", "64 bytes"))?;
    bounds::list("proof.signature", &proof.signature, POINT_BYTES)?;
    if !ingest.nonces.take(&nonce, asks.now_us) {
        return Err(Refused::Proof);
    }
    let uncompressed = [[4].as_slice(), &point].concat();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, uncompressed);
    let message = proof_message(&nonce, asks.csr, device, proof.reason());
    key.verify(&message, &proof.signature).map_err(|_| Refused::Proof)?;
    Ok((*Digest::of(&public_key_info(&point)).as_bytes(), proof.reason()))
}

async fn limit(ingest: &Ingest, tx: &mut Tx, asks: &Asks<'_>, device: DeviceId) -> Result<(), Refused> {
    let since = (asks.now_us - DAY_US, asks.now_us);
    if certificates::count_between(tx, &ingest.school, device, since).await? >= MAX_RENEWED_A_DAY {
        return Err(Refused::Busy { retry: RETRY });
    }
    Ok(())
}

/// A new device out of the identity of `origin`; who looks after devices is told once an image and day.
async fn copy(
    ingest: &Ingest,
    tx: &mut Tx,
    asks: &Asks<'_>,
    (origin, earlier): (DeviceId, &Earlier),
) -> Result<wire::JoinResponse, Refused> {
    let (school, now_us) = (&ingest.school, asks.now_us);
    let known = deliveries::incarnations(tx, school, &[origin].into()).await?;
    if is_settling(known.get(&origin).copied(), now_us) {
        return Err(Refused::Busy { retry: SOON });
    }
    // What comes out of a copy comes out of the same image.
    let root = earlier.copied_from.unwrap_or(origin);
    let counted = images::count(tx, school, root, now_us).await?;
    if counted.copies > MAX_COPIES_A_DAY {
        return Err(Refused::Busy { retry: RETRY });
    }
    if counted.copies == 1 {
        tell_caretakers(tx, school, (Purpose::Image, &counted.reference), now_us).await?;
    }
    let place = Place { device_group: &earlier.device_group, room: "", copied: Some((origin, root)) };
    let (_, response) = make_device(ingest, tx, asks, place, |act| act.with("copied_from", root)).await?;
    Ok(response)
}
