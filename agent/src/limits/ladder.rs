//! Up and down between the steps, without rocking.

/// How much less the agent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Everything.
    Full,
    /// Nothing less is looked at, only later.
    Eased,
    /// A flood of titles and addresses is not looked at in full.
    Slowed,
    /// What is not grave is counted alone.
    Bare,
}

/// Parts of the limit, in hundredths, at which the steps after the first begin.
const BEGINS: [(Step, u64); 3] = [(Step::Eased, 70), (Step::Slowed, 80), (Step::Bare, 90)];
/// A step is left when this much less, in hundredths of the limit, is used than where it began ...
const SLACK: u64 = 10;
/// ... in so many measurements one after the other.
const CALM: u32 = 6;
/// Measurements one after the other that ask for more, so that a moment's work changes nothing.
const TENSE: u32 = 2;

impl Step {
    /// 0 to 3.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Full => 0,
            Self::Eased => 1,
            Self::Slowed => 2,
            Self::Bare => 3,
        }
    }

    const fn up(self) -> Self {
        match self {
            Self::Full => Self::Eased,
            Self::Eased => Self::Slowed,
            Self::Slowed | Self::Bare => Self::Bare,
        }
    }

    const fn down(self) -> Self {
        match self {
            Self::Full | Self::Eased => Self::Full,
            Self::Slowed => Self::Eased,
            Self::Bare => Self::Slowed,
        }
    }
}

/// The step that one limit asks for.
#[derive(Debug)]
pub(super) struct Ladder {
    step: Step,
    tense: u32,
    calm: u32,
}

impl Ladder {
    pub(super) const fn new() -> Self {
        Self { step: Step::Full, tense: 0, calm: 0 }
    }

    pub(super) const fn step(&self) -> Step {
        self.step
    }

    /// Takes a measurement; moves by at most one step.
    pub(super) fn measure(&mut self, used: u64, allowed: u64) {
        let is_over = |hundredths: u64| used.saturating_mul(100) >= allowed.saturating_mul(hundredths);
        let wanted = BEGINS.into_iter().filter(|(_, begins)| is_over(*begins)).map(|(step, _)| step).max();
        let began = BEGINS.into_iter().find(|(step, _)| *step == self.step).map(|(_, begins)| begins);
        let is_tense = wanted.is_some_and(|wanted| wanted > self.step);
        let is_calm = began.is_some_and(|begins| !is_over(begins - SLACK));
        self.tense = if is_tense { self.tense + 1 } else { 0 };
        self.calm = if is_calm { self.calm + 1 } else { 0 };
        if self.tense >= TENSE {
            (self.step, self.tense) = (self.step.up(), 0);
        } else if self.calm >= CALM {
            (self.step, self.calm) = (self.step.down(), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_steps_are_taken_one_by_one_up_and_down() {
        let mut ladder = Ladder::new();
        let mut after = |used: u64, times: u32| {
            (0..times).for_each(|_| ladder.measure(used, 100));
            ladder.step()
        };
        assert_eq!(after(1_000, 1), Step::Full, "a moment's work changes nothing");
        assert_eq!(after(1_000, 1), Step::Eased);
        assert_eq!(after(1_000, 2), Step::Slowed);
        assert_eq!(after(1_000, 2), Step::Bare);
        assert_eq!(after(85, 100), Step::Bare, "too near to go back");
        assert_eq!(after(79, 5), Step::Bare);
        assert_eq!(after(79, 1), Step::Slowed);
        assert_eq!(after(75, 100), Step::Slowed);
        assert_eq!(after(0, 6), Step::Eased);
        assert_eq!(after(0, 6), Step::Full);
    }

    proptest! {
        /// Whatever is measured: one step at a time, up only where more is used than where the step begins, down only
        /// after six calm measurements; and what is under 70 % for long enough ends at the full effort.
        #[test]
        fn it_never_rocks(used in prop::collection::vec(0_u64..130, 0..200), rest in 0_u64..60) {
            let (mut ladder, mut held) = (Ladder::new(), 0);
            for used in used {
                let before = ladder.step();
                ladder.measure(used, 100);
                let after = ladder.step();
                held += 1;
                if after > before {
                    prop_assert_eq!(after.number(), before.number() + 1);
                    prop_assert!(used >= 60 + 10 * u64::from(after.number()));
                } else if after < before {
                    prop_assert_eq!(after.number() + 1, before.number());
                    prop_assert!(held >= CALM && used < 50 + 10 * u64::from(before.number()));
                }
                if after != before {
                    held = 0;
                }
            }
            (0..3 * CALM).for_each(|_| ladder.measure(rest, 100));
            prop_assert_eq!(ladder.step(), Step::Full);
        }
    }
}
