//! The fault itself, and how the programs take it.

use std::process::ExitStatus;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::sleep;

use super::{BOTH, LESSON, PAUSE, Play, Program, now, was_killed};
use crate::faults::fault::{Fault, Struck};

/// What a lesson goes on for where a place is to be passed after everything has arrived.
const LINGER: Duration = Duration::from_millis(1500);

impl Play<'_> {
    /// The faults that come from outside.
    pub(super) async fn strike(&mut self) -> anyhow::Result<()> {
        sleep(Duration::from_millis(self.draw.below(60))).await;
        match self.fault {
            Fault::Kill(Struck::One(program)) => self.rig.kill(*program).await?,
            Fault::Kill(Struck::Both) => {
                self.rig.signal_both("-KILL");
                for program in BOTH {
                    self.rig.kill(program).await?;
                }
            }
            Fault::Suspend => {
                self.rig.signal_both("-STOP");
                sleep(Duration::from_millis(200 + self.draw.below(1500))).await;
                self.rig.signal_both("-CONT");
            }
            Fault::Clock(program, seconds) => self.rig.turn_clock(*program, *seconds)?,
            Fault::Copied => self.use_copy().await?,
            Fault::Place(..) | Fault::Call(..) | Fault::Link(_) => return Ok(()),
        }
        self.has_struck = true;
        Ok(())
    }

    /// Takes note of a program that ended by itself: killed as it was told to, or with an exit code that says why.
    pub(super) fn has_ended(&mut self, program: Program) -> anyhow::Result<bool> {
        let Some(status) = self.rig.ended(program) else { return Ok(false) };
        self.note_end(program, status)?;
        Ok(true)
    }

    fn note_end(&mut self, program: Program, status: ExitStatus) -> anyhow::Result<()> {
        let is_told = was_killed(status) || matches!(status.code(), Some(0..=2 | 64));
        anyhow::ensure!(is_told, "the {program} ended with {status}");
        self.has_struck |= was_killed(status) || status.code() != Some(0);
        Ok(())
    }

    /// Waits until the struck program has ended, or the lesson is over; then the DSL acts, and both stop in peace.
    pub(super) async fn until_struck(&mut self) -> anyhow::Result<()> {
        let began = now();
        // Mails and status go their own way, a little later than captures.
        let lingers = if matches!(self.fault, Fault::Place(..)) { LINGER } else { Duration::ZERO };
        let mut settled = None;
        while began.elapsed() < LESSON {
            for program in BOTH {
                if self.has_ended(program)? || self.rig.process(program).is_none() {
                    return Ok(());
                }
            }
            if settled.is_none() && self.is_settled().await.unwrap_or(false) {
                settled = Some(now());
            }
            if settled.is_some_and(|settled| settled.elapsed() >= lingers) {
                break;
            }
            sleep(PAUSE).await;
        }
        if let Fault::Clock(..) | Fault::Suspend | Fault::Copied | Fault::Link(_) = self.fault {
            return Ok(());
        }
        self.acknowledge_one().await;
        for program in [Program::Agent, Program::Collector] {
            if self.has_ended(program)? {
                return Ok(());
            }
            if let Some(status) = self.rig.stop(program).await? {
                self.note_end(program, status)?;
            }
        }
        Ok(())
    }

    /// The DSL takes a concern. Only what the console confirms has to last.
    async fn acknowledge_one(&mut self) {
        let act = async {
            let mut dsl = self.rig.dsl(&self.stage.template);
            let row = dsl.rows("/queue").await?.into_iter().next().context("a concern")?;
            let page = dsl.get(&row.path).await?;
            let answer = dsl.submit(&page, &format!("{}/acknowledge", row.path), &[]).await?;
            anyhow::ensure!(answer.status.is_redirection(), "{}", answer.status);
            anyhow::Ok(row.path.trim_start_matches("/concerns/").to_owned())
        };
        if let Ok(reference) = act.await {
            self.told.acknowledged.push(reference);
        }
    }
}
