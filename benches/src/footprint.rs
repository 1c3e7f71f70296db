//! `agent-footprint`: what the agent takes of a PC, process by process, idle and busy, with an empty, a long and a full
//! spool.
//!
//! A real collector, service, session program and browser host. Resident memory and the proportional share of it come
//! from the kernel, processor time from its scheduler in nanoseconds, wake-ups from the voluntary context switches of
//! each thread; sled's pool, which polls once a second a thread, is told apart by its threads' names. Busy is ten
//! switches between windows, a hundred file events and five URLs a second, none of which matches. The collector is away
//! while the spool is long or full, so that it stays so.

mod pc;
mod peers;
mod process;
mod stimulus;

use std::time::Duration;

use crate::report::{Effort, Goal, Metric, Report};
use pc::Pc;
use peers::Peer;
use process::Usage;

/// Captures of a long spool.
const LONG: usize = 5_000;
/// More than fits into 64 MiB.
const OVERFULL: usize = 200_000;
/// After a change, until the memory it took is back.
const CALM: Duration = Duration::from_secs(5);

/// Goals, in MiB, percent of a core, wake-ups a second.
const SERVICE_MIB: f64 = 16.0;
const FULL_SPOOL_MIB: f64 = 24.0;
const OTHER_MIB: f64 = 6.0;
const IDLE_PERCENT: f64 = 0.05;
const BUSY_PERCENT: f64 = 1.0;
const OWN_WAKES: f64 = 1.0;
const ALL_WAKES: f64 = 10.0;
const PROGRAM_MIB: f64 = 8.0;

/// Measures it.
///
/// # Errors
///
/// When the screen, the collector or the agent does not start.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(effort))
}

async fn measure(effort: Effort) -> anyhow::Result<Report> {
    let (idle, busy) = match effort {
        Effort::Quick => (Duration::from_secs(10), Duration::from_secs(10)),
        Effort::Full => (Duration::from_secs(600), Duration::from_secs(60)),
    };
    let mut pc = Pc::open().await?;
    let peers = Peer::start_all(pc.folder(), pc.display());
    let mut metrics = vec![program(&pc)?];
    let watched = async {
        tokio::time::sleep(CALM).await;
        rest(&pc, &peers, idle).await
    };
    metrics.extend(tokio::select! {
        watched = watched => watched?,
        () = pc.live()? => anyhow::bail!("browser-host has ended"),
    });
    drop(peers);
    metrics.extend(work(&pc, busy).await?);
    pc.lose_collector()?;
    pc.spool(effort.of(LONG)).await?;
    metrics.push(spooled(&pc, &format!("{} captures spooled", effort.of(LONG)), SERVICE_MIB, idle / 10).await?);
    if effort == Effort::Full {
        pc.spool(OVERFULL).await?;
        metrics.push(spooled(&pc, "spool full", FULL_SPOOL_MIB, idle / 10).await?);
    }
    Ok(Report::new("agent-footprint", metrics))
}

#[expect(clippy::cast_precision_loss, reason = "no program is that large")]
fn program(pc: &Pc) -> anyhow::Result<Metric> {
    let mib = std::fs::metadata(pc.program())?.len() as f64 / process::MIB;
    Ok(Metric::of_run("program on disk", "MiB", mib, None, Some(Goal::AtMost(PROGRAM_MIB))))
}

/// Everything at rest, beside the peers at rest; the control is rsyslogd.
async fn rest(pc: &Pc, peers: &[Peer], during: Duration) -> anyhow::Result<Vec<Metric>> {
    let processes = pc.processes();
    let all: Vec<_> = processes.iter().copied().chain(peers.iter().map(Peer::process)).collect();
    let used = process::use_during(&all, during).await?;
    let (ours, others) = used.split_at(processes.len());
    let named: Vec<_> = peers.iter().map(Peer::name).zip(others).collect();
    let control = |figure: fn(&Usage) -> f64| {
        named.iter().find(|(name, _)| *name == peers::CONTROL).map(|(_, usage)| figure(usage))
    };
    let beside = |metric: Metric, figure: fn(&Usage) -> f64| {
        named.iter().fold(metric, |metric, (name, usage)| metric.beside(*name, figure(usage)))
    };
    let mut metrics = Vec::new();
    for (process, usage) in processes.iter().zip(ours) {
        let name = process.name();
        let memory = if process.is_service() { SERVICE_MIB } else { OTHER_MIB };
        let figure = |what: &str, unit, of: fn(&Usage) -> f64, goal: Option<f64>| {
            let name = format!("{name}, idle: {what}");
            let metric = Metric::of_run(name, unit, of(usage), control(of), goal.map(Goal::AtMost));
            // The peers are services: once is enough.
            if process.is_service() { beside(metric, of) } else { metric }
        };
        metrics.push(figure("resident", "MiB", |usage| usage.resident_mib, Some(memory)));
        metrics.push(figure("its share of resident", "MiB", |usage| usage.share_mib, None));
        metrics.push(figure("processor", "% of a core", |usage| usage.percent, Some(IDLE_PERCENT)));
        metrics.push(figure("wake-ups, own threads", "1/s", |usage| usage.own_wakes, Some(OWN_WAKES)));
        metrics.push(figure("wake-ups, all threads", "1/s", |usage| usage.all_wakes, Some(ALL_WAKES)));
    }
    Ok(metrics)
}

/// Everything at work.
async fn work(pc: &Pc, during: Duration) -> anyhow::Result<Vec<Metric>> {
    let processes = pc.processes();
    let stop = pc.begin_work()?;
    tokio::time::sleep(CALM).await;
    let used = process::use_during(&processes, during).await?;
    let done = stop.end()?;
    let mut metrics = Vec::new();
    for (process, usage) in processes.iter().zip(&used) {
        let memory = if process.is_service() { SERVICE_MIB } else { OTHER_MIB };
        let name = format!("{}, busy: resident", process.name());
        metrics.push(Metric::of_run(name, "MiB", usage.resident_mib, None, Some(Goal::AtMost(memory))));
        let name = format!("{}, busy: processor", process.name());
        metrics.push(Metric::of_run(name, "% of a core", usage.percent, None, None));
    }
    let percent = used.iter().map(|usage| usage.percent).sum();
    let name = format!("all three, busy ({done}): processor");
    metrics.push(Metric::of_run(name, "% of a core", percent, None, Some(Goal::AtMost(BUSY_PERCENT))));
    Ok(metrics)
}

async fn spooled(pc: &Pc, how: &str, goal: f64, during: Duration) -> anyhow::Result<Metric> {
    tokio::time::sleep(CALM).await;
    let [service, ..] = pc.processes();
    let used = process::use_during(&[service], during).await?;
    let resident = used.first().map_or(f64::NAN, |usage| usage.resident_mib);
    Ok(Metric::of_run(format!("service, {how}: resident"), "MiB", resident, None, Some(Goal::AtMost(goal))))
}
