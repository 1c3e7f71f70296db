//! How long the pages of a DSL take, each beside the blank page of the same session right before it.

use super::browser::{Browser, references};
use crate::ingest::disk::Disk;
use crate::report::{Effort, Goal, Metric, now, quantile};
use anyhow::ensure;
use std::time::Duration;

/// Visits of each page a repeat, at full effort.
const VISITS: usize = 100;
/// Aimed at, at the largest size, milliseconds.
const GOAL_MS: f64 = 50.0;
const PAGES: [Page; 3] = [Page::Queue, Page::Closed, Page::Concern];

/// A page that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    Queue,
    Closed,
    Concern,
}

/// Milliseconds of one repeat.
#[derive(Debug, Default)]
struct Repeat {
    blank: Vec<f64>,
    pages: [Vec<f64>; 3],
    sync_p99: f64,
}

/// What was seen at one size of the database.
#[derive(Debug)]
pub(super) struct Seen {
    captures: usize,
    concerns: usize,
    repeats: Vec<Repeat>,
}

impl Page {
    const fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue page",
            Self::Closed => "closed list",
            Self::Concern => "concern page",
        }
    }

    /// The lists are read; opening a concern is written down first.
    const fn goal(self) -> Option<Goal> {
        match self {
            Self::Queue | Self::Concern => Some(Goal::AtMost(GOAL_MS)),
            Self::Closed => None,
        }
    }
}

impl Seen {
    /// Visits the pages in turn.
    pub(super) async fn measure(
        effort: Effort,
        browser: &mut Browser,
        disk: &mut Disk,
        (captures, concerns): (usize, usize),
    ) -> anyhow::Result<Self> {
        let open = references(&browser.get("/queue").await?);
        let closed = references(&browser.get("/queue?show=closed").await?);
        ensure!(!open.is_empty(), "the queue is empty");
        let paths: Vec<_> = open.iter().chain(&closed).map(|reference| format!("/concerns/{reference}")).collect();
        let mut paths = paths.iter().cycle();
        let mut repeats = Vec::new();
        for _ in 0..effort.repeats() {
            let mut repeat =
                Repeat { sync_p99: disk.sync_for(Duration::from_millis(200))?.p99_ms, ..Repeat::default() };
            for _ in 0..effort.of(VISITS).max(3) {
                repeat.blank.push(visit(browser, "/blank").await?);
                for (page, times) in PAGES.into_iter().zip(&mut repeat.pages) {
                    let path = match page {
                        Page::Queue => "/queue",
                        Page::Closed => "/queue?show=closed",
                        Page::Concern => paths.next().map_or("/queue", String::as_str),
                    };
                    times.push(visit(browser, path).await?);
                }
            }
            repeats.push(repeat);
        }
        Ok(Self { captures, concerns, repeats })
    }

    fn of(&self, place: usize) -> impl Iterator<Item = (&Repeat, &[f64])> {
        self.repeats.iter().filter_map(move |repeat| Some((repeat, repeat.pages.get(place)?.as_slice())))
    }

    /// Median of a page and of the blank one.
    fn medians(&self, place: usize) -> Vec<(f64, f64)> {
        self.of(place).map(|(repeat, times)| (quantile(times, 0.5), quantile(&repeat.blank, 0.5))).collect()
    }

    fn worst(&self, place: usize, goal: Option<Goal>) -> Metric {
        let name = PAGES.get(place).map_or("", |page| page.name());
        let pairs: Vec<_> =
            self.of(place).map(|(repeat, times)| (quantile(times, 0.99), quantile(&repeat.blank, 0.99))).collect();
        let syncs: Vec<_> = self.repeats.iter().map(|repeat| repeat.sync_p99).collect();
        let name = format!("{name}, {} captures, {} concerns, p99, control: blank page", self.captures, self.concerns);
        Metric::of_pairs(name, "ms", &pairs, goal).beside("raw sync, p99", quantile(&syncs, 0.5))
    }
}

/// The figures of all sizes, smallest first.
pub(super) fn metrics(seen: &[Seen]) -> Vec<Metric> {
    let mut metrics = Vec::new();
    for (place, page) in PAGES.into_iter().enumerate() {
        let (mut sizes, mut times) = (Vec::new(), Vec::new());
        for seen in seen {
            let pairs = seen.medians(place);
            let name = format!("{}, {} captures, median, control: blank page", page.name(), seen.captures);
            let metric = Metric::of_pairs(name, "ms", &pairs, None);
            sizes.push(seen.captures);
            times.push(metric.value);
            metrics.push(metric);
        }
        let name = format!("{} by captures, {sizes:?}", page.name());
        metrics.push(Metric::of_run(name, "exponent", crate::matching::exponent(&sizes, &times), None, None));
        metrics.extend(seen.last().map(|seen| seen.worst(place, page.goal())));
    }
    metrics
}

/// Milliseconds until the whole page is there.
async fn visit(browser: &mut Browser, path: &str) -> anyhow::Result<f64> {
    let started = now();
    let page = browser.get(path).await?;
    let took = started.elapsed().as_secs_f64() * 1e3;
    ensure!(!page.is_empty(), "`{path}` is empty");
    Ok(took)
}
