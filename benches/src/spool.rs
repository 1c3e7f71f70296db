//! `spool`: one durable commit of a capture beside a raw `fdatasync` of as many bytes on the same disk.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use lapwing_agent::clock::ManualClock;
use lapwing_agent::identity::HardwareHash;
use lapwing_agent::spool::{Spool, SpoolKey, SpoolLimits};
use lapwing_proto::wire;
use lapwing_rules::Level;
use prost::Message as _;

use crate::report::{Effort, Goal, Metric, Report, time};

/// Commits a repeat, at full effort.
const COMMITS: usize = 200;
/// A commit may take twice a raw `fdatasync`.
const GOAL: f64 = 2.0;

/// Measures it.
///
/// # Errors
///
/// When the spool or the file cannot be written.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    // Under the current folder, not the system's temporary one, which may be in memory and sync nothing.
    let folder = tempfile::tempdir_in(".").context("failed to make a folder here")?;
    let clock = Arc::new(ManualClock::at(1_790_000_000_000_000));
    let key = SpoolKey::from_bytes([7; 32]);
    let hardware = HardwareHash::default();
    let (spool, _) = Spool::open(&folder.path().join("spool"), &key, hardware, SpoolLimits::default(), clock)?;
    let capture = sample();
    let bytes = capture.encode_to_vec();
    let mut file = File::create(folder.path().join("control"))?;
    let count = effort.of(COMMITS);
    let mut pairs = Vec::new();
    for _ in 0..effort.repeats() {
        let ours = each(count, || spool.append(Level::Moderate, &capture).map(drop).map_err(Into::into))?;
        let control = each(count, || {
            file.write_all(&bytes)?;
            Ok(file.sync_data()?)
        })?;
        pairs.push((ours, control));
    }
    let name = format!("commit of one capture of {} bytes, control: write + fdatasync", bytes.len());
    Ok(Report::new("spool", vec![Metric::of_pairs(name, "us", &pairs, Some(Goal::Ratio(GOAL)))]))
}

/// Mean microseconds of one `work`.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn each(count: usize, mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let mut outcome = Ok(());
    let took = time(|| outcome = (0..count).try_for_each(|_| work()));
    outcome?;
    Ok(took.as_secs_f64() * 1e6 / count as f64)
}

/// A capture like most.
pub(crate) fn sample() -> wire::Capture {
    wire::Capture {
        signal: wire::Signal::Title as i32,
        boot_id: vec![1; 16],
        account: Some(wire::Account { name: "pupil".into(), session: "c2".into(), groups: vec!["pupils".into()] }),
        app: "chromium".into(),
        excerpts: vec![wire::Excerpt { scope: wire::Scope::Title as i32, text: "a title that matched a rule".into() }],
        verdict: Some(wire::Verdict { release: 1, rule_set_digest: vec![2; 32], ..wire::Verdict::default() }),
        ..wire::Capture::default()
    }
}
