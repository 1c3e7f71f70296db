//! Which concern a capture belongs to: bursts of one subject and category are one concern.

use std::time::Duration;

use lapwing_rules::Level;

use super::level::{Facts, weigh};
use super::state::{Move, State};
use crate::ids::ConcernId;

/// How far apart two captures of one concern may be.
pub const WINDOW: Duration = Duration::from_secs(3600);

/// A concern of the same subject and category, near in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) concern: ConcernId,
    pub(crate) state: State,
    pub(crate) level: Level,
    /// Hits it holds.
    pub(crate) hits: u64,
}

/// What a capture does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing that anybody needs to see.
    None,
    /// Makes a concern.
    Opens { level: Level },
    /// Counts towards a concern.
    Joins { concern: ConcernId },
    /// Makes a concern worse than it was.
    Raises { concern: ConcernId, level: Level, from: State, to: State },
}

/// What a capture does, given the concern it would join.
pub(super) fn decide(facts: Facts, candidate: Option<Candidate>) -> Effect {
    if facts.is_check() {
        return Effect::None;
    }
    let Some(Candidate { concern, state, level: stands, hits }) = candidate.filter(|one| one.state.is_undecided())
    else {
        return Effect::Opens { level: weigh(facts, 0) };
    };
    let level = weigh(facts, hits);
    if level <= stands {
        return Effect::Joins { concern };
    }
    match state.after(Move::Raise) {
        Ok(to) => Effect::Raises { concern, level, from: state, to },
        Err(_) => Effect::Opens { level },
    }
}

#[cfg(test)]
mod tests {
    use lapwing_rules::Category;

    use super::*;

    const CONCERN: ConcernId = ConcernId::from_bytes([1; 16]);

    fn facts(level: Level) -> Facts {
        Facts { level, category: Some(Category::Bullying), marked: false, hits: 1 }
    }

    fn candidate(state: State, level: Level) -> Option<Candidate> {
        Some(Candidate { concern: CONCERN, state, level, hits: 1 })
    }

    #[test]
    fn the_first_opens_and_the_next_joins() {
        assert_eq!(decide(facts(Level::Moderate), None), Effect::Opens { level: Level::Moderate });
        let joins = Effect::Joins { concern: CONCERN };
        assert_eq!(decide(facts(Level::Moderate), candidate(State::New, Level::Moderate)), joins);
        assert_eq!(decide(facts(Level::Low), candidate(State::UnderReview, Level::Moderate)), joins);
    }

    #[test]
    fn a_higher_level_brings_back_what_was_acknowledged() {
        let raised = decide(facts(Level::High), candidate(State::Acknowledged, Level::Moderate));
        let expected =
            Effect::Raises { concern: CONCERN, level: Level::High, from: State::Acknowledged, to: State::Reopened };
        assert_eq!(raised, expected);
    }

    #[test]
    fn nothing_joins_what_was_decided() {
        for state in State::ALL.into_iter().filter(|state| !state.is_undecided()) {
            let opens = Effect::Opens { level: Level::Moderate };
            assert_eq!(decide(facts(Level::Moderate), candidate(state, Level::Critical)), opens, "{state}");
        }
    }

    #[test]
    fn the_daily_check_concerns_nobody() {
        let check = Facts { category: Some(Category::Canary), ..facts(Level::Info) };
        assert_eq!(decide(check, None), Effect::None);
    }
}
