//! `diff`: what another rule set would do.

mod terms;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use lapwing_rules::{HostClass, Level, RuleFacts, RuleId, RuleSet, Scope, Verdict, shown};
use serde_json::json;

use terms::Other;

use super::local::Local;
use super::question::Questions;
use super::{Failure, Outcome, files, rules};

#[derive(Debug, Args)]
pub(super) struct Diff {
    /// Folder of packs or compiled rule set in use.
    old: PathBuf,
    /// Folder of packs or compiled rule set to come.
    new: PathBuf,
    /// Texts to judge by both, one JSON object a line as `classify` reads them.
    #[arg(long, value_name = "FILE")]
    texts: Option<PathBuf>,
    #[command(flatten)]
    local: Local,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How a rule, or its answer to a text, is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Added(Level),
    Removed(Level),
    Level(Level, Level),
}

/// All differences.
#[derive(Default)]
struct Changes {
    /// Packs that come, go or are of another version.
    packs: Vec<(String, Option<u32>, Option<u32>)>,
    rules: Vec<(RuleId, Change)>,
    /// Whether other hosts are named, by rules or for their class, or the same for something else.
    other_hosts: bool,
    /// What else is different of rules that are in both.
    terms: Vec<(RuleId, Vec<Other>)>,
    texts: u64,
    /// By line, from 1.
    answers: Vec<(u64, RuleId, Change)>,
    /// Lines whose host is treated otherwise.
    hosts: Vec<(u64, HostClass, HostClass)>,
}

impl Diff {
    fn in_use(&self) -> Result<RuleSet, Failure> {
        if self.old.is_dir() {
            return rules::compiled(&files::compiler(&self.old, self.local.day()?)?);
        }
        rules::verified(&self.old, &[])
    }

    /// Overlays are part of what is to come, so that `diff packs packs --overlay FILE` says what one changes.
    fn to_come(&self) -> Result<RuleSet, Failure> {
        if self.new.is_dir() {
            return rules::compiled(&self.local.compiler(&self.new)?);
        }
        self.local.refuse_overlays()?;
        rules::verified(&self.new, &[])
    }

    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let (old, new) = (self.in_use()?, self.to_come()?);
        let mut changes = Changes {
            packs: versions(&terms::packs(&old), &terms::packs(&new)),
            rules: changes(&by_rule(&old), &by_rule(&new)),
            other_hosts: old.hosts_named() != new.hosts_named(),
            terms: other_terms(&old, &new),
            ..Changes::default()
        };
        if let Some(texts) = &self.texts {
            changes.judge(texts, &old, &new)?;
        }
        if self.json {
            out.push_str(&format!("{:#}\n", changes.as_json()));
        } else {
            changes.as_text(out);
        }
        Ok(if changes.is_empty() { Outcome::Fine } else { Outcome::Problems })
    }
}

/// Packs whose version is not the same in both.
fn versions(old: &BTreeMap<String, u32>, new: &BTreeMap<String, u32>) -> Vec<(String, Option<u32>, Option<u32>)> {
    let ids: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let versions = ids.into_iter().map(|id| (id.clone(), old.get(id).copied(), new.get(id).copied()));
    versions.filter(|(_, old, new)| old != new).collect()
}

/// What is different of rules that are in both, their level left out.
fn other_terms(old: &RuleSet, new: &RuleSet) -> Vec<(RuleId, Vec<Other>)> {
    let (old_extents, new_extents) = (old.extents(), new.extents());
    let other = |facts: &RuleFacts| {
        let before = terms::terms(old.rule(&facts.id)?, old_extents.get(&facts.id)?);
        let others = terms::others(&before, &terms::terms(facts, new_extents.get(&facts.id)?));
        (!others.is_empty()).then(|| (facts.id.clone(), others))
    };
    new.rules().filter_map(other).collect()
}

fn by_rule(rules: &RuleSet) -> BTreeMap<RuleId, Level> {
    rules.rules().map(|facts: &RuleFacts| (facts.id.clone(), facts.level)).collect()
}

fn by_hit(verdict: Verdict) -> BTreeMap<RuleId, Level> {
    verdict.hits.into_iter().map(|hit| (hit.rule, hit.level)).collect()
}

fn changes(old: &BTreeMap<RuleId, Level>, new: &BTreeMap<RuleId, Level>) -> Vec<(RuleId, Change)> {
    let removed = old.iter().filter(|(rule, _)| !new.contains_key(rule));
    let removed = removed.map(|(rule, level)| (rule.clone(), Change::Removed(*level)));
    let others = new.iter().filter_map(|(rule, level)| match old.get(rule) {
        None => Some((rule.clone(), Change::Added(*level))),
        Some(before) if before != level => Some((rule.clone(), Change::Level(*before, *level))),
        Some(_) => None,
    });
    let mut all: Vec<(RuleId, Change)> = removed.chain(others).collect();
    all.sort_by(|left, right| left.0.cmp(&right.0));
    all
}

impl Changes {
    fn is_empty(&self) -> bool {
        let of_rules = self.packs.is_empty() && self.rules.is_empty() && self.terms.is_empty();
        of_rules && !self.other_hosts && self.answers.is_empty() && self.hosts.is_empty()
    }

    fn judge(&mut self, path: &Path, old: &RuleSet, new: &RuleSet) -> Result<(), Failure> {
        let file = File::open(path).with_context(|| format!("cannot open `{}`", path.display()));
        let mut questions = Questions::new(BufReader::new(file.map_err(Failure::BadInput)?));
        while let Some(question) = questions.next()? {
            self.texts += 1;
            let refused = |error: String| {
                Failure::BadInput(anyhow!("`{}` line {}: {}", path.display(), self.texts, shown(&error)))
            };
            let question = question.map_err(refused)?;
            let hosts = question.texts.iter().filter(|text| text.scope == Scope::UrlHost);
            let classes = hosts.map(|host| (old.host_class(&host.text), new.host_class(&host.text)));
            let others = classes.filter(|(old, new)| old != new);
            self.hosts.extend(others.map(|(old, new)| (self.texts, old, new)));
            let answer = |rules: &RuleSet| by_hit(rules.evaluate(&question.texts, question.band));
            let found = changes(&answer(old), &answer(new));
            self.answers.extend(found.into_iter().map(|(rule, change)| (self.texts, rule, change)));
        }
        Ok(())
    }

    fn as_text(&self, out: &mut String) {
        for (pack, old, new) in &self.packs {
            let told = |version: &Option<u32>| version.map_or("none".to_owned(), |version| version.to_string());
            out.push_str(&format!("pack changes  {pack}, version: {} -> {}\n", told(old), told(new)));
        }
        for (rule, change) in &self.rules {
            out.push_str(&match change {
                Change::Added(level) => format!("new rule      {rule}, level {level}\n"),
                Change::Removed(level) => format!("rule is gone  {rule}, level {level}\n"),
                Change::Level(old, new) => format!("rule changes  {rule}, level {old} to {new}\n"),
            });
        }
        for (rule, others) in &self.terms {
            others.iter().for_each(|other| out.push_str(&format!("rule changes  {rule}, {}\n", other.in_words())));
        }
        if self.other_hosts {
            out.push_str(
                "hosts change  other hosts are named, or for something else; judge texts with their addresses to see what becomes of them\n",
            );
        }
        for (line, old, new) in &self.hosts {
            out.push_str(&format!("host class    line {line}: {old} -> {new}\n"));
        }
        for (line, rule, change) in &self.answers {
            out.push_str(&match change {
                Change::Added(level) => format!("newly flags   line {line}: {rule}, level {level}\n"),
                Change::Removed(level) => format!("stops         line {line}: {rule}, level {level}\n"),
                Change::Level(old, new) => format!("changes level line {line}: {rule}, level {old} to {new}\n"),
            });
        }
        let count = |kind: fn(&Change) -> bool| self.answers.iter().filter(|(_, _, change)| kind(change)).count();
        out.push_str(&format!(
            "{} rules differ; of {} texts: {} newly flagged, {} no longer, {} at another level\n",
            self.rules_that_differ(),
            self.texts,
            count(|change| matches!(change, Change::Added(_))),
            count(|change| matches!(change, Change::Removed(_))),
            count(|change| matches!(change, Change::Level(_, _))),
        ));
    }

    fn rules_that_differ(&self) -> usize {
        let rules: BTreeSet<&RuleId> =
            self.rules.iter().map(|(rule, _)| rule).chain(self.terms.iter().map(|(rule, _)| rule)).collect();
        rules.len()
    }

    fn as_json(&self) -> serde_json::Value {
        let pack =
            |(pack, old, new): &(String, Option<u32>, Option<u32>)| json!({ "pack": pack, "old": old, "new": new });
        let terms = |(rule, others): &(RuleId, Vec<Other>)| json!({ "rule": rule.as_str(), "changes": others.iter().map(Other::as_json).collect::<Vec<_>>() });
        let host = |(line, old, new): &(u64, HostClass, HostClass)| json!({ "line": line, "old": old.as_str(), "new": new.as_str() });
        let rule = |(rule, change): &(RuleId, Change)| {
            let (old, new) = change.levels();
            json!({ "rule": rule.as_str(), "old": old, "new": new })
        };
        let answer = |(line, rule, change): &(u64, RuleId, Change)| {
            let (old, new) = change.levels();
            json!({ "line": line, "rule": rule.as_str(), "old": old, "new": new })
        };
        json!({
            "other_hosts": self.other_hosts,
            "packs": self.packs.iter().map(pack).collect::<Vec<_>>(),
            "terms": self.terms.iter().map(terms).collect::<Vec<_>>(),
            "hosts": self.hosts.iter().map(host).collect::<Vec<_>>(),
            "rules": self.rules.iter().map(rule).collect::<Vec<_>>(),
            "texts": self.texts,
            "answers": self.answers.iter().map(answer).collect::<Vec<_>>(),
        })
    }
}

impl Change {
    /// The level before and after; none where the rule is not there or does not fire.
    fn levels(self) -> (Option<u8>, Option<u8>) {
        match self {
            Self::Added(level) => (None, Some(level.number())),
            Self::Removed(level) => (Some(level.number()), None),
            Self::Level(old, new) => (Some(old.number()), Some(new.number())),
        }
    }
}
