//! `classify`: a verdict a line for a text a line.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use anyhow::Context as _;
use clap::Args;
use lapwing_rules::{Band, RuleSet, Scope, Text, Verdict, split_url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::rules::Rules;
use super::{Failure, Outcome};

/// Longest line read, in bytes: a whole URL or text with every character escaped.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// Reads lines of `{"kind": "title", "text": "...", "band": "ks3"}` and answers each with a line.
///
/// `kind` is a scope, or `url` for a whole URL split as on a device.
#[derive(Debug, Args)]
pub(super) struct Classify {
    #[command(flatten)]
    rules: Rules,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    kind: String,
    text: String,
    band: String,
}

impl Classify {
    /// Answers go out as they are found, so that a pipe of any length needs the memory of one line.
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        let rules = self.rules.load()?;
        let mut input = BufReader::new(std::io::stdin().lock());
        let mut output = std::io::BufWriter::new(std::io::stdout().lock());
        let (mut number, mut refused) = (0_u64, 0_u64);
        loop {
            let mut line = Vec::new();
            let limit = MAX_LINE_BYTES as u64 + 1;
            input.by_ref().take(limit).read_until(b'\n', &mut line).context("cannot read the next line")?;
            if line.is_empty() {
                break;
            }
            number += 1;
            let answer = if line.len() > MAX_LINE_BYTES && !line.ends_with(b"\n") {
                input.skip_until(b'\n').context("cannot read the next line")?;
                Err(format!("the line is longer than {MAX_LINE_BYTES} bytes"))
            } else {
                answer(&rules, &line)
            };
            let answer = answer.unwrap_or_else(|error| {
                refused += 1;
                json!({ "line": number, "error": error })
            });
            writeln!(output, "{answer}").context("cannot write the answer")?;
        }
        output.flush().context("cannot write the answers")?;
        Ok(if refused == 0 { Outcome::Fine } else { Outcome::Problems })
    }
}

/// The verdict on one line.
fn answer(rules: &RuleSet, line: &[u8]) -> Result<Value, String> {
    let question: Question = serde_json::from_slice(line).map_err(|error| format!("not a question: {error}"))?;
    let band: Band = question.band.parse().map_err(|error| format!("{error}"))?;
    let texts = match question.kind.as_str() {
        "url" => split_url(&question.text).map_err(|error| error.to_string())?.texts(),
        kind => vec![Text::new(kind.parse::<Scope>().map_err(|error| format!("{error}"))?, question.text)],
    };
    Ok(as_json(&rules.evaluate(&texts, band), &texts))
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
