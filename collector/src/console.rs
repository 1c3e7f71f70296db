//! The console: pages for those who triage, look after devices, or govern.
//!
//! ```text
//! request -> headers, origin -> role extractor (session, roles) -> action -> store or command -> page
//! ```
//!
//! One file an action. A page needs a [`frame::Frame`], and only a role extractor gives one: a handler that asks for no
//! role makes no page. Everything about a concern is read through `visible_to`, and a concern that may not be opened
//! answers as one that does not exist. Every page works without script.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use lapwing_proto::SchoolId;
use tokio::sync::{Notify, broadcast};

use crate::clock::Clock;
use crate::proof::certificates::Ends;
use crate::requests::Approvals;
use crate::seal::Vault;
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::triage::ConcernChanged;
use crate::triage::commands::Desk;

mod acknowledge;
mod ask_close;
mod assets;
mod assign;
mod attribute;
mod away;
mod blank;
mod checks;
mod chronology;
mod close;
mod concern;
mod counts;
mod decision;
mod devices;
mod enrolment;
mod escalate;
mod evidence;
mod exemptions;
mod frame;
mod gate;
mod guidance;
mod headers;
mod hold;
mod home;
mod judge;
mod keys;
mod live;
mod local_help;
mod media;
mod merge;
mod note;
mod posted;
mod put_off;
mod queue;
mod recurrence;
mod refer;
mod refusal;
mod reopen;
mod report_rule;
mod request_words;
mod requests;
mod role;
mod rule_book;
mod said;
mod second_step;
#[cfg(test)]
mod seeded;
mod session;
mod set_up_authenticator;
mod settle;
mod several;
mod shadows;
mod share;
mod sign_in;
mod sign_out;
mod silences;
mod suppression;
mod tickets;
mod transfer;
mod two_step;
mod undelivered;
mod undo;
mod words;

pub use gate::Gate;
pub use rule_book::{RuleBook, RuleWords};

/// Longest form: a calendar of 64 KiB, percent-encoded, and its tokens.
const MAX_FORM_BYTES: usize = 3 * crate::calendar::MAX_CALENDAR_BYTES + 4 * 1024;

/// What the console stands on.
#[derive(Clone)]
pub struct ConsoleState {
    /// The database.
    pub store: Store,
    /// Opens evidence.
    pub vault: Vault,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The school it serves.
    pub school: SchoolId,
    /// What the rules in force say to people; swapped when a rule set is published.
    pub rules: Arc<ArcSwap<RuleBook>>,
    /// Told of what triage and decisions changed; live pages listen.
    pub events: broadcast::Sender<ConcernChanged>,
    /// Told when somebody is to be told of something.
    pub mail: Arc<Notify>,
    /// Ends live pages.
    pub shutdown: Shutdown,
    /// Where passwords are checked.
    pub gate: Arc<Gate>,
    /// When the collector's certificates end, as far as somebody has looked.
    pub certificates: Arc<ArcSwapOption<Ends>>,
}

impl ConsoleState {
    /// Where decisions are carried out.
    fn desk(&self) -> Desk {
        let (clock, mail) = (Arc::clone(&self.clock), Arc::clone(&self.mail));
        Desk::new(self.store.clone(), self.vault.clone(), clock, mail, self.events.clone())
    }

    /// Where changes are asked for and approved that take more than one person.
    fn approvals(&self) -> Approvals {
        Approvals::new(self.store.clone(), Arc::clone(&self.clock), Arc::clone(&self.mail))
    }
}

/// The console's pages, to be served over TLS alone: its cookies are not sent otherwise.
pub fn router(state: ConsoleState) -> Router {
    Router::new()
        .route("/", get(home::page))
        .route("/sign-in", get(sign_in::page).post(sign_in::submit))
        .route("/sign-in/code", get(second_step::page).post(second_step::submit))
        .route("/sign-in/set-up", get(set_up_authenticator::page).post(set_up_authenticator::submit))
        .route("/sign-out", post(sign_out::submit))
        .route("/queue", get(queue::page))
        .route("/queue/live", get(live::stream))
        .route("/queue/several", get(several::page).post(several::submit))
        .route("/queue/several/undo", post(several::undo))
        .route("/concerns/{reference}", get(concern::page))
        .route("/concerns/{reference}/acknowledge", post(acknowledge::submit))
        .route("/concerns/{reference}/note", post(note::submit))
        .route("/concerns/{reference}/judge", post(judge::submit))
        .route("/concerns/{reference}/close", post(close::submit))
        .route("/concerns/{reference}/settle", post(settle::submit))
        .route("/concerns/{reference}/undo", post(undo::submit))
        .route("/concerns/{reference}/put-off", post(put_off::submit))
        .route("/concerns/{reference}/bring-back", post(put_off::undo))
        .route("/concerns/{reference}/assign", post(assign::submit))
        .route("/concerns/{reference}/escalate", post(escalate::submit))
        .route("/concerns/{reference}/refer", post(refer::submit))
        .route("/concerns/{reference}/report-rule", post(report_rule::submit))
        .route("/concerns/{reference}/chronology", get(chronology::page))
        .route("/concerns/{reference}/watch", post(recurrence::submit))
        .route("/concerns/{reference}/unwatch", post(recurrence::undo))
        .route("/concerns/{reference}/reopen", post(reopen::submit))
        .route("/concerns/{reference}/merge", post(merge::submit))
        .route("/concerns/{reference}/split", post(merge::undo))
        .route("/concerns/{reference}/share", post(share::submit))
        .route("/concerns/{reference}/transfer", post(transfer::submit))
        .route("/concerns/{reference}/hold", post(hold::submit))
        .route("/concerns/{reference}/release", post(hold::undo))
        .route("/concerns/{reference}/attribute", post(attribute::submit))
        .route("/concerns/{reference}/unattribute", post(attribute::undo))
        .route("/concerns/{reference}/ask-close", post(ask_close::submit))
        .route("/requests", get(requests::page).post(requests::ask))
        .route("/requests/{reference}/answer", post(requests::answer))
        .route("/requests/{reference}/withdraw", post(requests::withdraw))
        .route("/tickets/{ticket}/done", post(tickets::done))
        .route("/devices", get(devices::page))
        .route("/enrolment", get(enrolment::page).post(enrolment::make))
        .route("/enrolment/withdraw", post(enrolment::withdraw))
        .route("/joins/{join}/let-in", post(enrolment::let_in))
        .route("/joins/{join}/turn-away", post(enrolment::turn_away))
        .route("/checks", get(checks::page).post(checks::submit))
        .route("/media", get(media::page).post(media::approve))
        .route("/media/withdraw", post(media::withdraw))
        .route("/counts", get(counts::page))
        .route("/exemptions", get(exemptions::page).post(exemptions::ask))
        .route("/exemptions/{reference}/answer", post(exemptions::answer))
        .route("/exemptions/{reference}/end", post(exemptions::end))
        .route("/away", get(away::page).post(away::record))
        .route("/away/end", post(away::end))
        .route("/local-help", get(local_help::page))
        .route("/local-help/numbers", post(local_help::numbers))
        .route("/local-help/matrix", post(local_help::matrix))
        .route("/keys", get(keys::page).post(keys::switch))
        .route("/two-step", get(two_step::page).post(two_step::renew))
        .route("/blank", get(blank::page))
        .route("/assets/{name}", get(assets::file))
        .fallback(refusal::no_such_page)
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(from_fn(headers::same_origin))
        .layer(from_fn(headers::protect))
        .with_state(state)
}

#[cfg(test)]
mod tests;
