//! What is wrong with the agent as a whole, in stable codes that travel with the status and that `doctor` explains.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use lapwing_proto::wire;
use tokio::sync::watch;

use crate::observation::cut;

/// Longest detail that travels, in bytes; longer ones are cut.
pub const MAX_DETAIL_BYTES: usize = 256;

/// Most codes that travel in one status.
pub const MAX_TOLD: usize = 16;

/// A trouble of the agent as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// A changed configuration cannot be used; the last good one goes on.
    ConfigKept,
    /// A changed configuration needs a restart to take effect.
    ConfigRestart,
    /// There is no rule set yet: nothing is matched.
    NoRuleSet,
    /// A rule set was refused; the last good one goes on.
    RuleSetRefused,
    /// The rule set in force was to be replaced by now; it goes on.
    RuleSetOutdated,
    /// There is no signed policy yet: nothing is looked at.
    NoPolicy,
    /// A policy was refused; the last good one goes on.
    PolicyRefused,
    /// A list of exemptions was refused; the last good one goes on.
    ExemptionsRefused,
    /// The spool could not be read and a new one was started.
    SpoolQuarantined,
    /// The spool cannot be opened or written, or a capture is over its bound.
    SpoolFailed,
    /// The spool is full; the lowest lane makes room.
    SpoolFull,
    /// What is on disk under the state folder cannot be written.
    StateUnwritable,
    /// Observations arrived faster than they could be judged, and some were dropped.
    Overrun,
    /// The socket for the programs of a session cannot be opened.
    SocketFailed,
    /// Nothing that a window or tab shows stands still.
    NeverSettles,
    /// The collector finds this device's clock wrong.
    ClockOff,
    /// The collector takes nothing from this device until somebody helps.
    Unwelcome,
    /// The agent needs about as much memory as it may, and does less.
    MemoryLimit,
    /// The agent needs about as much of the processor as it may, and does less.
    CpuLimit,
    /// The spool holds about as much as it may, and the agent does less.
    SpoolLimit,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 20] = [
        Self::ConfigKept,
        Self::ConfigRestart,
        Self::NoRuleSet,
        Self::RuleSetRefused,
        Self::RuleSetOutdated,
        Self::NoPolicy,
        Self::PolicyRefused,
        Self::ExemptionsRefused,
        Self::SpoolQuarantined,
        Self::SpoolFailed,
        Self::SpoolFull,
        Self::StateUnwritable,
        Self::Overrun,
        Self::SocketFailed,
        Self::NeverSettles,
        Self::ClockOff,
        Self::Unwelcome,
        Self::MemoryLimit,
        Self::CpuLimit,
        Self::SpoolLimit,
    ];

    /// The stable code, at most 16 bytes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigKept => "LW-CONFIG-KEPT",
            Self::ConfigRestart => "LW-CONFIG-START",
            Self::NoRuleSet => "LW-RULES-NONE",
            Self::RuleSetRefused => "LW-RULES-BAD",
            Self::RuleSetOutdated => "LW-RULES-OLD",
            Self::NoPolicy => "LW-POLICY-NONE",
            Self::PolicyRefused => "LW-POLICY-BAD",
            Self::ExemptionsRefused => "LW-EXEMPT-BAD",
            Self::SpoolQuarantined => "LW-SPOOL-QUAR",
            Self::SpoolFailed => "LW-SPOOL-FAIL",
            Self::SpoolFull => "LW-SPOOL-FULL",
            Self::StateUnwritable => "LW-STATE-WRITE",
            Self::Overrun => "LW-OVERRUN",
            Self::SocketFailed => "LW-SOCKET",
            Self::NeverSettles => "LW-NEVER-STILL",
            Self::ClockOff => "LW-CLOCK",
            Self::Unwelcome => "LW-UNWELCOME",
            Self::MemoryLimit => "LW-LIMIT-MEMORY",
            Self::CpuLimit => "LW-LIMIT-CPU",
            Self::SpoolLimit => "LW-LIMIT-SPOOL",
        }
    }

    /// The sentence a technician reads.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::ConfigKept => "the changed configuration cannot be used; the last good one goes on",
            Self::ConfigRestart => "the changed configuration needs a restart of the service",
            Self::NoRuleSet => "there is no rule set yet: nothing is matched",
            Self::RuleSetRefused => "a rule set was refused; the last good one goes on",
            Self::RuleSetOutdated => "the rule set in force was to be replaced by now; it goes on",
            Self::NoPolicy => "there is no signed policy yet: nothing is looked at",
            Self::PolicyRefused => "a policy was refused; the last good one goes on",
            Self::ExemptionsRefused => "a list of exemptions was refused; the last good one goes on",
            Self::SpoolQuarantined => "the spool could not be read and a new one was started",
            Self::SpoolFailed => "the spool does not take a capture; where the disk refuses, it is tried again",
            Self::SpoolFull => "the spool is full; the lowest lane makes room",
            Self::StateUnwritable => "the state folder cannot be written, and is tried again",
            Self::Overrun => "observations arrived faster than they could be judged, and some were dropped",
            Self::SocketFailed => "the socket for the programs of a session cannot be opened, and is tried again",
            Self::NeverSettles => "a title or address changes all the time, and is looked at once a minute",
            Self::ClockOff => "the device's clock is wrong; everything goes on, and captures carry both clocks",
            Self::Unwelcome => "the collector takes nothing from this device, for now or until somebody helps",
            Self::MemoryLimit => "the agent needs about as much memory as it may, and does less",
            Self::CpuLimit => "the agent needs about as much of the processor as it may, and does less",
            Self::SpoolLimit => "the spool holds about as much as it may, and the agent does less",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is wrong now, one entry a code. Clones are the same board.
#[derive(Clone, Debug)]
pub struct Diagnostics(Arc<watch::Sender<BTreeMap<Code, String>>>);

impl Diagnostics {
    /// Nothing is wrong.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(BTreeMap::new())))
    }

    /// Something is wrong. The detail holds no personal data; it is cut to [`MAX_DETAIL_BYTES`].
    pub fn raise(&self, code: Code, detail: impl Into<String>) {
        let detail = cut(detail.into(), MAX_DETAIL_BYTES);
        let news = self.0.send_if_modified(|board| {
            let changed = board.get(&code) != Some(&detail);
            board.insert(code, detail.clone());
            changed
        });
        if news {
            tracing::warn!(code = code.as_str(), detail, "{}", code.in_words());
        }
    }

    /// It is no longer wrong.
    pub fn clear(&self, code: Code) {
        self.0.send_if_modified(|board| board.remove(&code).is_some());
    }

    /// What is wrong now, in order of the codes.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<Code, String> {
        self.0.borrow().clone()
    }

    /// What is wrong now, as it travels: the first [`MAX_TOLD`].
    #[must_use]
    pub fn to_wire(&self) -> Vec<wire::Diagnostic> {
        let entry = |(code, detail): (&Code, &String)| wire::Diagnostic {
            code: code.as_str().to_owned(),
            detail: detail.clone(),
        };
        self.0.borrow().iter().map(entry).take(MAX_TOLD).collect()
    }

    /// A receiver that wakes at each change.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<BTreeMap<Code, String>> {
        self.0.subscribe()
    }
}

impl Default for Diagnostics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_distinct_and_fit_the_wire() {
        let codes: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), Code::ALL.len());
        assert!(codes.iter().all(|code| code.len() <= 16 && code.starts_with("LW-")));
    }

    #[test]
    fn what_is_mended_is_no_longer_reported() {
        let board = Diagnostics::new();
        board.raise(Code::NoPolicy, "x".repeat(1_000));
        assert_eq!(board.to_wire().first().unwrap().detail.len(), MAX_DETAIL_BYTES);
        board.clear(Code::NoPolicy);
        assert!(board.to_wire().is_empty());
        Code::ALL.into_iter().for_each(|code| board.raise(code, ""));
        assert_eq!(board.to_wire().len(), MAX_TOLD);
    }
}
