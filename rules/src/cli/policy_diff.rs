//! `policy-diff`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use lapwing_rules::Policy;
use serde_json::json;

use super::{Failure, Outcome, files, say};

const MAX_JSON_BYTES: u64 = 256 * 1024;

#[derive(Debug, Args)]
pub(super) struct PolicyDiff {
    /// The policy in force, as JSON.
    #[arg(value_name = "OLD")]
    before: PathBuf,
    /// The policy to come, as JSON.
    #[arg(value_name = "NEW")]
    after: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl PolicyDiff {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let (before, after) = (read(&self.before)?, read(&self.after)?);
        let widened: Vec<String> = after.widened_from(&before).iter().map(ToString::to_string).collect();
        let is_told = after.notice_version > before.notice_version;
        let mut text: String = widened.iter().map(|one| format!("newly looked at: {one}\n")).collect();
        if widened.is_empty() {
            text.push_str("nothing more is looked at than before\n");
        } else {
            text.push_str("two people sign it\n");
        }
        if !widened.is_empty() && !is_told {
            text.push_str("`notice_version` has to grow: devices refuse to look at more than the notice said\n");
        }
        let json = json!({ "widened": widened, "notice_is_newer": is_told });
        say(out, self.json.then_some(&json), &text);
        Ok(if widened.is_empty() { Outcome::Fine } else { Outcome::Problems })
    }
}

/// A policy as people write it.
pub(super) fn read(file: &Path) -> Result<Policy, Failure> {
    let json = files::read(file, MAX_JSON_BYTES)?;
    String::from_utf8(files::without_mark(&json).to_vec())
        .map_err(anyhow::Error::from)
        .and_then(|json| Ok(Policy::from_json(&json)?))
        .with_context(|| format!("cannot use `{}`", file.display()))
        .map_err(Failure::BadInput)
}
