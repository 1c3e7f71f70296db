//! Rules on trial, for the technician: how often each would have been told, by day. Small counts are suppressed.

use lapwing_rules::RuleId;

use super::ConsoleState;
use super::refusal::Refusal;
use super::suppression;
use super::words::Present;
use crate::store::shadows::{self, ShadowCount};

/// Days that are shown, today among them.
const DAYS: u32 = 14;
/// Most counts shown: a page is read by a person.
const MAX_SHOWN: usize = 500;
const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// One rule on one day.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ShadowView {
    pub(super) day: String,
    pub(super) rule: RuleId,
    pub(super) times: String,
}

/// The counts of the last days; of rules that the set in force has, for whoever is at a device chooses the names.
pub(super) async fn views(state: &ConsoleState, present: &Present) -> Result<Vec<ShadowView>, Refusal> {
    let today = u32::try_from(present.now_us().div_euclid(DAY_US)).unwrap_or(0);
    let counts = shadows::counts(&state.store, &state.school, today.saturating_sub(DAYS - 1)).await;
    let counts = counts.map_err(|error| Refusal::failed(&error))?;
    let rules = state.rules.load();
    let known = counts.into_iter().filter(|count| rules.words(&count.rule).is_some());
    Ok(known.take(MAX_SHOWN).map(|count| view(present, count)).collect())
}

fn view(present: &Present, count: ShadowCount) -> ShadowView {
    // Devices count by the day of UTC; its noon is on that day in every zone a school is in.
    let noon_us = i64::from(count.day).saturating_mul(DAY_US).saturating_add(DAY_US / 2);
    ShadowView { day: present.day(noon_us), rule: count.rule, times: suppression::lone(count.times).to_string() }
}

#[cfg(test)]
mod tests {
    use super::super::seeded::Seeded;

    #[tokio::test]
    async fn the_technician_sees_how_often_a_rule_on_trial_would_have_been_told_and_small_counts_are_not() {
        let seeded = Seeded::open().await;
        let mut technician = seeded.visitor("tech").await;
        assert!(!technician.get("/devices").await.body.contains("Rules on trial"));
        let (known, unknown) = ("shadow:self_harm.words", "shadow:made.up");
        seeded.devices_count(&[(known, 0, 12), (known, 1, 3), (known, 40, 90), (unknown, 0, 80)]).await;
        let page = technician.get("/devices").await.body;
        for words in ["Rules on trial", "today", "yesterday", ">12<", "Fewer than 5"] {
            assert!(page.contains(words), "{words}: {page}");
        }
        assert!(!page.contains("made.up") && !page.contains(">80<") && !page.contains(">90<"), "{page}");
        assert!(!page.contains(">3<"));
    }
}
