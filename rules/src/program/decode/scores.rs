//! Scores, and what adds to them.

use super::{band, index};
use crate::cursor::{Cursor, Short};
use crate::program::{Contribution, Rule, Test};

pub(super) fn contribution(cursor: &mut Cursor<'_>, rules: usize) -> Result<Contribution, Short> {
    let (rule, score) = (index(cursor, rules)?, index(cursor, rules)?);
    let (is_reported, points) = (cursor.u8()? != 0, cursor.u16()?.cast_signed());
    let of_bands = (0..cursor.u8()?).map(|_| Ok((band(cursor)?, cursor.u16()?.cast_signed())));
    Ok(Contribution { rule, score, is_reported, points, of_bands: of_bands.collect::<Result<_, Short>>()? })
}

/// Makes scores of the rules that others add to. Each rule adds to one score, and none of them is a score itself.
pub(super) fn make(rules: &mut [Rule], contributions: &[Contribution]) -> Result<(), Short> {
    let at = |rule: u32| usize::try_from(rule).map_err(|_| Short);
    for contribution in contributions {
        let score = rules.get_mut(at(contribution.score)?).ok_or(Short)?;
        score.test = match score.test {
            Test::Any { threshold: Some(threshold) } | Test::Score { threshold } => Test::Score { threshold },
            Test::Any { threshold: None } | Test::All { .. } | Test::Near { .. } | Test::Medium => return Err(Short),
        };
    }
    let in_order = contributions.is_sorted_by(|left, right| left.rule < right.rule);
    let is_score = |rule: u32| rules.get(at(rule)?).map(|rule| matches!(rule.test, Test::Score { .. })).ok_or(Short);
    for contribution in contributions {
        if !in_order || is_score(contribution.rule)? {
            return Err(Short);
        }
    }
    Ok(())
}
