//! Asking for an exemption.

use axum::extract::State;
use axum::response::Response;

use super::form::{FormView, Written};
use super::{done, show};
use crate::console::posted::Posted;
use crate::console::refusal::Refusal;
use crate::console::role::StaffMember;
use crate::console::{ConsoleState, request_words};
use crate::requests::{Change, RequestError};
use crate::store::settings;

/// `POST /exemptions`.
pub(in crate::console) async fn submit(
    State(state): State<ConsoleState>,
    Posted { by, form, .. }: Posted<StaffMember, Written>,
) -> Result<Response, Refusal> {
    let mut tx = state.store.view().await.map_err(|error| Refusal::failed(&error))?;
    let calendar = settings::calendar(&mut tx, &state.school, by.present().now_us()).await;
    let calendar = calendar.map_err(|error| Refusal::failed(&error))?;
    drop(tx);
    let again = async |problem: String| show(&state, &by, None, Some(problem), FormView::of(&form)).await;
    let plan = match form.plan(&calendar) {
        Ok(plan) => plan,
        Err(problem) => return again(problem.to_owned()).await,
    };
    let asked = state.approvals().ask(by.actor(), Change::Exempt { exemption: plan }, form.reason()).await;
    match asked {
        Ok(_) => Ok(done("asked")),
        Err(RequestError::ReasonLength(_)) => again("Say why, in up to 1,000 characters.".to_owned()).await,
        Err(error) => {
            let refusal = request_words::refused(error);
            if let Refusal::NoRequest(because) = refusal { again(because).await } else { Err(refusal) }
        }
    }
}
