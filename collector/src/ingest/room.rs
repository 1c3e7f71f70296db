//! Room for what devices sent, and how much each may send.
//!
//! ```text
//! received in part      [`super::metered`]
//! whole, waits          bytes as they came           over the bound: refused at once, with a delay
//! built, not committed  some five times its bytes    a message waits for it a while, then is refused with a delay
//! ```
//!
//! A message is built only when there is room for what it becomes, so that thousands of devices that deliver at once
//! cost what they sent, and no more. The more of them are at it, the less each is asked to have on its way.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lapwing_proto::bounds::MAX_CREDIT;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Refused;

/// How long a message waits for room before the device is told to come back.
const ROOM_WITHIN: Duration = Duration::from_secs(2);
const BUSY_RETRY: Duration = Duration::from_secs(3);
/// Captures on their way at a time, over all devices: what some tenths of a second commit.
const ON_THEIR_WAY: u32 = 16 * 1024;
/// What each device may have on its way all the same: a batch that is worth its message.
const LEAST_CREDIT: u32 = 16;

/// The room there is.
#[derive(Debug)]
pub(super) struct Room {
    waiting_bytes: Semaphore,
    built_bytes: Semaphore,
    /// Messages that wait or are built.
    messages: AtomicU32,
}

/// A message's part of it, given back when dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    _waiting: SemaphorePermit<'a>,
    _built: SemaphorePermit<'a>,
    _counted: Counted<'a>,
}

#[derive(Debug)]
struct Counted<'a>(&'a AtomicU32);

impl Room {
    /// Room for so many bytes that wait, and so many that are built.
    pub(super) const fn new(waiting_bytes: usize, built_bytes: usize) -> Self {
        Self {
            waiting_bytes: Semaphore::const_new(waiting_bytes),
            built_bytes: Semaphore::const_new(built_bytes),
            messages: AtomicU32::new(0),
        }
    }

    /// A place for a message of `bytes`, as soon as there is one.
    ///
    /// # Errors
    ///
    /// [`Refused::Busy`] when there is none in time.
    pub(super) async fn enter(&self, bytes: usize) -> Result<Place<'_>, Refused> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let Ok(waiting) = self.waiting_bytes.try_acquire_many(bytes) else { return Err(busy()) };
        let counted = Counted::new(&self.messages);
        match tokio::time::timeout(ROOM_WITHIN, self.built_bytes.acquire_many(bytes)).await {
            Ok(Ok(built)) => Ok(Place { _waiting: waiting, _built: built, _counted: counted }),
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }

    /// Captures that a device may have on its way from now on.
    pub(super) fn credit(&self) -> u32 {
        let messages = self.messages.load(Ordering::Relaxed).max(1);
        (ON_THEIR_WAY / messages).clamp(LEAST_CREDIT, MAX_CREDIT)
    }
}

/// What a message that cannot be received now is refused with.
pub(super) const fn busy() -> Refused {
    Refused::Busy { retry: BUSY_RETRY }
}

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_finds_no_room_waits_a_while_and_what_would_wait_too_long_is_refused_at_once() {
        let room = Room::new(100, 60);
        let built = room.enter(50).await.unwrap();
        let (waited, refused) = tokio::join!(room.enter(40), room.enter(20));
        assert!(matches!(refused, Err(Refused::Busy { .. })), "100 bytes wait or are built already");
        assert!(matches!(waited, Err(Refused::Busy { .. })), "nobody made room");
        let (waited, ()) = tokio::join!(room.enter(40), async { drop(built) });
        drop(waited.unwrap());
        let all = room.enter(60).await.unwrap();
        assert_eq!((room.waiting_bytes.available_permits(), room.built_bytes.available_permits()), (40, 0));
        drop(all);
        assert_eq!(room.messages.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn the_more_devices_deliver_the_less_each_may_have_on_its_way() {
        let room = Room::new(100_000, 100_000);
        assert_eq!(room.credit(), MAX_CREDIT);
        let mut places = Vec::new();
        let mut credits = Vec::new();
        for messages in [1_usize, 64, 256, 5000] {
            while places.len() < messages {
                places.push(room.enter(1).await.unwrap());
            }
            credits.push(room.credit());
        }
        assert_eq!(credits, [MAX_CREDIT, 256, 64, LEAST_CREDIT]);
    }
}
