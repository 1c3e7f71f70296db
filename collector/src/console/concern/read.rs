//! Everything that is read of a concern for its page. Opening it is in the log before.

use lapwing_rules::Level;

use super::super::refusal::Refusal;
use super::super::role::SignedIn;
use super::super::{ConsoleState, decision};
use super::capture;
use crate::actor::PersonId;
use crate::ids::ConcernId;
use crate::local_help::{Contacts, Matrix};
use crate::store::concern_context::{self, History};
use crate::store::concern_page::{self, Colleague, Decided, Other, StepFacts, Whereabouts};
use crate::store::queue::{self as rows, QueueRow};
use crate::store::{Store, StoreError, recurrences, settings, snoozes};
use crate::triage::commands::{Opened, Same, Verdict};

/// Days that count as lately.
const LATELY_US: i64 = 30 * 24 * 60 * 60 * 1_000_000;

/// Everything that was read of a concern.
pub(super) struct Read {
    pub(super) row: QueueRow,
    pub(super) decided: Decided,
    /// Whoever looks.
    pub(super) me: Option<PersonId>,
    pub(super) is_senior: bool,
    pub(super) is_marked: bool,
    pub(super) places: Vec<Whereabouts>,
    pub(super) around: Vec<Other>,
    pub(super) before: Vec<Other>,
    pub(super) history: History,
    pub(super) like: Vec<Verdict>,
    pub(super) same: Same,
    pub(super) steps: Vec<StepFacts>,
    pub(super) rules: Vec<String>,
    pub(super) towards: Vec<Other>,
    pub(super) into: Option<Other>,
    pub(super) colleagues: Vec<Colleague>,
    pub(super) opened: Opened,
    pub(super) put_off_until_us: Option<i64>,
    pub(super) told_until_us: Option<i64>,
    pub(super) matrix: Matrix,
    pub(super) contacts: Contacts,
}

/// Opens and reads.
pub(super) async fn read(state: &ConsoleState, person: &SignedIn, concern: ConcernId) -> Result<Read, Refusal> {
    let opened = state.desk().open(person.actor(), concern).await.map_err(decision::refused_opening)?;
    let today_us = person.present().today_us();
    let same = state.desk().same_since(person.actor(), concern, &opened, today_us).await;
    let same = same.map_err(decision::refused_opening)?;
    let rest = around(state, person, concern, (opened, same)).await;
    rest.map_err(|error| Refusal::failed(&error))?.ok_or(Refusal::NotYours)
}

async fn around(
    state: &ConsoleState,
    person: &SignedIn,
    concern: ConcernId,
    (opened, same): (Opened, Same),
) -> Result<Option<Read>, StoreError> {
    let (store, actor, now_us) = (&state.store, person.actor(), person.present().now_us());
    let row = rows::row(store, actor, concern).await?;
    let decided = concern_page::decided(store, actor, concern).await?;
    let (Some(row), Some(decided)) = (row, decided) else { return Ok(None) };
    let (towards, into) = concern_page::merged(store, actor, concern).await?;
    let (matrix, contacts) = local_help(store, state).await?;
    let like = match lead_rule(&opened) {
        Some(rule) => concern_context::verdicts_like(store, actor, concern, &rule).await?,
        None => Vec::new(),
    };
    Ok(Some(Read {
        rules: concern_page::rules(store, actor, concern).await?,
        towards,
        into,
        colleagues: concern_page::colleagues(store, actor, concern).await?,
        row,
        decided,
        me: actor.person(),
        is_senior: actor.is_senior(),
        is_marked: concern_page::is_marked(store, actor, concern).await?,
        places: concern_page::whereabouts(store, actor, concern).await?,
        around: concern_page::around(store, actor, concern).await?,
        before: concern_page::before(store, actor, concern).await?,
        history: concern_context::history(store, actor, concern, now_us.saturating_sub(LATELY_US)).await?,
        like,
        same,
        steps: concern_page::steps(store, actor, concern).await?,
        opened,
        put_off_until_us: snoozes::until_us(store, actor, concern, now_us).await?,
        told_until_us: recurrences::until_us(store, actor, concern, now_us).await?,
        matrix,
        contacts,
    }))
}

async fn local_help(store: &Store, state: &ConsoleState) -> Result<(Matrix, Contacts), StoreError> {
    let mut tx = store.view().await?;
    Ok((settings::matrix(&mut tx, &state.school).await?, settings::contacts(&mut tx, &state.school).await?))
}

/// The rule of the highest capture that is left.
fn lead_rule(opened: &Opened) -> Option<String> {
    let captures = opened.captures.iter().filter_map(|one| capture(&one.evidence));
    let hits = captures.flat_map(|capture| &capture.verdict.hits);
    // Of equals the first: the captures stand in order of level and time.
    let lead = hits.fold(None, |lead: Option<(Level, &lapwing_proto::Hit)>, hit| match lead {
        Some((level, _)) if level >= hit.level => lead,
        Some(_) | None => Some((hit.level, hit)),
    });
    lead.map(|(_, hit)| hit.rule.to_string())
}
