//! Which concern a capture belongs to: bursts of one subject and category are one concern.

use std::time::Duration;

use lapwing_rules::Level;

use super::level::{Context, Facts, Weighed, weigh};
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing that anybody needs to see.
    None,
    /// Makes a concern.
    Opens { weighed: Weighed },
    /// Counts towards a concern.
    Joins { concern: ConcernId },
    /// Makes a concern worse than it was; one that was decided comes back.
    Raises { concern: ConcernId, weighed: Weighed, from: State, to: State },
}

/// What a capture does, given the concern it would join. `context` holds everything but that concern's hits.
pub(super) fn decide(facts: Facts, context: &Context, candidate: Option<Candidate>) -> Effect {
    if facts.is_check() {
        return Effect::None;
    }
    let alone = || weigh(facts, &Context { before: 0, ..context.clone() });
    let Some(Candidate { concern, state, level: stands, hits }) = candidate else {
        return Effect::Opens { weighed: alone() };
    };
    if !state.is_undecided() {
        let weighed = alone();
        return match state.after(Move::Raise) {
            Ok(to) if weighed.level > stands => Effect::Raises { concern, weighed, from: state, to },
            // What was decided is not decided again by more of the same.
            Ok(_) | Err(_) => Effect::Opens { weighed },
        };
    }
    let weighed = weigh(facts, &Context { before: hits, ..context.clone() });
    if weighed.level <= stands {
        return Effect::Joins { concern };
    }
    match state.after(Move::Raise) {
        Ok(to) => Effect::Raises { concern, weighed, from: state, to },
        Err(_) => Effect::Opens { weighed },
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

    fn decided(facts: Facts, candidate: Option<Candidate>) -> Effect {
        decide(facts, &Context::default(), candidate)
    }

    fn candidate(state: State, level: Level) -> Option<Candidate> {
        Some(Candidate { concern: CONCERN, state, level, hits: 1 })
    }

    fn opened(effect: Effect) -> Option<Level> {
        match effect {
            Effect::Opens { weighed } => Some(weighed.level),
            Effect::None | Effect::Joins { .. } | Effect::Raises { .. } => None,
        }
    }

    fn raised(effect: Effect) -> Option<(Level, State, State)> {
        match effect {
            Effect::Raises { weighed, from, to, .. } => Some((weighed.level, from, to)),
            Effect::None | Effect::Joins { .. } | Effect::Opens { .. } => None,
        }
    }

    #[test]
    fn the_first_opens_and_the_next_joins() {
        assert_eq!(opened(decided(facts(Level::Moderate), None)), Some(Level::Moderate));
        let joins = Effect::Joins { concern: CONCERN };
        assert_eq!(decided(facts(Level::Moderate), candidate(State::New, Level::Moderate)), joins);
        assert_eq!(decided(facts(Level::Low), candidate(State::UnderReview, Level::Moderate)), joins);
    }

    #[test]
    fn a_higher_level_brings_back_what_was_acknowledged_or_decided() {
        for from in [State::Acknowledged, State::FalsePositive, State::NoAction, State::Closed] {
            let effect = decided(facts(Level::High), candidate(from, Level::Moderate));
            assert_eq!(raised(effect), Some((Level::High, from, State::Reopened)), "{from}");
        }
        for from in [State::SignedOff, State::LegalHold] {
            let effect = decided(facts(Level::High), candidate(from, Level::Moderate));
            assert_eq!(opened(effect), Some(Level::High), "{from}");
        }
    }

    #[test]
    fn more_of_the_same_does_not_join_what_was_decided() {
        for state in State::ALL.into_iter().filter(|state| !state.is_undecided()) {
            let effect = decided(facts(Level::Moderate), candidate(state, Level::Critical));
            assert_eq!(opened(effect), Some(Level::Moderate), "{state}");
        }
    }

    #[test]
    fn the_daily_check_concerns_nobody() {
        let check = Facts { category: Some(Category::Canary), ..facts(Level::Info) };
        assert_eq!(decided(check, None), Effect::None);
    }
}
