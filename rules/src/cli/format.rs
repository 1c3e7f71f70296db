//! `fmt`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use lapwing_rules::format_pack;
use serde_json::json;

use super::{Failure, Outcome, files};

#[derive(Debug, Args)]
pub(super) struct Format {
    /// Folder of packs.
    #[arg(long, value_name = "DIR")]
    packs: PathBuf,
    /// Write nothing: name the packs that are written otherwise, and end with 1 if there are any.
    #[arg(long)]
    check: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Format {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let mut other = Vec::new();
        for (path, text) in files::packs(&self.packs)? {
            let formatted = format_pack(&text).with_context(|| format!("cannot format `{}`", path.display()));
            let formatted = formatted.map_err(Failure::BadInput)?;
            if formatted != text {
                other.push((path, formatted));
            }
        }
        if !self.check {
            for (path, formatted) in &other {
                files::replace(path, formatted.as_bytes())?;
            }
        }
        let names: Vec<String> = other.iter().map(|(path, _)| path.display().to_string()).collect();
        if self.json {
            let key = if self.check { "to_format" } else { "formatted" };
            out.push_str(&format!("{:#}\n", json!({ key: names })));
        } else {
            let verb = if self.check { "is written otherwise" } else { "formatted" };
            names.iter().for_each(|name| out.push_str(&format!("{name}: {verb}\n")));
        }
        Ok(if self.check && !names.is_empty() { Outcome::Problems } else { Outcome::Fine })
    }
}
