//! What the decisions on a concern share: finding it, refusing, saying what was done.

use axum::response::{IntoResponse as _, Redirect, Response};

use super::queue::filter::Filter;
use super::refusal::{self, Refusal};
use super::role::SignedIn;
use super::{ConsoleState, queue};
use crate::audit::{self, Act, ActKind};
use crate::ids::ConcernId;
use crate::store::StoreError;
use crate::store::queue as rows;
use crate::triage::commands::{CommandError, Outcome, Verdict};

/// One of a list of radio buttons.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) words: &'static str,
    pub(super) is_chosen: bool,
}

/// The concern of that reference. Whoever may not know of it is refused as if there were none, and the try is in the
/// log.
pub(super) async fn find(state: &ConsoleState, person: &SignedIn, reference: &str) -> Result<ConcernId, Refusal> {
    let found = if refusal::is_reference(reference) {
        rows::by_reference(&state.store, person.actor(), reference).await.map_err(|error| Refusal::failed(&error))?
    } else {
        None
    };
    if let Some(concern) = found {
        return Ok(concern);
    }
    log_refusal(state, person).await.map_err(|error| Refusal::failed(&error))?;
    Err(Refusal::NotYours)
}

/// Writes down that somebody asked for a concern that they may not know of.
pub(super) async fn log_refusal(state: &ConsoleState, person: &SignedIn) -> Result<(), StoreError> {
    let mut tx = state.store.begin().await?;
    let act = Act::new(person.actor(), state.clock.wall_us(), ActKind::ConcernRefused, "");
    audit::append(&mut tx, &act).await?;
    tx.commit().await
}

/// Back to the concern, with a sentence about what was done; `list` stays beside it.
pub(super) fn done(list: &Filter, reference: &str, code: &'static str) -> Response {
    let address = list.after(&format!("/concerns/{reference}"), &format!("done={code}"));
    Redirect::to(&address).into_response()
}

/// The concern after this one in `list`, as it stands before the decision: the first where it is the last, and none where it
/// is alone.
pub(super) async fn next(
    state: &ConsoleState,
    person: &SignedIn,
    list: &Filter,
    reference: &str,
) -> Result<Option<String>, Refusal> {
    let rows = rows::rows(&state.store, person.actor(), &list.sought(&person.present()), queue::LIMIT).await;
    let rows = rows.map_err(|error| Refusal::failed(&error))?;
    let references: Vec<_> = rows.into_iter().map(|row| row.reference).collect();
    let after = references.iter().position(|one| one == reference).map_or(0, |at| at + 1);
    let next = references.get(after).or_else(|| references.first().filter(|first| *first != reference));
    Ok(next.cloned())
}

/// On to the next concern, or to the list where there is none, with a sentence about what was done.
pub(super) fn onward(list: &Filter, next: Option<String>, code: &'static str, reference: &str) -> Response {
    let page = next.map_or_else(|| "/queue".to_owned(), |next| format!("/concerns/{next}"));
    Redirect::to(&list.after(&page, &format!("done={code}&was={reference}"))).into_response()
}

/// Why a decision was not carried out.
pub(super) fn refused(error: CommandError) -> Refusal {
    match error {
        CommandError::NotFound => Refusal::NotYours,
        CommandError::Invalid(_) | CommandError::NeedsApprovers | CommandError::Erased | CommandError::IsMerged => {
            Refusal::OutOfTurn
        }
        CommandError::NotForRole => Refusal::WrongRole,
        CommandError::Moved | CommandError::Finished => Refusal::OutOfTurn,
        CommandError::CannotReport => Refusal::CannotReport,
        CommandError::NotAtOnce => Refusal::NotAtOnce,
        CommandError::CannotPutOff => Refusal::CannotPutOff,
        CommandError::TooLate => Refusal::TooLate,
        CommandError::NobodyFurther => Refusal::NobodyFurther,
        CommandError::NeedsReview => Refusal::NeedsReview,
        CommandError::CannotMerge | CommandError::IsHeld => Refusal::CannotMerge,
        CommandError::NotForThem | CommandError::CannotAttribute => Refusal::NotForThem,
        CommandError::NoteLength(_) | CommandError::ReviewDate => Refusal::BadForm,
        CommandError::Store(_) | CommandError::Seal(_) => Refusal::not_saved(&error),
    }
}

/// Why a concern was not opened.
pub(super) fn refused_opening(error: CommandError) -> Refusal {
    match error {
        CommandError::Store(_) | CommandError::Seal(_) => Refusal::failed(&error),
        CommandError::NotFound
        | CommandError::Invalid(_)
        | CommandError::NeedsApprovers
        | CommandError::Erased
        | CommandError::NoteLength(_)
        | CommandError::NeedsReview
        | CommandError::ReviewDate
        | CommandError::IsMerged
        | CommandError::CannotMerge
        | CommandError::IsHeld
        | CommandError::NotForRole
        | CommandError::NotForThem
        | CommandError::Moved
        | CommandError::Finished
        | CommandError::CannotReport
        | CommandError::NotAtOnce
        | CommandError::CannotPutOff
        | CommandError::TooLate
        | CommandError::NobodyFurther
        | CommandError::CannotAttribute => refused(error),
    }
}

/// The sentence of a code in the address; other texts say nothing.
pub(super) fn done_words(code: &str) -> Option<&'static str> {
    let said = match code {
        "acknowledged" => "You acknowledged this concern. Nobody is reminded of it any more.",
        "noted" => "Your note was saved.",
        "judged" => "Your decision was saved. Close the concern when what you decided has been done.",
        "closed" => "This concern is closed.",
        "reopened" => "This concern is open again.",
        "merged" => "This concern counts towards another one now. You can take that back below.",
        "split" => "This concern stands by itself again.",
        "shared" => "Your colleague can see this concern now, and was told.",
        "undone" => "That was taken back. The concern stands as it did.",
        "back" => "This concern is in your list again.",
        "assigned" => "Your colleague was told that they deal with this concern.",
        "taken" => "You deal with this concern.",
        "escalated" => "Someone more senior was told, and can see this concern now.",
        "referred" => "The referral was written down.",
        "watched" => "You will be told when this topic comes again for this person.",
        "unwatched" => "You will not be told any more.",
        "reported" => "The technician was told about the rule, and not about any person.",
        "held" => "This concern is kept as it is for legal reasons.",
        "released" => "This concern is under review again.",
        "attributed" => "This concern belongs to that pupil now. You can take that back below.",
        "unattributed" => "This concern belongs to the class log-on again.",
        "asked" => "Your request was made. The concern is closed when two others have approved.",
        _ => return None,
    };
    Some(said)
}

/// What a step was, in words.
pub(super) fn step_words(kind: &str, to_state: &str) -> String {
    match kind {
        "opened" => "Opened".to_owned(),
        "raised" => "Raised to a higher level".to_owned(),
        "acknowledged" => "Acknowledged".to_owned(),
        "noted" => "Note".to_owned(),
        "judged" => format!("Decided: {}", queue::state_words(to_state).to_lowercase()),
        "closed" => "Closed".to_owned(),
        "reopened" => "Reopened".to_owned(),
        "climbed" => "Went to further people: nobody had acknowledged it in time".to_owned(),
        "review_due" => "Came back: its review date has come".to_owned(),
        "merged" => "Counts towards another concern".to_owned(),
        "took_in" => "Another concern counts towards this one".to_owned(),
        "split" => "Stands by itself again".to_owned(),
        "shared" => "Shared with a colleague".to_owned(),
        "assigned" => "Given to somebody to deal with".to_owned(),
        "escalated" => "Passed to someone more senior".to_owned(),
        "referral" => "Referred".to_owned(),
        "undone" => format!("Taken back: {}", queue::state_words(to_state).to_lowercase()),
        "transferred" => "Handed over: conflict of interest".to_owned(),
        "held" => "Kept for legal reasons".to_owned(),
        "released" => "No longer kept for legal reasons".to_owned(),
        "lesson" => "What was learnt".to_owned(),
        "attributed" => "A pupil was named for the class log-on".to_owned(),
        "unattributed" => "That naming was taken back".to_owned(),
        "read_alone" => "Read at once; the headteacher was told".to_owned(),
        other => other.replace('_', " "),
    }
}

/// The verdicts, as they are asked.
pub(super) fn verdicts(chosen: Option<&str>) -> Vec<Choice> {
    let words = |verdict| match verdict {
        Verdict::True => "Right: it was what the rule looks for",
        Verdict::False => "False alarm: it was something else",
        Verdict::Unclear => "Unclear: nobody can tell",
    };
    let choice = |verdict: Verdict| Choice {
        value: verdict.as_str(),
        words: words(verdict),
        is_chosen: chosen == Some(verdict.as_str()),
    };
    Verdict::ALL.into_iter().map(choice).collect()
}

/// The outcomes. None is ticked before a person ticks it.
pub(super) fn outcomes(chosen: Option<&str>) -> Vec<Choice> {
    let words = |outcome| match outcome {
        Outcome::None => "Nothing more",
        Outcome::Talked => "Talked with the child",
        Outcome::ParentsTold => "Parents told (could telling home raise the risk?)",
        Outcome::ClassTeacher => "Class teacher acts",
        Outcome::FilterChange => "Change to the filter asked for",
        Outcome::SetUpByAnother => "Someone else used the account",
        Outcome::Cpoms => "Recorded on the child's file (CPOMS or like it)",
        Outcome::SocialCare => "Children's social care",
        Outcome::Police => "Police",
        Outcome::Lado => "LADO",
        Outcome::Prevent => "Prevent",
        Outcome::Ceop => "CEOP",
        Outcome::Iwf => "Internet Watch Foundation",
    };
    let choice = |outcome: Outcome| Choice {
        value: outcome.as_str(),
        words: words(outcome),
        is_chosen: chosen == Some(outcome.as_str()),
    };
    Outcome::ALL.into_iter().map(choice).collect()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use lapwing_rules::{Category, Level};

    use super::super::seeded::Seeded;

    /// A form's address and fields, and what the page then says.
    type Act = (&'static str, &'static [(&'static str, &'static str)], &'static str);

    #[tokio::test]
    async fn a_concern_is_acknowledged_noted_decided_closed_and_reopened() {
        let seeded = Seeded::open().await;
        let reference = seeded.concern("amelia", Category::Drugs, Level::Moderate, "words").await;
        let address = format!("/concerns/{reference}");
        let mut dsl = seeded.visitor("dsl").await;
        let life: [Act; 5] = [
            ("acknowledge", &[], "You acknowledged this concern."),
            ("note", &[("note", "Spoke to her <b>form</b> tutor.")], "Your note was saved."),
            ("judge", &[("verdict", "true"), ("outcome", "talked")], "Your decision was saved."),
            ("close", &[], "is closed."),
            ("reopen", &[], "This concern is open again."),
        ];
        for (action, fields, said) in life {
            let answer = dsl.post(&format!("{address}/{action}"), fields).await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{action}");
            let page = dsl.get(answer.location()).await.body;
            assert!(page.contains(said), "{action}: {said}");
        }
        let page = dsl.get(&address).await.body;
        assert!(page.contains("Spoke to her &#60;b&#62;form&#60;/b&#62; tutor."));
        assert!(page.contains("Decided: pastoral support") && page.contains("Sam Okafor"));
    }

    #[tokio::test]
    async fn a_step_out_of_turn_changes_nothing_and_says_so() {
        let seeded = Seeded::open().await;
        let reference = seeded.concern("amelia", Category::Drugs, Level::Moderate, "words").await;
        let answer = seeded.visitor("dsl").await.post(&format!("/concerns/{reference}/close"), &[]).await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert!(answer.body.contains("Nothing was changed."));
    }

    #[tokio::test]
    async fn a_decision_without_the_token_of_the_session_is_refused() {
        let seeded = Seeded::open().await;
        let reference = seeded.concern("amelia", Category::Drugs, Level::Moderate, "words").await;
        let address = format!("/concerns/{reference}/acknowledge");
        let mut dsl = seeded.visitor("dsl").await;
        let token = dsl.post_token();
        let other = seeded.visitor("head").await.post_token();
        let here = "https://lapwing.test";
        assert_eq!(dsl.post_from(here, &address, &[]).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(dsl.post_from(here, &address, &[("csrf", &other)]).await.status, StatusCode::FORBIDDEN);
        let elsewhere = dsl.post_from("https://evil.test", &address, &[("csrf", &token)]).await;
        assert_eq!(elsewhere.status, StatusCode::FORBIDDEN);
        let queue = dsl.get("/queue").await.body;
        assert!(queue.contains("Acknowledge "), "still new");
    }

    #[tokio::test]
    async fn a_note_too_long_or_a_verdict_unheard_of_is_refused() {
        let seeded = Seeded::open().await;
        let reference = seeded.concern("amelia", Category::Drugs, Level::Moderate, "words").await;
        let mut dsl = seeded.visitor("dsl").await;
        let address = |action: &str| format!("/concerns/{reference}/{action}");
        dsl.post(&address("acknowledge"), &[]).await;
        let long = "x".repeat(2001);
        let bad: [(&str, &[(&str, &str)]); 4] = [
            ("note", &[("note", &long)]),
            ("note", &[("note", "  ")]),
            ("judge", &[("verdict", "perhaps"), ("outcome", "talked")]),
            ("judge", &[("verdict", "false"), ("outcome", "police")]),
        ];
        for (action, fields) in bad {
            assert_eq!(dsl.post(&address(action), fields).await.status, StatusCode::BAD_REQUEST, "{action}");
        }
    }

    #[tokio::test]
    async fn an_illegal_case_is_not_closed_by_one_person() {
        let seeded = Seeded::open().await;
        let reference = seeded.concern("amelia", Category::Grooming, Level::Critical, "words").await;
        let mut dsl = seeded.visitor("dsl").await;
        dsl.post(&format!("/concerns/{reference}/acknowledge"), &[]).await;
        dsl.post(&format!("/concerns/{reference}/judge"), &[("verdict", "true"), ("outcome", "police")]).await;
        let page = dsl.get(&format!("/concerns/{reference}")).await.body;
        assert!(page.contains("two approvers besides you") && !page.contains("/close\""));
        let closed = dsl.post(&format!("/concerns/{reference}/close"), &[]).await;
        assert_eq!(closed.status, StatusCode::CONFLICT);
    }
}
