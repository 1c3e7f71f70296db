//! `e2e powercut`: what is on the disk after the power went, and whether everything acknowledged is there.
//!
//! ```text
//! record   a program that writes, under strace: every write, name and sync in order, and what it acknowledged
//! prove    replaying all of it gives the live files, byte for byte
//! cut      at a random moment: what a completed sync covers stays, of the rest any part (see `disk`)
//! judge    the real code opens what is left: nothing lost, doubled or made up, and the next capture flows
//! ```
//!
//! A cut that lost something is kept in a folder with its recording, its files and its seed.

mod device;
mod dice;
mod disk;
mod first_start;
mod image;
mod ingest;
mod recording;
mod spool;
mod strace;
#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;

use dice::Dice;
use disk::Cut;
use image::Image;
use recording::Recording;

/// Cuts that acknowledgements are the last thing before, of ten.
const AT_ACKNOWLEDGEMENTS: u64 = 5;

/// What is asked of `e2e powercut`.
#[derive(Clone, Debug, Args)]
pub struct Wanted {
    /// Cuts of each recording.
    #[arg(long, default_value_t = 40)]
    cuts: u64,
    /// Captures that each recording writes.
    #[arg(long, default_value_t = 240)]
    captures: u64,
    /// Where chance begins; without it, anywhere.
    #[arg(long)]
    seed: Option<u64>,
    /// One fault alone.
    #[arg(long, value_enum)]
    only: Option<Fault>,
    /// Where failing cuts are kept.
    #[arg(long, default_value = "powercut-failures", value_name = "FOLDER")]
    keep: PathBuf,
}

/// What a recorded program is asked to write.
#[derive(Clone, Debug, Args)]
pub struct Writing {
    /// For which fault.
    #[arg(value_enum)]
    fault: Fault,
    /// Below which folder.
    root: PathBuf,
    /// How many captures.
    captures: u64,
    /// Where chance begins.
    seed: u64,
}

/// What is writing when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Fault {
    /// The agent's spool.
    Spool,
    /// A collector that makes its database and keys.
    FirstStart,
    /// A collector that takes deliveries.
    Ingest,
}

/// What a cut did.
#[derive(Clone, Debug, Default)]
struct Verdict {
    lost: usize,
    doubled: usize,
    wrong: Vec<String>,
    recovery: Duration,
}

/// All cuts of one recording.
#[derive(Debug, Default)]
struct Row {
    fault: &'static str,
    runs: u64,
    failed: u64,
    lost: usize,
    doubled: usize,
    worst: Duration,
}

/// Records, proves, cuts and judges; prints a table. The exit code is 1 when anything was lost, doubled or wrong.
///
/// # Errors
///
/// When strace or a program is missing, or a recording does not give the live files.
#[expect(clippy::print_stdout, reason = "the table is the result")]
pub async fn run(wanted: Wanted) -> anyhow::Result<ExitCode> {
    let seed = wanted.seed.unwrap_or_else(|| std::hash::RandomState::new().build_hasher().finish() >> 16);
    println!("seed {seed}");
    println!(
        "{:<24} {:>6} {:>7} {:>6} {:>8} {:>15}",
        "power cut under", "runs", "failed", "lost", "doubled", "worst recovery"
    );
    let mut clean = true;
    for fault in Fault::value_variants().iter().filter(|fault| wanted.only.is_none_or(|only| only == **fault)) {
        let row = fault.play(&wanted, seed).await.with_context(|| format!("power cuts under {}", fault.name()))?;
        println!("{row}");
        clean &= row.failed == 0;
    }
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Writes what a recording is made of.
///
/// # Errors
///
/// When it cannot.
pub async fn write(writing: Writing) -> anyhow::Result<ExitCode> {
    let Writing { fault, root, captures, seed } = writing;
    match fault {
        Fault::Spool => spool::write(&root, captures, seed)?,
        Fault::Ingest => ingest::write(&root, captures, seed).await?,
        Fault::FirstStart => anyhow::bail!("the collector's own command writes this"),
    }
    Ok(ExitCode::SUCCESS)
}

impl Fault {
    const fn name(self) -> &'static str {
        match self {
            Self::Spool => "spool",
            Self::FirstStart => "collector's first start",
            Self::Ingest => "collector under ingest",
        }
    }

    /// As it is named on the command line.
    fn word(self) -> anyhow::Result<String> {
        Ok(self.to_possible_value().context("a fault has a name")?.get_name().to_owned())
    }

    #[expect(clippy::print_stdout, reason = "a cut that lost something is a result")]
    async fn play(self, wanted: &Wanted, seed: u64) -> anyhow::Result<Row> {
        let scratch = tempfile::Builder::new().prefix("lapwing-powercut-").tempdir()?;
        let scratch = scratch.path().canonicalize()?;
        let trace = scratch.join("recording.strace");
        let recording = self.record(&scratch, &trace, wanted.captures, seed)?;
        let mut row = Row { fault: self.name(), ..Row::default() };
        let mut dice = Dice::new(seed);
        for number in 0..wanted.cuts {
            let (at, cut_seed) = (moment(&recording, &mut dice), dice.next());
            let root = scratch.join(format!("cut-{number}"));
            let image = recording.image(Cut::seeded(at, cut_seed));
            image.write(&root)?;
            let judged = match self {
                Self::Spool => spool::judge(&root, recording.told(at)),
                Self::FirstStart => first_start::judge(&root, recording.told(at)).await,
                Self::Ingest => ingest::judge(&root, &scratch, recording.told(at)).await,
            };
            let verdict = judged.unwrap_or_else(|error| Verdict::failed(&error));
            row.count(&verdict);
            if !verdict.is_clean() {
                let facts = format!("{} seed {seed} cut {number} at line {at} ({cut_seed}): {verdict:?}", self.name());
                println!("{facts}");
                keep(&wanted.keep.join(format!("{}-{seed}-{number}", self.word()?)), &image, &trace, &facts)?;
            }
            std::fs::remove_dir_all(&root)?;
        }
        Ok(row)
    }

    /// Records, and shows that the recording is whole.
    fn record(self, scratch: &Path, trace: &Path, captures: u64, seed: u64) -> anyhow::Result<Recording> {
        let root = scratch.join("live");
        std::fs::create_dir(&root)?;
        let command = match self {
            Self::Spool => self.writer(&root, captures, seed)?,
            Self::FirstStart => first_start::command(&root)?,
            Self::Ingest => {
                ingest::prepare(&root, scratch)?;
                self.writer(&root, captures, seed)?
            }
        };
        let base = Image::of_folder(&root)?;
        strace::record(&command, trace)?;
        let recording = Recording::follow(&root, &base, strace::read(trace)?)?;
        recording.check_whole(&Image::of_folder(&root)?)?;
        Ok(recording)
    }

    fn writer(self, root: &Path, captures: u64, seed: u64) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe().context("failed to find this program")?);
        command.arg("powercut-write").arg(self.word()?).arg(root);
        command.args([captures.to_string(), seed.to_string()]);
        Ok(command)
    }
}

/// Anywhere, and often right after something was promised.
fn moment(recording: &Recording, dice: &mut Dice) -> u64 {
    let promises = recording.told_at();
    let moments = recording.moments();
    let last = moments.last().copied().unwrap_or_default();
    if dice.chance(AT_ACKNOWLEDGEMENTS) && !promises.is_empty() {
        return dice.pick(&promises, last);
    }
    dice.pick(moments, last)
}

fn keep(folder: &Path, image: &Image, trace: &Path, facts: &str) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    std::fs::copy(trace, folder.join("recording.strace"))?;
    std::fs::write(folder.join("facts.txt"), format!("{facts}\n"))?;
    let files = folder.join("files");
    if files.exists() {
        std::fs::remove_dir_all(&files)?;
    }
    image.write(&files)
}

impl Verdict {
    /// Nothing could be judged: everything is out of reach.
    fn failed(error: &anyhow::Error) -> Self {
        Self { lost: 1, wrong: vec![format!("{error:#}")], ..Self::default() }
    }

    fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    const fn is_clean(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.wrong.is_empty()
    }
}

impl Row {
    fn count(&mut self, verdict: &Verdict) {
        self.runs += 1;
        self.failed += u64::from(!verdict.is_clean());
        self.lost += verdict.lost;
        self.doubled += verdict.doubled;
        self.worst = self.worst.max(verdict.recovery);
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, runs, failed, lost, doubled, worst } = self;
        write!(f, "{fault:<24} {runs:>6} {failed:>7} {lost:>6} {doubled:>8} {:>12} ms", worst.as_millis())
    }
}

/// Says something on standard output in one write, so that a recording has it whole.
fn print(said: &impl Serialize) -> anyhow::Result<()> {
    let line = serde_json::to_string(said)? + "\n";
    Ok(std::io::stdout().lock().write_all(line.as_bytes())?)
}

#[expect(clippy::disallowed_methods, reason = "recovery is told in real time")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let result = work();
    (result, began.elapsed())
}
