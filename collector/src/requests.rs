//! What one person may not do alone: somebody asks, others approve, and it is carried out with the last approval.
//!
//! ```text
//! ask -> waiting -> (approvals of enough people who still may) -> done
//!                -> refused | withdrawn | lapsed after two weeks | failed: it could not be done any more
//! ```
//!
//! Two people means two persons, however many accounts either has. Whoever asks never approves; whoever a change is about
//! does neither. An approval counts only while whoever gave it may still give it. Which roles ask and approve, and how
//! many it takes, is [`Change::terms`]; everything here is pure but for [`desk`].

mod carry_out;
mod change;
pub(crate) mod desk;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

pub use carry_out::Fault;
pub use change::{ASKERS, Change, Terms};
pub use desk::{Approvals, RequestError};

use crate::actor::{PersonId, Role};
use crate::ids::{InvalidId, RequestId};
use crate::routing::Staffing;

/// Longest reason, in bytes.
pub const MAX_REASON_BYTES: usize = 1000;
/// How long a request waits: two weeks.
pub(crate) const LAPSES_AFTER_US: i64 = 14 * 24 * 60 * 60 * 1_000_000;

/// A change that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// What people say on the telephone.
    pub reference: String,
    /// What is asked for.
    pub change: Change,
    /// Why.
    pub reason: String,
    /// Who asks.
    pub by: PersonId,
    /// When, microseconds of UTC.
    pub asked_us: i64,
    /// When it lapses, microseconds of UTC.
    pub lapses_us: i64,
    /// How it was settled.
    pub state: State,
    /// What people answered.
    pub answers: BTreeMap<PersonId, Answer>,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// For people who may approve it.
    Waiting,
    /// In force.
    Done,
    /// Somebody who might have approved it did not.
    Refused,
    /// Whoever asked does not want it any more.
    Withdrawn,
    /// Nobody settled it in time.
    Lapsed,
    /// It was approved, and could not be done any more.
    Failed,
}

/// What somebody says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// Yes.
    Approved,
    /// No.
    Refused,
    /// Has read what comes with it; neither yes nor no.
    Seen,
}

/// What a request still lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// So many approvals are missing; `seen` while somebody still has to read what comes with it.
    Waits {
        /// Approvals that are missing.
        missing: usize,
        /// Who still has to read it.
        unseen_by: Option<Role>,
    },
    /// Nothing: it can be carried out.
    Approved,
    /// Somebody refused.
    Refused,
}

impl State {
    /// All states.
    pub const ALL: [Self; 6] = [Self::Waiting, Self::Done, Self::Refused, Self::Withdrawn, Self::Lapsed, Self::Failed];

    /// The one text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Lapsed => "lapsed",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let expected = "where a request stands";
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or(InvalidId { what: "state of a request", expected })
    }
}

impl Answer {
    /// The one text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Seen => "seen",
        }
    }
}

impl FromStr for Answer {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        [Self::Approved, Self::Refused, Self::Seen]
            .into_iter()
            .find(|one| one.as_str() == text)
            .ok_or(InvalidId { what: "answer", expected: "approved, refused or seen" })
    }
}

/// Who may approve `change` when `by` asks for it: holders of its roles with a sign-in, or for a change to a concern those
/// of them in `chain`, the people whom routing could ever name for it.
#[must_use]
pub fn eligible(
    change: &Change,
    by: PersonId,
    staffing: &Staffing,
    chain: Option<&BTreeSet<PersonId>>,
) -> BTreeSet<PersonId> {
    let terms = change.terms();
    let holds = |person: &PersonId| terms.approvers.iter().any(|role| staffing.holds(*person, *role));
    let named = |person: &PersonId| match chain {
        Some(chain) => chain.contains(person),
        None => holds(person),
    };
    let about = change.about();
    staffing
        .people()
        .filter(|person| staffing.can_sign_in(*person) && *person != by && Some(*person) != about)
        .filter(named)
        .collect()
}

/// What `request` still lacks, given who may approve it now.
#[must_use]
pub fn standing(request: &Request, eligible: &BTreeSet<PersonId>, staffing: &Staffing) -> Standing {
    let terms = request.change.terms();
    let said = |answer: Answer| {
        request.answers.iter().filter(move |(person, given)| **given == answer && eligible.contains(person)).count()
    };
    if said(Answer::Refused) > 0 {
        return Standing::Refused;
    }
    let has_seen = |role: Role| {
        let mut readers = request.answers.keys().filter(|person| **person != request.by);
        readers.any(|person| staffing.holds(*person, role))
    };
    let unseen_by = terms.seen_by.filter(|role| !has_seen(*role));
    let among = |role: Role| {
        let mut approvals = request.answers.iter().filter(|(person, given)| {
            **given == Answer::Approved && eligible.contains(person) && staffing.holds(**person, role)
        });
        approvals.next().is_some()
    };
    let missing = terms.needed.saturating_sub(said(Answer::Approved));
    let missing = match terms.among {
        Some(roles) if !roles.iter().any(|role| among(*role)) => missing.max(1),
        Some(_) | None => missing,
    };
    if missing == 0 && unseen_by.is_none() { Standing::Approved } else { Standing::Waits { missing, unseen_by } }
}

#[cfg(test)]
mod tests;
