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

use super::deadline::acknowledge_by;
use super::docket::{self, Docket};
use super::grouping::{Effect, decide};
use super::level::Facts;
use super::state::State;
use super::{ConcernChanged, reference};
use crate::actor::Actor;
use crate::audit::{self, Act, ActKind};
use crate::calendar::Calendar;
use crate::clock::{Clock, Stopwatch};
use crate::ids::{ConcernId, StepId};
use crate::notify::Purpose;
use crate::routing::{Recipient, Staffing, Table, Told, route};
use crate::shutdown::Shutdown;
use crate::store::captures::{self, Untriaged};
use crate::store::concerns::{self, Joinable, NewConcern};
use crate::store::outbox::{self, Message};
use crate::store::steps::{self, NewStep};
use crate::store::{Store, StoreError, Tx, people, settings, subjects};

/// Captures a transaction: those that join what stands cost little each.
const BATCH: u32 = 256;
/// While deliveries wait for the database.
const PRESSED: u32 = 64;
/// Concerns a transaction makes or raises: far below what would make a page wait.
const TOLD: usize = 32;
/// Wait after a database error before the same rows are tried again.
const RETRY: Duration = Duration::from_secs(1);
/// References are 30 random bits; a few tries find a free one in any school.
const REFERENCE_TRIES: usize = 16;

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

/// What stays the same during one transaction.
struct Setting {
    staffing: Staffing,
    table: Table,
    calendar: Calendar,
    now_us: i64,
}

/// What recipients are told of.
struct Announced<'a> {
    concern: ConcernId,
    reference: &'a str,
    level: Level,
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
    pub(crate) async fn step(&self) -> Result<Option<Level>, StoreError> {
        let school = self.actor.school();
        let mut tx = self.store.begin().await?;
        let batch = if self.store.is_pressed() { self.batch.min(PRESSED) } else { self.batch };
        let waiting = captures::untriaged(&mut tx, school, batch).await?;
        let Some(highest) = waiting.first().map(|capture| capture.level) else { return Ok(None) };
        let setting = Setting {
            staffing: people::staffing(&mut tx, school, self.clock.wall_us()).await?,
            table: settings::routing(&mut tx, school).await?,
            calendar: settings::calendar(&mut tx, school, self.clock.wall_us()).await?,
            now_us: self.clock.wall_us(),
        };
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
        let facts = facts(capture);
        let seen_us = docket::seen_us(capture);
        let topic = (capture.subject, capture.category.clone());
        let effect = decide(facts, docket.candidate(&topic, seen_us));
        let concern = match effect {
            Effect::None => return Ok((None, false)),
            Effect::Opens { level } => {
                let concern = self.open(tx, capture, level, seen_us, setting).await?;
                let hits = facts.hits;
                docket.opened(
                    topic,
                    Joinable { concern, state: State::New, level, hits, first_us: seen_us, last_us: seen_us },
                );
                concern
            }
            Effect::Joins { concern } => {
                docket.gained(&topic, concern, seen_us, facts.hits);
                concern
            }
            Effect::Raises { concern, level, from, to } => {
                docket.gained(&topic, concern, seen_us, facts.hits);
                docket.raised(&topic, concern, level, to);
                self.raise(tx, capture, concern, (level, from, to), setting).await?;
                concern
            }
        };
        docket.filed(concern, capture.id);
        Ok((Some(concern), !matches!(effect, Effect::Joins { .. })))
    }

    async fn open(
        &self,
        tx: &mut Tx,
        capture: &Untriaged,
        level: Level,
        seen_us: i64,
        setting: &Setting,
    ) -> Result<ConcernId, StoreError> {
        let school = self.actor.school();
        let new = NewConcern {
            id: ConcernId::random()?,
            reference: self.free_reference(tx).await?,
            subject: capture.subject,
            category: &capture.category,
            level,
            seen_us,
            hits: facts(capture).hits,
            opened_us: setting.now_us,
            acknowledge_by_us: acknowledge_by(level, setting.now_us, &setting.calendar),
        };
        failpoint!("triage.open", concerns::insert(tx, school, &new).await?);
        self.record(tx, new.id, "opened", (State::New, State::New), setting.now_us).await?;
        let announced = Announced { concern: new.id, reference: &new.reference, level };
        self.tell(tx, capture, announced, setting).await?;
        let act = Act::new(&self.actor, setting.now_us, ActKind::ConcernOpened, new.id).with("level", level);
        audit::append(tx, &act).await?;
        Ok(new.id)
    }

    async fn raise(
        &self,
        tx: &mut Tx,
        capture: &Untriaged,
        concern: ConcernId,
        (level, from, to): (Level, State, State),
        setting: &Setting,
    ) -> Result<(), StoreError> {
        let school = self.actor.school();
        let by_us = acknowledge_by(level, setting.now_us, &setting.calendar);
        let reference = failpoint!("triage.raise", concerns::raise(tx, school, concern, level, by_us).await?);
        concerns::set_state(tx, school, concern, to, setting.now_us).await?;
        self.record(tx, concern, "raised", (from, to), setting.now_us).await?;
        self.tell(tx, capture, Announced { concern, reference: &reference, level }, setting).await?;
        let act = Act::new(&self.actor, setting.now_us, ActKind::ConcernRaised, concern).with("level", level);
        audit::append(tx, &act).await?;
        Ok(())
    }

    /// Names the recipients, and puts a message into the outbox for those to be told at once.
    async fn tell(
        &self,
        tx: &mut Tx,
        capture: &Untriaged,
        Announced { concern, reference, level }: Announced<'_>,
        setting: &Setting,
    ) -> Result<(), StoreError> {
        let school = self.actor.school();
        let subject = subjects::read(tx, school, capture.subject).await?;
        let about = subject.about(&capture.category);
        let recipients = route(&about, level, &setting.staffing, &setting.table);
        if recipients.is_empty() {
            tracing::error!(concern.id = %concern, "nobody at the school may see a concern: import people with roles");
        }
        failpoint!(
            "triage.recipients",
            concerns::add_recipients(tx, school, concern, &recipients, setting.now_us).await?
        );
        for Recipient { person, .. } in recipients.into_iter().filter(|one| one.told == Told::AtOnce) {
            let watch = setting.calendar.watch(level, setting.now_us);
            let message = Message { person, purpose: Purpose::Concern, reference, level, watch };
            failpoint!("outbox.insert", outbox::insert(tx, school, &message, setting.now_us).await?);
        }
        Ok(())
    }

    async fn record(
        &self,
        tx: &mut Tx,
        concern: ConcernId,
        kind: &'static str,
        (from, to): (State, State),
        at_us: i64,
    ) -> Result<(), StoreError> {
        let step = NewStep { id: StepId::random()?, concern, kind, from, to, at_us, note: None };
        failpoint!("triage.step", steps::insert(tx, &self.actor, &step).await)
    }

    async fn free_reference(&self, tx: &mut Tx) -> Result<String, StoreError> {
        for _ in 0..REFERENCE_TRIES {
            let reference = reference::random()?;
            if !concerns::reference_exists(tx, self.actor.school(), &reference).await? {
                return Ok(reference);
            }
        }
        Err(StoreError::Corrupt { what: "set of references: none is free" })
    }
}

fn facts(capture: &Untriaged) -> Facts {
    Facts {
        level: capture.level,
        category: capture.category.parse().ok(),
        marked: capture.marked,
        hits: capture.repeats.saturating_add(1),
    }
}

#[cfg(test)]
mod tests;
