use std::sync::{Arc, Mutex, PoisonError};

use super::*;

const ALLOWED: Allowed = Allowed { memory_bytes: 100 * MIB, cpu_percent: 10, spool_bytes: 50 * MIB };
const IDLE: Usage = Usage { memory_bytes: 10 * MIB, cpu: Duration::ZERO, spool_bytes: 0 };
const EVERY_US: u64 = 10_000_000;

/// Uses what the test says.
#[derive(Clone)]
struct FakeGauge(Arc<Mutex<(Usage, u32)>>);

impl FakeGauge {
    fn with<T>(&self, look: impl FnOnce(&mut (Usage, u32)) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Gauge for FakeGauge {
    fn usage(&mut self) -> io::Result<Usage> {
        Ok(self.with(|held| held.0))
    }

    fn give_back(&mut self) {
        self.with(|held| held.1 += 1);
    }
}

/// An agent that measures itself every ten seconds.
struct Agent {
    gauge: FakeGauge,
    limits: Limits,
    counters: Counters,
    diagnostics: Diagnostics,
    now_us: u64,
}

impl Agent {
    fn new() -> Self {
        let gauge = FakeGauge(Arc::new(Mutex::new((IDLE, 0))));
        let (counters, diagnostics) = (Counters::new(), Diagnostics::new());
        let limits = Limits::new(Box::new(gauge.clone()), ALLOWED, counters.clone(), diagnostics.clone());
        Self { gauge, limits, counters, diagnostics, now_us: 0 }
    }

    /// Measures so often, `per_measurement` of the processor's time being spent before each.
    fn measures(&mut self, times: u32, per_measurement: Duration) {
        for _ in 0..times {
            self.now_us += EVERY_US;
            self.gauge.with(|held| held.0.cpu += per_measurement);
            self.limits.measure(self.now_us);
        }
    }

    fn uses(&mut self, memory_mib: u64, cpu_percent: u32, spool_mib: u64) -> &mut Self {
        self.gauge.with(|held| {
            held.0 = Usage { memory_bytes: memory_mib * MIB, cpu: held.0.cpu, spool_bytes: spool_mib * MIB };
        });
        self.measures(2, Duration::from_millis(100) * cpu_percent);
        self
    }

    fn effort(&self) -> Effort {
        *self.limits.effort().borrow()
    }

    fn told(&self) -> Vec<(Code, String)> {
        self.diagnostics.snapshot().into_iter().collect()
    }
}

#[test]
fn past_its_memory_the_agent_does_less_step_by_step_names_the_cause_and_gives_memory_back() {
    let mut agent = Agent::new();
    agent.measures(3, Duration::ZERO);
    assert!(agent.told().is_empty() && agent.gauge.with(|held| held.1) == 0);
    for (step, load) in [(1, Step::Eased), (2, Step::Slowed), (3, Step::Bare)] {
        agent.uses(120, 0, 0);
        let detail = format!("step {step} of 3 at 120 of 100 MiB, 0 not looked at since");
        assert_eq!(agent.told(), [(Code::MemoryLimit, detail)]);
        assert_eq!(agent.effort(), Effort::of(load, Step::Full));
    }
    assert!(agent.gauge.with(|held| held.1) > 0);
    agent.uses(20, 0, 0).measures(3 * 6, Duration::ZERO);
    assert_eq!((agent.told(), agent.effort()), (Vec::new(), Effort::full()));
}

#[test]
fn past_its_share_of_the_processor_the_agent_does_less_and_names_the_cause() {
    let mut agent = Agent::new();
    agent.measures(1, Duration::ZERO);
    for (step, load) in [(1, Step::Eased), (2, Step::Slowed), (3, Step::Bare)] {
        agent.uses(10, 25, 0);
        let detail = format!("step {step} of 3 at 25 of 10 % of a core, 0 not looked at since");
        assert_eq!(agent.told(), [(Code::CpuLimit, detail)]);
        assert_eq!(agent.effort(), Effort::of(load, Step::Full));
    }
    agent.measures(3 * 6, Duration::from_millis(100));
    assert_eq!((agent.told(), agent.effort()), (Vec::new(), Effort::full()));
}

#[test]
fn a_full_spool_slows_what_matched_and_nothing_that_is_looked_at() {
    let mut agent = Agent::new();
    for (step, spool) in [(1, Step::Eased), (2, Step::Slowed), (3, Step::Bare)] {
        agent.uses(10, 0, 49);
        let detail = format!("step {step} of 3 at 49 of 50 MiB, 0 not looked at since");
        assert_eq!(agent.told(), [(Code::SpoolLimit, detail)]);
        assert_eq!(agent.effort(), Effort::of(Step::Full, spool));
    }
    let Effort { cooldowns, least, .. } = agent.effort();
    assert_eq!(Effort { cooldowns, least, ..Effort::full() }, agent.effort());
    assert_eq!((cooldowns, least), (4, Level::High));
}

#[test]
fn what_was_not_looked_at_is_told_from_the_time_the_limit_came_near() {
    let mut agent = Agent::new();
    agent.counters.count_dropped(crate::counters::Dropped::Limit, 5);
    agent.uses(75, 0, 0);
    agent.counters.count_dropped(crate::counters::Dropped::Limit, 17);
    agent.measures(1, Duration::ZERO);
    assert_eq!(agent.told(), [(Code::MemoryLimit, "step 1 of 3 at 75 of 100 MiB, 17 not looked at since".to_owned())]);
    assert_eq!(agent.counters.to_wire().dropped_rate, 22, "and counted with what came too fast");
}

#[test]
fn a_measure_of_a_moment_changes_nothing_and_two_causes_are_told_both() {
    let mut agent = Agent::new();
    agent.measures(1, Duration::ZERO);
    agent.measures(1, Duration::from_secs(10));
    agent.measures(1, Duration::ZERO);
    assert_eq!((agent.told(), agent.effort()), (Vec::new(), Effort::full()));
    agent.uses(99, 0, 49);
    let codes: Vec<_> = agent.told().into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [Code::MemoryLimit, Code::SpoolLimit]);
}

#[test]
fn a_clock_that_stands_still_measures_no_share() {
    let mut agent = Agent::new();
    for _ in 0..10 {
        agent.gauge.with(|held| held.0.cpu += Duration::from_secs(1));
        agent.limits.measure(7);
    }
    assert_eq!(agent.effort(), Effort::full());
}
