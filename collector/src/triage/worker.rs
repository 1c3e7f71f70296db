//! The worker: takes what waits, highest level first, and commits everything that a batch of captures
//! causes together.
//!
//! Concern, recipients, outbox rows, audit leaves and the mark on the capture are one transaction: a crash repeats the
//! transaction, not the effect. The write lock that it begins with is the lease: no second worker reads the same rows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use lapwing_proto::{SchoolId, failpoint};
use lapwing_rules::Level;
use tokio::sync::{Notify, broadcast};

use super::ConcernChanged;
use super::announce::Announcer;
use super::docket::{self, Docket};
use super::grouping::{Effect, decide};
use super::level::Facts;
use super::setting::Setting;
use super::state::State;
use crate::actor::Actor;
use crate::audit::{self, Act, ActKind};
use crate::clock::{Clock, Stopwatch};
use crate::ids::ConcernId;
use crate::proof::filter;
use crate::shutdown::Shutdown;
use crate::store::captures::{self, Untriaged};
use crate::store::concerns::{self, Joinable};
use crate::store::{Store, StoreError, Tx, investigations};

/// Captures a transaction: those that join what stands cost little each.
const BATCH: u32 = 256;
/// While deliveries wait for the database.
const PRESSED: u32 = 64;
/// Concerns a transaction makes or raises: far below what would make a page wait.
const TOLD: usize = 32;
/// Wait after a database error before the same rows are tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Turns captures of one school into concerns.
pub struct Triage {
    actor: Actor,
    store: Store,
    clock: Arc<dyn Clock>,
    wake: Arc<Notify>,
    mail: Arc<Notify>,
    events: broadcast::Sender<ConcernChanged>,
    /// Captures a transaction.
    batch: u32,
}

impl Triage {
    /// A worker for `school`: told of captures by `wake`, it tells the mailer by `mail` and listeners by `events`.
    pub const fn new(
        school: SchoolId,
        store: Store,
        clock: Arc<dyn Clock>,
        wake: Arc<Notify>,
        mail: Arc<Notify>,
        events: broadcast::Sender<ConcernChanged>,
    ) -> Self {
        Self { actor: Actor::Product { school }, store, clock, wake, mail, events, batch: BATCH }
    }

    /// Works until `shutdown`. At start it takes what an earlier run left.
    pub async fn run(self, shutdown: Shutdown) {
        while !shutdown.is_requested() {
            match self.drain(&shutdown).await {
                Ok(()) => tokio::select! {
                    () = self.wake.notified() => {}
                    () = shutdown.requested() => {}
                },
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "triage cannot use the database");
                    tokio::select! {
                        () = tokio::time::sleep(RETRY) => {}
                        () = shutdown.requested() => {}
                    }
                }
            }
        }
    }

    async fn drain(&self, shutdown: &Shutdown) -> Result<(), StoreError> {
        while !shutdown.is_requested() {
            let held = Stopwatch::start();
            match self.step().await? {
                None => break,
                // More that cannot wait may be behind it.
                Some(highest) if highest >= Level::High => {}
                Some(_) => self.store.give_way(held.elapsed()).await,
            }
        }
        Ok(())
    }

    /// Takes one batch; says the highest level it held, or that nothing waited.
    ///
    /// # Errors
    ///
    /// When the database cannot be used; nothing was taken then.
    pub async fn step(&self) -> Result<Option<Level>, StoreError> {
        let school = self.actor.school();
        let mut tx = self.store.begin().await?;
        let batch = if self.store.is_pressed() { self.batch.min(PRESSED) } else { self.batch };
        let waiting = captures::untriaged(&mut tx, school, batch).await?;
        let Some(highest) = waiting.first().map(|capture| capture.level) else { return Ok(None) };
        let setting = Setting::read(&mut tx, school, &waiting, self.clock.wall_us()).await?;
        let topics = docket::topics(&waiting);
        let mut docket = Docket::of(concerns::joinable(&mut tx, school, &topics).await?);
        let (mut changed, mut taken, mut told) = (BTreeSet::new(), 0, 0);
        for capture in &waiting {
            let (concern, is_told) = self.triage(&mut tx, capture, &mut docket, &setting).await?;
            changed.extend(concern);
            taken += 1;
            told += usize::from(is_told);
            if told == TOLD {
                break;
            }
        }
        self.file(&mut tx, &docket, waiting.get(..taken).unwrap_or(&waiting), setting.now_us).await?;
        failpoint!("triage.commit", tx.commit().await?);
        self.mail.notify_one();
        for concern in changed {
            // Nobody listening is nothing lost: a page reads the database when it opens.
            let _ = self.events.send(ConcernChanged { school: school.clone(), concern });
        }
        Ok(Some(highest))
    }

    /// Writes what concerns gained, which captures they hold now, and that these were taken.
    async fn file(&self, tx: &mut Tx, docket: &Docket, taken: &[Untriaged], now_us: i64) -> Result<(), StoreError> {
        let school = self.actor.school();
        if !docket.gains().is_empty() {
            failpoint!("triage.count", concerns::count(tx, school, docket.gains(), now_us).await?);
        }
        failpoint!("triage.link", concerns::link(tx, school, docket.links()).await?);
        failpoint!("triage.mark", captures::set_triaged(tx, school, taken, now_us).await)
    }

    /// Decides one capture. Answers the concern it belongs to, and whether somebody is told of it.
    async fn triage(
        &self,
        tx: &mut Tx,
        capture: &Untriaged,
        docket: &mut Docket,
        setting: &Setting,
    ) -> Result<(Option<ConcernId>, bool), StoreError> {
        let (facts, seen_us) = (facts(capture), docket::seen_us(capture));
        if let Some(investigation) = setting.investigation(capture, seen_us) {
            investigations::file(tx, self.actor.school(), investigation, capture.id).await?;
            let act = Act::new(&self.actor, setting.now_us, ActKind::CaptureInvestigated, capture.id)
                .with("investigation", investigation);
            audit::append(tx, &act).await?;
            return Ok((None, false));
        }
        let topic = (capture.subject, capture.category.clone());
        let context = setting.context(capture, seen_us);
        let announcer = Announcer { actor: &self.actor, setting };
        let concern = match decide(facts, &context, docket.candidate(&topic, seen_us)) {
            Effect::None => return Ok((None, false)),
            Effect::Joins { concern } => {
                docket.gained(concern, seen_us, facts.hits);
                self.filed(tx, docket, concern, capture).await?;
                return Ok((Some(concern), false));
            }
            Effect::Opens { weighed } => {
                let concern = announcer.open(tx, capture, &weighed, (seen_us, facts.hits)).await?;
                let (level, hits) = (weighed.level, facts.hits);
                docket.opened(
                    topic,
                    Joinable { concern, state: State::New, level, hits, first_us: seen_us, last_us: seen_us },
                );
                concern
            }
            Effect::Raises { concern, weighed, from, to } => {
                docket.gained(concern, seen_us, facts.hits);
                docket.raised(concern, weighed.level, to);
                announcer.raise(tx, capture, concern, &weighed, (from, to)).await?;
                concern
            }
        };
        self.filed(tx, docket, concern, capture).await?;
        Ok((Some(concern), true))
    }

    /// Files `capture` under `concern`.
    async fn filed(
        &self,
        tx: &mut Tx,
        docket: &mut Docket,
        concern: ConcernId,
        capture: &Untriaged,
    ) -> Result<(), StoreError> {
        docket.filed(concern, capture.id);
        if filter::is_filter(capture.device) {
            concerns::set_from_filter(tx, self.actor.school(), concern).await?;
        }
        Ok(())
    }
}

pub(super) fn facts(capture: &Untriaged) -> Facts {
    Facts {
        level: capture.level,
        category: capture.category.parse().ok(),
        marked: capture.marked,
        hits: capture.repeats.saturating_add(1),
    }
}

#[cfg(test)]
mod tests;
