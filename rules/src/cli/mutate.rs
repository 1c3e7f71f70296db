//! `mutate`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::check::as_json;
use super::progress::Progress;
use super::{Failure, Form, Outcome, files, today};

#[derive(Debug, Args)]
pub(super) struct Mutate {
    /// Folder of packs.
    #[arg(long, value_name = "DIR")]
    packs: PathBuf,
    /// Only rules whose id begins so, such as a pack's id.
    #[arg(long, value_name = "START", default_value = "", hide_default_value = true)]
    rule: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Mutate {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let progress = Progress::new("changing", "rules");
        let is_asked = |rule: &lapwing_rules::RuleId| rule.as_str().starts_with(&self.rule);
        let mutations =
            files::compiler(&self.packs, today::by_the_clock()?)?.mutate(is_asked, |done, of| progress.tell(done, of));
        drop(progress);
        let mutations = mutations.map_err(|mistakes| Failure::mistakes(&mistakes, Form::of(self.json), out))?;
        if mutations.rules == 0 {
            return Err(Failure::no_rule(&self.rule));
        }
        let survivors = &mutations.survivors;
        if self.json {
            let all: Vec<_> = survivors.iter().map(as_json).collect();
            let answer = json!({ "rules": mutations.rules, "phrases": mutations.phrases, "survivors": all });
            out.push_str(&format!("{answer:#}\n"));
        } else {
            survivors.iter().for_each(|survivor| out.push_str(&format!("{survivor}\n")));
            let (rules, phrases) = (mutations.rules, mutations.phrases);
            out.push_str(&format!("{rules} rules and {phrases} phrases changed: {} survive\n", survivors.len()));
        }
        Ok(if survivors.is_empty() { Outcome::Fine } else { Outcome::Problems })
    }
}
