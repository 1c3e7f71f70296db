//! `lint`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use lapwing_rules::{Code, Diagnostic, LintLevel, LintLevels};

use super::check::problems;
use super::{Failure, Form, Outcome, files, rendered, today};

/// Largest file of lint levels, in bytes.
const MAX_LEVELS_BYTES: u64 = 64 * 1024;

#[derive(Debug, Args)]
pub(super) struct Lint {
    /// Folder of packs.
    #[arg(long, value_name = "DIR")]
    packs: PathBuf,
    /// File with the level of each lint: `[levels]`, then lines such as `L001 = "deny"` (allow, warn or deny).
    #[arg(long, value_name = "FILE")]
    levels: Option<PathBuf>,
    /// A lint not to tell, whatever the file says; may be repeated.
    #[arg(long, value_name = "CODE")]
    allow: Vec<String>,
    /// A lint to make an error, whatever the file says; may be repeated.
    #[arg(long, value_name = "CODE")]
    deny: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Lint {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let levels = self.levels()?;
        let findings = files::compiler(&self.packs, today::by_the_clock()?)?.lint(&levels);
        let findings = findings.map_err(|mistakes| Failure::mistakes(&mistakes, Form::of(self.json), out))?;
        if self.json {
            out.push_str(&format!("{:#}\n", problems(&findings)));
        } else if findings.is_empty() {
            out.push_str("no problems\n");
        } else {
            out.push_str(&format!("{}\n", rendered(&findings)));
        }
        Ok(if findings.iter().any(Diagnostic::is_error) { Outcome::Problems } else { Outcome::Fine })
    }

    fn levels(&self) -> Result<LintLevels, Failure> {
        let mut levels = LintLevels::default();
        if let Some(path) = &self.levels {
            let bytes = files::read(path, MAX_LEVELS_BYTES)?;
            let parsed = LintLevels::parse(&String::from_utf8_lossy(&bytes));
            levels = parsed.with_context(|| format!("cannot use `{}`", path.display())).map_err(Failure::BadInput)?;
        }
        for (codes, level) in [(&self.allow, LintLevel::Allow), (&self.deny, LintLevel::Deny)] {
            for code in codes {
                levels.set(Code::lint(code).map_err(Failure::bad_input)?, level);
            }
        }
        Ok(levels)
    }
}
