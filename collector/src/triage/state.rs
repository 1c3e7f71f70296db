//! The concern's life, as a table of moves.

use std::fmt;
use std::str::FromStr;

use crate::ids::InvalidId;

/// Where a concern stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nobody took it yet.
    New,
    /// Somebody took it.
    Acknowledged,
    /// Somebody works on it.
    UnderReview,
    /// Judged: the rule was wrong.
    FalsePositive,
    /// Judged: nothing to do.
    NoAction,
    /// Judged: looked after within the school.
    Pastoral,
    /// Judged: a case in the child-protection system.
    ConcernOpened,
    /// Judged: handed to another body.
    Referred,
    /// What was decided has been done.
    Actioned,
    /// Finished.
    Closed,
    /// Reviewed by a senior.
    SignedOff,
    /// Taken up again.
    Reopened,
    /// Held for a case at law.
    LegalHold,
    /// Handed to somebody without a conflict of interest.
    Transferred,
}

/// What was decided about a concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    /// The rule was wrong.
    FalsePositive,
    /// Nothing to do.
    NoAction,
    /// Looked after within the school.
    Pastoral,
    /// A case in the child-protection system.
    ConcernOpened,
    /// Handed to another body.
    Referred,
}

/// What somebody does with a concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Move {
    /// Takes it.
    Acknowledge,
    /// Writes a note.
    Note,
    /// Decides.
    Decide(Decision),
    /// Has done what was decided.
    Act,
    /// Finishes.
    Close,
    /// Reviews it as a senior.
    SignOff,
    /// Takes it up again.
    Reopen,
    /// The product found something worse.
    Raise,
    /// Hands it to somebody without a conflict of interest.
    Transfer,
    /// Keeps it for a case at law.
    Hold,
    /// The case at law is over.
    Release,
    /// Its review date has come.
    Review,
}

/// A move that the state does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a concern that is {from} cannot be {attempted}")]
pub struct InvalidTransition {
    /// Where the concern stands.
    pub from: State,
    /// What was tried.
    pub attempted: Move,
}

impl State {
    /// All states.
    pub const ALL: [Self; 14] = [
        Self::New,
        Self::Acknowledged,
        Self::UnderReview,
        Self::FalsePositive,
        Self::NoAction,
        Self::Pastoral,
        Self::ConcernOpened,
        Self::Referred,
        Self::Actioned,
        Self::Closed,
        Self::SignedOff,
        Self::Reopened,
        Self::LegalHold,
        Self::Transferred,
    ];

    /// The one text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Acknowledged => "acknowledged",
            Self::UnderReview => "under_review",
            Self::FalsePositive => "false_positive",
            Self::NoAction => "no_action",
            Self::Pastoral => "pastoral",
            Self::ConcernOpened => "concern_opened",
            Self::Referred => "referred",
            Self::Actioned => "actioned",
            Self::Closed => "closed",
            Self::SignedOff => "signed_off",
            Self::Reopened => "reopened",
            Self::LegalHold => "legal_hold",
            Self::Transferred => "transferred",
        }
    }

    /// Whether further captures join it: nobody has decided yet.
    #[must_use]
    pub const fn is_undecided(self) -> bool {
        matches!(self, Self::New | Self::Acknowledged | Self::UnderReview | Self::Reopened | Self::Transferred)
    }

    /// Whether it is a case on the child's file or with another body: it closes with a review date and what was learnt.
    #[must_use]
    pub const fn is_case(self) -> bool {
        matches!(self, Self::ConcernOpened | Self::Referred)
    }

    /// Whether nothing is left to do: it is closed, or was reviewed after that.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Closed | Self::SignedOff)
    }

    /// Whether somebody still has to acknowledge it.
    #[must_use]
    pub const fn is_waiting(self) -> bool {
        matches!(self, Self::New | Self::Reopened | Self::Transferred)
    }

    /// Whether it was decided and not yet finished.
    #[must_use]
    pub const fn is_decided(self) -> bool {
        matches!(
            self,
            Self::FalsePositive
                | Self::NoAction
                | Self::Pastoral
                | Self::ConcernOpened
                | Self::Referred
                | Self::Actioned
        )
    }

    /// Where `moved` leads.
    ///
    /// # Errors
    ///
    /// When the concern's life has no such step.
    pub const fn after(self, moved: Move) -> Result<Self, InvalidTransition> {
        let to = match moved {
            Move::Acknowledge if self.is_waiting() => Self::Acknowledged,
            Move::Note if matches!(self, Self::Acknowledged) => Self::UnderReview,
            Move::Note => self,
            Move::Decide(decision)
                if matches!(self, Self::Acknowledged | Self::UnderReview | Self::Reopened) || self.is_decided() =>
            {
                decision.state()
            }
            Move::Act if self.is_decided() => Self::Actioned,
            Move::Close if self.is_decided() => Self::Closed,
            Move::SignOff if matches!(self, Self::Closed) => Self::SignedOff,
            Move::Reopen if matches!(self, Self::Closed | Self::SignedOff) || self.is_decided() => Self::Reopened,
            Move::Raise if matches!(self, Self::New) => Self::New,
            Move::Raise if self.is_undecided() || self.is_decided() || matches!(self, Self::Closed) => Self::Reopened,
            Move::Transfer if self.is_undecided() => Self::Transferred,
            Move::Hold if !matches!(self, Self::LegalHold) && !self.is_waiting() => Self::LegalHold,
            Move::Release if matches!(self, Self::LegalHold) => Self::UnderReview,
            Move::Review if self.is_decided() || matches!(self, Self::Closed | Self::SignedOff) => Self::Reopened,
            Move::Acknowledge
            | Move::Decide(_)
            | Move::Act
            | Move::Close
            | Move::SignOff
            | Move::Reopen
            | Move::Raise
            | Move::Transfer
            | Move::Hold
            | Move::Release
            | Move::Review => return Err(InvalidTransition { from: self, attempted: moved }),
        };
        Ok(to)
    }
}

impl Decision {
    /// The state it leads to.
    #[must_use]
    pub const fn state(self) -> State {
        match self {
            Self::FalsePositive => State::FalsePositive,
            Self::NoAction => State::NoAction,
            Self::Pastoral => State::Pastoral,
            Self::ConcernOpened => State::ConcernOpened,
            Self::Referred => State::Referred,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Acknowledge => "acknowledged",
            Self::Note => "noted",
            Self::Decide(_) => "decided",
            Self::Act => "actioned",
            Self::Close => "closed",
            Self::SignOff => "signed off",
            Self::Reopen => "reopened",
            Self::Raise => "raised",
            Self::Transfer => "transferred",
            Self::Hold => "held",
            Self::Release => "released",
            Self::Review => "reviewed",
        })
    }
}

impl FromStr for State {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let expected = "a state of a concern's life";
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(InvalidId { what: "state", expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOVES: [Move; 12] = [
        Move::Acknowledge,
        Move::Note,
        Move::Decide(Decision::Pastoral),
        Move::Act,
        Move::Close,
        Move::SignOff,
        Move::Reopen,
        Move::Raise,
        Move::Transfer,
        Move::Hold,
        Move::Release,
        Move::Review,
    ];

    fn walk(moves: &[Move]) -> Result<State, InvalidTransition> {
        moves.iter().try_fold(State::New, |state, moved| state.after(*moved))
    }

    #[test]
    fn a_concern_lives_from_new_to_signed_off() {
        let life = [
            Move::Acknowledge,
            Move::Note,
            Move::Decide(Decision::Referred),
            Move::Act,
            Move::Close,
            Move::Reopen,
            Move::Decide(Decision::NoAction),
            Move::Close,
            Move::SignOff,
        ];
        assert_eq!(walk(&life), Ok(State::SignedOff));
    }

    #[test]
    fn what_nobody_took_can_be_neither_decided_nor_closed() {
        for moved in [Move::Decide(Decision::FalsePositive), Move::Close, Move::SignOff, Move::Act, Move::Reopen] {
            assert_eq!(State::New.after(moved), Err(InvalidTransition { from: State::New, attempted: moved }));
        }
    }

    #[test]
    fn something_worse_brings_back_what_was_taken() {
        assert_eq!(State::New.after(Move::Raise), Ok(State::New));
        assert_eq!(State::Acknowledged.after(Move::Raise), Ok(State::Reopened));
        assert_eq!(State::Closed.after(Move::Raise), Ok(State::Reopened));
        assert!(State::SignedOff.after(Move::Raise).is_err());
    }

    #[test]
    fn a_held_concern_takes_notes_until_it_is_released() {
        for moved in MOVES {
            let allowed = matches!(moved, Move::Note | Move::Release);
            assert_eq!(State::LegalHold.after(moved).is_ok(), allowed, "{moved}");
        }
        assert_eq!(State::LegalHold.after(Move::Release), Ok(State::UnderReview));
    }

    #[test]
    fn a_transferred_concern_waits_for_whoever_has_it_now() {
        assert_eq!(State::UnderReview.after(Move::Transfer), Ok(State::Transferred));
        assert_eq!(State::Transferred.after(Move::Acknowledge), Ok(State::Acknowledged));
        assert!(State::Transferred.is_undecided() && State::Transferred.is_waiting());
        assert!(State::Closed.after(Move::Transfer).is_err());
    }

    #[test]
    fn a_review_brings_back_what_was_decided_or_closed_alone() {
        for state in State::ALL {
            let back = state.is_decided() || matches!(state, State::Closed | State::SignedOff);
            assert_eq!(state.after(Move::Review).ok(), back.then_some(State::Reopened), "{state}");
        }
    }

    #[test]
    fn every_state_has_one_text_form() {
        for state in State::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
    }
}
