//! A routine concern: acknowledged, decided and closed by one button, and on to the next.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::posted::Posted;
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision};
use crate::triage::commands::{Judgement, Outcome, Seen, Verdict};

/// What a routine concern comes to: each is a button, and a digit while it has the focus.
pub(super) const ROUTINE: [(&str, Verdict, Outcome, &str); 6] = [
    ("false-alarm", Verdict::False, Outcome::None, "False alarm"),
    ("nothing-more", Verdict::True, Outcome::None, "Real, no more to do"),
    ("talked", Verdict::True, Outcome::Talked, "Real, talked with the child"),
    ("parents", Verdict::True, Outcome::ParentsTold, "Real, parents told"),
    ("teacher", Verdict::True, Outcome::ClassTeacher, "Real, class teacher acts"),
    ("unclear", Verdict::Unclear, Outcome::None, "Unclear, no more to do"),
];

/// The form.
#[derive(Deserialize)]
pub(super) struct Settled {
    /// Code of one of [`ROUTINE`].
    routine: String,
    /// The concern as the page showed it: when it changed last, microseconds of UTC.
    seen: String,
}

/// The judgement of a code.
pub(super) fn judgement(code: &str) -> Option<Judgement> {
    let (_, verdict, outcome, _) = ROUTINE.into_iter().find(|(known, ..)| *known == code)?;
    Judgement::new(verdict, outcome).ok()
}

/// `POST /concerns/{reference}/settle`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Settled { routine, seen }, list }: Posted<Recipient, Settled>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    let (Some(judgement), Ok(seen)) = (judgement(&routine), seen.parse()) else { return Err(Refusal::BadForm) };
    let next = decision::next(&state, &by, &list, &reference).await?;
    state.desk().settle(by.actor(), concern, judgement, Seen::at(seen)).await.map_err(decision::refused)?;
    Ok(decision::onward(&list, next, "closed", &reference))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use lapwing_rules::{Category, Level};

    use super::super::seeded::Seeded;

    #[tokio::test]
    async fn one_press_closes_a_routine_concern_opens_the_next_of_the_list_and_can_be_taken_back() {
        let seeded = Seeded::open().await;
        let first = seeded.concern("amelia", Category::Drugs, Level::Moderate, "words").await;
        let other = seeded.concern("ben", Category::Gambling, Level::Moderate, "words").await;
        let second = seeded.concern("ben", Category::Drugs, Level::Moderate, "words").await;
        let mut dsl = seeded.visitor("dsl").await;
        let page = dsl.get(&format!("/concerns/{first}?category=drugs")).await.body;
        assert!(page.contains(&second) && !page.contains(&format!("data-reference=\"{other}\"")), "the list is kept");
        let (_, seen) = page.split_once("name=\"seen\" value=\"").unwrap();
        let seen = seen.split('"').next().unwrap();
        let stale = dsl.post(&format!("/concerns/{first}/settle"), &[("routine", "talked"), ("seen", "1")]).await;
        assert_eq!(stale.status, StatusCode::CONFLICT, "something happened since the page was shown");
        let fields = [("routine", "talked"), ("seen", seen)];
        let settled = dsl.post(&format!("/concerns/{first}/settle?category=drugs"), &fields).await;
        assert_eq!(settled.location(), format!("/concerns/{second}?category=drugs&done=closed&was={first}"));
        let page = dsl.get(settled.location()).await.body;
        assert!(page.contains(&format!("Concern {first} is closed.")), "{page}");
        assert!(page.contains(&format!("action=\"/concerns/{first}/undo?category=drugs\"")), "{page}");
        let undone = dsl.post(&format!("/concerns/{first}/undo?category=drugs"), &[]).await;
        assert!(dsl.get(undone.location()).await.body.contains("That was taken back."));
        let again = dsl.post(&format!("/concerns/{first}/undo"), &[]).await;
        assert_eq!(again.status, StatusCode::CONFLICT);
        assert!(again.body.contains("cannot be taken back any more"), "{}", again.body);
        let unknown = dsl.post(&format!("/concerns/{first}/settle"), &[("routine", "ignored"), ("seen", "1")]).await;
        assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    }

    #[test]
    fn every_act_on_several_that_closes_is_one_of_the_buttons() {
        use super::super::several::ACTS;
        assert_eq!(ACTS.iter().filter(|(code, _)| super::judgement(code).is_none()).count(), 1);
    }

    #[tokio::test]
    async fn what_is_high_or_a_case_offers_no_such_press() {
        let seeded = Seeded::open().await;
        let case = seeded.concern("ben", Category::Drugs, Level::Moderate, "words").await;
        let reference = seeded.concern("amelia", Category::Suicide, Level::High, "words").await;
        seeded.set_state(&case, "referred").await;
        let mut dsl = seeded.visitor("dsl").await;
        let seen = seeded.school.texts("SELECT changed_us || '' FROM concerns LIMIT 1").await;
        for reference in [case, reference] {
            assert!(!dsl.get(&format!("/concerns/{reference}")).await.body.contains("/settle"));
            let fields = [("routine", "talked"), ("seen", seen[0].as_str())];
            let settled = dsl.post(&format!("/concerns/{reference}/settle"), &fields).await;
            assert_eq!(settled.status, StatusCode::CONFLICT);
            assert!(settled.body.contains("a step at a time"), "{}", settled.body);
        }
    }
}
