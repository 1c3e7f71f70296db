//! What a request asks for, in words.

use super::refusal::Refusal;
use super::words::Present;
use super::{frame, words};
use crate::requests::{Change, Fault, RequestError};
use crate::store::names::Names;

/// One sentence without full stop.
pub(super) fn what(present: &Present, names: &Names, change: &Change) -> String {
    match change {
        Change::GrantRole { person, role } => {
            format!("Give {} the role {}", names.of(*person), frame::role_words(*role))
        }
        Change::WithdrawRole { person, role } => {
            format!("Take the role {} away from {}", frame::role_words(*role), names.of(*person))
        }
        Change::Calendar { .. } => "Put another calendar of school hours in force".to_owned(),
        Change::Routing { .. } => "Change who sees which concerns".to_owned(),
        Change::CloseIllegal { concern, .. } => match names.reference(*concern) {
            Some(reference) => format!("Close {reference}, which the police may need, and stop keeping its records"),
            None => "Close a concern that the police may need".to_owned(),
        },
        Change::Investigate { device, purpose, from_us, until_us } => format!(
            "Look at {} on purpose from {} until {}: {purpose}",
            names.device(*device),
            present.date_and_time(*from_us),
            present.date_and_time(*until_us),
        ),
        Change::Exempt { exemption } => {
            let topics = exemption.categories.iter().map(|category| words::category(category.id()).to_lowercase());
            let places = exemption.groups.iter().chain(&exemption.rooms).map(String::as_str).collect::<Vec<_>>();
            let place = if exemption.whole_school { "the whole school".to_owned() } else { places.join(", ") };
            format!(
                "Capture nothing of {} for {place} from {} until {}",
                topics.collect::<Vec<_>>().join(", "),
                present.date_and_time(exemption.from_us),
                present.date_and_time(exemption.until_us),
            )
        }
    }
}

/// What was written, word by word.
pub(super) fn text(change: &Change) -> Option<String> {
    match change {
        Change::Calendar { text, .. } | Change::Routing { text, .. } => Some(text.clone()),
        Change::Exempt { exemption } => Some(exemption.risks.clone()),
        Change::GrantRole { .. }
        | Change::WithdrawRole { .. }
        | Change::CloseIllegal { .. }
        | Change::Investigate { .. } => None,
    }
}

/// What stands in force, where a text takes its place.
pub(super) fn in_force(names: &Names, change: &Change) -> Option<String> {
    let text = match change {
        Change::Calendar { .. } => &names.texts().calendar,
        Change::Routing { .. } => &names.texts().routing,
        Change::GrantRole { .. }
        | Change::WithdrawRole { .. }
        | Change::CloseIllegal { .. }
        | Change::Investigate { .. }
        | Change::Exempt { .. } => return None,
    };
    Some(if text.is_empty() { "Nothing was written: the standard holds.".to_owned() } else { text.clone() })
}

/// Why a request was not made or answered.
pub(super) fn refused(error: RequestError) -> Refusal {
    match error {
        RequestError::NotFound => Refusal::NoSuchPage,
        RequestError::NotTheirs => Refusal::WrongRole,
        RequestError::Settled(_) => Refusal::Settled,
        RequestError::ReasonLength(_) => Refusal::BadForm,
        RequestError::Store(_) | RequestError::Fault(Fault::Store(_)) => Refusal::not_saved(&error),
        RequestError::TooFewApprovers { .. }
        | RequestError::NobodyAmong
        | RequestError::TooMany
        | RequestError::Fault(_) => Refusal::NoRequest(words::sentence(&error.to_string())),
    }
}
