//! File drops: whole files that appear in watched folders. Only their names and owners are looked at, never what is
//! in them.
//!
//! ```text
//! notify --event--> Desk (which folder?) --name--> Present (new, and whole?) --drop--> Flood (one of many?) --> out
//! ```
//!
//! The kernel says when a file was closed after writing and when one was renamed. When it says that events were lost,
//! the folders are listed again and compared with what was known.

mod desk;
mod drops;
mod flood;
mod gather;
mod homes;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::RecommendedWatcher;
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::sleep;

use super::account::account;
use crate::clock::Clock;
use crate::limits::Effort;
use crate::observation::{FileOwner, Observation};
use crate::sensor::{HealthBoard, Observations, Reason, Sensor, SensorHealth, SensorName};
use crate::shutdown::Shutdown;
use desk::{Desk, Found};
use gather::{Listing, gather};

/// Events that wait for the sensor: a browser's saved page with its pictures makes some hundreds. When it is full,
/// the folders are listed instead.
const EVENTS: usize = 1024;
/// Between attempts to get events from the kernel at all.
const RETRY: Duration = Duration::from_secs(30);

/// How long an owner's name and groups are known, in microseconds.
const OWNER_KNOWN_US: u64 = 10_000_000;

/// The sensor for file drops.
pub struct Files {
    least_uid: Option<u32>,
    folders: Vec<PathBuf>,
    clock: Arc<dyn Clock>,
    effort: watch::Receiver<Effort>,
}

impl Files {
    /// A sensor for Downloads and Desktop of every account from `least_uid` up, where there is one, and for
    /// `folders`.
    #[must_use]
    pub fn new(least_uid: Option<u32>, folders: Vec<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self { least_uid, folders, clock, effort: watch::channel(Effort::full()).1 }
    }

    /// The same, doing as much as `effort` says.
    #[must_use]
    pub fn easing(self, effort: watch::Receiver<Effort>) -> Self {
        Self { effort, ..self }
    }
}

impl Sensor for Files {
    fn name(&self) -> SensorName {
        SensorName::Files
    }

    async fn run(self, out: Observations, health: HealthBoard, shutdown: Shutdown) {
        tokio::select! {
            () = shutdown.requested() => {}
            () = watch(self, out, health) => {}
        }
    }
}

/// The end of `notify` that its own thread calls; it never waits.
struct Inbox {
    events: mpsc::Sender<notify::Result<notify::Event>>,
    lost: Arc<Notify>,
}

impl notify::EventHandler for Inbox {
    fn handle_event(&mut self, event: notify::Result<notify::Event>) {
        if event.as_ref().is_ok_and(|event| !matters(event)) {
            return;
        }
        if self.events.try_send(event).is_err() {
            self.lost.notify_one();
        }
    }
}

/// Whether a name may have come or gone. Opening, reading and writing are most of the events, and say nothing.
const fn matters(event: &notify::Event) -> bool {
    matches!(
        event.kind,
        EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Create(_)
            | EventKind::Remove(_)
            | EventKind::Modify(ModifyKind::Name(_))
            | EventKind::Other
    )
}

async fn watch(files: Files, out: Observations, health: HealthBoard) {
    let (sender, mut events) = mpsc::channel(EVENTS);
    let lost = Arc::new(Notify::new());
    let watcher = reach(sender, &lost, &health).await;
    let mut desk = Desk::new(watcher, files.least_uid, files.folders);
    let (clock, effort) = (files.clock, files.effort);
    let (mut owners, mut listing) = (Owners::default(), Listing::default());
    desk.take_stock();
    loop {
        health.set(SensorName::Files, None, desk.health());
        let Effort { gather: wait, listings, .. } = *effort.borrow();
        let due_us = desk.due_us().into_iter().chain(listing.due_us()).min();
        let arrivals = tokio::select! {
            event = events.recv() => match event {
                Some(first) => {
                    let gathered = gather(first, &mut events, wait).await;
                    if gathered.were_lost {
                        listing.ask(clock.boot_us(), listings);
                    }
                    gathered.events.iter().flat_map(|event| desk.note(event)).collect()
                }
                None => return health.set(SensorName::Files, None, SensorHealth::Blind(Reason::Failed, None)),
            },
            () = lost.notified() => {
                listing.ask(clock.boot_us(), listings);
                Vec::new()
            }
            () = due(due_us, clock.as_ref()) => {
                let now_us = clock.boot_us();
                let mut arrivals = desk.look_again(now_us);
                if listing.is_due(now_us) {
                    arrivals.extend(desk.list_again());
                }
                arrivals
            }
        };
        for found in desk.tell(arrivals, clock.boot_us()) {
            if out.send(owners.seen(found, clock.boot_us())).await.is_err() {
                return;
            }
        }
    }
}

/// Asks the kernel for events, however long it has none to give: other programs' watches count too.
async fn reach(
    events: mpsc::Sender<notify::Result<notify::Event>>,
    lost: &Arc<Notify>,
    health: &HealthBoard,
) -> RecommendedWatcher {
    loop {
        match notify::recommended_watcher(Inbox { events: events.clone(), lost: Arc::clone(lost) }) {
            Ok(watcher) => return watcher,
            Err(error) => health.set(SensorName::Files, None, SensorHealth::Blind(desk::reason_of(&error), None)),
        }
        sleep(RETRY).await;
    }
}

/// Waits until the device has run for `due_us`; for ever where nothing is due.
async fn due(due_us: Option<u64>, clock: &dyn Clock) {
    match due_us {
        Some(due_us) => sleep(Duration::from_micros(due_us.saturating_sub(clock.boot_us()))).await,
        None => std::future::pending().await,
    }
}

/// The owner of the last drop: a burst does not ask a directory service for each of its files.
#[derive(Default)]
struct Owners(Option<(FileOwner, u64)>);

impl Owners {
    fn seen(&mut self, found: Found, now_us: u64) -> Observation {
        let Found { folder, name, uid, burst_until_us } = found;
        let known = self.0.take().filter(|(owner, asked_us)| owner.uid == uid && now_us < asked_us + OWNER_KNOWN_US);
        let (owner, asked_us) = known.unwrap_or_else(|| (account(uid), now_us));
        self.0 = Some((owner.clone(), asked_us));
        Observation::File { account: owner, folder, name, burst_until_us }
    }
}
