//! Saying who deals with a concern, and bringing it to whoever is next up.

use super::{CommandError, Desk, Move, Standing, Step, audit, concerns, steps};
use crate::actor::{Actor, PersonId};
use crate::audit::{Act, ActKind};
use crate::ids::ConcernId;
use crate::notify::Purpose;
use crate::routing::{Recipient, Told};
use crate::store::outbox::{self, Message};
use crate::store::{people, recipients, settings, subjects};
use crate::triage::State;
use crate::triage::climber::rungs;

/// Reason of a recipient to whom a colleague brought it.
const ESCALATED: &str = "escalated";

impl Desk {
    /// Says that `person` deals with a concern. They are told, and see it from now on if they did not; whoever deals with it
    /// already is told nothing more.
    ///
    /// # Errors
    ///
    /// [`CommandError::NotForThem`]; [`CommandError::Finished`] where it is closed; otherwise [`CommandError`].
    pub async fn assign(&self, actor: &Actor, concern: ConcernId, person: PersonId) -> Result<(), CommandError> {
        let (mut tx, standing) = self.begin_as_senior(actor, concern).await?;
        is_open(&standing)?;
        let (school, now_us) = (actor.school(), self.clock.wall_us());
        if !concerns::assign(&mut tx, school, concern, person, now_us).await? {
            return Ok(());
        }
        if actor.person() != Some(person) {
            if recipients::holds(&mut tx, school, concern, person).await? {
                let about = subjects::read(&mut tx, school, standing.subject).await?.person;
                let recused = recipients::recused(&mut tx, school, concern).await?.contains(&person);
                let staffing = people::staffing(&mut tx, school, now_us).await?;
                if recused || about == Some(person) || !staffing.can_sign_in(person) {
                    return Err(CommandError::NotForThem);
                }
                let (reference, level) = (standing.reference.as_str(), standing.level);
                let message = Message { person, purpose: Purpose::Asked, reference, level };
                outbox::insert(&mut tx, school, &message, now_us).await?;
            } else {
                self.let_see(&mut tx, actor, (concern, &standing), (person, Purpose::Asked)).await?;
            }
        }
        steps::mark(&mut tx, actor, concern, "assigned", (standing.state, standing.state), now_us).await?;
        let act = Act::new(actor, now_us, ActKind::ConcernAssigned, concern).with("to", person);
        audit::append(&mut tx, &act).await?;
        self.finish(tx, actor, concern).await
    }

    /// Brings a concern to the next people up its ladder who are there and do not see it yet. `reason` is a note.
    ///
    /// # Errors
    ///
    /// [`CommandError::NobodyFurther`]; [`CommandError::Finished`] where it is closed; otherwise [`CommandError`].
    pub async fn escalate(&self, actor: &Actor, concern: ConcernId, reason: &str) -> Result<State, CommandError> {
        let reason = super::checked(reason)?;
        let (mut tx, standing) = self.begin(actor, concern).await?;
        is_open(&standing)?;
        let (school, now_us) = (actor.school(), self.clock.wall_us());
        let staffing = people::staffing(&mut tx, school, now_us).await?;
        let table = settings::routing(&mut tx, school).await?;
        let about = subjects::read(&mut tx, school, standing.subject).await?.about(&standing.category);
        let mut next = Vec::new();
        for rung in rungs(&mut tx, school, concern, &about, (&staffing, &table)).await? {
            for person in rung.people.into_iter().filter(|person| staffing.is_present(*person)) {
                if !recipients::holds(&mut tx, school, concern, person).await? {
                    next.push(Recipient { person, reason: ESCALATED, told: Told::AtOnce });
                }
            }
            if !next.is_empty() {
                break;
            }
        }
        if next.is_empty() {
            return Err(CommandError::NobodyFurther);
        }
        recipients::add(&mut tx, school, concern, &next, now_us).await?;
        for person in next.iter().map(|recipient| recipient.person) {
            let (reference, level) = (standing.reference.as_str(), standing.level);
            outbox::insert(&mut tx, school, &Message { person, purpose: Purpose::Asked, reference, level }, now_us)
                .await?;
        }
        let act = ActKind::ConcernEscalated;
        let step = Step { moved: Move::Note, kind: "escalated", act, note: Some(reason) };
        let state = self.carry_out(&mut tx, actor, concern, &standing, step).await?;
        self.finish(tx, actor, concern).await?;
        Ok(state)
    }
}

/// Whether there is still something to do about a concern, by itself.
fn is_open(standing: &Standing) -> Result<(), CommandError> {
    match (standing.merged_into, standing.state.is_finished()) {
        (Some(_), _) => Err(CommandError::IsMerged),
        (None, true) => Err(CommandError::Finished),
        (None, false) => Ok(()),
    }
}
