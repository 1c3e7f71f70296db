//! A database with many schools in it, and one that is looked at.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use lapwing_collector::clock::ManualClock;
use lapwing_collector::config::Config;
use lapwing_collector::lifecycle::open_store;
use lapwing_collector::seal::Vault;
use lapwing_collector::shutdown::Shutdown;
use lapwing_collector::store::Store;
use lapwing_collector::store::sign_ins::hash_password;
use lapwing_collector::triage::ConcernChanged;
use tokio::sync::broadcast;
use tokio_util::task::TaskTracker;

use super::plan::school_day_us;
use super::school::{School, Size};
use crate::report::now;

/// Of everybody who can sign in; no character of it has to be escaped in a form.
pub(super) const PASSWORD: &str = "a-lapwing-calls-twice";
/// Of the database's captures, the share of the school that is looked at: a fifth.
const LOOKED_AT: usize = 5;
/// Concerns that fill a page of the queue.
const PAGE: usize = 200;
/// Changes that nobody has read: what a school's triage tells before it is asked.
const CHANGES: usize = 4096;

/// What all schools of the database stand on.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) clock: Arc<ManualClock>,
    pub(super) events: broadcast::Sender<ConcernChanged>,
    pub(super) tasks: TaskTracker,
    pub(super) shutdown: Shutdown,
}

pub(super) struct Site {
    pub(super) shared: Shared,
    looked_at: School,
    others: Vec<School>,
    /// Captures that it holds in the end.
    captures: usize,
}

impl Site {
    /// A database of `schools` schools, made for `captures` captures in all.
    pub(super) async fn open(folder: &Path, schools: usize, captures: usize) -> anyhow::Result<Self> {
        let clock = Arc::new(ManualClock::at(school_day_us(0)));
        let configs = (0..schools).map(|number| config(folder, number)).collect::<anyhow::Result<Vec<_>>>()?;
        let (last, before) = configs.split_last().context("there is no school")?;
        for config in before {
            open_store(config, clock.as_ref()).await?.close().await;
        }
        let shared = Shared {
            store: open_store(last, clock.as_ref()).await?,
            clock,
            events: broadcast::Sender::new(CHANGES),
            tasks: TaskTracker::new(),
            shutdown: Shutdown::new(),
        };
        let password = hash_password(PASSWORD)?;
        let mut opened = Vec::new();
        for (number, config) in (0..).zip(&configs) {
            let size = if number == 0 { large(captures) } else { small(captures, schools) };
            let vault = Vault::open(&config.keys_dir, config.school.id.clone()).await?;
            opened.push(School::open(&shared, (config.school.id.clone(), number), vault, size, &password).await?);
        }
        let mut opened = opened.into_iter();
        let looked_at = opened.next().context("there is no school")?;
        Ok(Self { shared, looked_at, others: opened.collect(), captures })
    }

    /// The school that is looked at.
    pub(super) fn school(&mut self) -> &mut School {
        &mut self.looked_at
    }

    /// Lets the year of every school go on until the database holds `captures`.
    #[expect(clippy::print_stderr, reason = "it takes minutes")]
    pub(super) async fn live_until(&mut self, captures: usize) -> anyhow::Result<()> {
        let started = now();
        let whole = self.captures;
        let others = self.others.len().max(1);
        let share = move |number: usize| match number {
            0 => captures / LOOKED_AT,
            _ => (captures - captures / LOOKED_AT) / others,
        };
        for (number, school) in std::iter::once(&mut self.looked_at).chain(&mut self.others).enumerate() {
            school.live_until(share(number)).await?;
            let took = started.elapsed().as_secs();
            eprintln!("triage: {captures} of {whole} captures, school {}: {took} s", number + 1);
        }
        // Everybody's pages are looked at when the last of it has happened.
        let schools = std::iter::once(&self.looked_at).chain(&self.others);
        self.shared.clock.set_us(schools.map(School::now_us).max().unwrap_or_default());
        Ok(())
    }

    /// Captures and concerns that the database holds.
    pub(super) fn holds(&self) -> (usize, usize) {
        let schools = || std::iter::once(&self.looked_at).chain(&self.others);
        (schools().map(School::captures).sum(), schools().map(School::concerns).sum())
    }

    pub(super) async fn close(self) {
        self.shared.shutdown.request();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        self.shared.store.close().await;
    }
}

fn large(captures: usize) -> Size {
    Size { pupils: 1000, devices: 300, captures: captures / LOOKED_AT, open: 10, kept_open: PAGE }
}

fn small(captures: usize, schools: usize) -> Size {
    let captures = (captures - captures / LOOKED_AT) / schools.saturating_sub(1).max(1);
    Size { pupils: 250, devices: 80, captures, open: 15, kept_open: 0 }
}

fn config(folder: &Path, number: usize) -> anyhow::Result<Config> {
    let data = folder.join("data");
    let text = format!(
        "data_dir = {:?}\nhost_names = [\"localhost\"]\n[school]\nid = \"school-{number}\"\nname = \"School {number}\"\n\
         zone = \"Europe/London\"\n",
        std::path::absolute(data)?
    );
    Ok(Config::parse(Path::new("collector.toml"), &text)?)
}
