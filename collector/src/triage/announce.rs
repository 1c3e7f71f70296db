//! Opening and raising concerns: the row, the step, who may see it, who is told, by when, and the leaf in the log.

use std::collections::BTreeSet;

use lapwing_proto::failpoint;
use lapwing_rules::Level;

use super::deadline::acknowledge_by;
use super::level::{Cause, Weighed};
use super::reference;
use super::setting::Setting;
use super::state::State;
use super::worker::facts;
use crate::actor::Actor;
use crate::audit::{self, Act, ActKind};
use crate::ids::ConcernId;
use crate::notify::Purpose;
use crate::routing::{self, BY_CLASS, Told};
use crate::store::captures::Untriaged;
use crate::store::concerns::{self, NewConcern};
use crate::store::outbox::{self, Message};
use crate::store::{StoreError, Tx, escalations, holds, recipients as rows, recurrences, steps, subjects, verdicts};

/// References are 30 random bits; a few tries find a free one in any school.
const REFERENCE_TRIES: usize = 16;

/// Makes concerns known, within one transaction.
pub(super) struct Announcer<'a> {
    pub(super) actor: &'a Actor,
    pub(super) setting: &'a Setting,
}

/// What recipients are told of.
struct Announced<'a> {
    concern: ConcernId,
    reference: &'a str,
    level: Level,
    due_us: Option<i64>,
}

impl Announcer<'_> {
    /// Opens a concern for `capture`.
    pub(super) async fn open(
        &self,
        tx: &mut Tx,
        capture: &Untriaged,
        weighed: &Weighed,
        (seen_us, hits): (i64, u64),
    ) -> Result<ConcernId, StoreError> {
        let (school, now_us, level) = (self.actor.school(), self.setting.now_us, weighed.level);
        let due_us = acknowledge_by(level, now_us, &self.setting.calendar);
        let new = NewConcern {
            id: ConcernId::random()?,
            reference: self.free_reference(tx).await?,
            subject: capture.subject,
            category: &capture.category,
            level,
            seen_us,
            hits,
            opened_us: now_us,
            acknowledge_by_us: due_us,
            causes: written(&weighed.causes),
        };
        failpoint!("triage.open", concerns::insert(tx, school, &new).await?);
        let step = steps::mark(tx, self.actor, new.id, "opened", (State::New, State::New), now_us).await;
        failpoint!("triage.step", step?);
        let announced = Announced { concern: new.id, reference: &new.reference, level, due_us };
        self.tell(tx, capture, announced).await?;
        let act = Act::new(self.actor, now_us, ActKind::ConcernOpened, new.id).with("level", level);
        audit::append(tx, &act).await?;
        Ok(new.id)
    }

    /// Raises a concern by `capture`.
    pub(super) async fn raise(
        &self,
        tx: &mut Tx,
        capture: &Untriaged,
        concern: ConcernId,
        weighed: &Weighed,
        (from, to): (State, State),
    ) -> Result<(), StoreError> {
        let (school, now_us, level) = (self.actor.school(), self.setting.now_us, weighed.level);
        let due_us = acknowledge_by(level, now_us, &self.setting.calendar);
        let causes = written(&weighed.causes);
        let raised = concerns::raise(tx, school, concern, (level, &causes), due_us).await;
        let reference = failpoint!("triage.raise", raised?);
        concerns::set_state(tx, school, concern, to, now_us).await?;
        if !from.is_undecided() {
            verdicts::take_back(tx, school, concern).await?;
        }
        let step = steps::mark(tx, self.actor, concern, "raised", (from, to), now_us).await;
        failpoint!("triage.step", step?);
        if level > Level::Low {
            rows::remove_by_reason(tx, school, concern, BY_CLASS).await?;
        }
        self.tell(tx, capture, Announced { concern, reference: &reference, level, due_us }).await?;
        let act = Act::new(self.actor, now_us, ActKind::ConcernRaised, concern).with("level", level);
        audit::append(tx, &act).await?;
        Ok(())
    }

    /// Names the recipients, puts a message into the outbox for those to be told at once, and lets it climb.
    async fn tell(&self, tx: &mut Tx, capture: &Untriaged, announced: Announced<'_>) -> Result<(), StoreError> {
        let Announced { concern, reference, level, due_us } = announced;
        let (school, now_us, setting) = (self.actor.school(), self.setting.now_us, self.setting);
        let about = subjects::read(tx, school, capture.subject).await?.about(&capture.category);
        let recipients = routing::route(&about, level, &setting.staffing, &setting.table);
        if recipients.is_empty() {
            tracing::error!(concern.id = %concern, "nobody at the school may see a concern: import people with roles");
        }
        failpoint!("triage.recipients", rows::add(tx, school, concern, &recipients, now_us).await?);
        let recused = rows::recused(tx, school, concern).await?;
        // Whoever is told at once need not be told that it came again.
        let (told, seen_by): (Vec<_>, Vec<_>) = recipients.into_iter().partition(|one| one.told == Told::AtOnce);
        let seen_by: BTreeSet<_> = seen_by.into_iter().map(|one| one.person).collect();
        for person in told.into_iter().map(|one| one.person).filter(|person| !recused.contains(person)) {
            let message = Message { person, purpose: Purpose::Concern, reference, level };
            failpoint!("outbox.insert", outbox::insert(tx, school, &message, now_us).await?);
        }
        let topic = (capture.subject, capture.category.as_str());
        for person in recurrences::watching(tx, school, topic, now_us).await? {
            if seen_by.contains(&person) && !recused.contains(&person) {
                let message = Message { person, purpose: Purpose::Recurred, reference, level };
                outbox::insert(tx, school, &message, now_us).await?;
            }
        }
        for person in routing::informed(&about, &setting.staffing, &setting.table) {
            let message = Message { person, purpose: Purpose::Unmapped, reference, level };
            outbox::insert(tx, school, &message, now_us).await?;
        }
        if let Some(due_us) = due_us {
            escalations::start(tx, school, concern, due_us).await?;
        }
        if facts(capture).class().is_illegal() {
            holds::keep(tx, school, concern, (capture.subject, capture.device), now_us).await?;
        }
        Ok(())
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

fn written(causes: &BTreeSet<Cause>) -> String {
    causes.iter().map(|cause| cause.as_str()).collect::<Vec<_>>().join(",")
}
