//! `explain`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use lapwing_rules::{
    Band, HostClass, MAX_ARTEFACT_BYTES, Release, RuleSet, Scope, Text, TrustedKeys, Verdict, split_url,
};
use serde_json::{Value, json};

use super::{Failure, Outcome, files, sign};

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// Folder of packs.
    #[arg(long, required_unless_present = "set", conflicts_with = "set")]
    packs: Option<PathBuf>,
    /// A compiled rule set.
    #[arg(long)]
    set: Option<PathBuf>,
    /// A trusted key for the rule set; without one its own signatures are taken as they are.
    #[arg(long = "trust", requires = "set")]
    trust: Vec<String>,
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
        let rules = self.rule_set()?;
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

    fn rule_set(&self) -> Result<RuleSet, Failure> {
        match (&self.packs, &self.set) {
            (Some(packs), _) => {
                let compiled = files::compiler(packs)?.rule_set(Release::new(1));
                compiled.map_err(|diagnostics| Failure::diagnostics(&diagnostics))
            }
            (None, Some(set)) => load(set, &self.trust),
            (None, None) => Err(Failure::BadInput(anyhow!("give `--packs DIR` or `--set FILE`"))),
        }
    }
}

fn load(path: &Path, trust: &[String]) -> Result<RuleSet, Failure> {
    let bytes = files::read(path, MAX_ARTEFACT_BYTES as u64)?;
    let load = || -> anyhow::Result<RuleSet> {
        let keys = match trust {
            [] => TrustedKeys::new(sign::read(&bytes)?.1.signers(), 1)?,
            trust => TrustedKeys::parse(trust, 1)?,
        };
        Ok(RuleSet::load(&bytes, &keys)?)
    };
    load().with_context(|| format!("cannot load `{}`", path.display())).map_err(Failure::BadInput)
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
