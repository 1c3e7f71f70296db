//! Saying which pupil used a class log-on, and taking it back.
//!
//! Everything of the concern is sealed anew under the pupil's key, in the transaction that says so: erasing the pupil erases
//! it too, and the log-on session keeps nothing of it. The pupil's key is durable before. Other concerns of the same
//! log-on session stay as they are: who sat there then is another question.

use super::checked;
use super::{CommandError, Desk, NewStep, STEPS, Tx, audit, concerns, steps};
use crate::actor::{Actor, PersonId};
use crate::audit::{Act, ActKind};
use crate::ids::{ConcernId, StepId, SubjectId};
use crate::routing::{BY_CLASS, route};
use crate::seal::{Place, SealError, SubjectKey};
use crate::store::attributions::{self, Moving};
use crate::store::{StoreError, holds, merges, people, recipients, settings, subjects};
use crate::subject::{Audience, Named};

impl Desk {
    /// Says that the pupil `person` did what a class log-on did. `reason` is a note.
    ///
    /// # Errors
    ///
    /// [`CommandError::CannotAttribute`] where it was no class log-on or they are no pupil; otherwise [`CommandError`].
    pub async fn attribute(
        &self,
        actor: &Actor,
        concern: ConcernId,
        person: PersonId,
        reason: &str,
    ) -> Result<(), CommandError> {
        let reason = checked(reason)?;
        let key = self.vault.new_key(self.clock.wall_us()).await?;
        let (mut tx, standing) = self.begin_as_senior(actor, concern).await?;
        let (school, Some(by)) = (actor.school(), actor.person()) else { return Err(CommandError::NotFound) };
        let fit = attributions::is_session(&mut tx, school, standing.subject).await?
            && people::is_pupil(&mut tx, school, person).await?;
        if !fit || standing.merged_into.is_some() || merges::has_any(&mut tx, school, concern).await? {
            return Err(CommandError::CannotAttribute);
        }
        let to = self.pupil(&mut tx, actor, person, &key).await?;
        self.move_to(&mut tx, actor, concern, to).await?;
        let now_us = self.clock.wall_us();
        attributions::insert(&mut tx, school, concern, (standing.subject, to), (by, now_us)).await?;
        self.reroute_one(&mut tx, actor, concern, to).await?;
        self.write_step(&mut tx, actor, concern, (to, "attributed", reason)).await?;
        let act = Act::new(actor, now_us, ActKind::ConcernAttributed, concern).with("to", to);
        audit::append(&mut tx, &act).await?;
        self.finish(tx, actor, concern).await
    }

    /// Takes back who used a class log-on. `reason` is a note.
    ///
    /// # Errors
    ///
    /// [`CommandError::CannotAttribute`] where nobody said so; otherwise [`CommandError`].
    pub async fn unattribute(&self, actor: &Actor, concern: ConcernId, reason: &str) -> Result<(), CommandError> {
        let reason = checked(reason)?;
        let (mut tx, standing) = self.begin_as_senior(actor, concern).await?;
        let (school, now_us) = (actor.school(), self.clock.wall_us());
        if standing.merged_into.is_some() || merges::has_any(&mut tx, school, concern).await? {
            return Err(CommandError::CannotAttribute);
        }
        let Some(stands) = attributions::standing(&mut tx, school, concern).await? else {
            return Err(CommandError::CannotAttribute);
        };
        self.move_to(&mut tx, actor, concern, stands.from).await?;
        attributions::undo(&mut tx, school, stands.id, now_us).await?;
        recipients::remove_by_reason(&mut tx, school, concern, BY_CLASS).await?;
        self.write_step(&mut tx, actor, concern, (stands.from, "unattributed", reason)).await?;
        audit::append(&mut tx, &Act::new(actor, now_us, ActKind::ConcernUnattributed, concern)).await?;
        self.finish(tx, actor, concern).await
    }

    /// The subject that stands for a pupil; made with `key` where nothing was captured of them yet.
    async fn pupil(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        person: PersonId,
        key: &SubjectKey,
    ) -> Result<SubjectId, CommandError> {
        let named = Named::Person { person, audience: Audience::Pupil };
        let identity = self.vault.identity(named.identity());
        let new = SubjectId::random().map_err(StoreError::from)?;
        let filed = subjects::Filed { subject: new, key: key.id() };
        subjects::insert(tx, actor.school(), &named, &identity, filed).await?;
        let Some(stands) = subjects::of_identity(tx, actor.school(), &identity).await? else {
            return Err(StoreError::Corrupt { what: "subject" }.into());
        };
        Ok(stands.subject)
    }

    /// Seals captures and notes of a concern anew for `subject`, and says whose it is.
    async fn move_to(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        concern: ConcernId,
        subject: SubjectId,
    ) -> Result<(), CommandError> {
        let school = actor.school();
        let id = subjects::key(tx, school, subject).await?;
        let key = self.vault.key(id).await?.ok_or(CommandError::Erased)?;
        for capture in attributions::captures(tx, school, concern).await? {
            let place = Place { table: "captures", row: capture.id.as_bytes() };
            if let Some(sealed) = self.sealed_anew(&capture, place, &key).await? {
                let moved = Moving { id: capture.id, key: key.id(), sealed };
                attributions::move_capture(tx, school, &moved, subject).await?;
            }
        }
        for note in attributions::notes(tx, school, concern).await? {
            let place = Place { table: STEPS, row: note.id.as_bytes() };
            if let Some(sealed) = self.sealed_anew(&note, place, &key).await? {
                attributions::move_note(tx, school, &Moving { id: note.id, key: key.id(), sealed }).await?;
            }
        }
        attributions::move_concern(tx, school, concern, subject, self.clock.wall_us()).await?;
        // What an illegal case keeps, it keeps of both.
        Ok(holds::follow(tx, school, concern, subject, self.clock.wall_us()).await?)
    }

    /// `None` where the key was erased: nothing of it comes back.
    async fn sealed_anew<T>(
        &self,
        moving: &Moving<T>,
        place: Place<'_>,
        key: &SubjectKey,
    ) -> Result<Option<Vec<u8>>, CommandError> {
        match self.vault.unseal(moving.key, place, &moving.sealed).await {
            Ok(plain) => Ok(Some(self.vault.seal(key, place, &plain)?)),
            Err(SealError::Erased(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn reroute_one(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        concern: ConcernId,
        subject: SubjectId,
    ) -> Result<(), StoreError> {
        let (school, now_us) = (actor.school(), self.clock.wall_us());
        let Some(routed) = concerns::routed(tx, school, concern).await? else { return Ok(()) };
        let staffing = people::staffing(tx, school, now_us).await?;
        let table = settings::routing(tx, school).await?;
        let about = subjects::read(tx, school, subject).await?.about(&routed.category);
        let named = route(&about, routed.level, &staffing, &table);
        recipients::add(tx, school, concern, &named, now_us).await
    }

    async fn write_step(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        concern: ConcernId,
        (subject, kind, reason): (SubjectId, &'static str, &str),
    ) -> Result<(), CommandError> {
        let id = StepId::random().map_err(StoreError::from)?;
        let key = subjects::key(tx, actor.school(), subject).await?;
        let (key, sealed) = self.seal_note(key, id, reason).await?;
        let state = concerns::state(tx, actor.school(), concern).await?;
        let note = Some((key, sealed.as_slice()));
        let step = NewStep { id, concern, kind, from: state, to: state, at_us: self.clock.wall_us(), note };
        Ok(steps::insert(tx, actor, &step).await?)
    }
}
