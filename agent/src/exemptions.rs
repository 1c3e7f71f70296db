//! What the school agreed not to capture for a while, and the memory sticks that it approved.
//!
//! A list is judged by the collector's time alone: what it last answered, and what passed since by the clock that counts
//! from the device's start, sleep included. Of a moment that is known to lie between two, an exemption is in force only
//! if it is at both: a slow network, a turned wall clock, sleep or being offline shorten it at most. Lists are kept in
//! memory alone, so that after a restart nothing is exempted until the collector says so again.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use lapwing_proto::{ApprovedMedium, ExemptionId, ExemptionList, ExemptionsRefused};
use lapwing_rules::{Category, Digest, Hit, Level, Mark};
use rustls::SignatureScheme;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::uplink::Between;

/// The list in force. Clones see the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exemptions(Arc<ArcSwapOption<Held>>);

#[derive(Debug)]
struct Held {
    list: ExemptionList,
    /// When it arrived, since the device started: the collector's time was its time of issue then, or later.
    taken_us: u64,
}

/// Why a list was not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    List(#[from] ExemptionsRefused),
    #[error("list {found} is older than list {held} in force")]
    Older { found: u64, held: u64 },
}

/// What is exempted for one account at one moment.
#[derive(Clone, Debug, Default)]
pub struct Exempted {
    held: Option<Arc<Held>>,
    earliest_us: i64,
    latest_us: i64,
    group: String,
}

impl Exemptions {
    /// Number of the list in force; 0 for none.
    pub(crate) fn number(&self) -> u64 {
        self.0.load().as_ref().map_or(0, |held| held.list.number)
    }

    /// Takes a list that one of `authorities`, certificates in DER, signed; on any failure the one in force stays.
    pub(crate) fn take(&self, bytes: &[u8], authorities: &[Vec<u8>], now_us: u64) -> Result<(), Refused> {
        let list = ExemptionList::open(bytes, |message, signature| {
            authorities.iter().any(|authority| is_signed_by(authority, message, signature))
        })?;
        let (found, held) = (list.number, self.number());
        if found < held {
            return Err(Refused::Older { found, held });
        }
        self.0.store(Some(Arc::new(Held { list, taken_us: now_us })));
        tracing::info!(exemptions.number = found, "a list of exemptions is in force");
        Ok(())
    }

    /// What is exempted for an account of `group` at a moment `boot_us` after the device started, of which `between` is
    /// known. Nothing is while the collector's time is not known, or once it was silent for too long.
    pub(crate) fn at(&self, boot_us: u64, between: Option<Between>, group: &str) -> Exempted {
        let Some((held, between)) = self.0.load_full().zip(between) else { return Exempted::default() };
        if between.silent > held.list.heard_within {
            return Exempted::default();
        }
        let since_us = i64::try_from(boot_us.saturating_sub(held.taken_us)).unwrap_or(i64::MAX);
        let latest_us = between.latest_us.max(held.list.issued_us.saturating_add(since_us));
        Exempted { held: Some(held), earliest_us: between.earliest_us, latest_us, group: group.to_owned() }
    }
}

impl Exempted {
    /// Whether nothing is.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_none()
    }

    /// Whether the medium of that serial number is approved.
    pub(crate) fn approves(&self, serial_hash: Option<Digest>) -> bool {
        let (Some(held), Some(serial_hash)) = (&self.held, serial_hash) else { return false };
        let is_it = |one: &ApprovedMedium| one.serial_hash == serial_hash && self.latest_us < one.until_us;
        held.list.approved_media.iter().any(is_it)
    }

    /// The exemption of a hit without words of wanting to or how to; the caller sees to that.
    pub(crate) fn of(&self, category: Category, level: Level) -> Option<ExemptionId> {
        let exemptions = &self.held.as_ref()?.list.exemptions;
        let is_for = |groups: &BTreeSet<String>| groups.is_empty() || groups.contains(&self.group);
        let holds = exemptions.iter().find(|one| {
            one.covers(category, level) && is_for(&one.groups) && one.is_in_force(self.earliest_us, self.latest_us)
        });
        holds.map(|one| one.id)
    }
}

/// Whether words of wanting to, or of how to, stand in it: then nothing is exempted.
pub(crate) fn is_marked(hit: &Hit) -> bool {
    hit.spans.iter().any(|span| matches!(span.mark, Mark::Intent | Mark::Method))
}

/// By the kind of key that a collector's authority has.
fn is_signed_by(authority: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(authority) else { return false };
    let key = &certificate.public_key().subject_public_key.data;
    let known = rustls::crypto::ring::default_provider().signature_verification_algorithms.mapping;
    let of_authorities = known.iter().filter(|(scheme, _)| *scheme == SignatureScheme::ECDSA_NISTP256_SHA256);
    let mut algorithms = of_authorities.flat_map(|(_, algorithms)| algorithms.iter());
    algorithms.any(|algorithm| algorithm.verify_signature(key, message, signature).is_ok())
}

#[cfg(test)]
mod tests;
