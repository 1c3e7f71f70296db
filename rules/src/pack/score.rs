//! `[[score]]`: a rule that looks at what other rules of its category found.

use toml::Spanned;

use super::reader::{Fields, Reader};
use super::{Matching, RuleSource, rule};
use crate::Scope;

const MAX_THRESHOLD: i64 = 10_000;
pub(crate) const KEYS: &[&str] =
    &["id", "title", "category", "level", "levels", "bands", "guidance", "cooldown", "threshold", "examples"];

/// A score. Its scopes are those of the rules that add to it, so it looks at all.
pub(super) fn score(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<RuleSource> {
    reader.known(fields, KEYS);
    let scopes = Spanned::new(fields.span.clone(), Scope::ALL.to_vec());
    let threshold = reader.integer(fields, "threshold", 1..=MAX_THRESHOLD, None);
    let matching = threshold.and_then(|threshold| {
        let span = threshold.span();
        Some(Spanned::new(span, Matching::Score { threshold: i32::try_from(threshold.into_inner()).ok()? }))
    });
    rule::source(reader, fields, Some(scopes), matching, "`[score.examples]`")
}
