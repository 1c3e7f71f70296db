//! Opening a concern: the act is in the audit log before a byte of evidence leaves.

use lapwing_proto::{Capture, DeviceId, wire};
use lapwing_rules::{Category, Class, Level};
use prost::Message as _;

use super::{CommandError, Desk, STEPS};
use crate::actor::{Actor, PersonId, Role};
use crate::audit::{self, Act, ActKind};
use crate::ids::{CaptureId, ConcernId, KeyId, StepId};
use crate::notify::Purpose;
use crate::seal::{Place, SealError};
use crate::store::concerns::{self, Sealed, Standing};
use crate::store::outbox::{self, Message};
use crate::store::steps::{self, SealedNote};
use crate::store::{StoreError, Tx, people, recipients, subjects};

/// Step of a critical concern that one person read alone.
const READ_ALONE: &str = "read_alone";

/// Captures shown of one concern: the highest and latest of a burst.
const MAX_CAPTURES: u32 = 100;
/// Notes shown of one concern.
const MAX_NOTES: u32 = 500;

/// A concern's evidence and notes, unsealed.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Highest level first, then the latest; at most 100.
    pub captures: Vec<OpenedCapture>,
    /// Oldest first; at most 500.
    pub notes: Vec<Note>,
}

/// One capture, unsealed.
#[derive(Clone, Debug)]
pub struct OpenedCapture {
    /// Its id.
    pub id: CaptureId,
    /// The device it came from.
    pub device: DeviceId,
    /// When it arrived, microseconds of UTC.
    pub received_us: i64,
    /// What may be shown of it.
    pub evidence: Evidence,
}

/// What may be shown of a capture.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// All of it.
    Shown(Box<Capture>),
    /// A no-evidence class: everything but excerpts, label and sealed reference, which were taken out.
    Withheld(Box<Capture>),
    /// The subject's key was erased.
    Erased,
}

/// A note, unsealed. `None` where its key was erased.
#[derive(Clone)]
pub struct Note {
    /// The step it belongs to.
    pub step: StepId,
    /// When it was written, microseconds of UTC.
    pub at_us: i64,
    /// Who wrote it.
    pub person: Option<PersonId>,
    /// What it says.
    pub text: Option<String>,
}

impl std::fmt::Debug for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Note(<redacted>)")
    }
}

impl Desk {
    /// Opens a concern's evidence and notes.
    ///
    /// # Errors
    ///
    /// [`CommandError`]; without the committed leaf nothing is unsealed.
    pub async fn open(&self, actor: &Actor, concern: ConcernId) -> Result<Opened, CommandError> {
        let (mut tx, standing) = self.begin(actor, concern).await?;
        audit::append(&mut tx, &Act::new(actor, self.clock.wall_us(), ActKind::ConcernViewed, concern)).await?;
        self.tell_head(&mut tx, actor, concern, &standing).await?;
        tx.commit().await?;
        if standing.level >= Level::Critical {
            self.mail.notify_one();
        }
        let mut opened = Opened { captures: Vec::new(), notes: Vec::new() };
        for sealed in concerns::captures(&self.store, actor, concern, MAX_CAPTURES).await? {
            opened.captures.push(self.open_capture(sealed).await?);
        }
        for sealed in steps::notes(&self.store, actor, concern, MAX_NOTES).await? {
            opened.notes.push(self.open_note(sealed).await?);
        }
        Ok(opened)
    }

    /// A critical concern is read at once, by one of the DSL's team alone if need be; the headteacher is told afterwards,
    /// once. Where the headteacher sees it anyway, or it is about them, there is nobody to tell.
    async fn tell_head(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        concern: ConcernId,
        standing: &Standing,
    ) -> Result<(), StoreError> {
        let reads_alone = actor.has(Role::Dsl) || actor.has(Role::DeputyDsl);
        let school = actor.school();
        if standing.level < Level::Critical || !reads_alone || steps::has(tx, school, concern, READ_ALONE).await? {
            return Ok(());
        }
        let now_us = self.clock.wall_us();
        let about = subjects::read(tx, school, standing.subject).await?.person;
        let staffing = people::staffing(tx, school, now_us).await?;
        let recused = recipients::recused(tx, school, concern).await?;
        let heads = staffing.with(Role::Headteacher).filter(|person| about != Some(*person));
        for person in heads.filter(|person| !recused.contains(person)) {
            if actor.person() == Some(person) || recipients::holds(tx, school, concern, person).await? {
                continue;
            }
            let (reference, level) = (standing.reference.as_str(), standing.level);
            let message = Message { person, purpose: Purpose::ReadAlone, reference, level };
            outbox::insert(tx, school, &message, now_us).await?;
        }
        steps::mark(tx, actor, concern, READ_ALONE, (standing.state, standing.state), now_us).await
    }

    async fn open_capture(&self, row: Sealed) -> Result<OpenedCapture, CommandError> {
        let place = Place { table: "captures", row: row.id.as_bytes() };
        let evidence = match self.unseal(row.key, place, &row.sealed).await? {
            Some(plain) => evidence(&row.category, &plain)?,
            None => Evidence::Erased,
        };
        let device = DeviceId::try_from(row.device.as_slice()).map_err(StoreError::from)?;
        Ok(OpenedCapture { id: row.id, device, received_us: row.received_us, evidence })
    }

    async fn open_note(&self, row: SealedNote) -> Result<Note, CommandError> {
        let place = Place { table: STEPS, row: row.step.as_bytes() };
        let plain = self.unseal(row.key, place, &row.sealed).await?;
        let text = plain.map(|plain| String::from_utf8_lossy(&plain).into_owned());
        Ok(Note { step: row.step, at_us: row.at_us, person: row.person, text })
    }

    async fn unseal(
        &self,
        key: KeyId,
        place: Place<'_>,
        sealed: &[u8],
    ) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, CommandError> {
        match self.vault.unseal(key, place, sealed).await {
            Ok(plain) => Ok(Some(plain)),
            Err(SealError::Erased(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

pub(super) fn evidence(category: &str, plain: &[u8]) -> Result<Evidence, StoreError> {
    let corrupt = StoreError::Corrupt { what: "capture" };
    let Some(mut capture) = wire::Capture::decode(plain).ok().and_then(|message| Capture::try_from(message).ok())
    else {
        return Err(corrupt);
    };
    if !is_withheld(category, &capture) {
        return Ok(Evidence::Shown(Box::new(capture)));
    }
    for hit in &mut capture.verdict.hits {
        hit.spans.clear();
        hit.excepted.clear();
    }
    capture.excerpts.clear();
    capture.sealed_reference.clear();
    capture.media = None;
    Ok(Evidence::Withheld(Box::new(capture)))
}

/// Whether any of its hits is of a class whose evidence nobody views.
pub(super) fn is_withheld(category: &str, capture: &Capture) -> bool {
    capture.verdict.hits.iter().map(|hit| hit.category.id()).chain([category]).any(is_never_viewed)
}

/// Whether nobody views the evidence of a category.
pub(super) fn is_never_viewed(category: &str) -> bool {
    category.parse::<Category>().is_ok_and(|category| category.class() == Class::IllegalNoEvidence)
}
