//! Somebody's own two-step sign-in: how many recovery codes they have left, and new ones.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::frame::{self, Frame};
use super::posted::Posted;
use super::refusal::Refusal;
use super::role::{Anyone, SignedIn};
use super::second_step::{self, CLOSED, Proof};
use super::{ConsoleState, set_up_authenticator};
use crate::audit::{self, Act, ActKind};
use crate::second_step::RecoveryCode;
use crate::store::{StoreError, second_steps, sign_ins};

const HERE: &str = "/two-step";
const WRONG: &str = "That code was not right, or was used before. Wait for the next one that your phone shows. Your recovery codes \
     are as they were.";

#[derive(Template)]
#[template(path = "two_step.html")]
struct TwoStepPage {
    frame: Frame,
    /// Since when it is set up; none for whoever signed in before there was one.
    since: Option<String>,
    left: i64,
    problem: Option<&'static str>,
    /// New ones, shown once.
    codes: Vec<String>,
}

/// The form for new codes.
#[derive(Deserialize)]
pub(super) struct Wanted {
    code: String,
}

/// What came of a code.
enum Came {
    New(Vec<RecoveryCode>),
    Wrong,
    Closed,
}

/// `GET /two-step`.
pub(super) async fn page(State(state): State<ConsoleState>, person: Anyone) -> Result<Response, Refusal> {
    shown(&state, &person, None, Vec::new()).await
}

/// `POST /two-step`: new recovery codes, for a code of the authenticator.
pub(super) async fn renew(
    State(state): State<ConsoleState>,
    Posted { by, form, .. }: Posted<Anyone, Wanted>,
) -> Result<Response, Refusal> {
    match renewed(&state, &by, &form.code).await? {
        Came::New(codes) => shown(&state, &by, None, codes.iter().map(RecoveryCode::to_show).collect()).await,
        Came::Wrong => second_step::refused(shown(&state, &by, Some(WRONG), Vec::new()).await?),
        Came::Closed => second_step::refused(shown(&state, &by, Some(CLOSED), Vec::new()).await?),
    }
}

/// Replaces the recovery codes where `code` is right. A wrong one counts as one at the door does.
async fn renewed(state: &ConsoleState, by: &SignedIn, code: &str) -> Result<Came, Refusal> {
    let (Some(person), now_us) = (by.actor().person(), state.clock.wall_us()) else { return Ok(Came::Wrong) };
    let mut tx = state.store.view().await.map_err(|error| Refusal::failed(&error))?;
    let kept = second_steps::find(&mut tx, &state.school, person).await.map_err(|error| Refusal::failed(&error))?;
    drop(tx);
    let Some(kept) = kept else { return Ok(Came::Wrong) };
    let step = match second_step::proof(state, (person, &kept), code).await? {
        Some(Proof::Step(step)) => Some(step),
        // One recovery code for ten would be a way to keep what was stolen.
        Some(Proof::Recovery(_)) | None => None,
    };
    let codes = set_up_authenticator::recovery_codes().map_err(|error| Refusal::not_saved(&error))?;
    let came = async {
        let mut tx = state.store.begin().await?;
        let logins = sign_ins::of_person(&mut tx, &state.school, person).await?;
        for login in &logins {
            let sign_in = sign_ins::find_in(&mut tx, &state.school, login).await?;
            if sign_in.is_some_and(|sign_in| !sign_in.is_open(now_us)) {
                return Ok(Came::Closed);
            }
        }
        let is_right = match step {
            Some(step) => second_steps::take_step(&mut tx, &state.school, person, kept.key, step).await?,
            None => false,
        };
        if !is_right {
            for login in &logins {
                sign_ins::count_failure(&mut tx, &state.school, login, person, now_us).await?;
            }
            tx.commit().await?;
            return Ok(Came::Wrong);
        }
        let digests: Vec<_> = codes.iter().map(RecoveryCode::digest).collect();
        second_steps::replace_codes(&mut tx, &state.school, person, &digests).await?;
        audit::append(&mut tx, &Act::new(by.actor(), now_us, ActKind::RecoveryCodesRenewed, person)).await?;
        tx.commit().await?;
        Ok::<_, StoreError>(Came::New(codes))
    };
    came.await.map_err(|error| Refusal::not_saved(&error))
}

async fn shown(
    state: &ConsoleState,
    person: &SignedIn,
    problem: Option<&'static str>,
    codes: Vec<String>,
) -> Result<Response, Refusal> {
    let id = person.actor().person().ok_or(Refusal::WrongRole)?;
    let mut tx = state.store.view().await.map_err(|error| Refusal::failed(&error))?;
    let facts = second_steps::facts(&mut tx, &state.school, id).await.map_err(|error| Refusal::failed(&error))?;
    let since = facts.map(|facts| person.present().when(facts.set_up_us));
    let left = facts.map_or(0, |facts| facts.left);
    frame::shown(&TwoStepPage { frame: Frame::of(person, HERE), since, left, problem, codes })
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::super::second_step::tests::Person;
    use super::super::seeded::Seeded;
    use super::*;

    #[tokio::test]
    async fn a_code_of_the_phone_makes_new_recovery_codes_and_the_old_ones_open_nothing() {
        let seeded = Seeded::open().await;
        let mut person = Person::signed_in(&seeded).await;
        let page = person.visitor.get(HERE).await.body;
        assert!(page.contains("10 recovery codes are left"), "{page}");
        let (old, stolen) = (person.recovery[0].clone(), person.recovery[1].clone());
        for wrong in ["000000", stolen.as_str()] {
            let answer = person.visitor.post(HERE, &[("code", wrong)]).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{wrong}");
        }
        let code = person.code();
        let page = person.visitor.post(HERE, &[("code", code.as_str())]).await.body;
        let new: Vec<String> =
            page.split("<code>").skip(1).filter_map(|rest| rest.split('<').next()).map(str::to_owned).collect();
        assert!(new.len() == 10 && !new.contains(&old), "{page}");
        assert_eq!(
            person.visitor.post(HERE, &[("code", code.as_str())]).await.status,
            StatusCode::UNAUTHORIZED,
            "once"
        );

        person.visitor = seeded.stranger();
        person.enters().await;
        assert_eq!(person.gives("/sign-in/code", &old).await.status, StatusCode::UNAUTHORIZED);
        assert!(person.gives("/sign-in/code", &new[0]).await.body.contains("9 recovery codes are left"));
    }

    #[tokio::test]
    async fn whoever_has_none_yet_is_told_when_they_set_it_up() {
        let seeded = Seeded::open().await;
        let page = seeded.visitor("dsl").await.get(HERE).await.body;
        assert!(page.contains("You set it up at your next sign-in") && !page.contains("<form class=\"panel"), "{page}");
    }

    #[tokio::test]
    async fn wrong_codes_close_the_sign_in_here_too() {
        let seeded = Seeded::open().await;
        let mut person = Person::signed_in(&seeded).await;
        person.visitor.get(HERE).await;
        for _ in 0..5 {
            let answer = person.visitor.post(HERE, &[("code", "000000")]).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        }
        let code = person.code();
        let answer = person.visitor.post(HERE, &[("code", code.as_str())]).await;
        assert!(
            answer.status == StatusCode::UNAUTHORIZED && answer.body.contains("closed for up to 15"),
            "{}",
            answer.body
        );
    }
}
