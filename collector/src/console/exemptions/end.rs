//! Ending an exemption early: one person does, for it only brings watching back.

use axum::extract::{Path, State};
use axum::response::Response;

use super::{checked, done, may_end};
use crate::audit::{self, Act, ActKind};
use crate::console::ConsoleState;
use crate::console::posted::{Bare, Posted};
use crate::console::refusal::Refusal;
use crate::console::role::{SignedIn, StaffMember};
use crate::store::{StoreError, exemptions};

/// `POST /exemptions/{reference}/end`.
pub(in crate::console) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Bare {}, .. }: Posted<StaffMember, Bare>,
) -> Result<Response, Refusal> {
    let ended = end(&state, &by, checked(&reference)?).await.map_err(|error| Refusal::not_saved(&error))?;
    match ended {
        Ended::Now => Ok(done("ended")),
        Ended::Before => Err(Refusal::Over),
        Ended::NotTheirs => Err(Refusal::NoSuchPage),
    }
}

enum Ended {
    Now,
    /// It was over.
    Before,
    /// There is none, or none of theirs: nobody learns which.
    NotTheirs,
}

async fn end(state: &ConsoleState, by: &SignedIn, reference: &str) -> Result<Ended, StoreError> {
    let (actor, now_us) = (by.actor(), by.present().now_us());
    let mut tx = state.store.begin().await?;
    let found = exemptions::by_reference(&mut tx, &state.school, reference).await?;
    let Some((exemption, _)) = found.filter(|(_, asked_by)| may_end(by, *asked_by)) else {
        return Ok(Ended::NotTheirs);
    };
    let Some(person) = actor.person() else { return Ok(Ended::NotTheirs) };
    if !exemptions::end(&mut tx, &state.school, exemption, person, now_us).await? {
        return Ok(Ended::Before);
    }
    audit::append(&mut tx, &Act::new(actor, now_us, ActKind::ExemptionEnded, exemption)).await?;
    tx.commit().await?;
    Ok(Ended::Now)
}
