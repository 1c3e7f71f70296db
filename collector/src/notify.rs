//! Notifications: the outbox is emptied into messages that say a reference, a level and where to sign in.
//!
//! ```text
//! outbox --claim--> may it still be told? --no--> taken out
//!                          | yes
//!                   letter (fixed sentences) --mail, webhook, teams--> sent | waits longer | dead
//! clock --> rounds: is each channel there?  the day's digest and "all well", once a school day
//! ```
//!
//! A row is claimed for a while, sent, and marked. A crash in between sends it again under the same message id, and no
//! crash loses it. What is refused is tried again later and later; after [`MAX_ATTEMPTS`] it is dead, in the log, and
//! told to whoever else may see its concern. What nobody answers waits for [`KEPT`]: a server that is down or hangs for a
//! weekend loses nothing. Each kind of channel has a lane of its own, so that one that hangs holds up no other.
//!
//! Whom a concern is about gets no message of it, whatever became true since it was put in: who may see it is asked when
//! it is sent, of every reader of a shared channel ([`readers`]). Whether a channel works is found by looking at it by
//! the clock, never by whether a message went out ([`rounds`]): so everybody may be shown that.

mod address;
mod channels;
mod compose;
mod failure;
mod files;
mod letter;
mod mailer;
mod post;
mod purpose;
mod readers;
mod rounds;
mod teams;
mod trial;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use lapwing_proto::{SchoolId, failpoint};
use tokio::sync::Notify;

pub use channels::{ChannelError, Channels};
pub(crate) use channels::{Kind, MAIL};
pub use files::FileError;
pub(crate) use letter::{Condition, Digest};
pub use mailer::{Mailer, MailerError};
pub(crate) use purpose::Purpose;
pub(crate) use trial::{Tried, try_all};

use crate::actor::Role;
use crate::clock::Clock;
use crate::ids::MessageId;
use crate::shutdown::Shutdown;
use crate::store::outbox::{self, Claimed, Notice, Terms};
use crate::store::{Store, StoreError, Tx, notices};
use compose::Composed;
use failure::{Failure, Meaning};
use letter::Letter;
use purpose::Bond;

/// Tries before a message that is refused is dead: about a school day.
pub const MAX_ATTEMPTS: u32 = 16;
/// How long a message waits for somebody who answers.
pub const KEPT: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// How long a claim holds: longer than a send may take.
const LEASE: Duration = Duration::from_secs(120);
/// Longest send, from the connection to the server's answer.
const SEND: Duration = Duration::from_secs(30);
/// Wait after the first failure; it doubles, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(15);
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);
/// Of a message that is given up others are told once in so long: a day.
const TOLD_ONCE_US: i64 = 24 * 60 * 60 * 1_000_000;
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
    /// The ways out, swapped whole; without one, messages wait.
    channels: Arc<ArcSwap<Channels>>,
    /// Longest send.
    within: Duration,
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
    /// A notifier that `wake` tells of new rows, and of new `channels`.
    #[must_use]
    pub const fn new(
        school: SchoolId,
        store: Store,
        clock: Arc<dyn Clock>,
        wake: Arc<Notify>,
        channels: Arc<ArcSwap<Channels>>,
    ) -> Self {
        Self { school, store, clock, wake, channels, within: SEND }
    }

    /// Works until `shutdown`. At start it sends what an earlier run left.
    pub async fn run(self, shutdown: Shutdown) {
        let [mail, webhook, teams] = Kind::ALL;
        let wakes = [Notify::new(), Notify::new(), Notify::new()];
        let [first, second, third] = &wakes;
        tokio::join!(
            self.lane(mail, first, &shutdown),
            self.lane(webhook, second, &shutdown),
            self.lane(teams, third, &shutdown),
            self.rounds(&shutdown),
            self.pass_on(&wakes, &shutdown),
        );
    }

    /// One wake is for every lane.
    async fn pass_on(&self, wakes: &[Notify], shutdown: &Shutdown) {
        loop {
            tokio::select! {
                () = self.wake.notified() => wakes.iter().for_each(Notify::notify_one),
                () = shutdown.requested() => return,
            }
        }
    }

    async fn lane(&self, kind: Kind, wake: &Notify, shutdown: &Shutdown) {
        while !shutdown.is_requested() {
            let wait = match self.step(kind).await {
                Ok(Step::Worked) => continue,
                Ok(Step::Idle(due)) => until(self.clock.as_ref(), due),
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "notify cannot use the database");
                    RETRY
                }
            };
            tokio::select! {
                () = wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
                () = shutdown.requested() => {}
            }
        }
    }

    /// Sends the most urgent message that is due by channels of `kind`.
    pub(crate) async fn step(&self, kind: Kind) -> Result<Step, StoreError> {
        let channels = self.channels.load_full();
        if !channels.has(kind) {
            return Ok(Step::Idle(None));
        }
        let now_us = self.clock.wall_us();
        let mut tx = self.store.begin().await?;
        let claimed = failpoint!("outbox.claim", outbox::claim(&mut tx, &self.school, kind, now_us, TERMS).await?);
        let Some(claimed) = claimed else {
            return Ok(Step::Idle(outbox::next_due(&self.store, &self.school, kind, now_us, TERMS).await?));
        };
        failpoint!("outbox.commit_claim", tx.commit().await?);
        match self.compose(&channels, &claimed, now_us).await? {
            Composed::Says(saying) => {
                self.deliver(&channels, &claimed, &letter::write(&saying, &channels.sign_in)).await?;
            }
            Composed::Nothing => self.withdraw(&claimed).await?,
            Composed::Misaddressed => self.bury(&claimed, "shared_address").await?,
        }
        Ok(Step::Worked)
    }

    async fn withdraw(&self, claimed: &Claimed) -> Result<(), StoreError> {
        let id = claimed.id;
        match claimed.purpose.bond() {
            // A day's digest that would say nothing, most of all.
            Bond::None => tracing::debug!(message.id = %id, "a message is taken out: it would say nothing"),
            Bond::Sees | Bond::NotTheSubject => {
                tracing::info!(message.id = %id, "a message is taken out: nobody may be told of it any more");
            }
        }
        let mut tx = self.store.begin().await?;
        outbox::withdraw(&mut tx, &self.school, id).await?;
        tx.commit().await
    }

    async fn deliver(&self, channels: &Channels, claimed: &Claimed, letter: &Letter) -> Result<(), StoreError> {
        if claimed.person.is_some() && claimed.address.is_none() {
            return self.bury(claimed, "no_address").await;
        }
        let sending = self.send(channels, claimed, letter);
        let failure = match failpoint!("outbox.send", tokio::time::timeout(self.within, sending).await) {
            Ok(Ok(())) => {
                let mut tx = self.store.begin().await?;
                failpoint!(
                    "outbox.mark",
                    outbox::set_sent(&mut tx, &self.school, claimed.id, self.clock.wall_us()).await?
                );
                return failpoint!("outbox.commit_mark", tx.commit().await);
            }
            Ok(Err(failure)) => failure,
            Err(_) => Failure::not_now("timeout"),
        };
        let code = failure.code.as_str();
        if is_over(claimed, &failure, self.clock.wall_us()) {
            return self.bury(claimed, code).await;
        }
        tracing::warn!(message.id = %claimed.id, attempt = claimed.attempts, code, "a notification was not delivered");
        let due_us = after(self.clock.wall_us(), wait_after(claimed.attempts));
        let mut tx = self.store.begin().await?;
        outbox::set_failed(&mut tx, &self.school, claimed.id, code, due_us).await?;
        failpoint!("outbox.commit_failed", tx.commit().await)
    }

    async fn send(&self, channels: &Channels, claimed: &Claimed, letter: &Letter) -> Result<(), Failure> {
        let now_us = self.clock.wall_us();
        match (&claimed.address, channels.mailer(), channels.target(&claimed.target)) {
            (Some(address), Some(mailer), _) if claimed.person.is_some() => {
                mailer.send(claimed.id, address, letter, now_us).await
            }
            (_, _, Some(target)) => target.send(claimed.id, letter, now_us).await,
            (_, _, None) => Err(Failure::not_now("no_channel")),
        }
    }

    /// Gives a message up, and tells whoever else may see its concern.
    async fn bury(&self, claimed: &Claimed, code: &str) -> Result<(), StoreError> {
        let message: MessageId = claimed.id;
        tracing::error!(message.id = %message, code, "a notification is given up: somebody has to be told otherwise");
        let now_us = self.clock.wall_us();
        let mut tx = self.store.begin().await?;
        outbox::set_dead(&mut tx, &self.school, message, code, now_us).await?;
        let is_of_concern = claimed.purpose.bond() == Bond::Sees && claimed.purpose != Purpose::Undelivered;
        if is_of_concern && claimed.person.is_some() {
            self.tell_others(&mut tx, claimed, now_us).await?;
        }
        tx.commit().await?;
        self.wake.notify_one();
        Ok(())
    }

    async fn tell_others(&self, tx: &mut Tx, claimed: &Claimed, now_us: i64) -> Result<(), StoreError> {
        let mut others = notices::reachable(tx, &self.school, &Role::ALL).await?;
        others.retain(|person| claimed.person != Some(*person));
        let reference = claimed.reference.as_str();
        let notice = Notice { purpose: Purpose::Undelivered, reference, level: claimed.level };
        for person in notices::who_may_see(&self.store, &self.school, reference, &others).await? {
            let since_us = now_us.saturating_sub(TOLD_ONCE_US);
            if !outbox::is_told(tx, &self.school, Purpose::Undelivered, reference, person, since_us).await? {
                outbox::insert(tx, &self.school, &notice.to(person), now_us).await?;
            }
        }
        Ok(())
    }
}

/// Whether another try is of no use.
fn is_over(claimed: &Claimed, failure: &Failure, now_us: i64) -> bool {
    let is_old = now_us >= after(claimed.created_us, KEPT);
    claimed.attempts >= MAX_ATTEMPTS && (failure.meaning == Meaning::Refused || is_old)
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
