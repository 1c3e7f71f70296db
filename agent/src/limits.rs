//! The agent's own limits: it measures itself, and does less, step by step, before it needs more than it may.
//!
//! | step   | files                                    | titles and addresses                             | what matched                                    |
//! |--------|------------------------------------------|--------------------------------------------------|-------------------------------------------------|
//! | full   | at once                                  | after 300 ms                                     | every capture                                   |
//! | eased  | gathered for 1 s, listed again each 30 s |                                                  | cooldowns twice as long                         |
//! | slowed | listed again each minute                 | after 600 ms, 10 a second of an account, 64 tabs | cooldowns four times as long                    |
//! | bare   | gathered for 5 s                         | 5 a second, 16 tabs                              | levels 4 and 5; the others are counted          |
//!
//! A critical hit is captured at every step, and every file name is looked at. What is not looked at for a limit's sake
//! is counted, and each limit that is near is told by a code of its own until it is far again. A full spool slows what
//! matched alone: looking at less would empty it no sooner.

mod ladder;

use std::io;
use std::time::Duration;

use lapwing_rules::Level;
use tokio::sync::watch;

use crate::counters::Counters;
use crate::diagnostic::{Code, Diagnostics};
use ladder::Ladder;
pub use ladder::Step;

const MIB: u64 = 1024 * 1024;

/// What the agent uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory, in bytes.
    pub memory_bytes: u64,
    /// Time of the processor since the process started, all threads together.
    pub cpu: Duration,
    /// Live bytes of the spool.
    pub spool_bytes: u64,
}

/// What the agent may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Resident memory, in bytes.
    pub memory_bytes: u64,
    /// Hundredths of one processor core.
    pub cpu_percent: u32,
    /// Live bytes of the spool that are not kept for critical captures.
    pub spool_bytes: u64,
}

/// Measures the agent: the seam for tests.
pub trait Gauge: Send {
    /// What is used now.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    fn usage(&mut self) -> io::Result<Usage>;

    /// Gives memory that is kept for later back to the system.
    fn give_back(&mut self);
}

/// How much the agent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// How long events of files are gathered before they are looked at.
    pub gather: Duration,
    /// Least time between two listings of the folders after events were lost.
    pub listings: Duration,
    /// How long a title or address stands before it is looked at.
    pub still: Duration,
    /// Titles and addresses of one account looked at in a second; `None`: all.
    pub looks_per_second: Option<u32>,
    /// Most tabs followed in one browser; one that makes room is looked at.
    pub tabs: usize,
    /// By how much the cooldowns of what is not critical are longer.
    pub cooldowns: u32,
    /// Hits below this level are counted alone.
    pub least: Level,
}

/// One of the three limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Memory,
    Cpu,
    Spool,
}

/// Holds the agent to its limits.
pub struct Limits {
    gauge: Box<dyn Gauge>,
    allowed: Allowed,
    rungs: [Rung; 3],
    /// The processor's time at the last measurement, and when that was.
    before: Option<(Duration, u64)>,
    effort: watch::Sender<Effort>,
    counters: Counters,
    diagnostics: Diagnostics,
}

struct Rung {
    cause: Cause,
    ladder: Ladder,
    /// What was last told: the step, and how much was not looked at by then.
    told: (Step, u64),
    /// Not looked at before the limit came near.
    skipped_before: u64,
}

impl Effort {
    /// What is done where the memory or the processor asks for `load`, and the spool for `spool`.
    #[must_use]
    pub fn of(load: Step, spool: Step) -> Self {
        let (gather, listings, still, looks_per_second, tabs) = match load {
            Step::Full => (0, 0, 300, None, 512),
            Step::Eased => (1_000, 30_000, 300, None, 512),
            Step::Slowed => (1_000, 60_000, 600, Some(10), 64),
            Step::Bare => (5_000, 60_000, 600, Some(5), 16),
        };
        let (cooldowns, least) = match load.max(spool) {
            Step::Full => (1, Level::Info),
            Step::Eased => (2, Level::Info),
            Step::Slowed => (4, Level::Info),
            Step::Bare => (4, Level::High),
        };
        Self {
            gather: Duration::from_millis(gather),
            listings: Duration::from_millis(listings),
            still: Duration::from_millis(still),
            looks_per_second,
            tabs,
            cooldowns,
            least,
        }
    }

    /// Everything.
    #[must_use]
    pub fn full() -> Self {
        Self::of(Step::Full, Step::Full)
    }
}

impl Limits {
    /// Nothing was measured yet, and everything is done.
    #[must_use]
    pub fn new(gauge: Box<dyn Gauge>, allowed: Allowed, counters: Counters, diagnostics: Diagnostics) -> Self {
        let rung = |cause| Rung { cause, ladder: Ladder::new(), told: (Step::Full, 0), skipped_before: 0 };
        let rungs = [rung(Cause::Memory), rung(Cause::Cpu), rung(Cause::Spool)];
        let effort = watch::Sender::new(Effort::full());
        Self { gauge, allowed, rungs, before: None, effort, counters, diagnostics }
    }

    /// How much is to be done, now and later.
    #[must_use]
    pub fn effort(&self) -> watch::Receiver<Effort> {
        self.effort.subscribe()
    }

    /// Measures, and moves each limit by at most one step. To be called every few seconds.
    pub fn measure(&mut self, now_us: u64) {
        let usage = match self.gauge.usage() {
            Ok(usage) => usage,
            Err(error) => return tracing::debug!(error = %error, "the agent could not measure itself"),
        };
        let cpu = self.cpu_percent(usage.cpu, now_us);
        let skipped = self.counters.skipped();
        let Allowed { memory_bytes, cpu_percent, spool_bytes } = self.allowed;
        let measured =
            [(usage.memory_bytes, memory_bytes), (cpu, u64::from(cpu_percent)), (usage.spool_bytes, spool_bytes)];
        for (rung, (used, allowed)) in self.rungs.iter_mut().zip(measured) {
            rung.ladder.measure(used, allowed);
            rung.tell(used, allowed, skipped, &self.diagnostics);
        }
        let [memory, cpu, spool] = &self.rungs;
        if memory.ladder.step() > Step::Full {
            self.gauge.give_back();
        }
        let effort = Effort::of(memory.ladder.step().max(cpu.ladder.step()), spool.ladder.step());
        self.effort.send_if_modified(|held| std::mem::replace(held, effort) != effort);
    }

    /// Hundredths of a core since the last measurement.
    fn cpu_percent(&mut self, cpu: Duration, now_us: u64) -> u64 {
        let Some((before, then_us)) = self.before.replace((cpu, now_us)) else { return 0 };
        let passed = Duration::from_micros(now_us.saturating_sub(then_us)).as_micros();
        let share = (cpu.saturating_sub(before).as_micros() * 100).checked_div(passed).unwrap_or(0);
        u64::try_from(share).unwrap_or(u64::MAX)
    }
}

impl Rung {
    fn tell(&mut self, used: u64, allowed: u64, skipped: u64, diagnostics: &Diagnostics) {
        let step = self.ladder.step();
        if self.told.0 == Step::Full {
            self.skipped_before = skipped;
        }
        if self.told == (step, skipped) || (step, self.told.0) == (Step::Full, Step::Full) {
            return;
        }
        self.told = (step, skipped);
        if step == Step::Full {
            return diagnostics.clear(self.cause.code());
        }
        let measured = match self.cause {
            Cause::Memory | Cause::Spool => format!("{} of {} MiB", used.div_ceil(MIB), allowed / MIB),
            Cause::Cpu => format!("{used} of {allowed} % of a core"),
        };
        let skipped = skipped.saturating_sub(self.skipped_before);
        let detail = format!("step {} of 3 at {measured}, {skipped} not looked at since", step.number());
        diagnostics.raise(self.cause.code(), detail);
    }
}

impl Cause {
    const fn code(self) -> Code {
        match self {
            Self::Memory => Code::MemoryLimit,
            Self::Cpu => Code::CpuLimit,
            Self::Spool => Code::SpoolLimit,
        }
    }
}

#[cfg(test)]
mod tests;
