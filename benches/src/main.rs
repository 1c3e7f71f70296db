//! `bench NAME`: runs a benchmark and prints its table.

use std::path::PathBuf;

use anyhow::Context as _;
use bench::{ALL, Effort};
use clap::Parser;

/// Measures Lapwing beside controls in the same run.
#[derive(Debug, Parser)]
struct Cli {
    /// Which: a wrong name is answered with all of them.
    name: String,
    /// What `resident` loads: `load` runs this program again, to see how it grows.
    #[arg(hide = true)]
    artefact: Option<PathBuf>,
    /// A hundredth of the work: shows that it runs, not how fast.
    #[arg(long)]
    quick: bool,
    /// Writes the figures as JSON as well.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[expect(clippy::print_stdout, reason = "the table is the result")]
fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if let Some(artefact) = cli.artefact.filter(|_| cli.name == "resident") {
        println!("{}", bench::resident(&artefact)?);
        return Ok(());
    }
    let known: Vec<_> = ALL.iter().map(|(name, _)| *name).collect();
    let (_, run) = ALL
        .iter()
        .find(|(name, _)| *name == cli.name)
        .with_context(|| format!("no benchmark `{}`: there are {}", cli.name, known.join(", ")))?;
    let report = run(if cli.quick { Effort::Quick } else { Effort::Full })?;
    print!("{report}");
    if let Some(file) = cli.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(&file, text + "\n").with_context(|| format!("cannot write `{}`", file.display()))?;
    }
    Ok(())
}
