//! A loaded rule set: what a device, the collector and the tools judge signals by.
//!
//! It has one or two layers of rules: its own, and those of the illegal base it carries. A signal is judged by each alone, and
//! the verdict holds the hits of both.

mod base;
mod beside;
mod extent;
mod layer;
mod matched;
mod scored;
mod weakening;

use std::collections::{BTreeMap, BTreeSet};

use crate::artefact::Verified;
use crate::matcher::Find;
use crate::program::{self, Case, CaseScope, Program};
use crate::{
    ArtefactError, Band, Digest, Hit, HostClass, Kind, PackFacts, Release, Reporting, RuleFacts, RuleId, Spared, Text,
    TrustedKeys, Validity, Verdict, split_url,
};

pub(crate) use base::{BASE_PACKS, ILLEGAL_BASE, PROTECTED_HOSTS, SECTION as BASE_SECTION};
pub use base::{Base, BaseError};
pub use extent::Extent;
pub(crate) use layer::Layer;
pub use scored::Scored;
pub use weakening::Weakened;

/// Most texts of one signal.
pub const MAX_TEXTS: usize = 16;

/// A verified, compiled rule set. Share it in an `Arc`; nothing in it changes.
#[derive(Debug)]
pub struct RuleSet {
    release: Release,
    digest: Digest,
    validity: Validity,
    base: Option<Base>,
    own: Layer,
}

impl RuleSet {
    /// Verifies an artefact, reads it, and runs the cases embedded in it. The signatures on its illegal base are not
    /// looked at: whoever judges people by it asks [`RuleSet::check_base`] too.
    ///
    /// # Errors
    ///
    /// When it is not signed by enough trusted keys, is made for another engine, is damaged, or judges one of its own
    /// cases otherwise than when it was compiled. The caller keeps the rule set it has.
    pub fn load(artefact: &[u8], keys: &TrustedKeys) -> Result<Self, ArtefactError> {
        let verified = Verified::open(artefact, Kind::RuleSet, keys)?;
        let program = program::decode(&verified)?;
        let base = verified.has_section(BASE_SECTION).then(|| verified.section(BASE_SECTION).and_then(Base::open));
        let rule_set = Self::assemble(program, verified.release, Digest::of(artefact), verified.validity)?;
        let rule_set = rule_set.upon(base.transpose()?);
        rule_set.own.self_test()?;
        rule_set.check_apart()?;
        Ok(rule_set)
    }

    /// A rule set without an illegal base.
    pub(crate) fn assemble(
        program: Program,
        release: Release,
        digest: Digest,
        validity: Validity,
    ) -> Result<Self, ArtefactError> {
        Ok(Self { release, digest, validity, base: None, own: Layer::new(program)? })
    }

    /// The same with an illegal base beside it.
    pub(crate) fn upon(self, base: Option<Base>) -> Self {
        Self { base, ..self }
    }

    /// Refuses a set whose own rules pass for those of its base, or that names protected hosts beside those of the base.
    fn check_apart(&self) -> Result<(), ArtefactError> {
        let Some(base) = &self.base else { return Ok(()) };
        let own = self.own.program();
        let packs: BTreeSet<&str> = base.layer.program().packs.iter().map(|pack| pack.id.as_str()).collect();
        let pack_of = |id: &RuleId| id.as_str().split_once('.').map_or("", |(pack, _)| pack).to_owned();
        let is_taken = own.packs.iter().any(|pack| packs.contains(pack.id.as_str()))
            || own.rules.iter().any(|rule| packs.contains(pack_of(&rule.facts.id).as_str()));
        if is_taken {
            return Err(ArtefactError::Damaged { what: "its own rules, which are named as those of its illegal base" });
        }
        match own.hosts.has_class(HostClass::Protected) {
            true => Err(ArtefactError::Damaged { what: "its protected hosts, which only its illegal base names" }),
            false => Ok(()),
        }
    }

    fn is_of_base(&self, rule: &RuleId) -> bool {
        self.base.as_ref().is_some_and(|base| base.layer.rule(rule).is_some())
    }

    /// Its own rules, and those of its base.
    fn layers(&self) -> impl Iterator<Item = &Layer> {
        [&self.own].into_iter().chain(self.base.as_ref().map(|base| &base.layer))
    }

    /// Its release.
    #[must_use]
    pub fn release(&self) -> Release {
        self.release
    }

    /// SHA-256 of the artefact it was loaded from.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// When it is meant to be in force. Expiry never disarms: report it and go on.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// The packs it was compiled from, by id, those of its base among them.
    #[must_use]
    pub fn packs(&self) -> Vec<&PackFacts> {
        let mut packs: Vec<&PackFacts> = self.layers().flat_map(|layer| &layer.program().packs).collect();
        packs.sort_by(|left, right| left.id.cmp(&right.id));
        packs
    }

    /// The illegal base it carries; none in a set for trials.
    #[must_use]
    pub fn base(&self) -> Option<&Base> {
        self.base.as_ref()
    }

    /// That it carries an illegal base which enough of `keys` signed, not older than the release held before, if any.
    ///
    /// # Errors
    ///
    /// [`BaseError`]. The caller keeps the rule set it has.
    pub fn check_base(&self, keys: &TrustedKeys, held: Option<Release>) -> Result<Release, BaseError> {
        let base = self.base().ok_or(BaseError::Missing)?;
        base.check(keys, held)?;
        Ok(base.release())
    }

    /// The rule of this id.
    #[must_use]
    pub fn rule(&self, id: &RuleId) -> Option<&RuleFacts> {
        self.layers().find_map(|layer| layer.rule(id)).map(|(_, rule)| &rule.facts)
    }

    /// All rules, by id.
    pub fn rules(&self) -> impl Iterator<Item = &RuleFacts> {
        let mut rules: Vec<&RuleFacts> =
            self.layers().flat_map(|layer| &layer.program().rules).map(|rule| &rule.facts).collect();
        rules.sort_by(|left, right| left.id.cmp(&right.id));
        rules.into_iter()
    }

    /// How the pages of `host` (as [`split_url`] gives it) are treated. Below a protected domain all is protected; else the
    /// nearest named domain decides, and where one host has several classes, the most careful. Of what a school says and its
    /// base, the more careful holds.
    #[must_use]
    pub fn host_class(&self, host: &str) -> HostClass {
        self.layers().filter_map(|layer| layer.program().hosts.class_of(host)).max().unwrap_or_default()
    }

    /// Judges the texts of one signal for an account of `band`. Pure: the same texts, band and rule set give the same
    /// verdict everywhere.
    ///
    /// At most [`MAX_TEXTS`] texts are looked at, and of each the first [`Text::MAX_BYTES`]. Time is linear in the
    /// texts. A domain rule's span covers the whole host; a rule for any removable medium has no span.
    #[must_use]
    pub fn evaluate(&self, texts: &[Text], band: Band) -> Verdict {
        self.evaluate_all(texts, band).0
    }

    /// The verdict, and beside it what rules on trial fired: their hits, by rule, are for counting alone.
    #[must_use]
    pub fn evaluate_all(&self, texts: &[Text], band: Band) -> (Verdict, Vec<Hit>) {
        self.evaluate_where(texts, band, |_| true)
    }

    /// As [`RuleSet::evaluate_all`], of the hits that `keep` leaves: what it does not counts towards no bound. `keep` may
    /// take spans away.
    #[must_use]
    pub fn evaluate_where(
        &self,
        texts: &[Text],
        band: Band,
        mut keep: impl FnMut(&mut Hit) -> bool,
    ) -> (Verdict, Vec<Hit>) {
        let is_shadow = |hit: &Hit| self.rule(&hit.rule).is_some_and(|rule| rule.course.reporting == Reporting::Shadow);
        let folds = layer::folds(texts);
        let judged = self.layers().flat_map(|layer| layer.judge(texts, band, &folds));
        let kept = judged.filter_map(|mut hit| keep(&mut hit).then_some(hit));
        let (shadows, mut hits): (Vec<Hit>, Vec<Hit>) = kept.partition(is_shadow);
        let order = |left: &Hit, right: &Hit| right.level.cmp(&left.level).then_with(|| left.rule.cmp(&right.rule));
        if hits.len() > Verdict::MAX_HITS {
            // A text stuffed with other topics, or a set with other rules, must push none of the base over the bound, nor
            // an illegal one.
            let weight = |hit: &Hit| (self.is_of_base(&hit.rule), hit.category.class().is_illegal());
            hits.sort_by(|left, right| weight(right).cmp(&weight(left)).then_with(|| order(left, right)));
            hits.truncate(Verdict::MAX_HITS);
        }
        hits.sort_by(order);
        (Verdict { release: self.release, rule_set: self.digest, band, hits }, shadows)
    }

    /// Rules that would fire on these texts but for their exceptions, by id.
    #[must_use]
    pub fn spared(&self, texts: &[Text], band: Band) -> Vec<Spared> {
        self.layers().flat_map(|layer| layer.spared(texts, band)).collect()
    }

    /// The rule one of whose exceptions, this phrase, hands what it consumes to `target`.
    pub(crate) fn rerouted_from(&self, target: &RuleId, phrase: &str) -> Option<&RuleId> {
        self.layers().find_map(|layer| layer.rerouted_from(target, phrase))
    }

    /// Whether the weights of a rule are others in this band.
    pub(crate) fn has_own_weights(&self, id: &RuleId, band: Band) -> bool {
        self.layers().any(|layer| layer.has_own_weights(id, band))
    }

    /// Every rule of its own that fires, by its number.
    pub(crate) fn fired(&self, texts: &[Text], band: Band) -> BTreeMap<u32, Hit> {
        self.own.fired(texts, band)
    }

    /// What every rule of its own finds, by its number, with the weights of the band.
    pub(crate) fn finds(&self, texts: &[Text], band: Band) -> BTreeMap<u32, Vec<Find>> {
        self.own.finds(texts, band)
    }

    /// What every rule of its own finds, with the weights of bands that have none of their own.
    pub(crate) fn unweighed_finds(&self, texts: &[Text], band: Band) -> BTreeMap<u32, Vec<Find>> {
        self.own.unweighed_finds(texts, band)
    }

    /// The cases of its own rules as they are judged: what a school tuned judges some otherwise than its pack promised.
    pub(crate) fn judged_cases(&self) -> Vec<Case> {
        self.own.judged_cases()
    }
}

/// The texts a device would judge for an example; none for a URL that cannot be split.
pub(crate) fn case_texts(scope: CaseScope, text: &str) -> Vec<Text> {
    match scope {
        CaseScope::Text(scope) => vec![Text::new(scope, text)],
        CaseScope::Url => split_url(text).map(|parts| parts.texts()).unwrap_or_default(),
    }
}
