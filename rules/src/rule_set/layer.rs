//! One compiled program and what it finds in a signal: a rule set's own, and that of the illegal base it carries.

use std::collections::BTreeMap;

use super::{MAX_TEXTS, case_texts};
use crate::fold::Folds;
use crate::matcher::{Find, Matcher};
use crate::program::{Case, CaseScope, HostPurpose, Program, Reroute, Rule};
use crate::{ArtefactError, Band, Hit, RuleId, Scope, Spared, Text, judge};

/// Rules whose numbers, phrases and hosts are its own.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(super) matcher: Matcher,
}

impl Layer {
    pub(crate) fn new(program: Program) -> Result<Self, ArtefactError> {
        let matcher = Matcher::new(program).ok_or(ArtefactError::Damaged { what: "its substrings" })?;
        Ok(Self { matcher })
    }

    pub(crate) fn program(&self) -> &Program {
        self.matcher.program()
    }

    /// The rule of this id, and its number.
    pub(super) fn rule(&self, id: &RuleId) -> Option<(u32, &Rule)> {
        let rules = &self.program().rules;
        let at = rules.binary_search_by(|rule| rule.facts.id.cmp(id)).ok()?;
        Some((u32::try_from(at).ok()?, rules.get(at)?))
    }

    /// Every hit, by rule. A rule that only adds to a score is none.
    pub(super) fn judge(&self, texts: &[Text], band: Band, folds: &Folds) -> impl Iterator<Item = Hit> {
        let program = self.program();
        let reported =
            |number: &u32| program.contribution_of(*number).is_none_or(|contribution| contribution.is_reported);
        self.fired_on(texts, band, folds).into_iter().filter(move |(number, _)| reported(number)).map(|(_, hit)| hit)
    }

    /// Every rule that fires, by its number, whether it is reported or only adds to a score.
    pub(crate) fn fired(&self, texts: &[Text], band: Band) -> BTreeMap<u32, Hit> {
        self.fired_on(texts, band, &folds(texts))
    }

    fn fired_on(&self, texts: &[Text], band: Band, folds: &Folds) -> BTreeMap<u32, Hit> {
        let (mut hits, mut elsewhere) = (BTreeMap::new(), Vec::new());
        let (finds, program) = (self.finds_on(texts, band, folds), self.program());
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
    pub(super) fn spared(&self, texts: &[Text], band: Band) -> Vec<Spared> {
        let (silenced, program) = (self.matcher.silenced(texts), self.program());
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
        let program = self.program();
        let leads = |reroute: &&Reroute| {
            let to = self.matcher.rule(reroute.target).is_some_and(|rule| rule.facts.id == *target);
            to && program.phrase_words(reroute.phrase) == Some(phrase)
        };
        let reroute = program.reroutes.iter().find(leads)?;
        self.matcher.rule(reroute.rule).map(|rule| &rule.facts.id)
    }

    /// Whether the weights of a rule are others in this band.
    pub(crate) fn has_own_weights(&self, id: &RuleId, band: Band) -> bool {
        self.rule(id).is_some_and(|(rule, _)| !self.program().weights_of(rule, band).is_empty())
    }

    /// What every rule finds, by its number, with the weights of the band.
    pub(crate) fn finds(&self, texts: &[Text], band: Band) -> BTreeMap<u32, Vec<Find>> {
        self.finds_on(texts, band, &folds(texts))
    }

    fn finds_on(&self, texts: &[Text], band: Band, folds: &Folds) -> BTreeMap<u32, Vec<Find>> {
        let mut finds = self.unweighed_finds_on(texts, band, folds);
        for (rule, finds) in &mut finds {
            judge::weigh(self.program(), *rule, band, finds, |_| true);
        }
        finds
    }

    /// What every rule finds, with the weights of bands that have none of their own.
    pub(crate) fn unweighed_finds(&self, texts: &[Text], band: Band) -> BTreeMap<u32, Vec<Find>> {
        self.unweighed_finds_on(texts, band, &folds(texts))
    }

    fn unweighed_finds_on(&self, texts: &[Text], band: Band, folds: &Folds) -> BTreeMap<u32, Vec<Find>> {
        let mut finds = BTreeMap::new();
        for (index, text) in texts.iter().take(MAX_TEXTS).enumerate() {
            self.matcher.find(index, text, band, folds, &mut finds);
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
        self.program().cases.iter().map(judged).collect()
    }

    pub(super) fn self_test(&self) -> Result<(), ArtefactError> {
        for case in &self.program().cases {
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

/// Room for the texts of a signal that are looked at.
pub(super) fn folds(texts: &[Text]) -> Folds {
    Folds::new(texts.len().min(MAX_TEXTS))
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
