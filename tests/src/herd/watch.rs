//! What people and the machine see while a herd drains.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::Instant;

use super::oracle::Oracle;
use crate::fleet::now;
use crate::{Console, School, eventually_within};

/// How long between two looks at the page: somebody who waits for it.
const LOOK: Duration = Duration::from_millis(100);

/// What the DSL saw.
pub(super) struct Seen {
    /// Until every concern of the highest level stood on the page.
    pub(super) all: Duration,
    /// How long each page took.
    pub(super) pages: Vec<Duration>,
}

/// A process's memory, in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    resident: u64,
    most: u64,
}

impl Seen {
    /// Looks at the queue until `count` concerns of the highest level stand on it.
    pub(super) async fn urgent(
        dsl: &mut Console,
        count: usize,
        since: Instant,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let mut pages = Vec::new();
        let looked = eventually_within(patience, "the urgent concerns on the DSL's page", async || {
            let asked = now();
            let rows = dsl.rows("/queue").await;
            pages.push(asked.elapsed());
            let there = rows.is_ok_and(|rows| rows.iter().filter(|row| row.level == 5).count() >= count);
            if !there {
                tokio::time::sleep(LOOK).await;
            }
            there.then(|| since.elapsed())
        });
        let all = looked.await?;
        Ok(Self { all, pages })
    }
}

impl Memory {
    /// Of the school's collector.
    pub(super) fn of(school: &School) -> anyhow::Result<Self> {
        let id = school.collector_id().context("the collector runs")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).context("failed to read its memory")?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
        };
        let both = field("VmRSS:").zip(field("VmHWM:"));
        let (resident, most) = both.context("a process has resident memory")?;
        Ok(Self { resident, most })
    }

    pub(super) fn megabytes(self) -> f64 {
        in_megabytes(self.resident)
    }

    /// The most it ever was.
    pub(super) fn most_megabytes(self) -> f64 {
        in_megabytes(self.most)
    }
}

/// Waits until triage has taken every capture.
pub(super) async fn until_triaged(oracle: &Oracle, patience: Duration) -> anyhow::Result<()> {
    eventually_within(patience, "triage to take every capture", async || {
        let left = oracle.untriaged().await;
        if !matches!(left, Ok(0)) {
            tokio::time::sleep(LOOK).await;
        }
        matches!(left, Ok(0)).then_some(())
    })
    .await
}

#[expect(clippy::cast_precision_loss, reason = "sizes are small")]
fn in_megabytes(kibibytes: u64) -> f64 {
    kibibytes as f64 * 1024.0 / 1e6
}
