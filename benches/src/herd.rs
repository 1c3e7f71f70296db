//! `herd`: a collector that was killed, and every agent of a school that comes back at once.
//!
//! The same run as `e2e herd`, which takes other sizes: 1,000 agents hold 100 captures each.

use anyhow::ensure;
use e2e::Herd;

use crate::report::{Effort, Goal, Metric, Report};

const AGENTS: usize = 1000;
const CAPTURES: u64 = 100;

/// Measures it.
///
/// # Errors
///
/// When a program does not start, or anything is lost, doubled or altered.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    let (agents, captures) = match effort {
        Effort::Quick => (20, 20),
        Effort::Full => (AGENTS, CAPTURES),
    };
    // Under the current folder, not the system's temporary one, which may be in memory and sync nothing.
    let folder = tempfile::tempdir_in(".")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let herd = Herd { agents, captures, down: 1, seed: 1 };
    let report = runtime.block_on(herd.run(folder.path()))?;
    ensure!(report.all_well(), "{report}");
    let metric = |goal: &e2e::Goal| {
        let name = format!("{agents} agents x {captures}: {}", goal.name);
        Metric::of_run(name, goal.unit, goal.value, None, goal.at_most.map(Goal::AtMost))
    };
    Ok(Report::new("herd", report.goals.iter().map(metric).collect()))
}
