//! What a school changed of a rule.

use crate::Date;

/// A change of one rule that two people agreed to, for a time.
///
/// It is compiled in for as long as an overlay says so; a device goes on with it until a rule set without it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuned {
    /// Who asked for it.
    pub requester: String,
    /// Who agreed to it; two where a rule of level 4 or 5 is weakened.
    pub approvers: Vec<String>,
    /// Why.
    pub reason: String,
    /// The last day on which it is compiled in.
    pub expires: Date,
    /// What is changed, in words.
    pub changes: Vec<String>,
}

impl Tuned {
    /// One line for people.
    #[must_use]
    pub fn told(&self) -> String {
        let (changes, approvers) = (self.changes.join("; "), self.approvers.join(" and "));
        let Self { requester, reason, expires, .. } = self;
        format!("{changes}; by {requester} with {approvers}, until {expires}: {reason}")
    }
}
