//! Keeps what the agent says of itself up to date.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::addresses;
use super::force::Force;
use crate::diagnostic::{Code, Diagnostics};
use crate::scope::{InForce, Whereabouts};
use crate::sensor::HealthBoard;
use crate::shutdown::Shutdown;
use crate::status::{StatusFacts, sensor_states};
use crate::uplink::TrustedTime;

/// How often hours and whereabouts are looked at where nothing else changes.
const LOOK: Duration = Duration::from_secs(30);

/// What the status is made of.
pub(super) struct Reporting {
    pub(super) time: Arc<TrustedTime>,
    pub(super) health: HealthBoard,
    pub(super) diagnostics: Diagnostics,
    pub(super) force: Force,
    pub(super) status: watch::Sender<StatusFacts>,
}

impl Reporting {
    /// Publishes each change until `shutdown`.
    pub(super) async fn run(self, shutdown: Shutdown) {
        let (mut health, mut diagnostics) = (self.health.changed(), self.diagnostics.changed());
        let mut look = tokio::time::interval(LOOK);
        let mut whereabouts = Whereabouts::default();
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                Ok(()) = health.changed() => {}
                Ok(()) = diagnostics.changed() => {}
                _ = look.tick() => {}
            }
            self.look_at_age();
            let facts = self.facts(&mut whereabouts);
            self.status.send_if_modified(|held| {
                let news = *held != facts;
                *held = facts;
                news
            });
        }
    }

    /// A rule set that was to be replaced goes on, and says so.
    fn look_at_age(&self) {
        match self.force.is_outdated(self.time.now_us()) {
            true => self.diagnostics.raise(Code::RuleSetOutdated, ""),
            false => self.diagnostics.clear(Code::RuleSetOutdated),
        }
    }

    fn facts(&self, whereabouts: &mut Whereabouts) -> StatusFacts {
        let (rule_set_release, policy_release) = self.force.releases();
        let policy = self.force.policy();
        StatusFacts {
            sensors: sensor_states(&self.health.snapshot()),
            rule_set_release,
            policy_release,
            exemptions_number: self.force.exemptions().number(),
            diagnostics: self.diagnostics.to_wire(),
            scoped_out: policy.is_none_or(|policy| self.is_closed(&policy, whereabouts)),
        }
    }

    fn is_closed(&self, force: &InForce, whereabouts: &mut Whereabouts) -> bool {
        let now = self.time.now_us();
        let presence = whereabouts.at(force, now, addresses::outbound);
        force.is_open(now, presence).is_err()
    }
}
