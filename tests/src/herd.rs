//! A herd: every agent of a school comes back at once after the collector was killed, with captures in its spool.
//!
//! ```text
//! all connected ──kill -9──▶ each captures ──down──▶ restart ──▶ back ──▶ drained ──▶ triaged ──▶ judged
//! ```
//!
//! The collector is the real program; the agents are the real uplink ([`Agents`]), a hundred or thousands in this one
//! process, on the collector's own machine. Times count from when the restarted collector says that it listens.

mod oracle;
mod watch;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use clap::builder::TypedValueParser as _;
use lapwing_rules::Level;
use tokio::time::Instant;

use crate::fleet::{Agents, Fleet, Site, now};
use crate::{School, eventually_within};
use oracle::{Findings, Oracle};
use watch::{Memory, Seen};

/// How long connecting, draining and triage may take before the run is given up.
const PATIENCE: Duration = Duration::from_mins(10);
/// Devices that hold a capture of the highest level: few enough to stand on one page.
const URGENT: usize = 40;
/// Every so many devices hold captures of the level below.
const SOME: usize = 10;
/// Agents up to which a school's goals hold; above it those of a large one.
const SCHOOL: usize = 1000;

/// What a herd is.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Herd {
    /// How many agents.
    #[arg(long, default_value_t = SCHOOL, value_parser = clap::value_parser!(u32).range(1..=20_000).map(|n| n as usize))]
    pub agents: usize,
    /// Captures each holds when the collector comes back.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(4..=10_000))]
    pub captures: u64,
    /// Seconds between the kill and the restart.
    #[arg(long, default_value_t = 1)]
    pub down: u64,
    /// What the captures say.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// What a herd did to its collector.
#[derive(Clone, Debug)]
pub struct HerdReport {
    herd: Herd,
    findings: Findings,
    given_up: u64,
    /// One figure a line of the table.
    pub goals: Vec<Goal>,
}

/// A figure and what was aimed at.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    /// What it is.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// What was measured.
    pub value: f64,
    /// The most it should be, where a goal was set.
    pub at_most: Option<f64>,
}

/// Instants and counts of one run.
struct Run {
    back: Duration,
    returns: Vec<u64>,
    drained: Duration,
    arrivals: Vec<u64>,
    urgent: Duration,
    triaged: Duration,
    pages: Vec<Duration>,
    memory: Memory,
    idle_memory: Memory,
}

impl Goal {
    /// Whether the goal was reached; `None` where none was set.
    #[must_use]
    pub fn met(&self) -> Option<bool> {
        self.at_most.map(|most| self.value <= most)
    }
}

impl HerdReport {
    /// Whether nothing was lost, doubled, altered or misfiled.
    #[must_use]
    pub fn all_well(&self) -> bool {
        self.findings.all_well() && self.given_up == 0
    }
}

impl Herd {
    /// Runs it in `folder`.
    ///
    /// # Errors
    ///
    /// When a program does not start, open files are too few, or the herd does not come back, drain or get triaged
    /// within ten minutes.
    pub async fn run(self, folder: &Path) -> anyhow::Result<HerdReport> {
        // Before the collector starts: it inherits the limit.
        crate::raise_open_files(self.agents)?;
        let mut school = School::open(folder, &[]).await?;
        let fleet = Fleet::enrol(Site::of(&school, self.agents)?, self.agents, self.seed).await?;
        let agents = Agents::start(&fleet)?;
        self.until_connected(&agents).await?;
        let outcome = self.restart(&mut school, &agents).await;
        let account = agents.account();
        let given_up = agents.given_up();
        let run = outcome?;
        let oracle = Oracle::open(&school.database(), &school.keys()).await?;
        let findings = oracle.judge(&fleet, &account).await?;
        oracle.close().await;
        agents.stop().await;
        Ok(HerdReport { herd: self, findings, given_up, goals: self.goals(&run) })
    }

    async fn until_connected(&self, agents: &Agents) -> anyhow::Result<()> {
        let all = async || (agents.connected() == self.agents).then_some(());
        eventually_within(PATIENCE, "all agents to be connected", all).await
    }

    /// Kills the collector, lets every agent capture, starts it again and watches.
    async fn restart(&self, school: &mut School, agents: &Agents) -> anyhow::Result<Run> {
        let mut dsl = school.signed_in("dsl").await?;
        let idle_memory = Memory::of(school)?;
        let before = agents.welcomes().len();
        school.kill_collector()?;
        for index in 0..self.agents {
            for (lane, count) in self.mix(index) {
                agents.capture(index, lane, count);
            }
        }
        tokio::time::sleep(Duration::from_secs(self.down)).await;
        school.start_collector()?;
        let started = now();
        let oracle = Oracle::open(&school.database(), &school.keys()).await?;
        let drained = async {
            let empty = async || (agents.holding() == 0).then_some(());
            eventually_within(PATIENCE, "all agents to have delivered", empty).await?;
            anyhow::Ok(started.elapsed())
        };
        let (drained, seen) = tokio::try_join!(drained, Seen::urgent(&mut dsl, self.urgent(), started, PATIENCE))?;
        self.until_connected(agents).await?;
        let memory = Memory::of(school)?;
        watch::until_triaged(&oracle, PATIENCE).await?;
        let triaged = started.elapsed();
        let arrivals = oracle.arrivals().await?;
        oracle.close().await;
        let welcomes: Vec<_> = agents.welcomes().split_off(before);
        let back = welcomes.last().map_or(Duration::ZERO, |last| last.saturating_duration_since(started));
        let returns = by_second(&welcomes);
        Ok(Run { back, returns, drained, arrivals, urgent: seen.all, triaged, pages: seen.pages, memory, idle_memory })
    }

    /// Agents that hold a capture of the highest level.
    fn urgent(&self) -> usize {
        self.agents.div_ceil(self.agents.div_ceil(URGENT))
    }

    /// How many captures of which lane the `index`-th agent holds.
    fn mix(&self, index: usize) -> Vec<(Level, u64)> {
        let urgent = u64::from(index.is_multiple_of(self.agents.div_ceil(URGENT)));
        let high = if index.is_multiple_of(SOME) { self.captures / 10 } else { 0 };
        let (info, low) = (self.captures * 3 / 10, self.captures * 4 / 10);
        let rest = self.captures - info - low - high - urgent;
        let mix = [
            (Level::Info, info),
            (Level::Low, low),
            (Level::Moderate, rest),
            (Level::High, high),
            (Level::Critical, urgent),
        ];
        mix.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    fn goals(&self, run: &Run) -> Vec<Goal> {
        let seconds = |of: Duration| of.as_secs_f64();
        let within = if self.agents <= SCHOOL { 60.0 } else { 180.0 };
        let goal = |name, unit, value, at_most| Goal { name, unit, value, at_most };
        vec![
            goal("all agents back", "s", seconds(run.back), None),
            goal("agents back a second, most by mean", "x", unevenness(&run.returns), None),
            goal("drained", "s", seconds(run.drained), Some(within)),
            goal("captures a second, most by mean", "x", unevenness(&run.arrivals), Some(2.0)),
            goal("level 5 on the DSL's page", "s", seconds(run.urgent), Some(10.0)),
            goal("the DSL's page meanwhile, slowest", "ms", seconds(slowest(&run.pages)) * 1e3, None),
            goal("all concerns on their pages", "s", seconds(run.triaged), None),
            goal("collector's memory, idle before", "MB", run.idle_memory.megabytes(), None),
            goal("collector's memory, most", "MB", run.memory.most_megabytes(), Some(250.0)),
        ]
    }
}

/// Events in each second from the first on.
fn by_second(events: &[Instant]) -> Vec<u64> {
    let Some(first) = events.first() else { return Vec::new() };
    let mut seconds = Vec::new();
    for event in events {
        let second = usize::try_from(event.duration_since(*first).as_secs()).unwrap_or(usize::MAX);
        seconds.resize(seconds.len().max(second + 1), 0);
        if let Some(count) = seconds.get_mut(second) {
            *count += 1;
        }
    }
    seconds
}

/// The busiest second by the mean one.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn unevenness(seconds: &[u64]) -> f64 {
    let most = seconds.iter().max().copied().unwrap_or(0) as f64;
    let mean = seconds.iter().sum::<u64>() as f64 / seconds.len().max(1) as f64;
    if mean > 0.0 { most / mean } else { 1.0 }
}

fn slowest(pages: &[Duration]) -> Duration {
    pages.iter().max().copied().unwrap_or_default()
}

impl fmt::Display for HerdReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Herd { agents, captures, down, seed } = self.herd;
        writeln!(f, "{agents} agents with {captures} captures each, collector killed and down {down} s, seed {seed}")?;
        writeln!(f, "{:<40} {:>10} {:>8}  met", "figure", "value", "goal")?;
        for goal in &self.goals {
            let name = format!("{} ({})", goal.name, goal.unit);
            let most = goal.at_most.map_or_else(String::new, |most| format!("{most:.0}"));
            let met = goal.met().map_or("", |met| if met { "yes" } else { "NO" });
            writeln!(f, "{name:<40} {:>10.1} {most:>8}  {met}", goal.value)?;
        }
        let Findings { lost, doubled, foreign, altered, off_mark, unfiled } = self.findings;
        writeln!(
            f,
            "lost {lost}, doubled {doubled}, never issued {foreign}, altered {altered}, given up {}",
            self.given_up
        )?;
        writeln!(f, "lanes off their mark {off_mark}, captures in no concern or counted twice {unfiled}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn herd(agents: usize, captures: u64) -> Herd {
        Herd { agents, captures, down: 0, seed: 1 }
    }

    #[test]
    fn every_agent_holds_as_many_captures_and_few_an_urgent_one() {
        for (agents, captures) in [(1, 4), (39, 20), (50, 20), (1000, 100), (5000, 100)] {
            let herd = herd(agents, captures);
            let mixes: Vec<_> = (0..agents).map(|index| herd.mix(index)).collect();
            assert!(mixes.iter().all(|mix| mix.iter().map(|(_, count)| count).sum::<u64>() == captures));
            let urgent = mixes.iter().flatten().filter(|(lane, _)| *lane == Level::Critical).count();
            assert_eq!(urgent, herd.urgent(), "{agents}");
        }
    }

    #[test]
    fn an_even_drain_has_no_unevenness() {
        assert!((unevenness(&[5, 5, 5]) - 1.0).abs() < 1e-9);
        assert!((unevenness(&[9, 0, 0]) - 3.0).abs() < 1e-9);
        assert!((unevenness(&[]) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn seconds_count_from_the_first_event() {
        let first = now();
        let at = |ms| first + Duration::from_millis(ms);
        assert_eq!(by_second(&[at(0), at(999), at(1000), at(3500)]), [2, 1, 0, 1]);
    }
}
