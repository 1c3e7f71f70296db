//! Notifications: the outbox is emptied into mails that say a reference, a level and where to sign in.
//!
//! A row is claimed for a while, sent, and marked. A crash in between sends it again under the same message id, and no
//! crash loses it. What fails is tried again later and later; after [`MAX_ATTEMPTS`] it is dead, and in the log.

mod letter;
mod mailer;
mod purpose;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use lapwing_proto::{SchoolId, failpoint};
use tokio::sync::Notify;

pub use mailer::{Mailer, MailerError};
pub(crate) use purpose::Purpose;

use crate::clock::Clock;
use crate::ids::MessageId;
use crate::shutdown::Shutdown;
use crate::store::outbox::{self, Claimed, Terms};
use crate::store::{Store, StoreError};

/// Tries before a message is dead: about a school day.
pub const MAX_ATTEMPTS: u32 = 16;
/// How long a claim holds: longer than a send may take.
const LEASE: Duration = Duration::from_secs(120);
/// Longest send, from the connection to the server's answer.
const SEND: Duration = Duration::from_secs(30);
/// Wait after the first failure; it doubles, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(15);
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);
/// What the times of a waiting message can be.
const TERMS: Terms = Terms { lease: LEASE, first_wait: FIRST_WAIT, longest_wait: LONGEST_WAIT };
/// Longest sleep with nothing due: a clock that was set forward is noticed within it.
const IDLE: Duration = Duration::from_secs(60);
/// Wait after a database error.
const RETRY: Duration = Duration::from_secs(5);

/// Empties the outbox of one school.
pub struct Notifier {
    school: SchoolId,
    store: Store,
    clock: Arc<dyn Clock>,
    wake: Arc<Notify>,
    /// The way out, swapped whole; without one, messages wait.
    mailer: Arc<ArcSwapOption<Mailer>>,
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A message was claimed and dealt with.
    Worked,
    /// Nothing is due before this time; `None` where nothing waits at all.
    Idle(Option<i64>),
}

impl Notifier {
    /// A notifier that `wake` tells of new rows, and of a new `mailer`.
    #[must_use]
    pub const fn new(
        school: SchoolId,
        store: Store,
        clock: Arc<dyn Clock>,
        wake: Arc<Notify>,
        mailer: Arc<ArcSwapOption<Mailer>>,
    ) -> Self {
        Self { school, store, clock, wake, mailer }
    }

    /// Works until `shutdown`. At start it sends what an earlier run left.
    pub async fn run(self, shutdown: Shutdown) {
        while !shutdown.is_requested() {
            let wait = match self.step().await {
                Ok(Step::Worked) => continue,
                Ok(Step::Idle(due)) => until(self.clock.as_ref(), due),
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "notify cannot use the database");
                    RETRY
                }
            };
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
                () = shutdown.requested() => {}
            }
        }
    }

    /// Sends the most urgent message that is due.
    pub(crate) async fn step(&self) -> Result<Step, StoreError> {
        let Some(mailer) = self.mailer.load_full() else { return Ok(Step::Idle(None)) };
        let now_us = self.clock.wall_us();
        let mut tx = self.store.begin().await?;
        let claimed = failpoint!("outbox.claim", outbox::claim(&mut tx, &self.school, now_us, TERMS).await?);
        let Some(claimed) = claimed else {
            return Ok(Step::Idle(outbox::next_due(&self.store, &self.school, now_us, TERMS).await?));
        };
        failpoint!("outbox.commit_claim", tx.commit().await?);
        self.deliver(&mailer, &claimed).await?;
        Ok(Step::Worked)
    }

    async fn deliver(&self, mailer: &Mailer, claimed: &Claimed) -> Result<(), StoreError> {
        let Some(address) = &claimed.address else {
            return self.bury(claimed.id, "no_address").await;
        };
        let letter = letter::write(claimed.purpose, &claimed.reference, claimed.level, claimed.watch, mailer.sign_in());
        let sending = mailer.send(claimed.id, address, &letter, self.clock.wall_us());
        let code = match failpoint!("outbox.send", tokio::time::timeout(SEND, sending).await) {
            Ok(Ok(())) => {
                let mut tx = self.store.begin().await?;
                failpoint!(
                    "outbox.mark",
                    outbox::set_sent(&mut tx, &self.school, claimed.id, self.clock.wall_us()).await?
                );
                return failpoint!("outbox.commit_mark", tx.commit().await);
            }
            Ok(Err(code)) => code,
            Err(_) => "timeout".to_owned(),
        };
        if claimed.attempts >= MAX_ATTEMPTS {
            return self.bury(claimed.id, &code).await;
        }
        tracing::warn!(message.id = %claimed.id, attempt = claimed.attempts, code, "a notification was not delivered");
        let due_us = after(self.clock.wall_us(), wait_after(claimed.attempts));
        let mut tx = self.store.begin().await?;
        outbox::set_failed(&mut tx, &self.school, claimed.id, &code, due_us).await?;
        failpoint!("outbox.commit_failed", tx.commit().await)
    }

    async fn bury(&self, message: MessageId, code: &str) -> Result<(), StoreError> {
        tracing::error!(message.id = %message, code, "a notification is given up: somebody has to be told otherwise");
        let mut tx = self.store.begin().await?;
        outbox::set_dead(&mut tx, &self.school, message, code, self.clock.wall_us()).await?;
        tx.commit().await
    }
}

fn until(clock: &dyn Clock, due_us: Option<i64>) -> Duration {
    let Some(due_us) = due_us else { return IDLE };
    // What fell due since it was asked for does not wait.
    let wait_us = u64::try_from(due_us.saturating_sub(clock.wall_us())).unwrap_or(0);
    Duration::from_micros(wait_us).min(IDLE)
}

fn after(now_us: i64, wait: Duration) -> i64 {
    now_us.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX))
}

fn wait_after(attempts: u32) -> Duration {
    let doubled = 2_u32.checked_pow(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests;
