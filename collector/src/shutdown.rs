//! The order to stop, handed to everything that runs.

use tokio_util::sync::{CancellationToken, DropGuard};

/// Asks whoever holds a clone to finish and return. Once requested it stays requested.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// One that nobody has requested yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that is requested with this one, or alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }

    /// Asks everybody to stop when the answer is dropped, be it by a panic.
    #[must_use]
    pub fn when_dropped(self) -> DropGuard {
        self.0.drop_guard()
    }

    /// Asks everybody to stop.
    pub fn request(&self) {
        self.0.cancel();
    }

    /// Whether stopping was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns when stopping is asked for, at once where it already was.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }
}
