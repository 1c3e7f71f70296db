//! `check`.

use std::path::PathBuf;

use clap::Args;
use lapwing_rules::Diagnostic;
use serde_json::json;

use super::local::Local;
use super::{Failure, Outcome, rendered};

/// Examples of each kind that a rule has at least.
pub(super) const LEAST_EXAMPLES: usize = 3;

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Folder of packs.
    #[arg(long, value_name = "DIR")]
    packs: PathBuf,
    #[command(flatten)]
    local: Local,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let compiler = self.local.compiler(&self.packs)?;
        let (counts, diagnostics) = compiler.least_examples(LEAST_EXAMPLES).check();
        if self.json {
            out.push_str(&format!("{:#}\n", problems(&diagnostics)));
        } else if diagnostics.is_empty() {
            out.push_str(&format!(
                "{} packs, {} rules, {} phrases: no problems\n",
                counts.packs, counts.rules, counts.phrases
            ));
        } else {
            out.push_str(&format!("{}\n", rendered(&diagnostics)));
        }
        let is_fine = diagnostics.iter().all(|diagnostic| diagnostic.code().is_warning());
        Ok(if is_fine { Outcome::Fine } else { Outcome::Problems })
    }
}

/// What is wrong, for scripts.
pub(super) fn problems(diagnostics: &[Diagnostic]) -> serde_json::Value {
    json!({ "problems": diagnostics.iter().map(as_json).collect::<Vec<_>>() })
}

/// A diagnostic for scripts.
pub(super) fn as_json(diagnostic: &Diagnostic) -> serde_json::Value {
    json!({
        "code": diagnostic.code().as_str(),
        "severity": if diagnostic.is_error() { "error" } else { "warning" },
        "file": diagnostic.file(),
        "line": diagnostic.line(),
        "column": diagnostic.column(),
        "message": diagnostic.message(),
        "help": diagnostic.advice(),
    })
}
