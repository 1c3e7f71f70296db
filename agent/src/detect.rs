//! Matches a signal by the rule set, and counts what repeats.

mod bursts;
mod cooldown;
mod recent;

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

use lapwing_proto::{ExemptionId, Signal as Kind};
use lapwing_rules::{Band, Category, Hit, HostClass, Level, Mark, Reporting, RuleId, RuleSet, Scope, Verdict};

use crate::exemptions::{Exempted, is_marked};
use crate::limits::Effort;
use crate::scope::Look;
use crate::signal::Signal;
pub use bursts::Bursts;
pub use cooldown::{Cooldowns, Due, Fired};

/// What matching a signal found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detected {
    /// No rule fired: the signal is forgotten.
    Nothing,
    /// A page that offers help was opened: counted for the school, without account, device or time.
    Support(String),
    /// Rules fired: at least one hit, highest level first.
    Hits(Verdict),
}

/// Everything that matching a signal leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// What it found.
    pub detected: Detected,
    /// Hits of rules on trial, as far as they would be hits.
    pub on_trial: Vec<Hit>,
    /// What would have been a hit but for an exemption: to be counted for it, and nothing more.
    pub exempted: BTreeSet<(ExemptionId, Category)>,
}

/// What is to be reported, and how often it fired unreported before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// At least one hit, each at the level that its rule gives the band; highest level first.
    pub verdict: Verdict,
    /// Rules whose hit rises to a higher level, and to which.
    pub risen: BTreeMap<RuleId, Level>,
    /// Hits that were counted before this one.
    pub repeats: u32,
}

/// Matches `signal` as `look` allows. Everything that fired is found, however lately it fired before, save what is
/// exempted. Where words of an intent or a method stand in anything that fired, nothing is.
pub fn detect(signal: &Signal, look: &Look<'_>, rules: &RuleSet, band: Band, exempted: &Exempted) -> Findings {
    let (mut found, mut marked) = (BTreeSet::new(), false);
    let keep = |hit: &mut Hit| {
        let has_mark = is_marked(hit);
        if !is_allowed(hit, signal, look, rules) {
            return false;
        }
        marked |= has_mark && !is_on_trial(hit, rules);
        if is_approved_medium(hit, signal, exempted) {
            return false;
        }
        let Some(exemption) = exemption(hit, exempted, rules) else { return true };
        if !is_on_trial(hit, rules) {
            found.insert((exemption, hit.category));
        }
        false
    };
    let (verdict, shadows) = rules.evaluate_where(&signal.texts, band, keep);
    if marked && !exempted.is_empty() {
        return detect(signal, look, rules, band, &Exempted::default());
    }
    findings(signal, look, rules, verdict, shadows, found)
}

fn findings(
    signal: &Signal,
    look: &Look<'_>,
    rules: &RuleSet,
    verdict: Verdict,
    mut on_trial: Vec<Hit>,
    exempted: BTreeSet<(ExemptionId, Category)>,
) -> Findings {
    if look.is_support() && !has_intent(&verdict.hits) {
        on_trial.retain(|hit| has_intent(slice::from_ref(hit)));
        return Findings { detected: support(signal, rules), on_trial, exempted: BTreeSet::new() };
    }
    let detected = if verdict.hits.is_empty() { Detected::Nothing } else { Detected::Hits(verdict) };
    Findings { detected, on_trial, exempted }
}

/// Whether it says no more than that a medium was put in, and the school approved that one.
fn is_approved_medium(hit: &Hit, signal: &Signal, exempted: &Exempted) -> bool {
    let serial_hash = signal.media.as_ref().and_then(|media| media.serial_hash);
    hit.category == Category::RemovableMedia && !is_marked(hit) && exempted.approves(serial_hash)
}

/// The exemption of a hit. Whatever may rise to a critical level has none.
fn exemption(hit: &Hit, exempted: &Exempted, rules: &RuleSet) -> Option<ExemptionId> {
    let exemption = exempted.of(hit.category, hit.level)?;
    let rises_to = rules.rule(&hit.rule).and_then(|rule| rule.course.escalation).map(|escalation| escalation.level);
    (!is_marked(hit) && rises_to != Some(Level::Critical)).then_some(exemption)
}

fn is_on_trial(hit: &Hit, rules: &RuleSet) -> bool {
    rules.rule(&hit.rule).is_some_and(|rule| rule.course.reporting == Reporting::Shadow)
}

/// Whether a hit counts here and today. Of a browser's title only what stands in the title does.
fn is_allowed(hit: &mut Hit, signal: &Signal, look: &Look<'_>, rules: &RuleSet) -> bool {
    let is_day_of = rules.rule(&hit.rule).is_none_or(|rule| look.is_day_of(&rule.course));
    if signal.kind == Kind::Title {
        keep_title_spans(hit, signal);
    }
    let stands = signal.kind != Kind::Title || !hit.spans.is_empty();
    stands && is_day_of && look.allows(hit.category, hit.level)
}

/// What of a verdict is reported now; `None` where every rule fired so lately or so seldom that it is counted alone, or
/// the agent does too little for it.
pub fn report(
    mut verdict: Verdict,
    signal: &Signal,
    rules: &RuleSet,
    cooldowns: &mut Cooldowns,
    effort: &Effort,
) -> Option<Found> {
    let (mut repeats, mut risen, band) = (0_u32, BTreeMap::new(), verdict.band);
    verdict.hits.retain(|hit| {
        let Some(due) = due(hit, band, signal, rules, cooldowns, effort) else { return false };
        repeats = repeats.saturating_add(due.repeats);
        risen.extend(due.risen.map(|level| (hit.rule.clone(), level)));
        true
    });
    (!verdict.hits.is_empty()).then_some(Found { verdict, risen, repeats })
}

/// Rules on trial that would be reported now, were they live: to be counted by rule and day, and nothing more.
pub fn shadows(
    mut hits: Vec<Hit>,
    band: Band,
    signal: &Signal,
    rules: &RuleSet,
    cooldowns: &mut Cooldowns,
    effort: &Effort,
) -> Vec<RuleId> {
    hits.retain(|hit| due(hit, band, signal, rules, cooldowns, effort).is_some());
    hits.into_iter().map(|hit| hit.rule).collect()
}

/// How a hit is told now; `None` where it is counted alone.
fn due(
    hit: &Hit,
    band: Band,
    signal: &Signal,
    rules: &RuleSet,
    cooldowns: &mut Cooldowns,
    effort: &Effort,
) -> Option<Due> {
    let phrases = || rules.matched_phrases(hit, &signal.texts, band).into_iter().collect();
    match fired(hit, rules, effort, &phrases) {
        Some(fired) => cooldowns.enter(&signal.account, fired, signal.seen.boot_us),
        // The daily check shows that the path works, each time.
        None => Some(Due { repeats: 0, risen: None }),
    }
}

/// A hit by the terms of its rule; none where it is always told.
fn fired<'a>(hit: &'a Hit, rules: &RuleSet, effort: &Effort, phrases: &'a dyn Fn() -> Vec<u64>) -> Option<Fired<'a>> {
    let facts = rules.rule(&hit.rule).filter(|facts| facts.category != Category::Canary)?;
    Some(Fired {
        rule: &hit.rule,
        level: hit.level,
        cooldown: facts.cooldown,
        stretch: effort.cooldowns,
        course: facts.course,
        phrases,
        least: effort.least,
    })
}

/// A browser's title is matched with its page's host so that exceptions for the host hold; what fires on the host is
/// the URL's to report.
fn keep_title_spans(hit: &mut Hit, signal: &Signal) {
    let is_title = |text: usize| signal.texts.get(text).is_some_and(|text| text.scope == Scope::Title);
    hit.spans.retain(|span| is_title(span.text));
    hit.excepted.retain(|won| is_title(won.text));
}

/// Whether a page that offers help is more than that: words of an intent stand on it, or the law forbids what was found.
fn has_intent(hits: &[Hit]) -> bool {
    let is_intent = |hit: &Hit| hit.spans.iter().any(|span| span.mark == Mark::Intent);
    hits.iter().any(|hit| is_intent(hit) || hit.category.class().is_illegal())
}

/// A page is counted once, by its URL.
fn support(signal: &Signal, rules: &RuleSet) -> Detected {
    match (&signal.host, signal.kind) {
        (Some(host), Kind::Url) => Detected::Support(named_domain(host, rules).to_owned()),
        (Some(_) | None, Kind::Title | Kind::Url | Kind::FileDrop | Kind::Media | Kind::System) => Detected::Nothing,
    }
}

/// The domain by which the rule set knows a host that offers help. What stands before it nobody matched: it stays here.
fn named_domain<'a>(host: &'a str, rules: &RuleSet) -> &'a str {
    let above = std::iter::successors(Some(host), |name| name.split_once('.').map(|(_, above)| above));
    let nearest_first: Vec<&str> = above.collect();
    let named = nearest_first.into_iter().rev().find(|name| rules.host_class(name) == HostClass::Support);
    named.unwrap_or(host)
}

#[cfg(test)]
mod tests;
