//! Letting somebody else see a concern, and handing it over where there is a conflict of interest.

use super::{CommandError, Desk, Move, Standing, Step, Tx, audit, checked, steps};
use crate::actor::{Actor, PersonId};
use crate::audit::{Act, ActKind};
use crate::ids::ConcernId;
use crate::notify::Purpose;
use crate::routing::{Recipient, Told};
use crate::store::outbox::{self, Message};
use crate::store::{people, recipients, settings, subjects};
use crate::triage::State;
use crate::triage::deadline::wait_anew;

/// Reason of a recipient whom a colleague named; no change of roles takes it away.
const BY_PERSON: &str = "shared_by_person";

impl Desk {
    /// Lets `person` see a concern: a DSL, deputy, headteacher or chair with a sign-in, never whom it is about.
    ///
    /// # Errors
    ///
    /// [`CommandError::NotForThem`]; otherwise [`CommandError`].
    pub async fn share(&self, actor: &Actor, concern: ConcernId, person: PersonId) -> Result<(), CommandError> {
        let (mut tx, standing) = self.begin_as_senior(actor, concern).await?;
        self.let_see(&mut tx, actor, (concern, &standing), (person, Purpose::Concern)).await?;
        let at_us = self.clock.wall_us();
        steps::mark(&mut tx, actor, concern, "shared", (standing.state, standing.state), at_us).await?;
        let act = Act::new(actor, at_us, ActKind::ConcernShared, concern).with("with", person);
        audit::append(&mut tx, &act).await?;
        self.finish(tx, actor, concern).await
    }

    /// Hands a concern to `person` and gives up seeing it: whoever hands it over has a conflict of interest. It waits to be
    /// acknowledged again. `reason` is a note.
    ///
    /// # Errors
    ///
    /// [`CommandError::NotForThem`]; otherwise [`CommandError`].
    pub async fn transfer(
        &self,
        actor: &Actor,
        concern: ConcernId,
        person: PersonId,
        reason: &str,
    ) -> Result<State, CommandError> {
        let reason = checked(reason)?;
        let (mut tx, standing) = self.begin_as_senior(actor, concern).await?;
        let Some(own) = actor.person().filter(|own| *own != person) else { return Err(CommandError::NotForThem) };
        self.let_see(&mut tx, actor, (concern, &standing), (person, Purpose::Concern)).await?;
        let act = ActKind::ConcernTransferred;
        let step = Step { moved: Move::Transfer, kind: "transferred", act, note: Some(reason) };
        let state = self.carry_out(&mut tx, actor, concern, &standing, step).await?;
        let (school, now_us) = (actor.school(), self.clock.wall_us());
        recipients::recuse(&mut tx, school, concern, own, now_us).await?;
        let calendar = settings::calendar(&mut tx, school, now_us).await?;
        wait_anew(&mut tx, school, (concern, standing.level), (now_us, &calendar)).await?;
        self.finish(tx, actor, concern).await?;
        Ok(state)
    }

    pub(super) async fn let_see(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        (concern, standing): (ConcernId, &Standing),
        (person, purpose): (PersonId, Purpose),
    ) -> Result<(), CommandError> {
        let (school, now_us) = (actor.school(), self.clock.wall_us());
        let staffing = people::staffing(tx, school, now_us).await?;
        let about = subjects::read(tx, school, standing.subject).await?.person;
        let is_senior = staffing.roles(person).iter().any(|role| role.is_senior());
        let recused = recipients::recused(tx, school, concern).await?.contains(&person);
        if !is_senior || recused || !staffing.can_sign_in(person) || about == Some(person) {
            return Err(CommandError::NotForThem);
        }
        let recipient = Recipient { person, reason: BY_PERSON, told: Told::AtOnce };
        recipients::add(tx, school, concern, &[recipient], now_us).await?;
        let (reference, level) = (standing.reference.as_str(), standing.level);
        let message = Message { person, purpose, reference, level };
        outbox::insert(tx, school, &message, now_us).await?;
        Ok(())
    }
}
