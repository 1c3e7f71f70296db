//! Everything that stands about one person, as far as the reader may know of it: what, when, how urgent, what was done. No
//! evidence and no notes: each concern shows its own.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use lapwing_rules::Level;

use super::frame::{self, Frame};
use super::queue::filter::Filter;
use super::refusal::Refusal;
use super::role::Recipient;
use super::words::{self, Present};
use super::{ConsoleState, decision, queue};
use crate::audit::{self, Act, ActKind};
use crate::store::concern_context::{self, CHRONOLOGY, Entry, EntryStep};
use crate::store::{StoreError, queue as rows};

#[derive(Template)]
#[template(path = "chronology.html")]
struct ChronologyPage {
    frame: Frame,
    kept: String,
    /// The concern that it was opened from.
    reference: String,
    who: String,
    entries: Vec<EntryView>,
    is_cut: bool,
}

struct EntryView {
    reference: String,
    level: Level,
    what: String,
    when: String,
    standing: String,
    steps: Vec<StepView>,
}

struct StepView {
    when: String,
    did: String,
    who: String,
}

/// `GET /concerns/{reference}/chronology`.
pub(super) async fn page(
    State(state): State<ConsoleState>,
    recipient: Recipient,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let concern = decision::find(&state, &recipient, &reference).await?;
    let read = async {
        let mut tx = state.store.begin().await?;
        let act = Act::new(recipient.actor(), state.clock.wall_us(), ActKind::ChronologyViewed, concern);
        audit::append(&mut tx, &act).await?;
        tx.commit().await?;
        let row = rows::row(&state.store, recipient.actor(), concern).await?;
        let (entries, steps) = concern_context::chronology(&state.store, recipient.actor(), concern).await?;
        Ok(row.map(|row| (row, entries, steps)))
    };
    let read: Result<Option<_>, StoreError> = read.await;
    let (row, entries, steps) = read.map_err(|error| Refusal::failed(&error))?.ok_or(Refusal::NotYours)?;
    let present = recipient.present();
    frame::shown(&ChronologyPage {
        frame: Frame::of(&recipient, "/queue"),
        kept: Filter::of(query.as_deref()).kept(),
        reference,
        who: queue::in_full(&row.subject),
        is_cut: i64::try_from(entries.len()).is_ok_and(|shown| shown >= CHRONOLOGY),
        entries: entries.iter().map(|entry| view(&present, entry, &steps)).collect(),
    })
}

fn view(present: &Present, entry: &Entry, steps: &[EntryStep]) -> EntryView {
    let mut standing = queue::state_words(&entry.state);
    let outcome = decision::outcomes(entry.outcome.as_deref()).into_iter().find(|choice| choice.is_chosen);
    if let Some(outcome) = outcome {
        standing += &format!(". {}", outcome.words);
    }
    if !entry.elsewhere.is_empty() {
        standing += &format!(". Recorded elsewhere: {}", entry.elsewhere);
    }
    let own = steps.iter().filter(|step| step.concern == entry.concern);
    EntryView {
        reference: entry.reference.clone(),
        level: entry.level,
        what: words::category(&entry.category),
        when: words::how_often(present, entry.captures, entry.first_us, entry.last_us),
        standing,
        steps: own.map(|step| step_view(present, step)).collect(),
    }
}

fn step_view(present: &Present, step: &EntryStep) -> StepView {
    StepView {
        when: present.at(step.at_us),
        did: decision::step_words(&step.kind, &step.to_state),
        who: step.name.clone().unwrap_or_else(|| "Lapwing".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use lapwing_rules::{Category, Level};

    use super::super::seeded::Seeded;

    #[tokio::test]
    async fn a_chronology_holds_everything_about_one_person_and_nothing_of_others() {
        let seeded = Seeded::open().await;
        let first = seeded.concern("amelia", Category::Drugs, Level::Moderate, "seeded words").await;
        let other = seeded.concern("ben", Category::Weapons, Level::High, "words").await;
        let last = seeded.concern("amelia", Category::SelfHarm, Level::High, "words").await;
        let mut dsl = seeded.visitor("dsl").await;
        dsl.post(&format!("/concerns/{first}/acknowledge"), &[]).await;
        let page = dsl.get(&format!("/concerns/{last}/chronology")).await.body;
        for words in ["Amelia Jones", &first, &last, "Acknowledged", "Sam Okafor"] {
            assert!(page.contains(words), "{words}: {page}");
        }
        assert!(!page.contains(&other) && !page.contains("seeded words"), "{page}");
        let viewed = "SELECT COUNT(*) FROM audit_acts WHERE act ->> 'what' = 'chronology_viewed'";
        assert_eq!(seeded.school.count(viewed).await, 1);
        let head = seeded.visitor("head").await.get(&format!("/concerns/{last}/chronology")).await;
        assert_eq!(head.status, StatusCode::NOT_FOUND);
    }
}
