//! The register of approved memory sticks: what is in it, approving one, withdrawing one. No content.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;

use super::ConsoleState;
use super::frame::{self, Frame};
use super::posted::Posted;
use super::refusal::Refusal;
use super::role::{Overseer, SignedIn};
use super::words::{self, Present};
use crate::approved_media::{self, Approval, ApprovalError, MAX_PERMISSION_BYTES, fingerprint};
use crate::store::approved_media::{self as rows, Registered};
use crate::store::names::{self, Names};

const HERE: &str = "/media";

#[derive(Template)]
#[template(path = "media.html")]
struct MediaPage {
    frame: Frame,
    view: MediaView,
}

struct MediaView {
    said: Option<&'static str>,
    problem: Option<String>,
    media: Vec<MediumView>,
    staff: Vec<StaffView>,
    form: Written,
    max_permission: usize,
}

struct MediumView {
    name: String,
    fingerprint: String,
    owner: String,
    /// Nobody answers for it any more, so that devices are not told of it.
    is_ownerless: bool,
    until: String,
    is_over: bool,
    permission: String,
    approved: String,
}

struct StaffView {
    id: String,
    name: String,
    is_chosen: bool,
}

/// What was just done, by its code; or the fingerprint of a stick to be approved.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    done: Option<String>,
    fingerprint: Option<String>,
}

/// The form of an approval.
#[derive(Clone, Default, Deserialize)]
pub(super) struct Written {
    fingerprint: String,
    name: String,
    owner: String,
    until: String,
    permission: String,
}

/// The form of a withdrawal.
#[derive(Deserialize)]
pub(super) struct Withdrawn {
    fingerprint: String,
}

/// `GET /media`.
pub(super) async fn page(
    State(state): State<ConsoleState>,
    person: Overseer,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let said = match asked.done.as_deref() {
        Some("approved") => {
            Some("It is approved. Devices hear of it within seconds, those that are offline when they are back.")
        }
        Some("withdrawn") => Some(
            "It is approved no more. Devices that are offline hear of it when they are back, and go by it for a day at most.",
        ),
        Some(_) | None => None,
    };
    // An address fills in a fingerprint, and nothing that is none.
    let given = asked.fingerprint.as_deref().and_then(fingerprint).map(|digest| digest.to_string());
    let form = Written { fingerprint: given.unwrap_or_default(), ..Written::default() };
    show(&state, &person, said, None, form).await
}

/// `POST /media`.
pub(super) async fn approve(
    State(state): State<ConsoleState>,
    Posted { by, form, .. }: Posted<Overseer, Written>,
) -> Result<Response, Refusal> {
    let again = async |problem: &str| {
        let mut page = show(&state, &by, None, Some(problem.to_owned()), form.clone()).await?;
        *page.status_mut() = StatusCode::BAD_REQUEST;
        Ok(page)
    };
    let Some(serial_hash) = fingerprint(&form.fingerprint) else {
        return again("A fingerprint has 64 hexadecimal digits, as lapwing-agent media prints them.").await;
    };
    let Some(until_us) = by.present().day_ends_us(&form.until) else { return again("Choose a last day.").await };
    let Ok(owner) = form.owner.parse() else { return again("Choose who answers for it.").await };
    let [name, permission] = [&form.name, &form.permission].map(|text| text.trim().to_owned());
    let approval = Approval { serial_hash, name, owner, permission, until_us };
    match approved_media::approve(&state.store, by.actor(), by.present().now_us(), &approval).await {
        Ok(()) => Ok(Redirect::to("/media?done=approved").into_response()),
        Err(ApprovalError::Store(error)) => Err(Refusal::not_saved(&error)),
        Err(error) => again(&words::sentence(&error.to_string())).await,
    }
}

/// `POST /media/withdraw`.
pub(super) async fn withdraw(
    State(state): State<ConsoleState>,
    Posted { by, form, .. }: Posted<Overseer, Withdrawn>,
) -> Result<Response, Refusal> {
    let Some(serial_hash) = fingerprint(&form.fingerprint) else { return Err(Refusal::BadForm) };
    match approved_media::withdraw(&state.store, by.actor(), by.present().now_us(), serial_hash).await {
        // Somebody else was quicker: the list says how it stands.
        Ok(()) | Err(ApprovalError::Unknown) => Ok(Redirect::to("/media?done=withdrawn").into_response()),
        Err(error) => Err(Refusal::not_saved(&error)),
    }
}

async fn show(
    state: &ConsoleState,
    person: &SignedIn,
    said: Option<&'static str>,
    problem: Option<String>,
    form: Written,
) -> Result<Response, Refusal> {
    let register = rows::all(&state.store, &state.school).await.map_err(|error| Refusal::failed(&error))?;
    let names = names::read(&state.store, &state.school).await.map_err(|error| Refusal::failed(&error))?;
    let present = person.present();
    let staff = names.staff().map(|(id, name)| StaffView {
        is_chosen: id.to_string() == form.owner,
        id: id.to_string(),
        name: name.to_owned(),
    });
    let view = MediaView {
        said,
        problem,
        media: register.iter().map(|one| medium(&present, &names, one)).collect(),
        staff: staff.collect(),
        form,
        max_permission: MAX_PERMISSION_BYTES,
    };
    frame::shown(&MediaPage { frame: Frame::of(person, HERE), view })
}

fn medium(present: &Present, names: &Names, one: &Registered) -> MediumView {
    let Approval { serial_hash, name, owner, permission, until_us } = &one.approval;
    let by = one.approved_by.map_or("the collector's machine", |person| names.of(person));
    MediumView {
        name: name.clone(),
        fingerprint: serial_hash.to_string(),
        owner: names.of(*owner).to_owned(),
        is_ownerless: !names.is_here(*owner),
        until: present.day(until_us.saturating_sub(1)),
        is_over: *until_us <= present.now_us(),
        permission: permission.clone(),
        approved: format!("{by}, {}", present.when(one.approved_us)),
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use lapwing_rules::Digest;

    use super::super::seeded::Seeded;

    #[tokio::test]
    async fn a_technician_approves_a_stick_and_withdraws_it_and_a_teacher_sees_none_of_it() {
        let seeded = Seeded::open().await;
        let (mut technician, fingerprint) = (seeded.visitor("tech").await, Digest::of(b"0042").to_string());
        assert!(technician.get("/media").await.body.contains("No memory stick is approved."));
        let filled = technician.get(&format!("/media?fingerprint=sha256:{fingerprint}")).await.body;
        assert!(filled.contains(&format!("value=\"{fingerprint}\"")));
        assert!(!technician.get("/media?fingerprint=%3Cb%3E").await.body.contains("&#60;b"));
        let owner = seeded.person("teacher").to_string();
        let fields = |name, until| {
            [
                ("fingerprint", fingerprint.as_str()),
                ("name", name),
                ("owner", owner.as_str()),
                ("until", until),
                ("permission", "Head, scanned today"),
            ]
        };
        for (name, until, said) in [
            ("Blue stick", "soon", "Choose a last day."),
            ("", "2027-07-23", "A name has 1 to 64 bytes"),
            ("Blue stick", "2026-09-27", "The last day lies ahead"),
        ] {
            let refused = technician.post("/media", &fields(name, until)).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST);
            assert!(refused.body.contains(said) && refused.body.contains("Head, scanned today"), "{}", refused.body);
        }
        let approved = technician.post("/media", &fields("Blue <stick>", "2027-07-23")).await;
        assert_eq!(approved.location(), "/media?done=approved", "{}", approved.body);
        let page = seeded.visitor("dsl").await.get("/media").await.body;
        for words in ["Blue &#60;stick&#62;", "Tom Reed", "23 July 2027", &fingerprint] {
            assert!(page.contains(words), "{words} in {page}");
        }
        for (account, status) in [("teacher", StatusCode::FORBIDDEN), ("governor", StatusCode::FORBIDDEN)] {
            assert_eq!(seeded.visitor(account).await.get("/media").await.status, status);
        }
        let withdrawn = technician.post("/media/withdraw", &[("fingerprint", &fingerprint)]).await;
        assert_eq!(withdrawn.location(), "/media?done=withdrawn");
        assert!(technician.get("/media").await.body.contains("No memory stick is approved."));
    }
}
