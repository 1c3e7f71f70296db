//! What may be done with a concern as it stands.

use lapwing_rules::Level;

use crate::store::concern_page::Decided;
use crate::store::queue::QueueRow;
use crate::triage::{Decision, Move, State, is_illegal};

/// What may be done as the concern stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Can {
    pub(super) acknowledge: bool,
    pub(super) judge: bool,
    pub(super) close: bool,
    /// Acknowledged, decided and closed by one button.
    pub(super) settle: bool,
    pub(super) put_off: bool,
    pub(super) assign: bool,
    pub(super) escalate: bool,
    pub(super) refer: bool,
    /// It closes with a review date and what was learnt.
    pub(super) needs_review: bool,
    pub(super) needs_approvers: bool,
    pub(super) reopen: bool,
    pub(super) share: bool,
    pub(super) merge: bool,
    pub(super) split: bool,
    pub(super) transfer: bool,
    pub(super) hold: bool,
    pub(super) release: bool,
    pub(super) attribute: bool,
    pub(super) unattribute: bool,
}

/// What the concern's life allows next to whoever looks: those who are not senior decide, and do no more. A concern that
/// counts towards another is worked on there.
pub(super) fn can(row: &QueueRow, decided: &Decided, is_merged: bool, is_senior: bool) -> Can {
    let Ok(standing) = row.state.parse::<State>() else { return Can::default() };
    if is_merged {
        return Can { share: is_senior, split: is_senior, ..Can::default() };
    }
    let allows = |moved: Move| standing.after(moved).is_ok();
    let needs_approvers = is_illegal(&row.category) && allows(Move::Close);
    Can {
        acknowledge: allows(Move::Acknowledge),
        judge: allows(Move::Decide(Decision::NoAction)),
        close: allows(Move::Close) && !needs_approvers,
        settle: !is_illegal(&row.category)
            && row.level < Level::High
            && !standing.is_case()
            && (standing.is_waiting() || allows(Move::Decide(Decision::NoAction))),
        put_off: row.level < Level::Critical
            && !standing.is_waiting()
            && !standing.is_finished()
            && !matches!(standing, State::LegalHold),
        assign: is_senior && !standing.is_finished(),
        escalate: !standing.is_finished(),
        refer: is_senior,
        needs_review: standing.is_case(),
        needs_approvers,
        reopen: allows(Move::Reopen),
        share: is_senior,
        merge: is_senior && standing.is_undecided() && !is_illegal(&row.category),
        split: false,
        transfer: is_senior && allows(Move::Transfer),
        hold: is_senior && allows(Move::Hold),
        release: is_senior && allows(Move::Release),
        attribute: is_senior && decided.is_session,
        unattribute: is_senior && decided.is_attributed,
    }
}
