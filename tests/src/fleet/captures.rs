//! What the fleet captures: the same for the same seed, device, beginning, lane and sequence, so that nothing has to be kept to
//! know what was issued.

use lapwing_proto::{Capture, Seq, wire};
use lapwing_rules::{Level, Release};

/// Writes the captures of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writer {
    seed: u64,
    device: usize,
    since_us: i64,
}

impl Writer {
    /// The writer of the `device`-th of a fleet, whose captures are seen from `since_us` (UTC, microseconds) on.
    #[must_use]
    pub const fn new(seed: u64, device: usize, since_us: i64) -> Self {
        Self { seed, device, since_us }
    }

    /// The capture at a place: a window title of about 300 bytes encoded, by a pupil of this device's own.
    #[must_use]
    pub fn capture(&self, lane: Level, seq: Seq) -> wire::Capture {
        let (rule, category) = rule_of(lane);
        let title = format!("fleet {} device {} lane {lane} capture {seq}", self.seed, self.device);
        let end = u32::try_from(title.len()).unwrap_or(u32::MAX);
        let span = wire::Span { excerpt: 0, start: 0, end, mark: wire::Mark::Topic as i32, weight: 0 };
        wire::Capture {
            signal: wire::Signal::Title as i32,
            wall_us: self.since_us.saturating_add_unsigned(seq.number()),
            boot_us: seq.number(),
            boot_id: vec![1; 16],
            account: Some(wire::Account {
                name: format!("fleet-{:05}", self.device),
                session: "c2".to_owned(),
                groups: vec!["pupils".to_owned()],
            }),
            app: "chromium".to_owned(),
            excerpts: vec![wire::Excerpt { scope: wire::Scope::Title as i32, text: title }],
            verdict: Some(wire::Verdict {
                release: Release::new(1).number(),
                rule_set_digest: vec![2; 32],
                band: wire::Band::Ks3 as i32,
                hits: vec![wire::Hit {
                    rule: rule.to_owned(),
                    category: category.to_owned(),
                    level: u32::from(lane.number()),
                    spans: vec![span],
                    exceptions: Vec::new(),
                    weight: 0,
                }],
            }),
            burst: 1,
            ..wire::Capture::default()
        }
    }

    /// What the collector keeps of it once it checked it.
    ///
    /// # Errors
    ///
    /// When the capture breaks the contract: then the fleet is wrong.
    pub fn kept(&self, lane: Level, seq: Seq) -> anyhow::Result<wire::Capture> {
        Ok(Capture::try_from(self.capture(lane, seq))?.into())
    }
}

/// A rule and its category, one a lane, so that a device's captures make one concern a lane.
const fn rule_of(lane: Level) -> (&'static str, &'static str) {
    match lane {
        Level::Info => ("fleet.gaming", "off_task_gaming"),
        Level::Low => ("fleet.profanity", "profanity"),
        Level::Moderate => ("fleet.bullying", "bullying"),
        Level::High => ("fleet.drugs", "drugs"),
        Level::Critical => ("fleet.suicide", "suicide"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_issued_keeps_the_contract_and_differs_by_place() {
        let writer = Writer::new(1, 2, 5);
        for lane in Level::ALL {
            let capture = writer.capture(lane, Seq::new(3));
            assert_eq!(writer.kept(lane, Seq::new(3)).unwrap(), capture, "nothing is added or lost on the way");
            assert_eq!(Capture::try_from(capture.clone()).unwrap().level(), lane);
            assert_ne!(capture, writer.capture(lane, Seq::new(4)));
            assert_ne!(capture, Writer::new(1, 3, 5).capture(lane, Seq::new(3)));
        }
    }
}
