//! An import, from the plan to the rows.

use super::plan::{Absentees, Plan, plan};
use super::privileged::{self, Asked, Grants};
use super::set_up;
use super::{Changes, Listed};
use crate::actor::{Actor, PersonId};
use crate::audit::{self, Act, ActKind};
use crate::requests::RequestError;
use crate::sheet::RowFault;
use crate::store::people::{self, Known, Written};
use crate::store::{Store, StoreError, Tx, exemptions, recipients};
use crate::subject::Kind;
use crate::triage;

/// Times that an import is planned anew because people were changed meanwhile.
const TRIES: usize = 3;

/// Whether an import is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only tell what would change.
    DryRun,
    /// Change it.
    Apply,
}

/// How an import is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whether it is carried out.
    pub mode: Mode,
    /// What becomes of people who are not in the file.
    pub absentees: Absentees,
    /// Who asks for the privileged roles that it would grant or take away.
    pub asked_by: Option<PersonId>,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Rows contradict what is known, or each other.
    #[error("{} rows cannot be matched with the school's people", .0.len())]
    Rows(Vec<RowFault>),
    /// More people would leave than a school loses at once.
    #[error("{leave} of {here} people of kind `{}` are not in the file: a part of a list lets nobody leave", .kind.as_str())]
    TooManyLeave {
        /// Pupils, or staff.
        kind: Kind,
        /// How many would leave.
        leave: usize,
        /// How many are here.
        here: usize,
    },
    /// Roles that are granted and taken away by request, and nobody asks.
    #[error("{} privileged roles would change, which takes somebody who asks and two others who approve", .0.len())]
    TakesTwo(Vec<Asked>),
    /// A role cannot be asked for.
    #[error("{asked}: {source}")]
    Request {
        /// The role.
        asked: Asked,
        /// Why not.
        source: Box<RequestError>,
    },
    /// Somebody else kept changing people.
    #[error("people were changed by another command meanwhile; try again")]
    Overtaken,
    /// The database did not do it.
    #[error("cannot store people")]
    Store(#[from] StoreError),
}

/// Brings the school's people in line with `listed`, and tells the difference. With [`Mode::DryRun`] nothing is
/// written. Undecided concerns are shown to people who may see them by their new roles.
///
/// # Errors
///
/// [`ImportError`]; nothing was written then.
pub async fn import(
    store: &Store,
    actor: &Actor,
    now_us: i64,
    listed: &[Listed],
    wanted: Wanted,
) -> Result<Changes, ImportError> {
    for _ in 0..TRIES {
        let known = people::known(store, actor.school()).await?;
        let grants = grants(&mut store.view().await?, actor, now_us).await?;
        let planned = plan(&known.people, listed, wanted.absentees, grants, now_us)?;
        if wanted.mode == Mode::DryRun {
            return Ok(planned.changes);
        }
        if !planned.changes.asked.is_empty() && wanted.asked_by.is_none() {
            return Err(ImportError::TakesTwo(planned.changes.asked));
        }
        if let Some(tx) = begin(store, actor, &known, grants, now_us).await? {
            write(tx, actor, now_us, &known, &planned, wanted).await?;
            return Ok(planned.changes);
        }
    }
    Err(ImportError::Overtaken)
}

async fn grants(tx: &mut Tx, actor: &Actor, now_us: i64) -> Result<Grants, StoreError> {
    let staffing = people::staffing(tx, actor.school(), now_us).await?;
    Ok(if set_up::grants_roles(&staffing) { Grants::ByRequest } else { Grants::ByImport })
}

/// Begins to write, unless what was planned upon is no more.
pub(super) async fn begin(
    store: &Store,
    actor: &Actor,
    known: &Known,
    planned: Grants,
    now_us: i64,
) -> Result<Option<Tx>, StoreError> {
    let mut tx = store.begin().await?;
    let stands = people::revision(&mut tx, actor.school()).await? == known.revision
        && grants(&mut tx, actor, now_us).await? == planned;
    Ok(stands.then_some(tx))
}

async fn write(
    mut tx: Tx,
    actor: &Actor,
    now_us: i64,
    known: &Known,
    plan: &Plan,
    wanted: Wanted,
) -> Result<(), ImportError> {
    let written = plan.written(&known.people);
    if !written.is_empty() {
        people::put(&mut tx, actor.school(), &written).await?;
        let owned = people::own_subjects(&mut tx, actor.school()).await?;
        if owned || written.iter().any(Written::moves_concerns) {
            route_again(&mut tx, actor, &written, now_us).await?;
        }
    }
    if let Some(by) = wanted.asked_by {
        privileged::ask(&mut tx, actor, by, &plan.changes.asked, now_us).await?;
    }
    let counts = plan.changes.counts;
    if written.iter().any(Written::comes_or_goes) {
        // A memory stick is approved while whoever answers for it is here.
        exemptions::renumber_if_any(&mut tx, actor.school(), now_us).await?;
    }
    let act = Act::new(actor, now_us, ActKind::PeopleImported, "")
        .with("added", counts.added)
        .with("changed", counts.changed)
        .with("same", counts.same)
        .with("absent", counts.absent)
        .with("left", counts.left)
        .with("marked", counts.marked)
        .with("unmarked", counts.unmarked);
    audit::append(&mut tx, &act).await?;
    Ok(tx.commit().await?)
}

/// Takes from whoever lost a role, or no longer teaches a pupil, what only that showed them, and shows others what nobody has
/// decided.
pub(super) async fn route_again(
    tx: &mut Tx,
    actor: &Actor,
    written: &[Written<'_>],
    now_us: i64,
) -> Result<(), StoreError> {
    for one in written.iter().filter(|one| one.loses()) {
        triage::unroute(tx, actor, one.person, now_us).await?;
    }
    recipients::remove_of_other_classes(tx, actor.school()).await?;
    triage::reroute(tx, actor, now_us).await
}
