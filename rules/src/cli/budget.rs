//! `test --benign`: how often each rule fires on texts that are no concern, against its budget.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use lapwing_rules::{Band, Compiler, Release, RuleId, RuleSet, Text, shown};

use super::progress::Progress;
use super::question::{Lines, question, texts};
use super::{Failure, Outcome};

/// What a budget is a number of rows in.
const ROWS: u64 = 100_000;
/// Most texts shown of one rule.
const MAX_SHOWN: usize = 20;

/// Texts that are no concern.
#[derive(Debug, Args)]
pub(super) struct Benign {
    /// Files of benign texts, a text a line: plain, judged in every band, or as `classify` reads it.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    benign: Vec<PathBuf>,
    /// Where plain lines stand: a scope, or `url`.
    #[arg(long, default_value = "title", requires = "benign")]
    scope: String,
    /// Print the texts that rules above their budget fire on; without it there are counts alone.
    #[arg(long, requires = "benign")]
    show: bool,
}

/// The texts of a line, and the bands they are judged in.
type Row = (Vec<Text>, Vec<Band>);

/// What one rule fired on.
#[derive(Default)]
struct Fired {
    rows: u64,
    shown: Vec<String>,
}

/// What was judged.
struct Judged {
    rows: u64,
    fired: BTreeMap<RuleId, Fired>,
}

impl Benign {
    /// Judges every file and compares with the budgets of the packs. Rules on trial are among those that count.
    pub(super) fn check(&self, compiler: &Compiler, out: &mut String) -> Result<Outcome, Failure> {
        if self.benign.is_empty() {
            return Ok(Outcome::Fine);
        }
        let rules = compiler.rule_set(Release::new(1)).map_err(|diagnostics| Failure::diagnostics(&diagnostics))?;
        let mut judged = Judged { rows: 0, fired: BTreeMap::new() };
        let progress = Progress::new("judging", "texts");
        for path in &self.benign {
            self.judge(path, &rules, &mut judged, &progress)?;
        }
        drop(progress);
        if judged.rows == 0 {
            return Err(Failure::BadInput(anyhow!("the benign files hold no text")));
        }
        Ok(self.report(&judged, &compiler.budgets(), out))
    }

    fn judge(&self, path: &Path, rules: &RuleSet, judged: &mut Judged, progress: &Progress) -> Result<(), Failure> {
        let file = File::open(path).with_context(|| format!("cannot open `{}`", path.display()));
        let mut lines = Lines::new(BufReader::new(file.map_err(Failure::BadInput)?));
        let mut number = 0_u64;
        while let Some(line) = lines.next().map_err(Failure::BadInput)? {
            number += 1;
            let place = format!("{}:{number}", path.display());
            let read = line.and_then(|line| self.read(&line));
            let read = read.map_err(|error| Failure::BadInput(anyhow!("{place}: {}", shown(&error))))?;
            let Some((texts, bands)) = read else { continue };
            judged.rows += 1;
            progress.tell_so_far(judged.rows);
            let fired: BTreeSet<RuleId> = bands.iter().flat_map(|band| fired(rules, &texts, *band)).collect();
            for rule in fired {
                let fired = judged.fired.entry(rule).or_default();
                fired.rows += 1;
                if self.show && fired.shown.len() < MAX_SHOWN {
                    let texts: Vec<String> = texts.iter().map(|text| shown(&text.text)).collect();
                    fired.shown.push(format!("{place}: {}", texts.join(" | ")));
                }
            }
        }
        Ok(())
    }

    /// None for an empty line.
    fn read(&self, line: &[u8]) -> Result<Option<Row>, String> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(None);
        }
        if line.starts_with(b"{") {
            let question = question(line)?;
            return Ok(Some((question.texts, vec![question.band])));
        }
        let line = std::str::from_utf8(line).map_err(|_| "not UTF-8".to_owned())?;
        Ok(Some((texts(&self.scope, line)?, Band::ALL.to_vec())))
    }

    fn report(&self, judged: &Judged, budgets: &BTreeMap<RuleId, u64>, out: &mut String) -> Outcome {
        let mut above = 0_usize;
        out.push_str(&format!("{} benign texts; rules that fired, and how often in {ROWS}\n", judged.rows));
        for (rule, fired) in &judged.fired {
            let verdict = match budgets.get(rule) {
                Some(budget) if fired.rows.saturating_mul(ROWS) > budget.saturating_mul(judged.rows) => {
                    above += 1;
                    format!("above its budget of {budget}")
                }
                Some(budget) => format!("within its budget of {budget}"),
                None => "no budget".to_owned(),
            };
            let share = fired.rows as f64 * ROWS as f64 / judged.rows as f64;
            out.push_str(&format!("  {rule}  {} rows, {share:.1}: {verdict}\n", fired.rows));
            if verdict.starts_with("above") {
                fired.shown.iter().for_each(|shown| out.push_str(&format!("      {shown}\n")));
            }
        }
        if above == 0 { Outcome::Fine } else { Outcome::Problems }
    }
}

/// Every rule that fires, on trial or not.
fn fired(rules: &RuleSet, texts: &[Text], band: Band) -> Vec<RuleId> {
    let (verdict, shadows) = rules.evaluate_all(texts, band);
    verdict.hits.into_iter().chain(shadows).map(|hit| hit.rule).collect()
}
