//! What a device would notice of a rule besides its level.

use std::collections::BTreeMap;

use lapwing_rules::{Extent, Reporting, RuleFacts, RuleSet};
use serde_json::{Value, json};

/// Letters that are shown of the digest of a rule's words.
const WORDS_SHOWN: usize = 12;

/// What is told of a rule where it differs, each in a text that is empty where a rule has none of it.
pub(super) type Terms = BTreeMap<&'static str, String>;

/// One of the terms, before and after.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) what: &'static str,
    pub(super) old: String,
    pub(super) new: String,
}

/// The terms of a rule that reaches as far as `extent`, its level left out.
pub(super) fn terms(facts: &RuleFacts, extent: &Extent) -> Terms {
    let course = &facts.course;
    let levels = facts.levels.iter().map(|(band, level)| format!("{band} {level}"));
    let after = course.after.map(|after| format!("{} times within {} s", after.times, after.within.as_secs()));
    let escalate = course.escalation.map(|escalation| {
        let (spans, within) = (escalation.spans, escalation.within.as_secs());
        format!("to level {} with {spans} phrases within {within} s", escalation.level)
    });
    let watch = course.watch.map(|watch| format!("{} to {}", watch.from, watch.until));
    let shadow = match course.reporting {
        Reporting::Live => "",
        Reporting::Shadow => "yes",
    };
    BTreeMap::from([
        ("category", facts.category.id().to_owned()),
        ("levels of bands", joined(levels)),
        ("bands", joined(extent.bands.iter().map(ToString::to_string))),
        ("scopes", joined(extent.scopes.iter().map(ToString::to_string))),
        ("phrases", extent.phrases.to_string()),
        ("words", extent.words.to_string().chars().take(WORDS_SHOWN).collect()),
        ("hosts", extent.hosts.to_string()),
        ("cooldown", format!("{} s", facts.cooldown.as_secs())),
        ("after", after.unwrap_or_default()),
        ("escalate", escalate.unwrap_or_default()),
        ("shadow", shadow.to_owned()),
        ("watch", watch.unwrap_or_default()),
        ("tune", facts.tuned.as_ref().map(|tuned| tuned.told()).unwrap_or_default()),
    ])
}

/// The packs of a rule set and their versions.
pub(super) fn packs(rules: &RuleSet) -> BTreeMap<String, u32> {
    rules.packs().iter().map(|pack| (pack.id.clone(), pack.version)).collect()
}

/// What is in one and not the same in the other.
pub(super) fn others(old: &Terms, new: &Terms) -> Vec<Other> {
    let other = |(what, old): (&&'static str, &String)| {
        let new = new.get(what).cloned().unwrap_or_default();
        (*old != new).then(|| Other { what, old: old.clone(), new })
    };
    old.iter().filter_map(other).collect()
}

impl Other {
    pub(super) fn in_words(&self) -> String {
        let told = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
        format!("{}: {} -> {}", self.what, told(&self.old), told(&self.new))
    }

    pub(super) fn as_json(&self) -> Value {
        json!({ "what": self.what, "old": self.old, "new": self.new })
    }
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join(", ")
}
