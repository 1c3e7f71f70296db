//! The collector under load: a real one, and enrolled devices that deliver to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use e2e::{Crew, Delivered, Fleet, Load, Pace, School, Site as Enrolling, Until};

use super::{AHEAD, LANE, Row};

pub(super) struct Site {
    school: School,
    /// By how many they are.
    crews: BTreeMap<usize, Crew>,
}

impl Site {
    /// A school's collector, and a crew of each of these sizes.
    pub(super) async fn open(folder: &Path, sizes: &BTreeSet<usize>) -> anyhow::Result<Self> {
        let devices = sizes.iter().sum();
        // Before the collector starts: it inherits the limit.
        e2e::raise_open_files(devices)?;
        let school = School::open(folder, &[]).await?;
        let fleet = Fleet::enrol(Enrolling::of(&school, devices)?, devices, 1).await?;
        let (mut crews, mut aboard) = (BTreeMap::new(), 0);
        for size in sizes {
            crews.insert(*size, fleet.crew(aboard..aboard + size).await?);
            aboard += size;
        }
        Ok(Self { school, crews })
    }

    /// The largest crew of at most `size`.
    pub(super) fn crew_of(&self, size: usize) -> usize {
        self.crews.range(..=size).next_back().map_or(0, |(size, _)| *size)
    }

    /// Captures acknowledged a second, with always something on its way.
    pub(super) async fn flat_out(&mut self, row: Row, lasting: Duration) -> anyhow::Result<f64> {
        Ok(self.deliver(row, row.batch * AHEAD, Pace::FlatOut, lasting).await?.rate())
    }

    /// Delivers `rate` captures a second, or as many as are taken.
    pub(super) async fn at_rate(&mut self, row: Row, rate: f64, lasting: Duration) -> anyhow::Result<Delivered> {
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let every = Duration::from_secs_f64((row.connections * row.batch) as f64 / rate);
        self.deliver(row, usize::MAX, Pace::Every(every), lasting).await
    }

    /// The most memory that the collector has had.
    pub(super) fn most_memory_mib(&self) -> anyhow::Result<f64> {
        let id = self.school.collector_id().context("the collector runs")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = most.and_then(|rest| rest.split_whitespace().next()).context("no VmHWM")?;
        Ok(kib.parse::<f64>()? / 1024.0)
    }

    pub(super) async fn close(mut self) -> anyhow::Result<()> {
        self.crews.clear();
        self.school.stop_collector().await
    }

    async fn deliver(
        &mut self,
        row: Row,
        in_flight: usize,
        pace: Pace,
        lasting: Duration,
    ) -> anyhow::Result<Delivered> {
        let crew = self.crews.get_mut(&row.connections).context("there is no crew of this size")?;
        let until = Until::Elapsed(lasting);
        crew.deliver(Load { lane: LANE, batch: row.batch, in_flight, pace, until }).await
    }
}
