//! How much each lint weighs.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::InvalidId;
use crate::diagnostic::{Code, Diagnostic, Severity};

/// What is done about a lint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LintLevel {
    /// It is not told.
    Allow,
    /// It is told.
    Warn,
    /// It is an error.
    Deny,
}

/// The level of every lint. By default all are warnings, but for [`Code::AboutPeople`], which is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LintLevels {
    set: BTreeMap<Code, LintLevel>,
}

/// Why a file of lint levels cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LintLevelsError {
    /// Not TOML, or not of the form described at [`LintLevels::parse`].
    #[error("not a table of lint levels: {0}")]
    Malformed(#[from] toml::de::Error),
    /// A code or level that there is not.
    #[error(transparent)]
    Unknown(#[from] InvalidId),
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    levels: BTreeMap<String, String>,
}

impl LintLevels {
    /// Reads a file such as `[levels]`, `L001 = "allow"`, `L004 = "deny"`.
    ///
    /// # Errors
    ///
    /// When it is no such table, or names a lint or level that there is not.
    pub fn parse(text: &str) -> Result<Self, LintLevelsError> {
        let written: Written = toml::from_str(text)?;
        let mut levels = Self::default();
        for (code, level) in &written.levels {
            levels.set(lint(code)?, level.parse()?);
        }
        Ok(levels)
    }

    /// Sets the level of a lint.
    pub fn set(&mut self, lint: Code, level: LintLevel) {
        self.set.insert(lint, level);
    }

    /// The level of a lint.
    #[must_use]
    pub fn of(&self, lint: Code) -> LintLevel {
        let default = if lint == Code::AboutPeople { LintLevel::Deny } else { LintLevel::Warn };
        self.set.get(&lint).copied().unwrap_or(default)
    }

    /// The finding as it is told; `None` when it is allowed.
    pub(super) fn apply(&self, finding: Diagnostic) -> Option<Diagnostic> {
        match self.of(finding.code()) {
            LintLevel::Allow => None,
            LintLevel::Warn => Some(finding.severity(Severity::Warning)),
            LintLevel::Deny => Some(finding),
        }
    }
}

/// The lint of this code.
fn lint(text: &str) -> Result<Code, InvalidId> {
    Code::lint(text)
}

impl FromStr for LintLevel {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text {
            "allow" => Ok(Self::Allow),
            "warn" => Ok(Self::Warn),
            "deny" => Ok(Self::Deny),
            _ => Err(InvalidId::new("lint level", text, "allow, warn or deny")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_set_by_code() {
        let levels = LintLevels::parse("[levels]\nL001 = \"deny\"\nl003 = \"allow\"\n").unwrap();
        assert_eq!((levels.of(Code::ShortTerm), levels.of(Code::AboutPeople)), (LintLevel::Deny, LintLevel::Allow));
        assert_eq!(levels.of(Code::Shadowed), LintLevel::Warn);
        assert_eq!(LintLevels::parse("").unwrap(), LintLevels::default());
    }

    #[test]
    fn unknown_lints_levels_and_keys_are_refused() {
        for (text, told) in [
            ("[levels]\nL099 = \"deny\"", "`L099` is not a lint"),
            ("[levels]\nR013 = \"allow\"", "`R013` is not a lint"),
            ("[levels]\nL001 = \"loud\"", "`loud` is not a lint level"),
            ("[level]\nL001 = \"deny\"", "unknown field `level`"),
            ("levels", "not a table of lint levels"),
        ] {
            let error = LintLevels::parse(text).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
