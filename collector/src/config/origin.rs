//! Where a value came from.

use std::collections::BTreeMap;
use std::fmt;

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of the file, from 1.
    File {
        /// The line.
        line: usize,
    },
    /// Nobody wrote it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { line } => write!(f, "line {line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The origin of every key, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<&'static str, Origin>);

impl Origins {
    /// Origin of `key`, such as `listen.enrol`.
    #[must_use]
    pub fn of(&self, key: &str) -> Origin {
        self.0.get(key).copied().unwrap_or(Origin::Default)
    }

    /// Keys that the file sets, with their lines.
    pub fn written(&self) -> impl Iterator<Item = (&'static str, Origin)> + '_ {
        self.0.iter().map(|(key, origin)| (*key, *origin))
    }

    /// Sets the origin of `key` unless it has one.
    pub(super) fn set_first(&mut self, key: &'static str, origin: Origin) {
        self.0.entry(key).or_insert(origin);
    }

    pub(super) fn set(&mut self, key: &'static str, origin: Origin) {
        self.0.insert(key, origin);
    }
}

/// The line, from 1, that holds byte `offset` of `text`.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count().saturating_add(1)
}
