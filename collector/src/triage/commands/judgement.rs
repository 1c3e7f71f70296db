//! Verdict and outcome, and the decision they make.

use std::str::FromStr;

use crate::ids::InvalidId;
use crate::triage::state::Decision;

/// Whether the rule was right; feeds its precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It was what the rule is for.
    True,
    /// It was not.
    False,
    /// Nobody can tell.
    Unclear,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Nothing.
    None,
    /// Talked with the child.
    Talked,
    /// Parents told.
    ParentsTold,
    /// The class teacher acted.
    ClassTeacher,
    /// A change to the filter was asked for.
    FilterChange,
    /// Somebody else used the account.
    SetUpByAnother,
    /// Recorded in the child-protection system.
    Cpoms,
    /// Children's social care.
    SocialCare,
    /// Police.
    Police,
    /// Local-authority designated officer.
    Lado,
    /// Prevent.
    Prevent,
    /// CEOP.
    Ceop,
    /// Internet Watch Foundation.
    Iwf,
}

/// A verdict with an outcome that fits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    verdict: Verdict,
    outcome: Outcome,
}

/// A wrong hit that led to more than a change of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a false verdict goes with no outcome, or with a change of the filter")]
pub struct Contradiction;

impl Judgement {
    /// Puts both together.
    ///
    /// # Errors
    ///
    /// When the verdict is false and the outcome says that it was not.
    pub const fn new(verdict: Verdict, outcome: Outcome) -> Result<Self, Contradiction> {
        match (verdict, outcome) {
            (Verdict::False, Outcome::None | Outcome::FilterChange) | (Verdict::True | Verdict::Unclear, _) => {
                Ok(Self { verdict, outcome })
            }
            (Verdict::False, _) => Err(Contradiction),
        }
    }

    /// Whether the rule was right.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        self.verdict
    }

    /// What was done.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        self.outcome
    }

    /// Where the concern goes.
    #[must_use]
    pub const fn decision(self) -> Decision {
        if matches!(self.verdict, Verdict::False) {
            return Decision::FalsePositive;
        }
        match self.outcome {
            Outcome::None => Decision::NoAction,
            Outcome::Talked
            | Outcome::ParentsTold
            | Outcome::ClassTeacher
            | Outcome::FilterChange
            | Outcome::SetUpByAnother => Decision::Pastoral,
            Outcome::Cpoms => Decision::ConcernOpened,
            Outcome::SocialCare | Outcome::Police | Outcome::Lado | Outcome::Prevent | Outcome::Ceop | Outcome::Iwf => {
                Decision::Referred
            }
        }
    }
}

impl Verdict {
    /// All verdicts.
    pub const ALL: [Self; 3] = [Self::True, Self::False, Self::Unclear];

    /// The one text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::False => "false",
            Self::Unclear => "unclear",
        }
    }
}

impl FromStr for Verdict {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let expected = "true, false or unclear";
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or(InvalidId { what: "verdict", expected })
    }
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 13] = [
        Self::None,
        Self::Talked,
        Self::ParentsTold,
        Self::ClassTeacher,
        Self::FilterChange,
        Self::SetUpByAnother,
        Self::Cpoms,
        Self::SocialCare,
        Self::Police,
        Self::Lado,
        Self::Prevent,
        Self::Ceop,
        Self::Iwf,
    ];

    /// The one text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Talked => "talked",
            Self::ParentsTold => "parents_told",
            Self::ClassTeacher => "class_teacher",
            Self::FilterChange => "filter_change",
            Self::SetUpByAnother => "set_up_by_another",
            Self::Cpoms => "cpoms",
            Self::SocialCare => "social_care",
            Self::Police => "police",
            Self::Lado => "lado",
            Self::Prevent => "prevent",
            Self::Ceop => "ceop",
            Self::Iwf => "iwf",
        }
    }
}

impl FromStr for Outcome {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let expected = "an outcome of a concern";
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or(InvalidId { what: "outcome", expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_false_verdict_cannot_have_been_referred() {
        assert_eq!(Judgement::new(Verdict::False, Outcome::Police), Err(Contradiction));
        let wrong = Judgement::new(Verdict::False, Outcome::FilterChange).unwrap();
        assert_eq!(wrong.decision(), Decision::FalsePositive);
    }

    #[test]
    fn every_outcome_decides_and_has_one_text_form() {
        for outcome in Outcome::ALL {
            assert_eq!(outcome.as_str().parse(), Ok(outcome));
            let decision = Judgement::new(Verdict::True, outcome).unwrap().decision();
            assert_ne!(decision, Decision::FalsePositive);
        }
        for verdict in Verdict::ALL {
            assert_eq!(verdict.as_str().parse(), Ok(verdict));
        }
    }
}
