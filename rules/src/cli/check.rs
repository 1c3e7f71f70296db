//! `check` and `test`.

use std::path::PathBuf;

use clap::Args;
use lapwing_rules::{Code, Diagnostic, Release, Validity};
use serde_json::json;

use super::budget::Benign;
use super::local::Local;
use super::{Failure, Outcome, rendered, warnings};

/// Examples of each kind that a rule has at least.
const LEAST_EXAMPLES: usize = 3;

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Folder of packs.
    #[arg(long)]
    packs: PathBuf,
    #[command(flatten)]
    local: Local,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Test {
    /// Folder of packs.
    #[arg(long)]
    packs: PathBuf,
    #[command(flatten)]
    local: Local,
    #[command(flatten)]
    benign: Benign,
}

impl Check {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let compiler = self.local.compiler(&self.packs)?;
        let (counts, diagnostics) = compiler.least_examples(LEAST_EXAMPLES).check();
        if self.json {
            let problems: Vec<_> = diagnostics.iter().map(as_json).collect();
            out.push_str(&format!("{:#}\n", json!({ "problems": problems })));
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

impl Test {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let compiler = self.local.compiler(&self.packs)?.least_examples(LEAST_EXAMPLES);
        match compiler.compile(Release::new(1), Validity::default()) {
            Ok(_) => {
                let (counts, _) = compiler.check();
                out.push_str(&warnings(&compiler));
                out.push_str(&format!(
                    "{} packs, {} rules, {} examples: all as they should be\n",
                    counts.packs, counts.rules, counts.examples
                ));
                self.benign.check(&compiler, out)
            }
            Err(diagnostics) if diagnostics.iter().all(is_about_examples) => {
                out.push_str(&format!("{}\n", rendered(&diagnostics)));
                Ok(Outcome::Problems)
            }
            Err(diagnostics) => Err(Failure::diagnostics(&diagnostics)),
        }
    }
}

fn is_about_examples(diagnostic: &Diagnostic) -> bool {
    use Code::{MustMatch, MustNotMatch, NoContrast, NotNeeded, TooFewExamples};
    matches!(diagnostic.code(), TooFewExamples | MustMatch | MustNotMatch | NoContrast | NotNeeded)
}

fn as_json(diagnostic: &Diagnostic) -> serde_json::Value {
    json!({
        "code": diagnostic.code().as_str(),
        "file": diagnostic.file(),
        "line": diagnostic.line(),
        "column": diagnostic.column(),
        "message": diagnostic.message(),
        "help": diagnostic.advice(),
    })
}
