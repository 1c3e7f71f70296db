//! The words of the rule set in force, for the console: verified again as it is read.

use std::sync::Arc;

use arc_swap::ArcSwap;
use lapwing_rules::{RuleSet, TrustedKeys};

use crate::config::Config;
use crate::console::{RuleBook, RuleWords};
use crate::store::artefacts::{self, ArtefactKind};
use crate::store::{Store, StoreError};

/// Why the console has no words for the newest rule set.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoWords {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("`trust.rule_keys` in the configuration is not usable")]
    Trust(#[from] lapwing_rules::TrustError),
    #[error("the newest rule set cannot be read")]
    Artefact(#[from] lapwing_rules::ArtefactError),
}

/// Reads them anew; on an error those in force stay.
pub(super) async fn refresh(store: &Store, config: &ArcSwap<Config>, rules: &ArcSwap<RuleBook>) {
    match read(store, &config.load()).await {
        Ok(Some(words)) => rules.store(Arc::new(words)),
        Ok(None) => {}
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the console lacks the newest rules' words");
        }
    }
}

/// The words of the newest rule set; none before the first is published.
async fn read(store: &Store, config: &Config) -> Result<Option<RuleBook>, NoWords> {
    let school = &config.school.id;
    let release = artefacts::releases(store, school).await?.rule_set;
    let Some(stored) = artefacts::find(store, school, ArtefactKind::RuleSet, release).await? else {
        return Ok(None);
    };
    let rules = RuleSet::load(&stored.bytes, &TrustedKeys::new(config.trust.rule_keys.clone(), 1)?)?;
    let words = rules.rules().map(|rule| {
        let words = RuleWords { title: rule.title.clone(), guidance: rule.guidance.clone() };
        (rule.id.clone(), words)
    });
    Ok(Some(RuleBook::new(rules.release(), words)))
}
