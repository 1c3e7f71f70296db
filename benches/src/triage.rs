//! `triage`: a database of many schools, a year of captures in it, and the pages of the DSL who has most of them.
//!
//! Captures are delivered to the intake, taken by triage and decided at the desk, as a year brings them: nothing is written
//! past the collector. The pages are asked of the console's router in this process, without TLS; their control is the blank
//! page, which reads the session and nothing else. A concern's page writes the act of opening it down first, and so holds
//! a sync of the disk. The database grows by tens, and the exponent says how the pages grow with it.

mod browser;
mod flow;
mod pages;
mod plan;
mod school;
mod site;

use anyhow::Context as _;

use crate::ingest::disk::Disk;
use crate::report::{Effort, Metric, Report, now};
use pages::Seen;
use site::Site;

/// Captures that the database holds, at full effort; ten to a concern.
const CAPTURES: [usize; 3] = [10_000, 100_000, 1_000_000];
const SCHOOLS: usize = 50;
/// In a quick run.
const FEW_SCHOOLS: usize = 2;

/// Measures it.
///
/// # Errors
///
/// When the collector refuses or loses something.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(effort))
}

async fn measure(effort: Effort) -> anyhow::Result<Report> {
    let (sizes, schools) = match effort {
        // Of a hundredth, a quarter: an unoptimised build runs it as well.
        Effort::Quick => (CAPTURES.map(|captures| effort.of(captures) / 4), FEW_SCHOOLS),
        Effort::Full => (CAPTURES, SCHOOLS),
    };
    let most = sizes.last().copied().context("there is no size")?;
    // Under the current folder, not the system's temporary one, which may be in memory and sync nothing.
    let folder = tempfile::tempdir_in(".")?;
    let mut disk = Disk::open(folder.path())?;
    let mut site = Site::open(folder.path(), schools, most).await?;
    let (mut seen, started, mut filling_s) = (Vec::new(), now(), 0.0);
    for size in sizes {
        let before = started.elapsed();
        site.live_until(size).await?;
        filling_s += (started.elapsed() - before).as_secs_f64();
        let mut browser = site.school().browser().await?;
        seen.push(Seen::measure(effort, &mut browser, &mut disk, site.holds()).await?);
    }
    let mut metrics = pages::metrics(&seen);
    #[expect(clippy::cast_precision_loss, reason = "a million")]
    let rate = site.holds().0 as f64 / filling_s;
    metrics.push(Metric::of_run("delivered, triaged and decided, captures", "1/s", rate, None, None));
    metrics.extend(flow::visible(effort, &mut site, &mut disk).await?);
    metrics.push(flow::climbing(effort, &mut site, &mut disk).await?);
    metrics.push(Metric::of_run("memory of this process, most", "MiB", most_memory_mib()?, None, None));
    site.close().await;
    Ok(Report::new("triage", metrics))
}

/// The most memory that this process has had.
fn most_memory_mib() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = most.and_then(|rest| rest.split_whitespace().next()).context("no VmHWM")?;
    Ok(kib.parse::<f64>()? / 1024.0)
}
