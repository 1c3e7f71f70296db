//! What technicians are asked to change in the filter: a host, a topic and a day.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::posted::{Bare, Posted};
use super::refusal::Refusal;
use super::role::Technician;
use super::{ConsoleState, words};
use crate::audit::{self, Act, ActKind};
use crate::ids::TicketId;
use crate::store::tickets::{About, Wanted};
use crate::store::{StoreError, tickets as rows};

/// Tickets on the page.
const LIMIT: u32 = 200;

/// One change to the filter.
#[derive(Debug)]
pub(super) struct TicketView {
    pub(super) id: String,
    pub(super) host: String,
    pub(super) what: String,
    pub(super) wanted: &'static str,
    pub(super) day: String,
}

/// Those that wait.
pub(super) async fn views(state: &ConsoleState) -> Result<Vec<TicketView>, Refusal> {
    let tickets = rows::waiting(&state.store, &state.school, LIMIT).await;
    let tickets = tickets.map_err(|error| Refusal::failed(&error))?;
    let view = |ticket: rows::Ticket| TicketView {
        id: ticket.id.to_string(),
        host: ticket.host,
        what: words::category(&ticket.category),
        wanted: match ticket.wanted {
            Wanted::Block => "Block it",
            Wanted::Check => "Check whether it should be allowed",
        },
        day: ticket.day,
    };
    Ok(tickets.into_iter().map(view).collect())
}

/// `POST /tickets/{ticket}/done`: of the filter, or of a rule that is called noisy.
pub(super) async fn done(
    State(state): State<ConsoleState>,
    Path(ticket): Path<String>,
    Posted { by, form: Bare {}, .. }: Posted<Technician, Bare>,
) -> Result<Response, Refusal> {
    let Ok(ticket) = ticket.parse::<TicketId>() else { return Err(Refusal::NoSuchPage) };
    let done = async {
        let now_us = state.clock.wall_us();
        let mut tx = state.store.begin().await?;
        if let Some(about) = rows::done(&mut tx, &state.school, ticket, now_us).await? {
            let kind = match about {
                About::Filter => ActKind::FilterTicketDone,
                About::Rule => ActKind::RuleTicketDone,
            };
            audit::append(&mut tx, &Act::new(by.actor(), now_us, kind, ticket)).await?;
        }
        tx.commit().await
    };
    let done: Result<(), StoreError> = done.await;
    done.map_err(|error| Refusal::not_saved(&error))?;
    Ok(Redirect::to("/devices").into_response())
}
