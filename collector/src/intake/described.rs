//! A capture encoded for its seal, with what is said of it in clear beside it.

use std::fmt;

use lapwing_proto::{Account, Capture, wire};
use lapwing_rules::Mark;
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
        let Some(hit) = capture.verdict.hits.iter().max_by_key(|hit| hit.level) else {
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
