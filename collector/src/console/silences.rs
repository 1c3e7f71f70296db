//! Rooms whose devices are silent and nothing explains it: for pages of those who look after monitoring.

use super::ConsoleState;
use super::refusal::Refusal;
use super::words::{self, Present};
use crate::store::silences::{self, Shown};

/// Devices named of one room.
const NAMED: usize = 6;

/// One room.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SilenceView {
    pub(super) reference: String,
    pub(super) room: String,
    pub(super) words: String,
}

/// The silences that stand, the longest first.
pub(super) async fn views(state: &ConsoleState, present: &Present) -> Result<Vec<SilenceView>, Refusal> {
    let shown = silences::shown(&state.store, &state.school, NAMED).await.map_err(|error| Refusal::failed(&error))?;
    Ok(shown.into_iter().map(|one| view(present, one)).collect())
}

fn view(present: &Present, shown: Shown) -> SilenceView {
    let room = if shown.room.is_empty() { "No room set".to_owned() } else { shown.room };
    let named = shown.hostnames.join(", ");
    let rest = shown.devices.saturating_sub(i64::try_from(shown.hostnames.len()).unwrap_or(i64::MAX));
    let named = if rest > 0 { format!("{named} and {} more", words::thousands(rest)) } else { named };
    let devices = words::plural(shown.devices, "device");
    let words = format!("{devices} silent since {}: {named}", present.when(shown.from_us));
    SilenceView { reference: shown.reference, room, words }
}
