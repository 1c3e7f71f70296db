//! "This rule is noisy": to the technician, with the rule and the shape of what matched, and never the child.

use axum::extract::{Path, State};
use axum::response::Response;
use lapwing_proto::{Open, Signal};
use serde::Deserialize;

use super::evidence;
use super::posted::Posted;
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision};
use crate::store::rule_tickets as rows;

/// Tickets on the page.
const LIMIT: u32 = 200;

/// The form.
#[derive(Deserialize)]
pub(super) struct Reported {
    rule: String,
}

/// One rule that readers call noisy.
#[derive(Debug)]
pub(super) struct RuleTicketView {
    pub(super) id: String,
    pub(super) rule: String,
    pub(super) title: String,
    pub(super) seen_in: &'static str,
    pub(super) shape: String,
    pub(super) day: String,
}

/// `POST /concerns/{reference}/report-rule`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Reported { rule }, list }: Posted<Recipient, Reported>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    state.desk().report_rule(by.actor(), concern, &rule).await.map_err(decision::refused)?;
    Ok(decision::done(&list, &reference, "reported"))
}

/// Those that wait.
pub(super) async fn views(state: &ConsoleState) -> Result<Vec<RuleTicketView>, Refusal> {
    let tickets = rows::waiting(&state.store, &state.school, LIMIT).await;
    let tickets = tickets.map_err(|error| Refusal::failed(&error))?;
    let rules = state.rules.load();
    let view = |ticket: rows::RuleTicket| RuleTicketView {
        id: ticket.id.to_string(),
        title: ticket
            .rule
            .parse()
            .ok()
            .and_then(|rule| rules.words(&rule).map(|words| words.title.clone()))
            .unwrap_or_default(),
        rule: ticket.rule,
        seen_in: evidence::source(Open::read(ticket.signal, Signal::from_wire)),
        shape: ticket.shape,
        day: ticket.day,
    };
    Ok(tickets.into_iter().map(view).collect())
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use lapwing_rules::{Category, Level};

    use super::super::seeded::Seeded;

    #[tokio::test]
    async fn a_noisy_rule_reaches_the_technician_without_a_letter_of_what_was_seen() {
        let seeded = Seeded::open().await;
        let reference = seeded.concern("amelia", Category::SelfHarm, Level::Moderate, "seeded words").await;
        let mut dsl = seeded.visitor("dsl").await;
        let address = format!("/concerns/{reference}/report-rule");
        for _ in 0..2 {
            let answer = dsl.post(&address, &[("rule", "self_harm.words")]).await;
            assert!(answer.location().ends_with("?done=reported"), "{}", answer.location());
        }
        let unknown = dsl.post(&address, &[("rule", "no.such")]).await;
        assert_eq!(unknown.status, StatusCode::CONFLICT);
        assert!(unknown.body.contains("Nobody was told of that rule"), "{}", unknown.body);
        let mut technician = seeded.visitor("tech").await;
        let page = technician.get("/devices").await.body;
        assert_eq!(page.matches("/tickets/").count(), 1, "{page}");
        assert!(page.contains("\u{2022}\u{2022}\u{2022}\u{2022}\u{2022}\u{2022} \u{2022}\u{2022}\u{2022}\u{2022}\u{2022} (what it is about)"), "{page}");
        for private in ["seeded", "Amelia", "A. J.", &reference, "PC-12 "] {
            assert!(!page.contains(private), "{private}: {page}");
        }
        let (_, rest) = page.split_once("/tickets/").unwrap();
        let ticket = rest.split('/').next().unwrap();
        technician.post(&format!("/tickets/{ticket}/done"), &[]).await;
        assert!(!technician.get("/devices").await.body.contains("self_harm.words"));
    }

    #[tokio::test]
    async fn of_what_staff_did_and_of_what_is_illegal_no_technician_is_told() {
        let seeded = Seeded::open().await;
        for (account, category) in [("teacher", Category::SelfHarm), ("amelia", Category::Grooming)] {
            let reference = seeded.concern(account, category, Level::Critical, "seeded words").await;
            let mut head = seeded.visitor("head").await;
            assert!(!head.get(&format!("/concerns/{reference}")).await.body.contains("This rule is noisy"));
            let address = format!("/concerns/{reference}/report-rule");
            assert_eq!(head.post(&address, &[("rule", "self_harm.words")]).await.status, StatusCode::CONFLICT);
        }
        let opened = "SELECT COUNT(*) FROM audit_acts WHERE act ->> 'what' = 'rule_reported'";
        assert_eq!(seeded.school.count(opened).await, 0);
        assert_eq!(seeded.school.count("SELECT COUNT(*) FROM rule_tickets").await, 0);
    }
}
