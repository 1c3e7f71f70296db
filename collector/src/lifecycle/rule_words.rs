//! The words of the rule set in force, for the console.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config::Config;
use crate::console::{RuleBook, RuleWords};
use crate::in_force::{self, Unreadable};
use crate::store::Store;

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
async fn read(store: &Store, config: &Config) -> Result<Option<RuleBook>, Unreadable> {
    let Some(rules) = in_force::rule_set(store, config).await? else { return Ok(None) };
    let words = rules.rules().map(|rule| {
        let words = RuleWords { title: rule.title.clone(), guidance: rule.guidance.clone() };
        (rule.id.clone(), words)
    });
    let ends_us =
        rules.validity().expires.map(|second| i64::try_from(second).unwrap_or(i64::MAX).saturating_mul(1_000_000));
    Ok(Some(RuleBook::new(rules.release(), words).ending(ends_us)))
}
