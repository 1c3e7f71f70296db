//! Events of a while, taken together, and listings that make up for lost ones.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use notify::{Event, EventKind};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// What came in a while.
pub(super) struct Gathered {
    /// In order; a file written again and again is there once.
    pub(super) events: Vec<Event>,
    /// Others came that cannot be told.
    pub(super) were_lost: bool,
}

/// Takes what follows `first` within `wait`.
pub(super) async fn gather(
    first: notify::Result<Event>,
    events: &mut mpsc::Receiver<notify::Result<Event>>,
    wait: Duration,
) -> Gathered {
    let mut batch = vec![first];
    if !wait.is_zero() {
        sleep(wait).await;
        // At most what the channel holds: what comes meanwhile is for the next.
        let waiting = events.len();
        batch.extend(std::iter::from_fn(|| events.try_recv().ok()).take(waiting));
    }
    let were_lost = batch.iter().any(|event| event.as_ref().map_or(true, Event::need_rescan));
    let told = batch.into_iter().filter_map(Result::ok).filter(|event| !event.need_rescan()).collect();
    Gathered { events: without_repeats(told), were_lost }
}

/// Leaves out what happened to a path as the last thing before.
fn without_repeats(events: Vec<Event>) -> Vec<Event> {
    let mut last = BTreeMap::<PathBuf, EventKind>::new();
    let is_news = |event: &Event| match event.paths.as_slice() {
        [path] => last.insert(path.clone(), event.kind) != Some(event.kind),
        several => {
            for path in several {
                last.remove(path);
            }
            true
        }
    };
    events.into_iter().filter(is_news).collect()
}

/// When the folders are listed again.
#[derive(Debug, Default)]
pub(super) struct Listing {
    due_us: Option<u64>,
    listed_us: Option<u64>,
}

impl Listing {
    /// Events were lost: the folders are to be listed, but not sooner than `spacing` after the last time.
    pub(super) fn ask(&mut self, now_us: u64, spacing: Duration) {
        let spacing_us = u64::try_from(spacing.as_micros()).unwrap_or(u64::MAX);
        let soonest_us = self.listed_us.map_or(now_us, |listed_us| listed_us.saturating_add(spacing_us).max(now_us));
        self.due_us.get_or_insert(soonest_us);
    }

    /// When they are to be listed.
    pub(super) const fn due_us(&self) -> Option<u64> {
        self.due_us
    }

    /// Whether they are to be listed now; it is done then.
    pub(super) fn is_due(&mut self, now_us: u64) -> bool {
        let is_due = self.due_us.is_some_and(|due_us| due_us <= now_us);
        if is_due {
            *self = Self { due_us: None, listed_us: Some(now_us) };
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, AccessMode, Flag, RemoveKind};

    use super::*;

    const WRITTEN: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));
    const GONE: EventKind = EventKind::Remove(RemoveKind::File);

    fn event(kind: EventKind, path: &str) -> notify::Result<Event> {
        Ok(Event::new(kind).add_path(path.into()))
    }

    async fn gathered(mut news: Vec<notify::Result<Event>>) -> (Vec<(EventKind, PathBuf)>, bool) {
        let (send, mut events) = mpsc::channel(16);
        let first = news.remove(0);
        for event in news {
            send.try_send(event).unwrap();
        }
        let Gathered { events, were_lost } = gather(first, &mut events, Duration::from_millis(1)).await;
        (events.into_iter().map(|event| (event.kind, event.paths[0].clone())).collect(), were_lost)
    }

    #[tokio::test]
    async fn a_file_written_again_and_again_is_looked_at_once() {
        let news = vec![event(WRITTEN, "/a"), event(WRITTEN, "/a"), event(WRITTEN, "/b"), event(WRITTEN, "/a")];
        let (events, were_lost) = gathered(news).await;
        assert_eq!(events, [(WRITTEN, "/a".into()), (WRITTEN, "/b".into())]);
        assert!(!were_lost);
    }

    #[tokio::test]
    async fn a_file_that_went_and_came_again_is_looked_at_again() {
        let (events, _) = gathered(vec![event(WRITTEN, "/a"), event(GONE, "/a"), event(WRITTEN, "/a")]).await;
        assert_eq!(events.len(), 3);
    }

    #[tokio::test]
    async fn what_was_lost_asks_for_a_listing() {
        let lost = Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan));
        assert!(gathered(vec![event(WRITTEN, "/a"), lost]).await.1);
        assert!(gathered(vec![Err(notify::Error::generic("lost"))]).await.1);
    }

    #[test]
    fn listings_keep_their_distance_and_none_is_forgotten() {
        let (mut listing, spacing) = (Listing::default(), Duration::from_secs(30));
        listing.ask(5, spacing);
        assert!(listing.is_due(5) && !listing.is_due(5));
        listing.ask(7, spacing);
        listing.ask(9, Duration::ZERO);
        assert_eq!(listing.due_us(), Some(30_000_005));
        assert!(!listing.is_due(30_000_004) && listing.is_due(30_000_005));
        listing.ask(40_000_000, Duration::ZERO);
        assert!(listing.is_due(40_000_000));
    }
}
