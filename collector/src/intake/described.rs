//! A capture encoded for its seal, with what is said of it in clear beside it.

use std::cmp::Reverse;
use std::fmt;

use lapwing_proto::{Account, Capture, Hit, wire};
use lapwing_rules::{Category, Mark};
use prost::Message;

use super::TakeError;

/// A checked capture on its way to its seal.
pub(super) struct Described {
    pub(super) account: Account,
    pub(super) signal: i32,
    pub(super) rule: String,
    pub(super) category: String,
    pub(super) release: u64,
    /// Words of wanting to, or of how to, matched.
    pub(super) marked: bool,
    pub(super) repeats: u64,
    pub(super) wall_us: i64,
    /// The whole capture, encoded.
    pub(super) plain: Vec<u8>,
}

impl Described {
    pub(super) fn of(capture: Capture) -> Result<Self, TakeError> {
        // What is illegal leads whatever stands beside it, and the harmless phrase of the daily check leads nothing; else the
        // most urgent, of several the first by id.
        let lead = |hit: &&Hit| {
            let (is_check, is_illegal) = match hit.category {
                lapwing_proto::Category::Known(known) => (known == Category::Canary, known.class().is_illegal()),
                lapwing_proto::Category::Unknown(_) => (false, false),
            };
            (!is_check, is_illegal, hit.level, Reverse(hit.rule.clone()))
        };
        let Some(hit) = capture.verdict.hits.iter().max_by_key(lead) else {
            return Err(TakeError::Malformed("a verdict has no hit"));
        };
        let mut marks = capture.verdict.hits.iter().flat_map(|hit| &hit.spans).map(|span| span.mark);
        let rule = hit.rule.to_string();
        let category = hit.category.id().to_owned();
        let release = capture.verdict.release.number();
        let marked = marks.any(|mark| matches!(mark, Mark::Intent | Mark::Method));
        let repeats = u64::from(capture.repeats).saturating_add(u64::from(capture.burst.saturating_sub(1)));
        let (account, wall_us) = (capture.account.clone(), capture.wall_us);
        let message = wire::Capture::from(capture);
        let plain = message.encode_to_vec();
        Ok(Self { account, signal: message.signal, rule, category, release, marked, repeats, wall_us, plain })
    }
}

impl fmt::Debug for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Described({} bytes, <redacted>)", self.plain.len())
    }
}

#[cfg(test)]
mod tests {
    use lapwing_rules::Level;

    use super::*;
    use crate::store::fixture::title;

    /// The category that leads a capture with these hits.
    fn lead(hits: &[(&str, Category, Level)]) -> String {
        let mut capture = title("amy", Category::Drugs, Level::Moderate, "matched words");
        let first = capture.verdict.hits.remove(0);
        capture.verdict.hits = hits
            .iter()
            .map(|(rule, category, level)| Hit {
                rule: rule.parse().unwrap(),
                category: lapwing_proto::Category::Known(*category),
                level: *level,
                ..first.clone()
            })
            .collect();
        Described::of(capture).unwrap().category
    }

    #[test]
    fn what_is_illegal_leads_and_the_daily_check_does_not() {
        let illegal = ("illegal_base.x", Category::Nudes, Level::High);
        let urgent = ("z.x", Category::Suicide, Level::Critical);
        let check = ("zz.x", Category::Canary, Level::Critical);
        let help = ("zz.y", Category::HelpSeeking, Level::Critical);
        assert_eq!(lead(&[illegal, urgent, check, help]), Category::Nudes.id());
        assert_eq!(lead(&[check, urgent]), Category::Suicide.id());
        assert_eq!(lead(&[check, ("a.x", Category::Profanity, Level::Info)]), Category::Profanity.id());
        assert_eq!(lead(&[check]), Category::Canary.id());
        assert_eq!(lead(&[urgent, help]), Category::Suicide.id(), "of equals the first by id");
    }
}
