//! The newest rule set that was published, verified again as it is read.

use lapwing_rules::{Artefact, ArtefactError, Kind, RuleSet, TrustedKeys};

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
    Artefact(#[from] ArtefactError),
}

/// The rule set; none before the first is published.
pub(crate) async fn rule_set(store: &Store, config: &Config) -> Result<Option<RuleSet>, Unreadable> {
    let school = &config.school.id;
    let release = artefacts::releases(store, school).await?.rule_set;
    let Some(stored) = artefacts::find(store, school, ArtefactKind::RuleSet, release).await? else {
        return Ok(None);
    };
    Ok(Some(RuleSet::load(&stored.bytes, &TrustedKeys::new(config.trust.rule_keys.clone(), 1)?)?))
}

/// Whoever signed an artefact that was verified when it was published, whatever keys are trusted by now: to compare with it.
///
/// # Errors
///
/// When it is damaged, or nobody's signature on it holds.
pub(crate) fn its_signers(stored: &[u8], kind: Kind) -> Result<TrustedKeys, ArtefactError> {
    let signers = Artefact::read(stored, kind)?.signers();
    TrustedKeys::new(signers, 1).map_err(|_| ArtefactError::Untrusted { found: 0, needed: 1 })
}
