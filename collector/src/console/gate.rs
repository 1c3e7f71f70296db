//! Where passwords are checked: a few at a time, so that sign-ins cannot starve what devices deliver.

use tokio::sync::Semaphore;

use crate::store::sign_ins::{HashedPassword, hash_password};

/// Passwords checked at once: each takes a core and 19 MiB for some tens of milliseconds.
const AT_ONCE: usize = 2;
/// People who may wait besides; beyond them the answer is "busy" at once.
const WAITING: usize = 32;

/// Checks passwords.
pub struct Gate {
    places: Semaphore,
    queue: Semaphore,
}

/// Too many wait already, or the machine gave no thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Busy;

impl Default for Gate {
    fn default() -> Self {
        Self { places: Semaphore::new(AT_ONCE), queue: Semaphore::new(AT_ONCE + WAITING) }
    }
}

/// A turn at the gate.
pub(super) struct Turn<'a> {
    _place: tokio::sync::SemaphorePermit<'a>,
    _queue: tokio::sync::SemaphorePermit<'a>,
}

impl Gate {
    /// Waits for a turn.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, Busy> {
        let queue = self.queue.try_acquire().map_err(|_| Busy)?;
        let place = self.places.acquire().await.map_err(|_| Busy)?;
        Ok(Turn { _place: place, _queue: queue })
    }
}

impl Turn<'_> {
    /// Whether `password` is the one behind `hash`. Without a hash as much work is done, and the answer is no.
    pub(super) async fn is_right(&self, hash: Option<HashedPassword>, password: String) -> Result<bool, Busy> {
        let check = move || match hash {
            Some(hash) => hash.is_of(&password),
            None => {
                let _ = hash_password("as much work as a real one");
                false
            }
        };
        tokio::task::spawn_blocking(check).await.map_err(|_| Busy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn beyond_the_waiting_places_the_answer_comes_at_once() {
        let gate = Gate::default();
        let _turns = [gate.turn().await.ok(), gate.turn().await.ok()];
        let _waiting = gate.queue.try_acquire_many(u32::try_from(WAITING).unwrap()).unwrap();
        assert_eq!(gate.turn().await.err(), Some(Busy));
    }
}
