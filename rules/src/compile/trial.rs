//! An example and what a rule, or a rule a little different, makes of it.

use super::expand::Draft;
use crate::host::HostPattern;
use crate::matcher::Find;
use crate::pack::Example;
use crate::program::{Program, Role, Rule, Test};
use crate::rule_set::case_texts;
use crate::{Band, RuleSet, Scope, Text, judge};

/// An example, in the first band of its rule, and what was found of the rule in it.
pub(super) struct Trial<'a> {
    pub(super) draft: &'a Draft<'a>,
    pub(super) example: &'a Example,
    pub(super) texts: Vec<Text>,
    pub(super) finds: Vec<Find>,
    program: &'a Program,
    band: Band,
}

impl<'a> Trial<'a> {
    /// Tries every one of `examples` of the rule of this number.
    pub(super) fn all(
        rule_set: &RuleSet,
        program: &'a Program,
        (number, draft): (u32, &'a Draft<'a>),
        examples: &'a [Example],
    ) -> Vec<Self> {
        let Some(band) = Band::ALL.into_iter().find(|band| draft.rule.bands.holds(*band)) else { return Vec::new() };
        let trial = |example: &'a Example| {
            let texts = case_texts(example.scope, example.text.get_ref());
            let finds = rule_set.finds(&texts, band).remove(&number).unwrap_or_default();
            Trial { draft, example, texts, finds, program, band }
        };
        examples.iter().map(trial).collect()
    }

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
            test @ (Test::Any { .. } | Test::Medium) => test,
        };
        self.fires(test, |find| match find.role {
            Role::Term { group, .. } if group == gone => None,
            Role::Term { group, mark, weight } if group > gone => {
                Some(Find { role: Role::Term { group: group - 1, mark, weight }, ..find.clone() })
            }
            Role::Term { .. } | Role::Exception => Some(find.clone()),
        })
    }

    fn fires_on_any_host(&self, test: Test, change: impl Fn(&Find) -> Option<Find>) -> bool {
        let rule = Rule { test, ..self.draft.rule.clone() };
        let finds: Vec<Find> = self.finds.iter().filter_map(change).collect();
        judge::hit(&rule, self.band, &finds, self.program).is_some()
    }

    fn is_silent_but_for(&self, host: Option<&HostPattern>) -> bool {
        let standing = || self.draft.silent_hosts.iter().filter(|standing| Some(*standing) != host);
        let mut on = self.texts.iter().filter(|text| text.scope == Scope::UrlHost);
        on.any(|text| standing().any(|host| host.holds(&text.text)))
    }
}
