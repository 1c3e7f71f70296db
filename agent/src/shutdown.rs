//! The wish to stop, as a parameter.

use tokio_util::sync::CancellationToken;

/// Tells every part that the process is to end. Clones are the same wish.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// One that nobody has requested yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks every holder of a clone to stop. Idempotent.
    pub fn request(&self) {
        self.0.cancel();
    }

    /// Whether somebody has asked.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Completes when somebody asks, at once if somebody has.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }

    /// A wish that this one implies, but that does not imply this one.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }
}
