//! `load`: from an artefact's bytes to verdicts (verify, read, self-test), and what a loaded rule set keeps in memory.

use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use lapwing_rules::RuleSet;

use crate::matching::peers;
use crate::report::{Effort, Goal, Metric, Report, time};
use crate::sample::{self, Sample};

/// Phrases, hosts, what loading may take, and what it may keep. The second size is for the memory of phrases alone.
const SIZES: [(usize, usize, Option<f64>, f64); 2] = [(10_000, 100_000, Some(5.0), 3.0), (50_000, 0, None, 8.0)];
/// Loads a repeat, at full effort.
const LOADS: usize = 20;
const KIB_A_MIB: f64 = 1024.0;

/// Measures it.
///
/// # Errors
///
/// When the sample does not compile or load.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    let sample = Sample::new();
    let mut metrics = Vec::new();
    for (phrases, hosts, most_ms, most_mib) in SIZES {
        let (phrases, hosts) = (sample.phrases(effort.of(phrases)), sample.hosts(effort.of(hosts) * hosts.min(1)));
        let bytes = sample::signed(&sample::upon_base(sample::compiler(&phrases, &hosts)))?;
        let what = format!("{} phrases, {} hosts", phrases.len(), hosts.len());
        metrics.push(loading(effort, &what, &bytes, &phrases, most_ms)?);
        metrics.extend(memory(&what, &bytes, &phrases, most_mib)?);
    }
    Ok(Report::new("load", metrics))
}

/// Milliseconds of a load, beside building the control's automaton from the same phrases.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn loading(
    effort: Effort,
    what: &str,
    bytes: &[u8],
    phrases: &[String],
    most_ms: Option<f64>,
) -> anyhow::Result<Metric> {
    let (count, keys) = (effort.of(LOADS), sample::trusted()?);
    let mut pairs = Vec::new();
    for _ in 0..effort.repeats() {
        let (mut loaded, mut built) = (Ok(()), Ok(()));
        let ours =
            time(|| loaded = (0..count).try_for_each(|_| RuleSet::load(bytes, &keys).map(|set| drop(black_box(set)))));
        let control =
            time(|| built = (0..count).try_for_each(|_| peers::contiguous(phrases).map(|set| drop(black_box(set)))));
        loaded?;
        built?;
        pairs.push((ours.as_secs_f64() * 1e3 / count as f64, control.as_secs_f64() * 1e3 / count as f64));
    }
    let name = format!("load, {what}, control: NFA built");
    Ok(Metric::of_pairs(name, "ms", &pairs, most_ms.map(Goal::AtMost)))
}

/// MiB that a process of its own grows by when it loads the rule set, what loading leaves behind included.
#[expect(clippy::cast_precision_loss, reason = "bytes of one automaton")]
fn memory(what: &str, bytes: &[u8], phrases: &[String], most_mib: f64) -> anyhow::Result<Option<Metric>> {
    let program = std::env::current_exe()?;
    if program.file_stem().is_none_or(|stem| stem != "bench") {
        return Ok(None);
    }
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(bytes)?;
    let output = Command::new(program).arg("resident").arg(file.path()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let grown = String::from_utf8(output.stdout)?.trim().parse()?;
    let metric = Metric::of_run(format!("resident, {what}"), "MiB", grown, None, Some(Goal::AtMost(most_mib)));
    let automaton = peers::contiguous(phrases)?.memory_usage() as f64 / KIB_A_MIB / KIB_A_MIB;
    Ok(Some(metric.beside(format!("{}, phrases alone", peers::CONTROL), automaton)))
}

/// MiB that this process grows by when it loads the artefact of a sample.
///
/// # Errors
///
/// When it is no such artefact.
pub fn resident(artefact: &Path) -> anyhow::Result<f64> {
    let bytes = std::fs::read(artefact)?;
    let keys = sample::trusted()?;
    let before = resident_kib()?;
    let rules = RuleSet::load(&bytes, &keys)?;
    let after = resident_kib()?;
    drop(black_box(rules));
    Ok((after - before) / KIB_A_MIB)
}

fn resident_kib() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
