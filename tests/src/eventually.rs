//! Waiting for what should come true.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// How long a story waits for something that takes a moment when all is well.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until `look` answers with something, for at most 30 seconds.
///
/// # Errors
///
/// When it never did; the error says what was awaited.
pub async fn eventually<T>(awaited: &str, look: impl AsyncFnMut() -> Option<T>) -> anyhow::Result<T> {
    eventually_within(PATIENCE, awaited, look).await
}

/// Looks until `look` answers with something, for at most `patience`.
///
/// # Errors
///
/// When it never did; the error says what was awaited.
pub async fn eventually_within<T>(
    patience: Duration,
    awaited: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> anyhow::Result<T> {
    #[expect(clippy::disallowed_methods, reason = "a story waits in real time")]
    let deadline = Instant::now() + patience;
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            sleep(PAUSE).await;
        }
    };
    timeout_at(deadline, looking).await.map_err(|_| anyhow::anyhow!("waited {patience:?} for {awaited}"))
}
