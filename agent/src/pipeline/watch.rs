//! The loop that observations go through: settle, judge, and on to the spool.

use std::sync::Arc;
use std::time::Duration;

use lapwing_proto::Capture;
use tokio::sync::mpsc;

use super::judge::Judge;
use crate::clock::Clock;
use crate::counters::{Counters, Dropped};
use crate::diagnostic::{Code, Diagnostics};
use crate::limits::Effort;
use crate::observation::Observation;
use crate::sensor::{HealthBoard, Reason, SensorHealth, SensorName};
use crate::settle::{Pace, Settle, Settled, Sight};
use crate::signal::{Moment, account_of_session};

/// What the loop works with.
pub(super) struct Watching {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settle: Settle,
    pub(super) judge: Judge,
    pub(super) health: HealthBoard,
    pub(super) counters: Counters,
    pub(super) diagnostics: Diagnostics,
    pub(super) captures: mpsc::Sender<Capture>,
}

impl Watching {
    /// Judges until every sensor has let go of its end, or the spool of its. Captures that wait for their burst to end
    /// are told then.
    pub(super) async fn run(mut self, mut observations: mpsc::Receiver<Observation>) {
        let mut effort = self.judge.effort();
        loop {
            let settled = tokio::select! {
                Ok(()) = effort.changed() => {
                    let Effort { still, tabs, .. } = *effort.borrow_and_update();
                    self.settle.keep(Pace { still, tabs });
                    continue;
                }
                observation = observations.recv() => match observation {
                    Some(observation) => self.observe(observation),
                    None => break,
                },
                () = wait(self.deadline(), &*self.clock) => self.settle.tick(now(&*self.clock)),
            };
            self.tell_what_moves();
            for settled in settled {
                if self.take(settled).await.is_err() {
                    return;
                }
            }
            if self.tell_bursts(self.clock.boot_us()).await.is_err() {
                return;
            }
        }
        // The spool ends before the judging only when the service does.
        let _ = self.tell_bursts(u64::MAX).await;
    }

    fn deadline(&self) -> Option<u64> {
        self.settle.deadline().into_iter().chain(self.judge.deadline()).min()
    }

    async fn tell_bursts(&mut self, now_us: u64) -> Result<(), mpsc::error::SendError<Capture>> {
        for capture in self.judge.over(now_us) {
            self.captures.send(capture).await?;
        }
        Ok(())
    }

    fn observe(&mut self, observation: Observation) -> Vec<Settled> {
        let now = now(&*self.clock);
        if let Some(session) = observation.session() {
            self.judge.meet(&account_of_session(session), now.boot_us);
        }
        self.settle.observe(observation, now)
    }

    fn tell_what_moves(&self) {
        match self.settle.moving() {
            0 => self.diagnostics.clear(Code::NeverSettles),
            moving => self.diagnostics.raise(Code::NeverSettles, format!("{moving} windows and tabs")),
        }
    }

    async fn take(&mut self, settled: Settled) -> Result<(), mpsc::error::SendError<Capture>> {
        match settled {
            Settled::Signal(signal) => match self.judge.judge(*signal) {
                Some(capture) => self.captures.send(capture).await,
                None => Ok(()),
            },
            Settled::Urls(session, sight) => {
                let health = match sight {
                    Sight::Seen => SensorHealth::Working,
                    Sight::Silent => SensorHealth::Blind(Reason::ExtensionSilent, None),
                };
                self.health.set(SensorName::Urls, Some(session), health);
                Ok(())
            }
            Settled::Oversize => {
                self.counters.count_dropped(Dropped::Oversize, 1);
                Ok(())
            }
            Settled::Skipped => {
                self.counters.count_dropped(Dropped::Limit, 1);
                Ok(())
            }
        }
    }
}

fn now(clock: &dyn Clock) -> Moment {
    Moment { boot_us: clock.boot_us(), wall_us: clock.wall_us() }
}

/// Waits until `deadline`, for ever where there is none.
async fn wait(deadline: Option<u64>, clock: &dyn Clock) {
    match deadline {
        Some(due) => tokio::time::sleep(Duration::from_micros(due.saturating_sub(clock.boot_us()))).await,
        None => std::future::pending().await,
    }
}
