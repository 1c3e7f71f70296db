//! Room for what devices sent, and how much each may send.
//!
//! ```text
//! received in part      metered
//! whole, waits          bytes as they came           over the bound: refused at once, with a delay
//! built, not committed  some five times its bytes    a message waits for it a while, then is refused with a delay
//! ```
//!
//! A message is built only when there is room for what it becomes, so that thousands of devices that deliver at once
//! cost what they sent, and no more. The more of them are at it, the less each is asked to have on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lapwing_proto::bounds::{MAX_CREDIT, MAX_MESSAGE_BYTES};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
    waiting_bytes: Arc<Semaphore>,
    built_bytes: Arc<Semaphore>,
    /// All of these.
    most_built: u32,
    /// Messages that wait or are built.
    messages: Arc<AtomicU32>,
}

/// What one device takes up of it at most, over all its connections.
pub(super) type Share = Arc<Semaphore>;

/// A message's part of it, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    _of_device: OwnedSemaphorePermit,
    _waiting: OwnedSemaphorePermit,
    _built: OwnedSemaphorePermit,
    _counted: Counted,
}

#[derive(Debug)]
struct Counted(Arc<AtomicU32>);

impl Room {
    /// Room for so many bytes that wait, and so many that are built.
    pub(super) fn new(waiting_bytes: usize, built_bytes: usize) -> Self {
        let most_built = u32::try_from(built_bytes).unwrap_or(u32::MAX);
        let [waiting_bytes, built_bytes] = [waiting_bytes, built_bytes].map(|bytes| Arc::new(Semaphore::new(bytes)));
        Self { waiting_bytes, built_bytes, most_built, messages: Arc::default() }
    }

    /// A place for a message of `bytes` of the device with this share, as soon as there is one.
    ///
    /// # Errors
    ///
    /// [`Refused::Busy`] when there is none in time.
    pub(super) async fn enter(&self, share: &Share, bytes: usize) -> Result<Place, Refused> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let at_once = |of: &Arc<Semaphore>| Arc::clone(of).try_acquire_many_owned(bytes).map_err(|_| busy());
        let (of_device, waiting) = (at_once(share)?, at_once(&self.waiting_bytes)?);
        let counted = Counted::new(&self.messages);
        // One that is larger than all of it goes alone.
        let room = Arc::clone(&self.built_bytes).acquire_many_owned(bytes.min(self.most_built));
        match tokio::time::timeout(ROOM_WITHIN, room).await {
            Ok(Ok(built)) => Ok(Place { _of_device: of_device, _waiting: waiting, _built: built, _counted: counted }),
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }

    /// Whether the device with this share may be read further ahead: any message is received, and would not have to wait
    /// long to be built.
    pub(super) fn is_ample(&self, share: &Share) -> bool {
        let is_received = [share, &self.waiting_bytes].iter().all(|of| of.available_permits() >= MAX_MESSAGE_BYTES);
        is_received && self.built_bytes.available_permits() >= self.most_built as usize / 2
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

impl Counted {
    fn new(count: &Arc<AtomicU32>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::Poll;

    use super::*;

    fn share(bytes: usize) -> Share {
        Arc::new(Semaphore::new(bytes))
    }

    /// Whether it is done, without waiting.
    async fn poll<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
        std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
    }

    #[tokio::test]
    async fn one_device_takes_no_more_than_its_share() {
        let (room, one, other) = (Room::new(100, 100), share(30), share(30));
        let _first = room.enter(&one, 20).await.unwrap();
        assert!(matches!(room.enter(&one, 20).await, Err(Refused::Busy { .. })));
        assert!(room.enter(&other, 20).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_finds_no_room_waits_a_while_and_what_would_wait_too_long_is_refused_at_once() {
        let (room, share) = (Room::new(100, 60), share(1000));
        let built = room.enter(&share, 50).await.unwrap();
        let (waited, refused) = tokio::join!(room.enter(&share, 40), room.enter(&share, 20));
        assert!(matches!(refused, Err(Refused::Busy { .. })), "100 bytes wait or are built already");
        assert!(matches!(waited, Err(Refused::Busy { .. })), "nobody made room");
        let (waited, ()) = tokio::join!(room.enter(&share, 40), async { drop(built) });
        drop(waited.unwrap());
        let all = room.enter(&share, 60).await.unwrap();
        assert_eq!((room.waiting_bytes.available_permits(), room.built_bytes.available_permits()), (40, 0));
        drop(all);
        assert_eq!(room.messages.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_message_larger_than_all_that_is_built_at_a_time_is_built_alone() {
        let (room, share) = (Room::new(1000, 60), share(1000));
        let large = room.enter(&share, 200).await.unwrap();
        let mut next = Box::pin(room.enter(&share, 1));
        assert!(poll(&mut next).await.is_pending());
        drop(large);
        assert!(poll(&mut next).await.is_ready());
    }

    #[tokio::test]
    async fn a_device_is_read_further_ahead_while_half_of_the_room_is_free() {
        let (room, share) = (Room::new(3 * MAX_MESSAGE_BYTES, 60), share(2 * MAX_MESSAGE_BYTES));
        let first = room.enter(&share, 30).await.unwrap();
        assert!(room.is_ample(&share));
        let second = room.enter(&share, 1).await.unwrap();
        assert!(!room.is_ample(&share), "more than half is built");
        drop((first, second));
        assert!(room.is_ample(&share));
        let _share = Arc::clone(&share).try_acquire_many_owned(u32::try_from(MAX_MESSAGE_BYTES).unwrap() + 1).unwrap();
        assert!(!room.is_ample(&share), "another message might break its share");
    }

    #[tokio::test]
    async fn the_more_devices_deliver_the_less_each_may_have_on_its_way() {
        let (room, share) = (Room::new(100_000, 100_000), share(100_000));
        assert_eq!(room.credit(), MAX_CREDIT);
        let mut waiting = Vec::new();
        let mut credits = Vec::new();
        for messages in [1_usize, 64, 256, 5000] {
            while waiting.len() < messages {
                let mut entering = Box::pin(room.enter(&share, 1));
                // One that finds no room waits, and is counted.
                let entered = poll(&mut entering).await;
                waiting.push((entered, entering));
            }
            credits.push(room.credit());
        }
        assert_eq!(credits, [MAX_CREDIT, 256, 64, LEAST_CREDIT]);
    }
}
