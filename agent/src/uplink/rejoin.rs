//! Joining again by the key that the device has: its certificate has run out, or it turned out to be a copy.
//!
//! A copy becomes a device of its own. What its spool held before it was started on its own belongs to the PC it was
//! copied from: the collector tells by the starts that both know. What it captured since goes out under its new
//! identity. Whoever was away for longer than the key does joins by a campaign token, where there is one.

use std::sync::Arc;
use std::time::Duration;

use lapwing_proto::joining::proof_message;
use lapwing_proto::{failpoint, wire};

use super::backlog::{Backlog, delivered};
use super::backoff::Backoff;
use super::enrol::{Asking, EnrolError, enrol, facts};
use super::link::Link;
use super::tls;
use crate::clock::Clock;
use crate::identity::{HardwareHash, Identity};

const RETRY_BASE: Duration = Duration::from_secs(2);
const RETRY_CAP: Duration = Duration::from_mins(5);
/// Where somebody has to act, how often it is looked whether they did.
const LOOK: Duration = Duration::from_mins(5);

/// What joining again tells of the device.
pub(super) struct Facts {
    pub(super) spool: Arc<dyn Backlog>,
    pub(super) hardware: HardwareHash,
    pub(super) clock: Arc<dyn Clock>,
}

/// Joins again whenever the identity is lost, for ever.
pub(super) async fn run(link: &Link, facts: Facts) {
    let mut lost = link.lost.subscribe();
    let mut backoff = Backoff::new(RETRY_BASE, RETRY_CAP, link.dice);
    loop {
        let current = link.identity.current();
        let reason = lost.borrow_and_update().as_ref().and_then(|(identity, reason)| {
            current.as_ref().is_some_and(|current| Arc::ptr_eq(current, identity)).then_some(*reason)
        });
        let (Some(identity), Some(reason)) = (current, reason) else {
            if lost.changed().await.is_err() {
                return;
            }
            continue;
        };
        match again(link, &facts, &identity, reason).await {
            Ok(()) => {
                backoff.reset();
                link.note_joining(None);
            }
            Err(error) => {
                tracing::warn!(error = %error, "the device has not joined again yet");
                let wait = match error.asked_to_wait() {
                    Some(retry) => retry + backoff.next(),
                    None if error.is_transient() => backoff.next(),
                    None => LOOK,
                };
                link.note_joining(Some(error.to_string()));
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    // Another reason, or none any more.
                    _ = lost.changed() => {}
                }
            }
        }
    }
}

async fn again(
    link: &Link,
    facts: &Facts,
    identity: &Arc<Identity>,
    reason: wire::JoinReason,
) -> Result<(), EnrolError> {
    let failed = match reason {
        // Nothing but a token helps.
        wire::JoinReason::Unspecified => EnrolError::Revoked,
        wire::JoinReason::Expired | wire::JoinReason::Copy => match by_key(link, facts, identity, reason).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        },
    };
    if matches!(failed, EnrolError::Copy) {
        // Another PC goes on by this identity: the next try is a copy's.
        link.lose(identity, wire::JoinReason::Copy);
        return Ok(());
    }
    let helps = matches!(
        failed,
        EnrolError::Expired | EnrolError::Proof | EnrolError::Revoked | EnrolError::WrongCollector(..)
    );
    let by_token = if helps { by_token(link, facts).await } else { None };
    by_token.unwrap_or(Err(failed))
}

/// Joins by the campaign token that somebody put there; `None` where there is none.
async fn by_token(link: &Link, facts: &Facts) -> Option<Result<(), EnrolError>> {
    let spool = Some(delivered(facts.spool.as_ref()));
    match enrol(&link.config, &link.identity, facts.hardware, spool, Arc::clone(&facts.clock)).await {
        Err(EnrolError::NoToken) => None,
        joined => Some(joined.map(drop)),
    }
}

async fn by_key(link: &Link, about: &Facts, identity: &Identity, reason: wire::JoinReason) -> Result<(), EnrolError> {
    let trust = tls::anonymous(identity, &link.time).map_err(|error| EnrolError::Tls(error.to_string()))?;
    let asking = Asking::new(&link.config, trust, &link.dial)?;
    link.identity.prove_room()?;
    let challenge = failpoint!("rejoin.challenge", asking.challenge().await)?;
    let malformed = || EnrolError::Refused("the challenge is not 32 bytes".to_owned());
    let nonce = challenge.nonce.as_slice().try_into().map_err(|_| malformed())?;
    let key = link.identity.joining_key()?;
    let csr = key.signing_request()?;
    let message = proof_message(&nonce, &csr, identity.device(), reason);
    let proof = wire::Proof {
        device_id: identity.device().to_string(),
        public_key: identity.key().point().map(|point| point.to_vec()).unwrap_or_default(),
        nonce: challenge.nonce,
        signature: identity.key().sign(&message)?,
        reason: reason.into(),
    };
    let request = wire::JoinRequest {
        token: String::new(),
        csr,
        facts: Some(facts(&link.config, about.hardware)),
        proof: Some(proof),
        spool: if reason == wire::JoinReason::Copy { Some(with_starts(link, about.spool.as_ref())?) } else { None },
    };
    let answer = failpoint!("rejoin.join", asking.join(request).await)?;
    link.time.tell(answer.server_time_us);
    let joined = Identity::new(key, answer.certificate, answer.authorities, answer.server_time_us)?;
    tracing::info!(device.id = %joined.device(), reason = reason.as_str_name(), "the device joined again");
    Ok(link.identity.replace(joined)?)
}

/// What has been delivered of the spool, and what it held at each start.
fn with_starts(link: &Link, spool: &dyn Backlog) -> Result<wire::SpoolState, EnrolError> {
    let starts = link.identity.starts(spool.epoch())?;
    Ok(wire::SpoolState { starts, ..delivered(spool) })
}
