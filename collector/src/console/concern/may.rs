//! What may be done with a concern as it stands.

use lapwing_rules::{Category, Class};

use crate::store::concern_page::Decided;
use crate::store::queue::QueueRow;
use crate::triage::{Decision, Move, State};

/// What may be done as the concern stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Can {
    pub(super) acknowledge: bool,
    pub(super) judge: bool,
    pub(super) close: bool,
    /// It closes with a review date and what was learnt.
    pub(super) needs_review: bool,
    pub(super) needs_approvers: bool,
    pub(super) reopen: bool,
    pub(super) merge: bool,
    pub(super) split: bool,
    pub(super) transfer: bool,
    pub(super) hold: bool,
    pub(super) release: bool,
    pub(super) attribute: bool,
    pub(super) unattribute: bool,
}

/// What the concern's life allows next. One that counts towards another is worked on there.
pub(super) fn can(row: &QueueRow, decided: &Decided, is_merged: bool) -> Can {
    let Ok(standing) = row.state.parse::<State>() else { return Can::default() };
    if is_merged {
        return Can { split: true, ..Can::default() };
    }
    let allows = |moved: Move| standing.after(moved).is_ok();
    let needs_approvers = is_illegal(&row.category) && allows(Move::Close);
    let is_undecided = standing.is_undecided();
    Can {
        acknowledge: allows(Move::Acknowledge),
        judge: allows(Move::Decide(Decision::NoAction)),
        close: allows(Move::Close) && !needs_approvers,
        needs_review: standing.is_case(),
        needs_approvers,
        reopen: allows(Move::Reopen),
        merge: is_undecided && !is_illegal(&row.category),
        split: false,
        transfer: allows(Move::Transfer),
        hold: allows(Move::Hold),
        release: allows(Move::Release),
        attribute: decided.is_session,
        unattribute: decided.is_attributed,
    }
}

pub(super) fn is_illegal(category: &str) -> bool {
    category.parse::<Category>().is_ok_and(|category| category.class() != Class::Ordinary)
}
