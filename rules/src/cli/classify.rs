//! `classify`: a verdict a line for a text a line.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Args;
use lapwing_rules::{Text, Verdict};
use serde_json::{Value, json};

use super::question::Questions;
use super::rules::Rules;
use super::{Failure, Outcome, printable};

#[derive(Debug, Args)]
pub(super) struct Classify {
    #[command(flatten)]
    rules: Rules,
}

impl Classify {
    /// Answers go out as they are found.
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let rules = self.rules.load()?;
        let mut questions = Questions::new(std::io::stdin().lock());
        let mut output = std::io::BufWriter::new(std::io::stdout().lock());
        let (mut number, mut refused) = (0_u64, 0_u64);
        while let Some(question) = questions.next()? {
            number += 1;
            let answer = match question {
                Ok(question) => as_json(&rules.evaluate(&question.texts, question.band), &question.texts),
                Err(error) => {
                    refused += 1;
                    json!({ "line": number, "error": error })
                }
            };
            writeln!(output, "{}", printable(&answer.to_string())).context("cannot write the answer")?;
        }
        output.flush().context("cannot write the answers")?;
        Ok(if refused == 0 { Outcome::Fine } else { Outcome::Problems })
    }
}

/// Level, category and c are those of the highest hit.
fn as_json(verdict: &Verdict, texts: &[Text]) -> Value {
    let first = verdict.hits.first();
    let spans = verdict.hits.iter().flat_map(|hit| &hit.spans).map(|span| {
        let scope = texts.get(span.text).map(|text| text.scope.as_str());
        json!({ "scope": scope, "start": span.start, "end": span.end, "mark": span.mark.as_str() })
    });
    json!({
        "level": first.map(|hit| hit.level.number()),
        "category": first.map(|hit| hit.category.id()),
        "c": first.map(|hit| hit.category.branch().as_str()),
        "rules": verdict.hits.iter().map(|hit| hit.rule.as_str()).collect::<Vec<_>>(),
        "spans": spans.collect::<Vec<_>>(),
    })
}
