//! What happens meanwhile: captures that come in become concerns that are seen, and concerns that nobody took climb.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use lapwing_collector::intake::Fate;
use lapwing_collector::shutdown::Shutdown;
use lapwing_collector::triage::{ConcernChanged, Step};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::mpsc;

use super::plan::DAY_US;
use super::school::School;
use super::site::{Shared, Site};
use crate::ingest::disk::Disk;
use crate::report::{Effort, Goal, Metric, now, quantile};

/// Captures a second; each opens a concern of its own, which is the most that a capture can cost.
const RATE: u32 = 200;
/// Aimed at, milliseconds.
const GOAL_MS: f64 = 100.0;
/// Captures of one repeat, at full effort.
const CAPTURES: usize = 600;
const REPEATS: usize = 5;
/// Longest wait for a concern to be told of.
const PATIENCE: Duration = Duration::from_secs(60);
/// Concerns that climb, at full effort.
const CLIMBING: usize = 1000;

/// Milliseconds from a capture's commit to its concern's, in one repeat, and of a raw sync right before.
struct Repeat {
    visible: Vec<f64>,
    sync_ms: f64,
    sync_p99_ms: f64,
}

/// Captures come in at a steady rate: how long after its commit each can be seen.
pub(super) async fn visible(effort: Effort, site: &mut Site, disk: &mut Disk) -> anyhow::Result<Vec<Metric>> {
    // Nothing of the year is within an hour of it.
    site.shared.clock.advance_us(DAY_US);
    let count = effort.of(CAPTURES).max(20);
    let mut repeats = Vec::new();
    for repeat in 0..effort.repeats().min(REPEATS) {
        let syncs = disk.sync_for(Duration::from_millis(300))?;
        let (shared, stop) = (site.shared.clone(), Shutdown::new());
        let school = site.school();
        let worker = shared.tasks.spawn(school.triage().run(stop.clone()));
        let visible = deliver(&shared, school, repeat * count..(repeat + 1) * count).await;
        stop.request();
        worker.await?;
        repeats.push(Repeat { visible: visible?, sync_ms: 1e3 / syncs.rate, sync_p99_ms: syncs.p99_ms });
    }
    let pairs = |share: f64, sync: fn(&Repeat) -> f64| -> Vec<_> {
        repeats.iter().map(|repeat| (quantile(&repeat.visible, share), sync(repeat))).collect()
    };
    let name = |what: &str| format!("capture's commit to its concern's, {RATE}/s, {what}, control: raw sync");
    Ok(vec![
        Metric::of_pairs(name("median"), "ms", &pairs(0.5, |repeat| repeat.sync_ms), None),
        Metric::of_pairs(name("p99"), "ms", &pairs(0.99, |repeat| repeat.sync_p99_ms), Some(Goal::AtMost(GOAL_MS))),
    ])
}

/// Delivers captures one by one, and answers milliseconds from the commit of each to that of its concern.
async fn deliver(shared: &Shared, school: &mut School, numbers: std::ops::Range<usize>) -> anyhow::Result<Vec<f64>> {
    let count = numbers.len();
    let events = shared.events.subscribe();
    // As many as there are: nothing waits for whoever looks at the clock.
    let (fates, handed_over) = mpsc::channel(count);
    let sending = async {
        let mut pace = tokio::time::interval(Duration::from_secs(1) / RATE);
        for number in numbers {
            pace.tick().await;
            // In the order of arrival, and of nothing else.
            shared.clock.advance_us(1);
            fates.send(school.deliver_lone(number).await?).await?;
        }
        drop(fates);
        anyhow::Ok(())
    };
    let ((), committed, seen) = tokio::try_join!(sending, commits(handed_over), changes(events, count))?;
    let between =
        |(committed, seen): (&Instant, &Instant)| seen.saturating_duration_since(*committed).as_secs_f64() * 1e3;
    Ok(committed.iter().zip(&seen).map(between).collect())
}

/// When each was committed, in order.
async fn commits(mut handed_over: mpsc::Receiver<Fate>) -> anyhow::Result<Vec<Instant>> {
    let mut at = Vec::new();
    while let Some(fate) = handed_over.recv().await {
        fate.await?;
        at.push(now());
    }
    Ok(at)
}

/// When each of `count` changes was told, in order: captures of one level are taken in the order in which they came.
async fn changes(mut events: Receiver<ConcernChanged>, count: usize) -> anyhow::Result<Vec<Instant>> {
    let mut at = Vec::new();
    while at.len() < count {
        match tokio::time::timeout(PATIENCE, events.recv()).await.context("a concern was not told of")? {
            Ok(_) => at.push(now()),
            Err(RecvError::Lagged(missed)) => bail!("{missed} changes were missed"),
            Err(RecvError::Closed) => bail!("nothing tells of changes any more"),
        }
    }
    Ok(at)
}

/// Concerns that nobody took climb: how long all of them take.
pub(super) async fn climbing(effort: Effort, site: &mut Site, disk: &mut Disk) -> anyhow::Result<Metric> {
    // By the day after tomorrow everything above level 2 is due.
    site.shared.clock.advance_us(4 * DAY_US);
    let syncs = disk.sync_for(Duration::from_millis(300))?;
    let (most, mut events) = (effort.of(CLIMBING), site.shared.events.subscribe());
    let climber = site.school().climber();
    let (mut climbed, mut steps) = (0, 0_u32);
    let started = now();
    while climbed < most && climber.step().await? == Step::Worked {
        steps += 1;
        while events.try_recv().is_ok() {
            climbed += 1;
        }
    }
    let took_ms = started.elapsed().as_secs_f64() * 1e3;
    let name = format!("{climbed} concerns climb, control: {steps} raw syncs");
    Ok(Metric::of_run(name, "ms", took_ms, Some(f64::from(steps) * 1e3 / syncs.rate), None))
}
