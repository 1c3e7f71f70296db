//! What is published for devices, compressed once and kept in memory.

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use lapwing_proto::SchoolId;
use lapwing_proto::wire;
use lapwing_rules::Digest;

use super::exempting::Exempting;
use crate::store::artefacts::{self, ArtefactKind, Releases};
use crate::store::{Store, StoreError, exemptions};

/// The newest rule set, policy and exemptions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Published {
    pub(super) rule_set: Option<Arc<Offer>>,
    pub(super) policy: Option<Arc<Offer>>,
    /// `None` before there was an exemption.
    pub(super) exempting: Option<Arc<Exempting>>,
}

/// One artefact, ready to be fetched.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(super) release: u64,
    digest: [u8; 32],
    pub(super) size_bytes: u64,
    pub(super) compressed: Vec<u8>,
}

impl Published {
    /// What `store` holds now, where that is newer than `self`.
    pub(super) async fn newer(
        &self,
        store: &Store,
        school: &SchoolId,
        now_us: i64,
    ) -> Result<Option<Self>, StoreError> {
        let stored = artefacts::releases(store, school).await?;
        let number = exemptions::number(store, school).await?;
        if stored == self.releases() && number == self.exemptions_number() {
            return Ok(None);
        }
        let exempting = match &self.exempting {
            Some(held) if held.number() == number => Some(Arc::clone(held)),
            Some(_) | None => Exempting::load(store, school, number, now_us).await?.map(Arc::new),
        };
        if stored == self.releases() {
            return Ok(Some(Self { exempting, ..self.clone() }));
        }
        Ok(Some(Self {
            rule_set: load(store, school, ArtefactKind::RuleSet, stored.rule_set).await?,
            policy: load(store, school, ArtefactKind::Policy, stored.policy).await?,
            exempting,
        }))
    }

    pub(super) fn of(&self, kind: ArtefactKind) -> Option<&Arc<Offer>> {
        match kind {
            ArtefactKind::RuleSet => self.rule_set.as_ref(),
            ArtefactKind::Policy => self.policy.as_ref(),
        }
    }

    pub(super) fn exemptions_number(&self) -> u64 {
        self.exempting.as_ref().map_or(0, |exempting| exempting.number())
    }

    fn releases(&self) -> Releases {
        let release = |offer: &Option<Arc<Offer>>| offer.as_ref().map_or(0, |offer| offer.release);
        Releases { rule_set: release(&self.rule_set), policy: release(&self.policy) }
    }
}

impl Offer {
    /// An artefact that was made for those who fetch it.
    pub(super) fn of(release: u64, bytes: &[u8]) -> Result<Self, StoreError> {
        Ok(Self {
            release,
            digest: *Digest::of(bytes).as_bytes(),
            size_bytes: bytes.len() as u64,
            compressed: compress(bytes)?,
        })
    }

    pub(super) fn available(&self) -> wire::Available {
        wire::Available { release: self.release, digest: self.digest.to_vec(), size_bytes: self.size_bytes }
    }
}

async fn load(
    store: &Store,
    school: &SchoolId,
    kind: ArtefactKind,
    release: u64,
) -> Result<Option<Arc<Offer>>, StoreError> {
    let Some(stored) = artefacts::find(store, school, kind, release).await? else { return Ok(None) };
    let offer = Offer {
        release,
        digest: *stored.digest.as_bytes(),
        size_bytes: stored.bytes.len() as u64,
        compressed: compress(&stored.bytes)?,
    };
    Ok(Some(Arc::new(offer)))
}

fn compress(bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.map_err(|_| StoreError::Corrupt { what: "artefact" })
}
