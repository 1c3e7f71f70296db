//! The clock of triage: what nobody acknowledged climbs, what is due for review comes back, and requests lapse.
//!
//! A step, the people who see the concern from then on, their messages and the leaf in the log are one transaction. Times are
//! rows: a collector that was off does what fell due meanwhile, once. A time further ahead than its level can be was
//! written by a clock that has been set back since, and is brought forward.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use lapwing_proto::{SchoolId, failpoint};
use lapwing_rules::Level;
use tokio::sync::{Notify, broadcast};

use super::ConcernChanged;
use super::climbing::{climb, is_deserted, latest_us};
use super::deadline::taken_up_again;
use super::state::Move;
use crate::actor::{Actor, PersonId};
use crate::audit::{self, Act, ActKind};
use crate::calendar::Calendar;
use crate::clock::Clock;
use crate::ids::ConcernId;
use crate::notify::Purpose;
use crate::routing::{About, Recipient, Rung, Staffing, Table, Told, ladder, route};
use crate::shutdown::Shutdown;
use crate::store::escalations::{self, Waiting};
use crate::store::outbox::{self, Message};
use crate::store::reviews::{self, Due};
use crate::store::{Store, StoreError, Tx, concerns, people, recipients, requests, settings, steps, subjects};

/// Longest sleep: a clock that was set forward, an absence that begins, are noticed within it.
const EVERY: Duration = Duration::from_secs(20);
/// Wait after a database error.
const RETRY: Duration = Duration::from_secs(5);
/// Concerns a transaction.
const BATCH: u32 = 32;

/// Lets concerns of one school climb.
pub struct Climber {
    actor: Actor,
    store: Store,
    clock: Arc<dyn Clock>,
    mail: Arc<Notify>,
    events: broadcast::Sender<ConcernChanged>,
}

/// The school at one moment.
struct Moment {
    staffing: Staffing,
    table: Table,
    calendar: Calendar,
    now_us: i64,
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something was due; more may be.
    Worked,
    /// Nothing climbs before this time; `None` where nothing waits.
    Idle(Option<i64>),
}

impl Climber {
    /// For `school`; tells the mailer by `mail` and listeners by `events`.
    pub const fn new(
        school: SchoolId,
        store: Store,
        clock: Arc<dyn Clock>,
        mail: Arc<Notify>,
        events: broadcast::Sender<ConcernChanged>,
    ) -> Self {
        Self { actor: Actor::Product { school }, store, clock, mail, events }
    }

    /// Works until `shutdown`.
    pub async fn run(self, shutdown: Shutdown) {
        while !shutdown.is_requested() {
            let wait = match self.step().await {
                Ok(Step::Worked) => continue,
                Ok(Step::Idle(due_us)) => self.until(due_us),
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "escalation cannot use the database");
                    RETRY
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.requested() => {}
            }
        }
    }

    fn until(&self, due_us: Option<i64>) -> Duration {
        let left_us = due_us.map(|due_us| due_us.saturating_sub(self.clock.wall_us()));
        left_us.map_or(EVERY, |left_us| Duration::from_micros(u64::try_from(left_us).unwrap_or(0)).min(EVERY))
    }

    /// Does what is due.
    ///
    /// # Errors
    ///
    /// When the database cannot be used; nothing was done then.
    pub async fn step(&self) -> Result<Step, StoreError> {
        let (school, now_us) = (self.actor.school(), self.clock.wall_us());
        let mut tx = self.store.begin().await?;
        let moment = Moment {
            staffing: people::staffing(&mut tx, school, now_us).await?,
            table: settings::routing(&mut tx, school).await?,
            calendar: settings::calendar(&mut tx, school, now_us).await?,
            now_us,
        };
        escalations::bring_forward(&mut tx, school, &moment.latest()).await?;
        let due = escalations::due(&mut tx, school, now_us, BATCH).await?;
        let mut changed = BTreeSet::new();
        for waiting in &due {
            self.climb(&mut tx, waiting, &moment).await?;
            changed.insert(waiting.concern);
        }
        for waiting in escalations::fresh(&mut tx, school, BATCH).await? {
            if waiting.due_us > now_us && moment.is_deserted(&mut tx, school, &waiting).await? {
                self.climb(&mut tx, &waiting, &moment).await?;
                changed.insert(waiting.concern);
            }
        }
        let reviews = reviews::due(&mut tx, school, now_us, BATCH).await?;
        for review in &reviews {
            self.bring_back(&mut tx, review, &moment).await?;
            changed.insert(review.concern);
        }
        for request in requests::lapse(&mut tx, school, now_us).await? {
            let act = Act::new(&self.actor, now_us, ActKind::RequestSettled, request).with("state", "lapsed");
            audit::append(&mut tx, &act).await?;
        }
        let next_us = escalations::next_due(&mut tx, school).await?;
        failpoint!("climber.commit", tx.commit().await?);
        let step = if changed.is_empty() { Step::Idle(next_us) } else { Step::Worked };
        self.announce(changed);
        Ok(step)
    }

    fn announce(&self, changed: BTreeSet<ConcernId>) {
        if !changed.is_empty() {
            self.mail.notify_one();
        }
        for concern in changed {
            // Nobody listening is nothing lost: a page reads the database when it opens.
            let _ = self.events.send(ConcernChanged { school: self.actor.school().clone(), concern });
        }
    }

    async fn climb(&self, tx: &mut Tx, waiting: &Waiting, moment: &Moment) -> Result<(), StoreError> {
        let school = self.actor.school();
        let about = subjects::read(tx, school, waiting.subject).await?.about(&waiting.category);
        let rungs = rungs(tx, school, waiting.concern, &about, (&moment.staffing, &moment.table)).await?;
        let present = |person: PersonId| moment.staffing.is_present(person);
        let climbed = usize::try_from(waiting.step).unwrap_or(usize::MAX);
        let climb = climb(waiting.level, climbed, &rungs, present, (moment.now_us, &moment.calendar));
        // Whoever is told again can read it: a role may have come or gone since it opened.
        let named = climb.to.iter().chain(&climb.again);
        let named: Vec<_> =
            named.map(|person| Recipient { person: *person, reason: "climbed", told: Told::AtOnce }).collect();
        recipients::add(tx, school, waiting.concern, &named, moment.now_us).await?;
        // Shared channels carry one of them: that it still waits.
        let again = climb.again.iter().map(|person| (*person, Purpose::Again));
        let told = climb.to.iter().map(|person| (*person, Purpose::Climbed));
        for (person, purpose) in again.chain(told) {
            let reference = waiting.reference.as_str();
            let message = Message { person, purpose, reference, level: waiting.level };
            outbox::remind(tx, school, &message, moment.now_us).await?;
        }
        match climb.next_us {
            Some(next_us) => {
                let step = waiting.step.saturating_add(u32::try_from(climb.passed).unwrap_or(u32::MAX));
                escalations::climbed(tx, school, waiting.concern, step, next_us).await?;
            }
            None => escalations::stop(tx, school, waiting.concern).await?,
        }
        if !climb.to.is_empty() {
            let state = concerns::state(tx, school, waiting.concern).await?;
            steps::mark(tx, &self.actor, waiting.concern, "climbed", (state, state), moment.now_us).await?;
        }
        let act = Act::new(&self.actor, moment.now_us, ActKind::ConcernClimbed, waiting.concern)
            .with("to", climb.to.len())
            .with("again", climb.again.len());
        audit::append(tx, &act).await?;
        Ok(())
    }

    /// A concern whose review date has come stands in the lists again.
    async fn bring_back(&self, tx: &mut Tx, due: &Due, moment: &Moment) -> Result<(), StoreError> {
        let (school, now_us) = (self.actor.school(), moment.now_us);
        reviews::clear(tx, school, due.concern).await?;
        let Ok(to) = due.state.after(Move::Review) else { return Ok(()) };
        concerns::set_state(tx, school, due.concern, to, now_us).await?;
        steps::mark(tx, &self.actor, due.concern, "review_due", (due.state, to), now_us).await?;
        // Years may have gone by: whoever is in the roles now reads it.
        if let Some(routed) = concerns::routed(tx, school, due.concern).await? {
            let about = subjects::read(tx, school, routed.subject).await?.about(&routed.category);
            let named = route(&about, routed.level, &moment.staffing, &moment.table);
            recipients::add(tx, school, due.concern, &named, now_us).await?;
            taken_up_again(tx, school, &routed, (now_us, &moment.calendar)).await?;
        }
        for person in reviews::readers(tx, school, due.concern).await? {
            let message = Message { person, purpose: Purpose::Review, reference: &due.reference, level: due.level };
            outbox::insert(tx, school, &message, now_us).await?;
        }
        let act = Act::new(&self.actor, now_us, ActKind::ConcernReviewDue, due.concern);
        audit::append(tx, &act).await?;
        Ok(())
    }
}

impl Moment {
    /// The latest that a step of each level can be due.
    fn latest(&self) -> BTreeMap<Level, i64> {
        let latest = |level| Some((level, latest_us(level, self.now_us, &self.calendar)?));
        Level::ALL.into_iter().filter_map(latest).collect()
    }

    async fn is_deserted(&self, tx: &mut Tx, school: &SchoolId, waiting: &Waiting) -> Result<bool, StoreError> {
        let about = subjects::read(tx, school, waiting.subject).await?.about(&waiting.category);
        let rungs = rungs(tx, school, waiting.concern, &about, (&self.staffing, &self.table)).await?;
        Ok(is_deserted(waiting.level, &rungs, |person| self.staffing.is_present(person)))
    }
}

/// The ladder of a concern, without whoever handed it over.
pub(super) async fn rungs(
    tx: &mut Tx,
    school: &SchoolId,
    concern: ConcernId,
    about: &About,
    (staffing, table): (&Staffing, &Table),
) -> Result<Vec<Rung>, StoreError> {
    let recused = recipients::recused(tx, school, concern).await?;
    let mut rungs = ladder(about, staffing, table);
    for rung in &mut rungs {
        rung.people.retain(|person| !recused.contains(person));
    }
    rungs.retain(|rung| !rung.people.is_empty());
    Ok(rungs)
}

#[cfg(test)]
mod tests;
