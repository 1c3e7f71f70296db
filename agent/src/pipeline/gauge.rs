//! Measures this process and its spool.

use std::io;
use std::sync::Arc;

use super::{Shared, spooling};
use crate::config::Config;
use crate::limits::{Allowed, Gauge, Limits, Usage};
use crate::platform;
use crate::spool::{Spool, SpoolLimits};

/// The limits of the configuration, and what is held to them.
pub(super) fn limits(config: &Config, spool: &Arc<Spool>, shared: &Shared) -> Limits {
    let SpoolLimits { live_bytes, critical_bytes, .. } = spooling::limits(config);
    let allowed = Allowed {
        memory_bytes: u64::from(*config.memory_mib) * 1024 * 1024,
        cpu_percent: *config.cpu_percent,
        spool_bytes: live_bytes.saturating_sub(critical_bytes),
    };
    let gauge = Box::new(OwnGauge(Arc::clone(spool)));
    Limits::new(gauge, allowed, shared.counters.clone(), shared.diagnostics.clone())
}

/// The service's own use.
struct OwnGauge(Arc<Spool>);

impl Gauge for OwnGauge {
    fn usage(&mut self) -> io::Result<Usage> {
        let (memory_bytes, cpu) = platform::own_usage()?;
        Ok(Usage { memory_bytes, cpu, spool_bytes: self.0.live_bytes() })
    }

    fn give_back(&mut self) {
        platform::give_back_memory();
    }
}

#[cfg(test)]
mod tests {
    use lapwing_proto::{Seq, wire};
    use lapwing_rules::Level;

    use super::*;
    use crate::clock::ManualClock;
    use crate::counters::Counters;
    use crate::diagnostic::{Code, Diagnostics};
    use crate::identity::HardwareHash;
    use crate::limits::{Effort, Step};
    use crate::spool::{Appended, SpoolKey};

    #[test]
    fn a_real_spool_that_fills_up_and_is_emptied_moves_the_limits() {
        let folder = tempfile::tempdir().unwrap();
        let key = SpoolKey::from_bytes([1; 32]);
        let spool_limits = SpoolLimits { live_bytes: 512 * 1024, critical_bytes: 64 * 1024, ..SpoolLimits::default() };
        let clock = Arc::new(ManualClock::at(0));
        let path = folder.path().join("spool");
        let (spool, _) = Spool::open(&path, &key, HardwareHash::new(None), spool_limits, clock).unwrap();
        let spool = Arc::new(spool);
        let allowed = Allowed { memory_bytes: u64::MAX / 1_000, cpu_percent: u32::MAX, spool_bytes: 448 * 1024 };
        let diagnostics = Diagnostics::new();
        let gauge = Box::new(OwnGauge(Arc::clone(&spool)));
        let mut limits = Limits::new(gauge, allowed, Counters::new(), diagnostics.clone());
        let (mut steps, capture) = (Vec::new(), wire::Capture { app: "a".repeat(16_000), ..wire::Capture::default() });
        let mut last = Seq::NONE;
        for now_us in 0..40 {
            let Appended::Stored(seq) = spool.append(Level::Low, &capture).unwrap() else { panic!("a lane gave way") };
            last = seq;
            limits.measure(now_us);
            steps.push(*limits.effort().borrow());
        }
        steps.dedup();
        let steps_up = [Step::Full, Step::Eased, Step::Slowed, Step::Bare].map(|step| Effort::of(Step::Full, step));
        assert_eq!(steps, steps_up);
        assert!(diagnostics.snapshot().contains_key(&Code::SpoolLimit));
        spool.acknowledge(Level::Low, last).unwrap();
        (0..20).for_each(|now_us| limits.measure(100 + now_us));
        assert_eq!((*limits.effort().borrow(), diagnostics.snapshot().len()), (Effort::full(), 0));
    }
}
