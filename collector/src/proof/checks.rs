//! The checks log: when, who, what was tested, what came of it. The product's own checks stand beside people's.

use std::fmt;
use std::str::FromStr;

use super::silence::day;
use crate::actor::Actor;
use crate::audit::{self, Act, ActKind};
use crate::ids::{CheckId, InvalidId, PersonId};
use crate::store::checks::{self, NewCheck};
use crate::store::{Store, StoreError, settings};

/// Longest words on what was tested, in characters.
pub const MAX_WHAT_CHARS: usize = 200;
/// Longest words on what followed, in characters.
pub const MAX_FOLLOWED_CHARS: usize = 500;

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It worked.
    Passed,
    /// It did not.
    Failed,
    /// Nobody can say.
    Unclear,
}

/// Who checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A person at the console.
    Person(PersonId),
    /// The product, or somebody at the collector's machine.
    Nobody,
}

/// What sort of check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The daily check of one device.
    Canary,
    /// The daily check of all devices, summed up.
    CanaryDay,
    /// A person's own, recorded at the console.
    Person,
    /// A person's own, recorded at the collector's machine.
    Machine,
}

/// What a person tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    what: String,
    outcome: Outcome,
    followed: String,
}

/// A check that cannot be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not usable: expected {expected}")]
pub struct InvalidCheck {
    what: &'static str,
    expected: &'static str,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Passed, Self::Failed, Self::Unclear];

    /// The one text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unclear => "unclear",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Outcome {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId { what: "result of a check", expected: "passed, failed or unclear" };
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or(invalid)
    }
}

impl By {
    /// The person.
    pub(crate) const fn person(self) -> Option<PersonId> {
        match self {
            Self::Person(person) => Some(person),
            Self::Nobody => None,
        }
    }
}

impl Kind {
    /// The one text form.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::CanaryDay => "canary_day",
            Self::Person => "person",
            Self::Machine => "machine",
        }
    }
}

impl FromStr for Kind {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        [Self::Canary, Self::CanaryDay, Self::Person, Self::Machine]
            .into_iter()
            .find(|one| one.as_str() == text)
            .ok_or(InvalidId { what: "sort of check", expected: "canary, canary_day, person or machine" })
    }
}

impl Tested {
    /// What was tested, what came of it and what followed; the last may be empty.
    ///
    /// # Errors
    ///
    /// When a text is too long, has control characters besides line ends, or says nothing about what was tested.
    pub fn new(what: &str, outcome: Outcome, followed: &str) -> Result<Self, InvalidCheck> {
        let [what, followed] = [what, followed].map(|text| text.replace("\r\n", "\n").trim().to_owned());
        let is_sound = |text: &str, max_chars| {
            text.chars().count() <= max_chars && !text.chars().any(|letter| letter.is_control() && letter != '\n')
        };
        if what.is_empty() || !is_sound(&what, MAX_WHAT_CHARS) {
            return Err(InvalidCheck { what: "what was tested", expected: "1 to 200 characters" });
        }
        if !is_sound(&followed, MAX_FOLLOWED_CHARS) {
            return Err(InvalidCheck { what: "what followed", expected: "at most 500 characters" });
        }
        Ok(Self { what, outcome, followed })
    }
}

/// Records what a person tested; at the collector's machine there is no sign-in, and `actor` is the product.
///
/// # Errors
///
/// When the database cannot be used; then nothing was recorded.
pub async fn record(store: &Store, actor: &Actor, now_us: i64, tested: &Tested) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    let calendar = settings::calendar(&mut tx, actor.school(), now_us).await?;
    let (by, kind) = actor.person().map_or((By::Nobody, Kind::Machine), |person| (By::Person(person), Kind::Person));
    let new = NewCheck {
        at_us: now_us,
        day: day(&calendar, now_us),
        by,
        kind,
        device: None,
        what: &tested.what,
        outcome: tested.outcome,
        detail: &tested.followed,
    };
    let id = CheckId::random()?;
    checks::insert(&mut tx, actor.school(), id, &new).await?;
    let act = Act::new(actor, now_us, ActKind::CheckRecorded, id).with("result", tested.outcome);
    audit::append(&mut tx, &act).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_says_what_was_tested_in_bounds() {
        assert!(Tested::new("Typed the phrase on PC-12", Outcome::Passed, "").is_ok());
        assert!(Tested::new(&"x".repeat(MAX_WHAT_CHARS), Outcome::Failed, &"y".repeat(MAX_FOLLOWED_CHARS)).is_ok());
        for what in ["", "  \n", "a\u{7}b", &"x".repeat(MAX_WHAT_CHARS + 1)] {
            assert!(Tested::new(what, Outcome::Passed, "").is_err(), "{what:?}");
        }
        assert!(Tested::new("x", Outcome::Passed, &"y".repeat(MAX_FOLLOWED_CHARS + 1)).is_err());
    }
}
