//! The newest rule set that was published, verified again as it is read.

use lapwing_proto::SchoolId;
use lapwing_rules::{Artefact, Kind, RuleSet, TrustedKeys};

use crate::config::Config;
use crate::store::artefacts::{self, ArtefactKind};
use crate::store::{Store, StoreError};

/// Why the newest rule set is not usable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("`trust.rule_keys` in the configuration is not usable")]
    Trust(#[from] lapwing_rules::TrustError),
    #[error("the newest rule set cannot be read")]
    Artefact(#[from] lapwing_rules::ArtefactError),
}

/// The rule set; none before the first is published.
pub(crate) async fn rule_set(store: &Store, config: &Config) -> Result<Option<RuleSet>, Unreadable> {
    let release = artefacts::releases(store, &config.school.id).await?.rule_set;
    rule_set_of(store, config, release).await
}

/// The rule set of a release as it was verified when it was published, whatever keys are trusted by now; none where it never
/// was.
pub(crate) async fn published(store: &Store, school: &SchoolId, release: u64) -> Result<Option<RuleSet>, Unreadable> {
    let Some(stored) = artefacts::find(store, school, ArtefactKind::RuleSet, release).await? else {
        return Ok(None);
    };
    let signers = Artefact::read(&stored.bytes, Kind::RuleSet)?.signers();
    Ok(Some(RuleSet::load(&stored.bytes, &TrustedKeys::new(signers, 1)?)?))
}

/// The rule set of a release; none where that was never published.
async fn rule_set_of(store: &Store, config: &Config, release: u64) -> Result<Option<RuleSet>, Unreadable> {
    let school = &config.school.id;
    let Some(stored) = artefacts::find(store, school, ArtefactKind::RuleSet, release).await? else {
        return Ok(None);
    };
    Ok(Some(RuleSet::load(&stored.bytes, &TrustedKeys::new(config.trust.rule_keys.clone(), 1)?)?))
}
