//! What came of drills that are played one after the other.

use std::fmt;

/// Each drill's name, and what was seen, or what was seen instead.
#[derive(Clone, Debug, Default)]
pub struct DrillReport(Vec<(&'static str, Result<String, String>)>);

impl DrillReport {
    pub(crate) fn add(&mut self, name: &'static str, outcome: Result<String, String>) {
        self.0.push((name, outcome));
    }

    /// Whether every drill went as it should.
    #[must_use]
    pub fn all_well(&self) -> bool {
        self.0.iter().all(|(_, outcome)| outcome.is_ok())
    }
}

impl fmt::Display for DrillReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, outcome) in &self.0 {
            let (well, words) = match outcome {
                Ok(words) => ("yes", words),
                Err(words) => ("NO", words),
            };
            writeln!(f, "{well:<4} {name:<66} {words}")?;
        }
        Ok(())
    }
}
