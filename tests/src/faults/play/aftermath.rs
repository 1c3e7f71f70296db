//! After the fault: both programs run again, and everything has to arrive.

use std::time::Duration;

use tokio::time::sleep;

use super::{BOTH, LESSON, Look, PATIENCE, PAUSE, Plan, Play, Program, Scene, Terms, acknowledged, now};
use crate::eventually_within;
use crate::faults::fault::Fault;

/// Captures issued when all is well again.
const FRESH: u64 = 4;
/// A claim on a message holds for two minutes.
const LEASE_OVER: i64 = 200;
/// Seconds that a certificate holds.
const MONTH: i64 = 30 * 24 * 60 * 60;

impl Play<'_> {
    /// Starts what does not run, issues fresh captures, and waits until everything acknowledged has arrived.
    pub(super) async fn recover(&mut self) -> anyhow::Result<Duration> {
        let had_agent = self.rig.agent.is_some();
        let began = now();
        // Certificates end within a month of the collector's time: years have to be taken back, as somebody does.
        if let Fault::Clock(Program::Collector, seconds) = self.fault
            && seconds.abs() > MONTH
        {
            self.rig.turn_clock(Program::Collector, 0)?;
        }
        if let Some(link) = &self.link {
            self.has_struck = link.struck() > 0;
            link.set(Plan::calm());
        }
        for program in BOTH {
            if self.rig.process(program).is_none() {
                self.rig.start(program, &Terms::default())?;
            }
        }
        if had_agent {
            self.all_spooled().await?;
        }
        let watching = async || self.rig.is_watching().then_some(());
        eventually_within(PATIENCE, "the agent to watch by rules and policy", watching).await?;
        let before = acknowledged(&self.rig.agent_log()).len();
        for _ in 0..FRESH {
            let phrase = self.next_phrase();
            self.told.fresh.push(phrase);
            anyhow::ensure!(self.show(phrase).await?, "the agent ended again");
        }
        self.pupil.leaves().await?;
        let wanted = before + self.told.fresh.len();
        eventually_within(PATIENCE, "fresh captures to be spooled", async || {
            (acknowledged(&self.rig.agent_log()).len() >= wanted).then_some(())
        })
        .await?;
        let settled = eventually_within(PATIENCE, "everything to arrive", async || {
            self.is_settled().await.unwrap_or(false).then_some(())
        });
        // What has not arrived is counted, one by one, by the judge.
        drop(settled.await);
        self.part_copy().await?;
        let recovery = began.elapsed();
        let open = async || self.rig.is_open().then_some(());
        eventually_within(PATIENCE, "the collector to be open", open).await?;
        self.compare_pages().await?;
        self.send_mails().await?;
        Ok(recovery)
    }

    /// What a living agent was shown is spooled, all of it.
    pub(super) async fn all_spooled(&self) -> anyhow::Result<()> {
        let issued = self.told.issued.len();
        eventually_within(LESSON, "a living agent to spool what it was shown", async || {
            (acknowledged(&self.rig.agent_log()).len() >= issued).then_some(())
        })
        .await
    }

    pub(super) async fn is_settled(&self) -> anyhow::Result<bool> {
        let marks = acknowledged(&self.rig.agent_log());
        let look = Look::into(&self.rig.database()).await?;
        let missing = look.missing(&marks).await;
        look.close().await;
        Ok(!marks.is_empty() && missing?.is_empty())
    }

    /// The DSL's queue shows each concern once.
    async fn compare_pages(&mut self) -> anyhow::Result<()> {
        // Nobody has signed in at a new console, and to a browser of today a certificate of next week is not valid.
        // A sign-in ends when the console's clock has gone on for too long.
        let is_signed_in = !matches!(self.fault, Fault::Clock(Program::Collector, _));
        if self.scene == Scene::Opening || self.scene.ahead() > 0 || !is_signed_in {
            return Ok(());
        }
        let mut dsl = self.rig.dsl(&self.stage.template);
        let rows = dsl.rows("/queue").await?;
        let mut shown: Vec<_> = rows.iter().map(|row| row.path.trim_start_matches("/concerns/").to_owned()).collect();
        shown.sort();
        let look = Look::into(&self.rig.database()).await?;
        let concerns = look.concerns().await?;
        look.close().await;
        anyhow::ensure!(shown.iter().eq(concerns.keys()), "the queue shows {shown:?}, and there are {concerns:?}");
        for row in &rows {
            let page = dsl.get(&row.path).await?;
            anyhow::ensure!(page.status.is_success(), "{} answers {}", row.path, page.status);
        }
        Ok(())
    }

    /// Waits until every mail has gone. One whose sender was killed is held by its claim: the collector's clock is set
    /// on past it.
    async fn send_mails(&mut self) -> anyhow::Result<()> {
        let (mut waiting, mut is_held) = (0, false);
        let mut turned = false;
        let began = now();
        while began.elapsed() < PATIENCE {
            let look = Look::into(&self.rig.database()).await?;
            (waiting, is_held) = look.waiting().await?;
            look.close().await;
            if waiting == 0 {
                return Ok(());
            }
            if is_held && !turned && began.elapsed() > Duration::from_millis(500) {
                turned = true;
                self.rig.kill(Program::Collector).await?;
                self.rig.turn_clock(Program::Collector, self.scene.ahead() + LEASE_OVER)?;
                self.rig.start(Program::Collector, &Terms::default())?;
            }
            sleep(PAUSE).await;
        }
        anyhow::bail!("{waiting} mails wait, held: {is_held}")
    }
}
