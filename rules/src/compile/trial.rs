//! An example and what a rule, or a rule a little different, makes of it.

use super::expand::Draft;
use crate::host::HostPattern;
use crate::matcher::Find;
use crate::pack::Example;
use crate::program::{Program, Role, Rule, Test};
use crate::rule_set::case_texts;
use crate::{Band, RuleSet, Scope, Text, judge};

/// Tries examples of one rule.
#[derive(Clone, Copy)]
pub(super) struct Trials<'a> {
    pub(super) rule_set: &'a RuleSet,
    pub(super) program: &'a Program,
    pub(super) number: u32,
    pub(super) draft: &'a Draft<'a>,
}

/// An example in one band, and what was found of the rule in it.
pub(super) struct Trial<'a> {
    pub(super) draft: &'a Draft<'a>,
    pub(super) example: &'a Example,
    pub(super) texts: Vec<Text>,
    pub(super) finds: Vec<Find>,
    pub(super) band: Band,
    of: Trials<'a>,
}

impl<'a> Trials<'a> {
    /// Each example in the first of its bands. A hash has no words to be tried.
    pub(super) fn of(self, examples: &'a [Example]) -> Vec<Trial<'a>> {
        examples
            .iter()
            .filter(|example| example.hash.is_none())
            .filter_map(|example| Some(self.trial(example, self.draft.bands_of(example).next()?)))
            .collect()
    }

    /// Each example in every one of its bands.
    pub(super) fn in_every_band(self, examples: &'a [Example]) -> Vec<Trial<'a>> {
        let each = |example| self.draft.bands_of(example).map(move |band| self.trial(example, band));
        examples.iter().flat_map(each).collect()
    }

    fn trial(self, example: &'a Example, band: Band) -> Trial<'a> {
        let texts = case_texts(example.scope, example.text.get_ref());
        let finds = self.rule_set.finds(&texts, band).remove(&self.number).unwrap_or_default();
        Trial { draft: self.draft, example, texts, finds, of: self, band }
    }
}

impl Trial<'_> {
    /// Whether the rule fires with another test, on finds as `change` leaves them, where it is not silent on the host.
    pub(super) fn fires(&self, test: Test, change: impl Fn(&Find) -> Option<Find>) -> bool {
        !self.is_silent_but_for(None) && self.fires_on_any_host(test, change)
    }

    /// Whether the rule fires when one of its silent hosts is none.
    pub(super) fn fires_without_host(&self, host: &HostPattern) -> bool {
        !self.is_silent_but_for(Some(host)) && self.fires_on_any_host(self.draft.rule.test, |find| Some(find.clone()))
    }

    /// Whether the rule fires with the other groups alone.
    pub(super) fn fires_without_group(&self, gone: u8) -> bool {
        let test = match self.draft.rule.test {
            Test::All { groups } | Test::Near { groups, .. } if groups <= 2 => Test::Any { threshold: None },
            Test::All { groups } => Test::All { groups: groups - 1 },
            Test::Near { within, order, groups } => Test::Near { within, order, groups: groups - 1 },
            test @ (Test::Any { .. } | Test::Medium | Test::Score { .. }) => test,
        };
        self.fires(test, |find| match find.role {
            Role::Term { group, .. } if group == gone => None,
            Role::Term { group, mark, weight } if group > gone => {
                Some(Find { role: Role::Term { group: group - 1, mark, weight }, ..find.clone() })
            }
            Role::Term { .. } | Role::Exception => Some(find.clone()),
        })
    }

    /// The rules that fired and add to this score, with their points.
    pub(super) fn parts(&self) -> Vec<(u32, i16)> {
        let program = self.of.program;
        let added = |number: u32| program.contribution_of(number).filter(|to| to.score == self.of.number);
        let fired = self.of.rule_set.fired(&self.texts, self.band);
        let parts = fired.into_keys().filter_map(|number| Some((number, added(number)?.points_in(self.band))));
        parts.filter(|(_, points)| *points > 0).collect()
    }

    fn fires_on_any_host(&self, test: Test, change: impl Fn(&Find) -> Option<Find>) -> bool {
        let rule = Rule { test, ..self.draft.rule.clone() };
        let finds: Vec<Find> = self.finds.iter().filter_map(change).collect();
        judge::hit(&rule, self.band, &finds, self.of.program).is_some()
    }

    /// Whether the rule fires with other weights: `default` changes what holds in every band, and weights that the band
    /// of the trial has of its own count where `keep` says so.
    pub(super) fn fires_weighed(&self, default: impl Fn(i16) -> i16, keep: impl Fn(Band, i16) -> bool) -> bool {
        let mut finds =
            self.of.rule_set.unweighed_finds(&self.texts, self.band).remove(&self.of.number).unwrap_or_default();
        for find in &mut finds {
            if let Role::Term { weight, .. } = &mut find.role {
                *weight = default(*weight);
            }
        }
        judge::weigh(self.of.program, self.of.number, self.band, &mut finds, |weight| keep(self.band, weight));
        let silent = self.is_silent_but_for(None);
        !silent && judge::hit(&self.draft.rule, self.band, &finds, self.of.program).is_some()
    }

    fn is_silent_but_for(&self, host: Option<&HostPattern>) -> bool {
        let standing = || self.draft.silent_hosts.iter().filter(|standing| Some(*standing) != host);
        let mut on = self.texts.iter().filter(|text| text.scope == Scope::UrlHost);
        on.any(|text| standing().any(|host| host.holds(&text.text)))
    }
}
