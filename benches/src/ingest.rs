//! `ingest`: durable captures a second over mutual TLS, beside other programs that acknowledge what is on the disk.
//!
//! A real collector and a [`Fleet`] that delivers batches encoded beforehand, both on the same cores, on the same disk.
//! Every repeat takes all of them in turn: a raw `fdatasync`, the collector, then each peer at the same connections,
//! entries a batch and entries in flight, 300 bytes each. What is not installed is left out by name.

pub(crate) mod disk;
mod peers;
mod site;

use std::time::Duration;

use lapwing_rules::Level;

use crate::report::{Effort, Goal, Metric, Report, quantile};
use disk::Disk;
use peers::Peer;
use site::Site;

/// Connections, and captures a batch, of each row.
const ROWS: [Row; 6] =
    [Row::of(1, 16), Row::of(16, 16), Row::of(64, 16), Row::of(256, 16), Row::of(1000, 16), Row::of(256, 1)];
/// Batches of a connection on their way at a time.
const AHEAD: usize = 2;
/// Bytes of an entry that a peer stores: an encoded capture.
const ENTRY_BYTES: usize = 300;

/// Goals of the rows with 256 connections.
const AT_16: f64 = 50_000.0;
const AT_1: f64 = 20_000.0;
/// How many times a peer's rate ours should be, at 256 connections and 16 a batch.
const BY_PEER: [(&str, f64); 3] = [(peers::REDIS, 0.35), (peers::NATS, 10.0), (peers::RSYSLOG, 50.0)];
/// How far the 99th percentile of an acknowledgement may lie above that of a raw sync, at half load.
const ABOVE_SYNC_MS: f64 = 10.0;
/// Of the best rate, what remains when ten times as much is offered.
const UNDER_PRESSURE: f64 = 0.8;
/// How much more than the collector takes is offered then.
const PRESSURE: f64 = 10.0;

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) connections: usize,
    pub(crate) batch: usize,
}

/// What one repeat of a row saw, in entries a second.
#[derive(Clone, Debug)]
struct Seen {
    ours: f64,
    /// Raw syncs a second.
    disk: f64,
    peers: Vec<(&'static str, f64)>,
}

impl Row {
    const fn of(connections: usize, batch: usize) -> Self {
        Self { connections, batch }
    }

    /// The row that goals are set for.
    fn is(self, connections: usize, batch: usize) -> bool {
        self == Self::of(connections, batch)
    }
}

/// Measures it.
///
/// # Errors
///
/// When the collector does not start, or refuses or loses something.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(effort))
}

async fn measure(effort: Effort) -> anyhow::Result<Report> {
    let lasting = match effort {
        Effort::Quick => Duration::from_millis(300),
        Effort::Full => Duration::from_secs(3),
    };
    let rows = match effort {
        Effort::Quick => ROWS.map(|row| Row { connections: row.connections.min(16), ..row }),
        Effort::Full => ROWS,
    };
    let sizes = rows.iter().map(|row| row.connections).collect();
    // Under the current folder, not the system's temporary one, which may be in memory and sync nothing.
    let folder = tempfile::tempdir_in(".")?;
    let mut disk = Disk::open(folder.path())?;
    let mut site = Site::open(folder.path(), &sizes).await?;
    let mut peers = Peer::start_all(folder.path());
    let (mut metrics, mut best) = (Vec::new(), 0.0_f64);
    for row in rows {
        let mut seen = Vec::new();
        for _ in 0..effort.repeats().min(5) {
            seen.push(compare(row, lasting, &mut disk, &mut site, &mut peers).await?);
        }
        best = seen.iter().map(|seen| seen.ours).fold(best, f64::max);
        metrics.extend(figures(row, &seen));
    }
    drop(peers);
    let (mut latencies, mut rates) = (Vec::new(), Vec::new());
    for _ in 0..effort.repeats().min(5) {
        latencies.push(acknowledged(lasting, best, &mut disk, &mut site).await?);
        rates.push((pressed(lasting, best, &mut site).await?, best));
    }
    metrics.push(latency(site.crew_of(256), &latencies));
    metrics.push(goodput(site.crew_of(usize::MAX), &rates));
    let memory = site.most_memory_mib()?;
    metrics.push(Metric::of_run("collector's memory, most of all runs", "MiB", memory, None, None));
    site.close().await?;
    Ok(Report::new("ingest", metrics))
}

/// All of them once, in turn.
async fn compare(
    row: Row,
    lasting: Duration,
    disk: &mut Disk,
    site: &mut Site,
    peers: &mut [Peer],
) -> anyhow::Result<Seen> {
    let syncs = disk.sync_for(lasting / 4)?;
    let ours = site.flat_out(row, lasting).await?;
    let mut others = Vec::new();
    for peer in peers {
        others.push((peer.name(), peer.flat_out(row, lasting).await?));
    }
    Ok(Seen { ours, disk: syncs.rate, peers: others })
}

fn figures(row: Row, seen: &[Seen]) -> Vec<Metric> {
    let Row { connections, batch } = row;
    let pairs: Vec<_> = seen.iter().map(|seen| (seen.ours, seen.disk)).collect();
    let goal = match (row.is(256, 16), row.is(256, 1)) {
        (true, _) => Some(Goal::AtLeast(AT_16)),
        (_, true) => Some(Goal::AtLeast(AT_1)),
        (false, false) => None,
    };
    let name = format!("{connections} connections x {batch}, control: raw syncs");
    let mut first = Metric::of_pairs(name, "1/s", &pairs, goal);
    let mut metrics = Vec::new();
    let names = seen.first().map(|seen| seen.peers.iter().map(|(name, _)| *name)).into_iter().flatten();
    for (place, name) in names.enumerate() {
        let beside = |seen: &Seen| seen.peers.get(place).map(|(_, rate)| (seen.ours, *rate));
        let pairs: Vec<_> = seen.iter().filter_map(beside).collect();
        let goal = BY_PEER.iter().find(|(peer, _)| *peer == name && row.is(256, 16));
        let goal = goal.map(|(_, least)| Goal::RatioAtLeast(*least));
        let metric = Metric::of_pairs(format!("the same, control: {name}"), "1/s", &pairs, goal);
        first = first.beside(name, metric.control.unwrap_or(f64::NAN));
        if goal.is_some() {
            metrics.push(metric);
        }
    }
    metrics.insert(0, first);
    metrics
}

/// The 99th percentiles of an acknowledgement at half of the `best` rate, and of a raw sync right before, milliseconds.
async fn acknowledged(lasting: Duration, best: f64, disk: &mut Disk, site: &mut Site) -> anyhow::Result<(f64, f64)> {
    let syncs = disk.sync_for(lasting / 4)?;
    let row = Row::of(site.crew_of(256), 16);
    let delivered = site.at_rate(row, best / 2.0, lasting).await?;
    Ok((delivered.latency(990).as_secs_f64() * 1e3, syncs.p99_ms))
}

fn latency(connections: usize, pairs: &[(f64, f64)]) -> Metric {
    let name = format!("acknowledgement at half load, {connections} connections, p99, control: raw sync p99");
    let syncs_ms: Vec<_> = pairs.iter().map(|(_, sync_ms)| *sync_ms).collect();
    let goal = Goal::AtMost(quantile(&syncs_ms, 0.5) + ABOVE_SYNC_MS);
    Metric::of_pairs(name, "ms", pairs, Some(goal))
}

/// What is taken a second when far more is offered.
async fn pressed(lasting: Duration, best: f64, site: &mut Site) -> anyhow::Result<f64> {
    let row = Row::of(site.crew_of(usize::MAX), 16);
    Ok(site.at_rate(row, best * PRESSURE, lasting).await?.rate())
}

fn goodput(connections: usize, pairs: &[(f64, f64)]) -> Metric {
    let name = format!("{connections} connections offering {PRESSURE} times the best, control: the best");
    Metric::of_pairs(name, "1/s", pairs, Some(Goal::RatioAtLeast(UNDER_PRESSURE)))
}

/// What every connection delivers: ordinary captures of a low level, few of which anybody is woken for.
const LANE: Level = Level::Low;
