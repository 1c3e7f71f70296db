//! `explain`.

use anyhow::anyhow;
use clap::Args;
use lapwing_rules::{Band, HostClass, RuleSet, Scope, Text, Verdict, split_url};
use serde_json::{Value, json};

use super::rules::Rules;
use super::{Failure, Outcome};

#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    rules: Rules,
    /// Where the text stands: title, url_host, url_path, query, file_name, media or app.
    #[arg(long, requires = "text")]
    scope: Option<String>,
    /// The text.
    #[arg(required_unless_present = "url", conflicts_with = "url", requires = "scope")]
    text: Option<String>,
    /// A whole URL, split as on a device.
    #[arg(long)]
    url: Option<String>,
    /// The band of the account.
    #[arg(long)]
    band: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let band: Band = self.band.parse().map_err(Failure::bad_input)?;
        let (texts, host) = self.texts()?;
        let rules = self.rules.load()?;
        let verdict = rules.evaluate(&texts, band);
        let class = host.as_deref().map(|host| rules.host_class(host));
        if self.json {
            out.push_str(&format!("{:#}\n", as_json(&verdict, &texts, &rules, class)));
            return Ok(Outcome::Fine);
        }
        out.push_str(&verdict.explain(&texts, &rules));
        if let Some(class) = class.filter(|class| *class != HostClass::Ordinary) {
            out.push_str(&format!("\nthe host is {class}\n"));
        }
        Ok(Outcome::Fine)
    }

    fn texts(&self) -> Result<(Vec<Text>, Option<String>), Failure> {
        match (&self.url, &self.scope, &self.text) {
            (Some(url), _, _) => {
                let parts = split_url(url).map_err(Failure::bad_input)?;
                Ok((parts.texts(), Some(parts.host)))
            }
            (None, Some(scope), Some(text)) => {
                let scope: Scope = scope.parse().map_err(Failure::bad_input)?;
                Ok((vec![Text::new(scope, text)], None))
            }
            (None, _, _) => Err(Failure::BadInput(anyhow!("give `--scope SCOPE TEXT` or `--url URL`"))),
        }
    }
}

fn as_json(verdict: &Verdict, texts: &[Text], rules: &RuleSet, class: Option<HostClass>) -> Value {
    let hits: Vec<Value> = verdict
        .hits
        .iter()
        .map(|hit| {
            let spans = hit.spans.iter().map(|span| {
                let text = texts.get(span.text);
                json!({
                    "scope": text.map(|text| text.scope.as_str()),
                    "start": span.start,
                    "end": span.end,
                    "words": text.and_then(|text| text.text.get(span.start..span.end)),
                    "mark": span.mark.as_str(),
                    "weight": span.weight,
                })
            });
            json!({
                "rule": hit.rule.as_str(),
                "title": rules.rule(&hit.rule).map(|facts| facts.title.as_str()),
                "category": hit.category.id(),
                "level": hit.level.number(),
                "weight": hit.weight,
                "spans": spans.collect::<Vec<_>>(),
                "excepted": hit.excepted.iter().map(|excepted| excepted.phrase.as_str()).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "release": verdict.release.number(),
        "digest": verdict.rule_set.to_string(),
        "band": verdict.band.as_str(),
        "host_class": class.map(HostClass::as_str),
        "hits": hits,
    })
}
