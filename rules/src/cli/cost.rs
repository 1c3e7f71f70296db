//! `cost`.

use std::path::PathBuf;

use clap::Args;
use lapwing_rules::RuleCost;
use serde_json::json;

use super::progress::Progress;
use super::{Failure, Form, Outcome, files, today};

/// Largest file of titles read, in bytes.
const MAX_TITLES_BYTES: u64 = 256 * 1024 * 1024;

#[derive(Debug, Args)]
pub(super) struct Cost {
    /// Folder of packs.
    #[arg(long, value_name = "DIR")]
    packs: PathBuf,
    /// Titles, one a line, on which to count how often each rule is looked for.
    #[arg(long, value_name = "FILE")]
    titles: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Cost {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let titles = match &self.titles {
            Some(path) => files::read(path, MAX_TITLES_BYTES)?,
            None => Vec::new(),
        };
        let titles = String::from_utf8_lossy(files::without_mark(&titles));
        let titles = titles.lines().filter(|line| !line.trim().is_empty());
        let progress = Progress::new("weighing", "rules");
        let costs =
            files::compiler(&self.packs, today::by_the_clock()?)?.cost(titles, |done, of| progress.tell(done, of));
        drop(progress);
        let mut costs = costs.map_err(|mistakes| Failure::mistakes(&mistakes, Form::of(self.json), out))?;
        costs.rules.sort_by(|left, right| {
            let dear = |cost: &RuleCost| (cost.looked_at, cost.bytes);
            dear(right).cmp(&dear(left)).then_with(|| left.rule.cmp(&right.rule))
        });
        let percent = |count: usize| 100.0 * count as f64 / costs.titles.max(1) as f64;
        if self.json {
            let rule = |cost: &RuleCost| {
                json!({
                    "rule": cost.rule.as_str(),
                    "phrases": cost.phrases,
                    "others": cost.others,
                    "bytes": cost.bytes,
                    "looked_at": cost.looked_at,
                })
            };
            let rules: Vec<_> = costs.rules.iter().map(rule).collect();
            out.push_str(&format!("{:#}\n", json!({ "bytes": costs.bytes, "titles": costs.titles, "rules": rules })));
            return Ok(Outcome::Fine);
        }
        out.push_str(&format!("{:<48} {:>8} {:>8} {:>8} {:>10}\n", "rule", "phrases", "others", "bytes", "looked for"));
        for cost in &costs.rules {
            let share = if costs.titles == 0 { "-".to_owned() } else { format!("{:.2} %", percent(cost.looked_at)) };
            let (phrases, others, bytes) = (cost.phrases, cost.others, cost.bytes);
            out.push_str(&format!("{:<48} {phrases:>8} {others:>8} {bytes:>8} {share:>10}\n", cost.rule.as_str()));
        }
        out.push_str(&format!("{} rules, {} bytes in all, {} titles\n", costs.rules.len(), costs.bytes, costs.titles));
        Ok(Outcome::Fine)
    }
}
