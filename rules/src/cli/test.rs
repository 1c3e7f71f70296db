//! `test`.

use std::path::PathBuf;

use clap::Args;
use lapwing_rules::{Code, Diagnostic, Exercise, RuleExercise, RuleId};
use serde_json::json;

use super::budget::Benign;
use super::check::{LEAST_EXAMPLES, as_json};
use super::local::Local;
use super::progress::Progress;
use super::{Failure, Form, Outcome, in_words, rendered, warnings};

#[derive(Debug, Args)]
pub(super) struct Test {
    /// Folder of packs.
    #[arg(long, value_name = "DIR")]
    packs: PathBuf,
    #[command(flatten)]
    local: Local,
    #[command(flatten)]
    benign: Benign,
    /// Only rules whose id begins so, such as a pack's id.
    #[arg(long, value_name = "START", default_value = "", hide_default_value = true)]
    rule: String,
    /// Tell the counts of each rule.
    #[arg(long)]
    by_rule: bool,
    /// Print JSON.
    #[arg(long, conflicts_with = "benign")]
    json: bool,
}

impl Test {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let compiler = self.local.compiler(&self.packs)?.least_examples(LEAST_EXAMPLES);
        let progress = Progress::new("testing", "rules");
        let is_asked = |rule: &RuleId| rule.as_str().starts_with(&self.rule);
        let exercise = compiler.exercise(is_asked, |done, of| progress.tell(done, of));
        drop(progress);
        let exercise = match exercise {
            Ok(exercise) if exercise.rules.is_empty() => return Err(Failure::no_rule(&self.rule)),
            Ok(exercise) => exercise,
            Err(mistakes) if mistakes.iter().all(is_about_examples) => {
                Exercise { problems: mistakes, ..Exercise::default() }
            }
            Err(mistakes) => return Err(Failure::mistakes(&mistakes, Form::of(self.json), out)),
        };
        if self.json {
            let rules: Vec<_> = exercise.rules.iter().map(rule_as_json).collect();
            let problems: Vec<_> = exercise.problems.iter().map(as_json).collect();
            out.push_str(&format!("{:#}\n", json!({ "rules": rules, "todo": exercise.todo, "problems": problems })));
        } else {
            out.push_str(&in_words(&warnings(&compiler)));
            self.as_text(&exercise, out);
        }
        if exercise.problems.is_empty() { self.benign.check(&compiler, out) } else { Ok(Outcome::Problems) }
    }

    fn as_text(&self, exercise: &Exercise, out: &mut String) {
        if self.by_rule {
            let titles = ["examples", "verdicts", "spellings", "problems"];
            let [examples, verdicts, spellings, problems] = titles;
            out.push_str(&format!("{:<48} {examples:>9} {verdicts:>9} {spellings:>9} {problems:>9}\n", "rule"));
            for RuleExercise { rule, examples, verdicts, spellings, problems } in &exercise.rules {
                let rule = rule.as_str();
                out.push_str(&format!("{rule:<48} {examples:>9} {verdicts:>9} {spellings:>9} {problems:>9}\n"));
            }
        }
        if !exercise.problems.is_empty() {
            out.push_str(&format!("{}\n", rendered(&exercise.problems)));
            return;
        }
        let sum = |count: fn(&RuleExercise) -> usize| exercise.rules.iter().map(count).sum::<usize>();
        let todo = match exercise.todo {
            0 => String::new(),
            todo => format!(", {todo} still to be found"),
        };
        out.push_str(&format!(
            "{} rules, {} examples, {} verdicts by scope and band, {} other spellings: all as they should be{todo}\n",
            exercise.rules.len(),
            sum(|rule| rule.examples),
            sum(|rule| rule.verdicts),
            sum(|rule| rule.spellings),
        ));
    }
}

fn is_about_examples(diagnostic: &Diagnostic) -> bool {
    use Code::{MustMatch, MustNotMatch, NoContrast, NotNeeded, TodoMatches, TooFewExamples};
    matches!(diagnostic.code(), TooFewExamples | MustMatch | MustNotMatch | NoContrast | NotNeeded | TodoMatches)
}

fn rule_as_json(rule: &RuleExercise) -> serde_json::Value {
    json!({
        "rule": rule.rule.as_str(),
        "examples": rule.examples,
        "verdicts": rule.verdicts,
        "spellings": rule.spellings,
        "problems": rule.problems,
    })
}
