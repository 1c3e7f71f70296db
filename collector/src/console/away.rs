//! Who is away: recorded by whoever leads safeguarding or the school, for themselves or for a colleague.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::ConsoleState;
use super::frame::{self, Frame};
use super::posted::Posted;
use super::refusal::Refusal;
use super::role::{Leader, SignedIn};
use super::words::Present;
use crate::absence::{self, AbsenceError, Stretch};
use crate::store::absences;

const HERE: &str = "/away";

#[derive(Template)]
#[template(path = "away.html")]
struct AwayPage {
    frame: Frame,
    view: AwayView,
}

struct AwayView {
    said: Option<&'static str>,
    problem: Option<String>,
    absences: Vec<AbsenceView>,
    colleagues: Vec<ColleagueView>,
    /// What was asked for, where it was refused.
    from: String,
    until: String,
}

struct AbsenceView {
    id: String,
    name: String,
    when: String,
    /// It has begun.
    is_now: bool,
}

struct ColleagueView {
    id: String,
    name: String,
    is_chosen: bool,
}

/// What was just done, by its code.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    done: Option<String>,
}

/// The form of somebody who is away. Times are civil, as a browser's field gives them.
#[derive(Deserialize)]
pub(super) struct Recorded {
    person: String,
    from: String,
    until: String,
}

/// The form of somebody who is back.
#[derive(Deserialize)]
pub(super) struct Ended {
    absence: String,
}

/// `GET /away`.
pub(super) async fn page(
    State(state): State<ConsoleState>,
    leader: Leader,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let said = match asked.done.as_deref() {
        Some("recorded") => Some("The absence was recorded. Times that overlap were made one."),
        Some("ended") => Some("The absence has ended."),
        Some(_) | None => None,
    };
    shown(&state, &leader, said, None).await
}

/// `POST /away`.
pub(super) async fn record(
    State(state): State<ConsoleState>,
    Posted { by, form, .. }: Posted<Leader, Recorded>,
) -> Result<Response, Refusal> {
    let Ok(person) = form.person.parse() else { return Err(Refusal::BadForm) };
    let zone = TimeZone::get(&by.session().zone).unwrap_or(TimeZone::UTC);
    let (from, until) = (moment(&form.from, &zone), moment(&form.until, &zone));
    let (Some(from_us), Some(until_us)) = (from, until) else {
        return refused(&state, &by, "A time is missing or is none. Nothing was recorded.".to_owned(), form).await;
    };
    let now_us = by.present().now_us();
    match absence::record(&state.store, by.actor(), now_us, person, Stretch { from_us, until_us }).await {
        Ok(_) => Ok(Redirect::to("/away?done=recorded").into_response()),
        Err(AbsenceError::Store(error)) => Err(Refusal::not_saved(&error)),
        Err(AbsenceError::Nobody | AbsenceError::Unknown) => Err(Refusal::BadForm),
        Err(error @ (AbsenceError::Backwards | AbsenceError::Over | AbsenceError::TooLong | AbsenceError::FarOff)) => {
            refused(&state, &by, format!("Nothing was recorded: {error}."), form).await
        }
    }
}

/// `POST /away/end`.
pub(super) async fn end(
    State(state): State<ConsoleState>,
    Posted { by, form, .. }: Posted<Leader, Ended>,
) -> Result<Response, Refusal> {
    let Ok(absence) = form.absence.parse() else { return Err(Refusal::BadForm) };
    match absence::end(&state.store, by.actor(), by.present().now_us(), absence).await {
        Ok(()) => Ok(Redirect::to("/away?done=ended").into_response()),
        Err(AbsenceError::Store(error)) => Err(Refusal::not_saved(&error)),
        Err(
            AbsenceError::Unknown
            | AbsenceError::Nobody
            | AbsenceError::Backwards
            | AbsenceError::Over
            | AbsenceError::TooLong
            | AbsenceError::FarOff,
        ) => {
            // Over already, perhaps by somebody else: the list says how it stands.
            Ok(Redirect::to(HERE).into_response())
        }
    }
}

async fn refused(
    state: &ConsoleState,
    leader: &SignedIn,
    problem: String,
    form: Recorded,
) -> Result<Response, Refusal> {
    let mut page = shown(state, leader, None, Some((problem, form))).await?;
    *page.status_mut() = StatusCode::BAD_REQUEST;
    Ok(page)
}

async fn shown(
    state: &ConsoleState,
    leader: &SignedIn,
    said: Option<&'static str>,
    refused: Option<(String, Recorded)>,
) -> Result<Response, Refusal> {
    let present = leader.present();
    let standing = absences::standing(&state.store, &state.school, present.now_us()).await;
    let standing = standing.map_err(|error| Refusal::failed(&error))?;
    let colleagues = absences::colleagues(&state.store, &state.school).await;
    let colleagues = colleagues.map_err(|error| Refusal::failed(&error))?;
    let (problem, form) = refused.map_or((None, None), |(problem, form)| (Some(problem), Some(form)));
    let own = leader.actor().person().map(|person| person.to_string());
    let chosen = form.as_ref().map(|form| form.person.clone()).or(own);
    let colleague = |one: absences::Colleague| {
        let id = one.person.to_string();
        ColleagueView { is_chosen: chosen.as_deref() == Some(id.as_str()), id, name: one.name }
    };
    let view = AwayView {
        said,
        problem,
        absences: standing.iter().map(|one| absence_view(&present, one)).collect(),
        colleagues: colleagues.into_iter().map(colleague).collect(),
        from: form.as_ref().map(|form| form.from.clone()).unwrap_or_default(),
        until: form.map(|form| form.until).unwrap_or_default(),
    };
    frame::shown(&AwayPage { frame: Frame::of(leader, HERE), view })
}

fn absence_view(present: &Present, one: &absences::Listed) -> AbsenceView {
    let stretch = one.absence.stretch;
    AbsenceView {
        id: one.absence.id.to_string(),
        name: one.name.clone(),
        when: format!("from {} until {}", present.at(stretch.from_us), present.at(stretch.until_us)),
        is_now: stretch.from_us <= present.now_us(),
    }
}

fn moment(text: &str, zone: &TimeZone) -> Option<i64> {
    let civil: DateTime = text.parse().ok()?;
    Some(civil.to_zoned(zone.clone()).ok()?.timestamp().as_microsecond())
}

#[cfg(test)]
mod tests {
    use lapwing_rules::{Category, Level};

    use super::super::seeded::Seeded;
    use super::*;

    // The seeded clock says 28 September 2026, 10:00 in London.
    const FORM: [(&str, &str); 2] = [("from", "2026-09-28T09:00"), ("until", "2026-09-30T08:30")];

    fn form(seeded: &Seeded, account: &str) -> Vec<(&'static str, String)> {
        let person = seeded.person(account).to_string();
        FORM.into_iter().map(|(name, value)| (name, value.to_owned())).chain([("person", person)]).collect()
    }

    fn fields<'a>(form: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
        form.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    #[tokio::test]
    async fn a_colleague_is_recorded_as_away_shown_and_brought_back() {
        let seeded = Seeded::open().await;
        let mut deputy = seeded.visitor("deputy").await;
        let page = deputy.get("/away").await.body;
        assert!(page.contains("Nobody is away") && page.contains("selected>Priya Nair"), "{page}");
        assert!(!page.contains("Amelia Jones") && !page.contains("Tom Reed"), "only people with a role");
        let answer = deputy.post("/away", &fields(&form(&seeded, "dsl"))).await;
        assert_eq!(answer.location(), "/away?done=recorded");
        let page = deputy.get("/away?done=recorded").await.body;
        assert!(
            page.contains("Sam Okafor</strong> from 28 September 2026, 09:00 until 30 September 2026, 08:30"),
            "{page}"
        );
        let id = page.split("name=\"absence\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        assert_eq!(deputy.post("/away/end", &[("absence", &id)]).await.location(), "/away?done=ended");
        assert_eq!(deputy.post("/away/end", &[("absence", &id)]).await.location(), "/away");
        assert!(deputy.get("/away").await.body.contains("Nobody is away"));
        let log = seeded.school.texts("SELECT act FROM audit_acts").await.join("");
        let deputy = seeded.person("deputy").to_string();
        assert!(log.contains("absence_recorded") && log.contains("absence_ended") && log.contains(&deputy));
    }

    #[tokio::test]
    async fn impossible_times_say_so_keep_what_was_typed_and_record_nothing() {
        let seeded = Seeded::open().await;
        let mut dsl = seeded.visitor("dsl").await;
        let person = seeded.person("dsl").to_string();
        for (from, until, said) in [
            ("2026-09-30T08:00", "2026-09-29T08:00", "it ends before it begins"),
            ("2026-09-01T08:00", "2026-09-02T08:00", "it is over already"),
            ("2026-09-28T08:00", "2028-09-28T08:00", "longer than a year"),
            ("tomorrow", "2026-09-30T08:00", "A time is missing"),
            ("", "", "A time is missing"),
        ] {
            let answer = dsl.post("/away", &[("person", &person), ("from", from), ("until", until)]).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST);
            assert!(answer.body.contains(said), "{said}");
            assert!(answer.body.contains(&format!("value=\"{until}\"")), "{until}");
        }
        let pupil = seeded.person("amelia").to_string();
        let answer = dsl.post("/away", &[("person", &pupil), FORM[0], FORM[1]]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(dsl.post("/away/end", &[("absence", "x")]).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(seeded.school.count("SELECT COUNT(*) FROM absences").await, 0);
    }

    #[tokio::test]
    async fn only_leaders_record_and_a_concern_about_one_of_them_changes_nothing_on_the_page() {
        let seeded = Seeded::open().await;
        for person in ["chair", "tech", "governor", "teacher", "amelia"] {
            let answer = seeded.visitor(person).await.post("/away", &fields(&form(&seeded, "dsl"))).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{person}");
        }
        let mut head = seeded.visitor("head").await;
        let without = head.get("/away").await.body;
        seeded.concern("head", Category::Gambling, Level::High, "words").await;
        assert_eq!(head.get("/away").await.body, without);
    }
}
