//! A loaded rule set: what a device, the collector and the tools judge signals by.

mod beside;
mod extent;
mod matched;
mod scored;

use std::collections::BTreeMap;

use crate::artefact::Verified;
use crate::fold::Folded;
use crate::matcher::{Find, Matcher};
use crate::program::{self, Case, CaseScope, HostPurpose, Program, Reroute, Rule};
use crate::{
    ArtefactError, Band, Digest, Hit, HostClass, Kind, PackFacts, Release, Reporting, RuleFacts, RuleId, Scope, Spared,
    Text, TrustedKeys, Validity, Verdict, judge, split_url,
};

pub use extent::Extent;
pub use scored::Scored;

/// Most texts of one signal.
pub const MAX_TEXTS: usize = 16;
/// The pack without which a school's device has nothing to say about illegal content.
pub(crate) const ILLEGAL_BASE: &str = "illegal_base";

/// A verified, compiled rule set. Share it in an `Arc`; nothing in it changes.
#[derive(Debug)]
pub struct RuleSet {
    release: Release,
    digest: Digest,
    validity: Validity,
    matcher: Matcher,
}

impl RuleSet {
    /// Verifies an artefact, reads it, and runs the cases embedded in it.
    ///
    /// # Errors
    ///
    /// When it is not signed by enough trusted keys, is made for another engine, is damaged, or judges one of its own
    /// cases otherwise than when it was compiled. The caller keeps the rule set it has.
    pub fn load(artefact: &[u8], keys: &TrustedKeys) -> Result<Self, ArtefactError> {
        let verified = Verified::open(artefact, Kind::RuleSet, keys)?;
        let program = program::decode(&verified)?;
        let rule_set = Self::assemble(program, verified.release, Digest::of(artefact), verified.validity)?;
        rule_set.self_test()?;
        Ok(rule_set)
    }

    pub(crate) fn assemble(
        program: Program,
        release: Release,
        digest: Digest,
        validity: Validity,
    ) -> Result<Self, ArtefactError> {
        let matcher = Matcher::new(program).ok_or(ArtefactError::Damaged { what: "its substrings" })?;
        Ok(Self { release, digest, validity, matcher })
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

    /// The packs it was compiled from, by id.
    #[must_use]
    pub fn packs(&self) -> &[PackFacts] {
        &self.matcher.program().packs
    }

    /// Whether the illegal base pack is one of them.
    #[must_use]
    pub fn has_illegal_base(&self) -> bool {
        self.packs().iter().any(|pack| pack.id == ILLEGAL_BASE)
    }

    /// The rule of this id.
    #[must_use]
    pub fn rule(&self, id: &RuleId) -> Option<&RuleFacts> {
        let rules = &self.matcher.program().rules;
        let at = rules.binary_search_by(|rule| rule.facts.id.cmp(id)).ok()?;
        rules.get(at).map(|rule| &rule.facts)
    }

    /// All rules, by id.
    pub fn rules(&self) -> impl Iterator<Item = &RuleFacts> {
        self.matcher.program().rules.iter().map(|rule| &rule.facts)
    }

    /// How the pages of `host` (as [`split_url`] gives it) are treated. The nearest named domain decides; where one
    /// host has several classes, the most careful.
    #[must_use]
    pub fn host_class(&self, host: &str) -> HostClass {
        let class = |purpose: HostPurpose| match purpose {
            HostPurpose::Class(class) => Some(class),
            HostPurpose::Rule(_) | HostPurpose::Exception(_) => None,
        };
        let mut nearest = self.matcher.program().hosts.purposes(host).map(|purposes| purposes.filter_map(class).max());
        nearest.find_map(|class| class).unwrap_or_default()
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
        let kept = self.judge(texts, band).filter_map(|mut hit| keep(&mut hit).then_some(hit));
        let (shadows, mut hits): (Vec<Hit>, Vec<Hit>) = kept.partition(is_shadow);
        let order = |left: &Hit, right: &Hit| right.level.cmp(&left.level).then_with(|| left.rule.cmp(&right.rule));
        if hits.len() > Verdict::MAX_HITS {
            // A text stuffed with other topics must not push an illegal one over the bound.
            hits.sort_by(|left, right| {
                let is_illegal = |hit: &Hit| hit.category.class().is_illegal();
                is_illegal(right).cmp(&is_illegal(left)).then_with(|| order(left, right))
            });
            hits.truncate(Verdict::MAX_HITS);
        }
        hits.sort_by(order);
        (Verdict { release: self.release, rule_set: self.digest, band, hits }, shadows)
    }

    /// Every hit, by rule. A rule that only adds to a score is none.
    pub(crate) fn judge(&self, texts: &[Text], band: Band) -> impl Iterator<Item = Hit> {
        let program = self.matcher.program();
        let reported =
            |number: &u32| program.contribution_of(*number).is_none_or(|contribution| contribution.is_reported);
        self.fired(texts, band).into_iter().filter(move |(number, _)| reported(number)).map(|(_, hit)| hit)
    }

    /// Every rule that fires, by its number, whether it is reported or only adds to a score.
    pub(crate) fn fired(&self, texts: &[Text], band: Band) -> BTreeMap<u32, Hit> {
        let (mut hits, mut elsewhere) = (BTreeMap::new(), Vec::new());
        let (finds, program) = (self.finds(texts, band), self.matcher.program());
        let silenced = if finds.is_empty() { Vec::new() } else { self.matcher.silenced(texts) };
        for (number, finds) in finds {
            let Some(rule) = self.matcher.rule(number).filter(|_| !silenced.contains(&number)) else { continue };
            match judge::hit(rule, band, &finds, program) {
                Some(hit) => {
                    hits.insert(number, hit);
                }
                None => elsewhere.extend(judge::rerouted((number, rule), band, &finds, program)),
            }
        }
        for (number, hit) in elsewhere.into_iter().filter(|(number, _)| !silenced.contains(number)) {
            hits.entry(number).or_insert(hit);
        }
        judge::add_scores(program, band, &mut hits);
        hits
    }

    /// Rules that would fire on these texts but for their exceptions, by id.
    #[must_use]
    pub fn spared(&self, texts: &[Text], band: Band) -> Vec<Spared> {
        let (silenced, program) = (self.matcher.silenced(texts), self.matcher.program());
        let mut all = Vec::new();
        for (number, finds) in self.finds(texts, band) {
            let Some(rule) = self.matcher.rule(number) else { continue };
            let by_host = silenced.contains(&number);
            if !by_host && judge::hit(rule, band, &finds, program).is_some() {
                continue;
            }
            let spared = judge::spared(rule, band, &finds, program);
            all.extend(spared.map(|excepted| Spared { rule: rule.facts.id.clone(), excepted, by_host }));
        }
        all
    }

    /// The rule one of whose exceptions, this phrase, hands what it consumes to `target`.
    pub(crate) fn rerouted_from(&self, target: &RuleId, phrase: &str) -> Option<&RuleId> {
        let program = self.matcher.program();
        let leads = |reroute: &&Reroute| {
            let to = self.matcher.rule(reroute.target).is_some_and(|rule| rule.facts.id == *target);
            to && program.phrase_words(reroute.phrase) == Some(phrase)
        };
        let reroute = program.reroutes.iter().find(leads)?;
        self.matcher.rule(reroute.rule).map(|rule| &rule.facts.id)
    }

    /// Whether the weights of a rule are others in this band.
    pub(crate) fn has_own_weights(&self, id: &RuleId, band: Band) -> bool {
        let program = self.matcher.program();
        let at = program.rules.binary_search_by(|rule| rule.facts.id.cmp(id)).ok();
        at.and_then(|at| u32::try_from(at).ok()).is_some_and(|rule| !program.weights_of(rule, band).is_empty())
    }

    /// What every rule finds, by its number, with the weights of the band.
    pub(crate) fn finds(&self, texts: &[Text], band: Band) -> BTreeMap<u32, Vec<Find>> {
        let mut finds = self.unweighed_finds(texts, band);
        for (rule, finds) in &mut finds {
            judge::weigh(self.matcher.program(), *rule, band, finds, |_| true);
        }
        finds
    }

    /// What every rule finds, with the weights of bands that have none of their own.
    pub(crate) fn unweighed_finds(&self, texts: &[Text], band: Band) -> BTreeMap<u32, Vec<Find>> {
        let (mut finds, mut folded) = (BTreeMap::new(), Folded::default());
        for (index, text) in texts.iter().take(MAX_TEXTS).enumerate() {
            self.matcher.find(index, text, band, &mut folded, &mut finds);
        }
        self.find_beside(texts, band, &mut finds);
        finds
    }

    /// The cases as this rule set judges them: what a school tuned judges some otherwise than its pack promised.
    pub(crate) fn judged_cases(&self) -> Vec<Case> {
        let judged = |case: &Case| {
            let rule = self.matcher.rule(case.rule);
            let fires = rule.is_some_and(|rule| self.fires(rule, case.scope, &case.text));
            Case { fires, ..case.clone() }
        };
        self.matcher.program().cases.iter().map(judged).collect()
    }

    fn self_test(&self) -> Result<(), ArtefactError> {
        for case in &self.matcher.program().cases {
            let Some(rule) = self.matcher.rule(case.rule) else { continue };
            if self.fires(rule, case.scope, &case.text) != case.fires {
                return Err(ArtefactError::SelfTest { rule: rule.facts.id.clone() });
            }
        }
        Ok(())
    }

    /// Whether `rule` fires on a text, in the first band it is for.
    fn fires(&self, rule: &Rule, scope: CaseScope, text: &str) -> bool {
        let Some(band) = Band::ALL.into_iter().find(|band| rule.bands.holds(*band)) else { return false };
        self.fired(&case_texts(scope, text), band).values().any(|hit| hit.rule == rule.facts.id)
    }
}

/// The texts a device would judge for an example; none for a URL that cannot be split.
pub(crate) fn case_texts(scope: CaseScope, text: &str) -> Vec<Text> {
    match scope {
        CaseScope::Text(scope) => vec![Text::new(scope, text)],
        CaseScope::Url => split_url(text).map(|parts| parts.texts()).unwrap_or_default(),
    }
}

impl Matcher {
    /// Rules that are silent on the host of this signal.
    fn silenced(&self, texts: &[Text]) -> Vec<u32> {
        let hosts = texts.iter().take(MAX_TEXTS).filter(|text| text.scope == Scope::UrlHost);
        let exception = |purpose: HostPurpose| match purpose {
            HostPurpose::Exception(rule) => Some(rule),
            HostPurpose::Rule(_) | HostPurpose::Class(_) => None,
        };
        hosts.flat_map(|host| self.program().hosts.purposes(&host.text).flatten()).filter_map(exception).collect()
    }
}
