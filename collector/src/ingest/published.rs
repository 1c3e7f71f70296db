//! What is published for devices, compressed once and kept in memory.

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use lapwing_proto::wire;
use lapwing_proto::{DeviceId, SchoolId};
use lapwing_rules::Digest;

use super::exempting::Exempting;
use crate::roll_out::RollOut;
use crate::store::artefacts::{self, ArtefactKind};
use crate::store::{Store, StoreError, exemptions, roll_outs};

/// The rule sets, policies and exemptions that are offered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Published {
    rule_set: Staged,
    policy: Staged,
    /// `None` before there was an exemption.
    pub(super) exempting: Option<Arc<Exempting>>,
}

/// The newest release of a kind, and the one that whoever is not in its stage is offered.
#[derive(Clone, Debug, Default)]
struct Staged {
    out: RollOut,
    newest: Option<Arc<Offer>>,
    base: Option<Arc<Offer>>,
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
    /// What `store` holds now, where that is another than `self`.
    pub(super) async fn newer(
        &self,
        store: &Store,
        school: &SchoolId,
        now_us: i64,
    ) -> Result<Option<Self>, StoreError> {
        let rule_set = roll_outs::standing(store, school, ArtefactKind::RuleSet).await?.out;
        let policy = roll_outs::standing(store, school, ArtefactKind::Policy).await?.out;
        let number = exemptions::number(store, school).await?;
        if rule_set == self.rule_set.out && policy == self.policy.out && number == self.exemptions_number() {
            return Ok(None);
        }
        let exempting = match &self.exempting {
            Some(held) if held.number() == number => Some(Arc::clone(held)),
            Some(_) | None => Exempting::load(store, school, number, now_us).await?.map(Arc::new),
        };
        Ok(Some(Self {
            rule_set: self.rule_set.newer(store, school, ArtefactKind::RuleSet, rule_set).await?,
            policy: self.policy.newer(store, school, ArtefactKind::Policy, policy).await?,
            exempting,
        }))
    }

    /// What a device of a group is offered.
    pub(super) fn for_device(&self, kind: ArtefactKind, device: (DeviceId, &str)) -> Option<&Arc<Offer>> {
        let staged = self.staged(kind);
        self.of_release(kind, staged.out.for_device(kind, device))
    }

    /// A release that some device may be offered.
    pub(super) fn of_release(&self, kind: ArtefactKind, release: u64) -> Option<&Arc<Offer>> {
        let staged = self.staged(kind);
        [&staged.newest, &staged.base].into_iter().flatten().find(|offer| offer.release == release)
    }

    fn staged(&self, kind: ArtefactKind) -> &Staged {
        match kind {
            ArtefactKind::RuleSet => &self.rule_set,
            ArtefactKind::Policy => &self.policy,
        }
    }

    pub(super) fn exemptions_number(&self) -> u64 {
        self.exempting.as_ref().map_or(0, |exempting| exempting.number())
    }
}

impl Staged {
    async fn newer(
        &self,
        store: &Store,
        school: &SchoolId,
        kind: ArtefactKind,
        out: RollOut,
    ) -> Result<Self, StoreError> {
        let held = |release: u64| [&self.newest, &self.base].into_iter().flatten().find(|one| one.release == release);
        let offer = async |release: u64| match held(release) {
            Some(offer) => Ok(Some(Arc::clone(offer))),
            None => load(store, school, kind, release).await,
        };
        Ok(Self { newest: offer(out.newest).await?, base: offer(out.base).await?, out })
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
