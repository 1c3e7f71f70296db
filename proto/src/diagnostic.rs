//! What is wrong with an agent as a whole, in stable codes that travel with its status.

use std::fmt;

/// A trouble of an agent as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiagnosticCode {
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
    /// The collector cannot be reached. It is told at the device alone: whoever reaches the collector has nothing to tell.
    Unreached,
    /// The agent needs about as much memory as it may, and does less.
    MemoryLimit,
    /// The agent needs about as much of the processor as it may, and does less.
    CpuLimit,
    /// The spool holds about as much as it may, and the agent does less.
    SpoolLimit,
    /// A file that the agent is made of changed within the last day.
    FilesChanged,
}

impl DiagnosticCode {
    /// Every code.
    pub const ALL: [Self; 22] = [
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
        Self::Unreached,
        Self::MemoryLimit,
        Self::CpuLimit,
        Self::SpoolLimit,
        Self::FilesChanged,
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
            Self::Unreached => "LW-UNREACHED",
            Self::MemoryLimit => "LW-LIMIT-MEMORY",
            Self::CpuLimit => "LW-LIMIT-CPU",
            Self::SpoolLimit => "LW-LIMIT-SPOOL",
            Self::FilesChanged => "LW-CHANGED",
        }
    }

    /// Whether it is to be known and nothing is amiss: the agent sees and delivers as ever.
    #[must_use]
    pub const fn is_note(self) -> bool {
        match self {
            Self::RuleSetOutdated | Self::ConfigRestart | Self::FilesChanged => true,
            Self::ConfigKept
            | Self::NoRuleSet
            | Self::RuleSetRefused
            | Self::NoPolicy
            | Self::PolicyRefused
            | Self::ExemptionsRefused
            | Self::SpoolQuarantined
            | Self::SpoolFailed
            | Self::SpoolFull
            | Self::StateUnwritable
            | Self::Overrun
            | Self::SocketFailed
            | Self::NeverSettles
            | Self::ClockOff
            | Self::Unwelcome
            | Self::Unreached
            | Self::MemoryLimit
            | Self::CpuLimit
            | Self::SpoolLimit => false,
        }
    }

    /// The one of this text form; none for one of another version.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
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
            Self::Unreached => "the collector cannot be reached; captures wait in the spool, and it is tried again",
            Self::MemoryLimit => "the agent needs about as much memory as it may, and does less",
            Self::CpuLimit => "the agent needs about as much of the processor as it may, and does less",
            Self::SpoolLimit => "the spool holds about as much as it may, and the agent does less",
            Self::FilesChanged => "its program, configuration or service unit changed within the last day",
        }
    }
}

impl fmt::Display for DiagnosticCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_distinct_fit_the_wire_and_are_read_again() {
        let codes: BTreeSet<_> = DiagnosticCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), DiagnosticCode::ALL.len());
        assert!(codes.iter().all(|code| code.len() <= 16 && code.starts_with("LW-")));
        assert!(DiagnosticCode::ALL.iter().all(|code| DiagnosticCode::of_text(code.as_str()) == Some(*code)));
        assert_eq!(DiagnosticCode::of_text("LW-OF-TOMORROW"), None);
    }
}
