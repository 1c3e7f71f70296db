//! What is published for devices, compressed once and kept in memory.

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use lapwing_proto::SchoolId;
use lapwing_proto::wire;

use crate::store::artefacts::{self, ArtefactKind, Releases};
use crate::store::{Store, StoreError};

/// The newest rule set and policy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Published {
    pub(super) rule_set: Option<Arc<Offer>>,
    pub(super) policy: Option<Arc<Offer>>,
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
    pub(super) async fn newer(&self, store: &Store, school: &SchoolId) -> Result<Option<Self>, StoreError> {
        let stored = artefacts::releases(store, school).await?;
        if stored == self.releases() {
            return Ok(None);
        }
        Ok(Some(Self {
            rule_set: load(store, school, ArtefactKind::RuleSet, stored.rule_set).await?,
            policy: load(store, school, ArtefactKind::Policy, stored.policy).await?,
        }))
    }

    pub(super) fn of(&self, kind: ArtefactKind) -> Option<&Arc<Offer>> {
        match kind {
            ArtefactKind::RuleSet => self.rule_set.as_ref(),
            ArtefactKind::Policy => self.policy.as_ref(),
        }
    }

    fn releases(&self) -> Releases {
        let release = |offer: &Option<Arc<Offer>>| offer.as_ref().map_or(0, |offer| offer.release);
        Releases { rule_set: release(&self.rule_set), policy: release(&self.policy) }
    }
}

impl Offer {
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
