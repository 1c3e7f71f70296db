//! Saying who deals with a concern.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::posted::Posted;
use super::refusal::Refusal;
use super::role::Recipient;
use super::{ConsoleState, decision};

/// The form.
#[derive(Deserialize)]
pub(super) struct Assigned {
    person: String,
}

/// `POST /concerns/{reference}/assign`.
pub(super) async fn submit(
    State(state): State<ConsoleState>,
    Path(reference): Path<String>,
    Posted { by, form: Assigned { person }, list }: Posted<Recipient, Assigned>,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &by, &reference).await?;
    let Ok(person) = person.parse() else { return Err(Refusal::BadForm) };
    state.desk().assign(by.actor(), concern, person).await.map_err(decision::refused)?;
    let is_own = by.actor().person() == Some(person);
    Ok(decision::done(&list, &reference, if is_own { "taken" } else { "assigned" }))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use lapwing_rules::{Category, Level};

    use super::super::seeded::Seeded;

    /// A form's address and fields, and what the page then says.
    type Act<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

    #[tokio::test]
    async fn a_concern_is_given_passed_on_referred_and_watched_and_its_page_says_so() {
        let seeded = Seeded::open().await;
        let reference = seeded.concern("amelia", Category::Drugs, Level::Moderate, "words").await;
        let address = format!("/concerns/{reference}");
        let (deputy, own) = (seeded.person("deputy").to_string(), seeded.person("dsl").to_string());
        let referral = [
            ("recipient", "Children's social care"),
            ("purpose", "assessment"),
            ("basis", "safeguarding"),
            ("consent", "mother, by telephone"),
            ("wishes", "stay with her aunt"),
        ];
        let acts: [Act<'_>; 7] = [
            ("acknowledge", &[], "You acknowledged this concern."),
            ("assign", &[("person", &deputy)], "Your colleague was told that they deal with this concern."),
            ("assign", &[("person", &own)], "You deal with this concern."),
            ("escalate", &[("reason", "I am not sure")], "Someone more senior was told"),
            ("refer", &referral, "The referral was written down."),
            ("watch", &[], "You will be told when this topic comes again for this person."),
            ("unwatch", &[], "You will not be told any more."),
        ];
        let mut dsl = seeded.visitor("dsl").await;
        for (action, fields, said) in acts {
            let answer = dsl.post(&format!("{address}/{action}"), fields).await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{action}: {}", answer.body);
            let page = dsl.get(answer.location()).await.body;
            assert!(page.contains(said), "{action}: {page}");
        }
        let page = dsl.get(&address).await.body;
        for shown in
            ["Given to somebody to deal with", "Passed to someone more senior", "What the child wants: stay with"]
        {
            assert!(page.contains(shown), "{shown}: {page}");
        }
        assert!(dsl.get("/queue").await.body.contains("With Sam Okafor"));
        assert!(dsl.get("/queue?state=mine").await.body.contains(&reference));
        assert!(!seeded.visitor("deputy").await.get("/queue?state=mine").await.body.contains(&reference));
        // Who hands it over for a conflict of interest deals with it no more.
        let head = seeded.person("head").to_string();
        dsl.post(&format!("{address}/transfer"), &[("person", &head), ("reason", "my niece")]).await;
        let mut deputy = seeded.visitor("deputy").await;
        deputy.post(&format!("{address}/acknowledge"), &[]).await;
        let list = deputy.get("/queue").await.body;
        assert!(list.contains(&reference) && !list.contains("With Sam Okafor"), "{list}");
        let hidden = [("basis", "because"), ("recipient", "a"), ("purpose", "b"), ("consent", "c"), ("wishes", "d")];
        assert_eq!(deputy.post(&format!("{address}/refer"), &hidden).await.status, StatusCode::BAD_REQUEST);
    }
}
