//! `explain`.

mod json;

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use lapwing_rules::{Band, HostClass, Replay, Scope, StoredCapture, Text, shown, split_url};
use serde_json::json;

use super::rules::Rules;
use super::{Failure, Outcome, files, printable};

pub(super) use json::tuned_as_json;

/// Largest stored capture read, in bytes, with a byte order mark.
const MAX_CAPTURE_BYTES: u64 = StoredCapture::MAX_BYTES as u64 + 3;

#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    rules: Rules,
    /// The text, or a whole URL, which is split as on a device.
    #[arg(required_unless_present_any = ["url", "capture"], conflicts_with_all = ["url", "capture"])]
    text: Option<String>,
    /// Where the text stands: title (unless it is a URL), url_host, url_path, query, file_name, media or app.
    #[arg(long, requires = "text")]
    scope: Option<String>,
    /// A whole URL, however it begins.
    #[arg(long, conflicts_with = "capture")]
    url: Option<String>,
    /// The band of the account; without one, every band is asked.
    #[arg(long, conflicts_with = "capture")]
    band: Option<String>,
    /// A capture's verdict as it was stored: say it, and whether this rule set would say the same.
    #[arg(long, value_name = "FILE")]
    capture: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        if let Some(file) = &self.capture {
            return self.replay(file, out);
        }
        let bands = match &self.band {
            Some(band) => vec![band.parse().map_err(Failure::bad_input)?],
            None => Band::ALL.to_vec(),
        };
        let (texts, host) = self.texts()?;
        let rules = self.rules.load()?;
        let explanation = rules.explain(&texts, &bands).on(self.rules.day()?);
        let class = host.as_deref().map(|host| rules.host_class(host));
        if self.json {
            out.push_str(&printable(&format!("{:#}\n", json::explained(&explanation, &rules, class))));
            return Ok(Outcome::Fine);
        }
        out.push_str(&explanation.render(&rules));
        if let Some(class) = class.filter(|class| *class != HostClass::Ordinary) {
            out.push_str(&format!("\nthe host is {class}\n"));
        }
        Ok(Outcome::Fine)
    }

    /// What is asked about, and its host.
    fn texts(&self) -> Result<(Vec<Text>, Option<String>), Failure> {
        let text = self.url.as_ref().or(self.text.as_ref());
        let text = text.ok_or_else(|| Failure::BadInput(anyhow!("give a text, a URL or `--capture FILE`")))?;
        if let Some(scope) = &self.scope {
            let scope: Scope = scope.parse().map_err(Failure::bad_input)?;
            return Ok((vec![Text::new(scope, text)], None));
        }
        if self.url.is_none() && !is_url(text) {
            return Ok((vec![Text::new(Scope::Title, text)], None));
        }
        let parts = split_url(text).map_err(Failure::bad_input)?;
        Ok((parts.texts(), Some(parts.host)))
    }

    fn replay(&self, file: &Path, out: &mut String) -> Result<Outcome, Failure> {
        let bytes = files::read(file, MAX_CAPTURE_BYTES)?;
        let stored = StoredCapture::parse(files::without_mark(&bytes)).map_err(|error| {
            let error = shown(&error.to_string());
            Failure::BadInput(anyhow!("cannot use `{}`: {error}", file.display()))
        })?;
        let rules = self.rules.load()?;
        let replay = stored.replay(&rules);
        if self.json {
            let differences: Vec<String> = match &replay {
                Replay::Differs(differences) => differences.iter().map(ToString::to_string).collect(),
                Replay::Reproduced | Replay::NoEvidence | Replay::UnknownBand(_) => Vec::new(),
            };
            let answer = json!({
                "capture": stored,
                "same_rule_set": stored.is_by(&rules),
                "replay": replay.as_str(),
                "differences": differences,
            });
            out.push_str(&printable(&format!("{answer:#}\n")));
        } else {
            let other = if stored.is_by(&rules) { "the rule set that judged" } else { "another rule set" };
            out.push_str(&format!("{}\njudged again by {other}, release {}\n", stored.render(), rules.release()));
            out.push_str(&format!("{replay}\n"));
        }
        Ok(match replay {
            Replay::Differs(_) => Outcome::Problems,
            Replay::Reproduced | Replay::NoEvidence | Replay::UnknownBand(_) => Outcome::Fine,
        })
    }
}

fn is_url(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
}
