//! A PC whose whole state is copied while captures wait in its spool, and started on another PC as well.

use lapwing_rules::Level;

use super::{BOTH, LESSON, Look, PATIENCE, Phrase, Play, Program, Terms, acknowledged};
use crate::eventually_within;
use crate::faults::twin::Twin;

/// Captures that wait when it is copied.
const WAITING: u64 = 10;
/// What is shown at the copy.
const SHOWN: u64 = 3;
/// Phrases from here on are shown at the copy alone.
const ELSEWHERE: u64 = 80;

impl Play<'_> {
    /// The original enrols, so that the collector knows its firmware; captures wait; it is copied. Which of the two comes
    /// back first is drawn.
    pub(super) async fn copy_pc(&mut self) -> anyhow::Result<()> {
        for program in BOTH {
            self.rig.start(program, &Terms::default())?;
        }
        let watching = async || self.rig.is_watching().then_some(());
        eventually_within(PATIENCE, "the agent to watch by rules and policy", watching).await?;
        self.rig.kill(Program::Collector).await?;
        self.issue(WAITING).await?;
        self.all_spooled().await?;
        self.rig.stop(Program::Agent).await?;
        let mut twin = Twin::of(&self.rig, &self.stage.template)?;
        let is_first = self.draw.below(2) == 0;
        self.rig.start(Program::Collector, &Terms::default())?;
        if is_first {
            twin.start()?;
            let parted = async || twin.has_parted().then_some(());
            eventually_within(PATIENCE, "the copy to join as a device of its own", parted).await?;
        }
        self.rig.start(Program::Agent, &Terms::default())?;
        if !is_first {
            twin.start()?;
        }
        self.twin = Some(twin);
        Ok(())
    }

    /// Somebody works at the copy, which has become a device of its own.
    pub(super) async fn use_copy(&mut self) -> anyhow::Result<()> {
        let Some(twin) = &mut self.twin else { return Ok(()) };
        let parted = async || twin.has_parted().then_some(());
        eventually_within(PATIENCE, "the copy to join as a device of its own", parted).await?;
        for number in ELSEWHERE..ELSEWHERE + SHOWN {
            let phrase = Phrase::nth(number, Level::High);
            twin.pupil.shows(phrase).await?;
            self.told.elsewhere.push(phrase);
        }
        twin.pupil.leaves().await?;
        let wanted = self.told.elsewhere.len();
        let spooled = async || (acknowledged(&twin.log()).len() >= wanted).then_some(());
        eventually_within(LESSON, "the copy to spool what it was shown", spooled).await?;
        anyhow::ensure!(twin.log().contains("opened=Foreign"), "the copy went on with the original's spool");
        Ok(())
    }

    /// What the copy was shown arrives, and that it set aside what it came with.
    pub(super) async fn part_copy(&mut self) -> anyhow::Result<()> {
        let Some(twin) = &mut self.twin else { return Ok(()) };
        anyhow::ensure!(twin.runs(), "the copy ended");
        let look = Look::into(&self.rig.database()).await?;
        self.told.acknowledged_elsewhere = acknowledged(&twin.log());
        let marks = &self.told.acknowledged_elsewhere;
        let arrived = eventually_within(PATIENCE, "what was shown at the copy to arrive", async || {
            let is_there = look.missing(marks).await.is_ok_and(|missing| missing.is_empty());
            let set_aside = look.set_aside().await.ok()?;
            (is_there && set_aside == i64::try_from(WAITING).ok()?).then_some(())
        });
        let arrived = arrived.await;
        look.close().await;
        arrived
    }
}
