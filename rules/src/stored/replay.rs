//! Judging a stored capture again.

use std::fmt::{self, Write as _};

use super::{StoredCapture, StoredHit};
use crate::{Band, Level, RuleId, RuleSet, shown};

/// What comes of judging a stored capture by a rule set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    /// The same rules fire on the same words at the same levels.
    Reproduced,
    /// Something is different.
    Differs(Vec<Difference>),
    /// No text was kept, as for every category without evidence.
    NoEvidence,
    /// It was judged for a band this build does not know.
    UnknownBand(String),
}

/// What a rule makes of a stored capture, beside what it made of it then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It fired and does not.
    Silent(RuleId),
    /// It did not fire and does.
    New(RuleId),
    /// It fires at another level.
    Level {
        /// The rule.
        rule: RuleId,
        /// Its level then.
        then: Level,
        /// Its level by this rule set.
        now: Level,
    },
    /// It fires on other words, weights or exceptions, or has another category.
    Otherwise(RuleId),
}

impl StoredCapture {
    /// Whether `rules` is the very rule set that judged the capture.
    #[must_use]
    pub fn is_by(&self, rules: &RuleSet) -> bool {
        self.verdict.rule_set == rules.digest().to_string()
    }

    /// Judges the kept texts again.
    #[must_use]
    pub fn replay(&self, rules: &RuleSet) -> Replay {
        let Some(texts) = self.judged_texts() else { return Replay::NoEvidence };
        let Ok(band) = self.verdict.band.parse::<Band>() else {
            return Replay::UnknownBand(self.verdict.band.clone());
        };
        let now: Vec<StoredHit> = rules.evaluate(&texts, band).hits.iter().map(StoredHit::from).collect();
        let then = &self.verdict.hits;
        let changed = then.iter().filter_map(|hit| match now.iter().find(|other| other.rule == hit.rule) {
            None => Some(Difference::Silent(hit.rule.clone())),
            Some(other) => hit.difference(other),
        });
        let new = now.iter().filter(|hit| !then.iter().any(|other| other.rule == hit.rule));
        let differences: Vec<Difference> = changed.chain(new.map(|hit| Difference::New(hit.rule.clone()))).collect();
        if differences.is_empty() { Replay::Reproduced } else { Replay::Differs(differences) }
    }

    /// The stored verdict in words: each rule, its level and category, and the matched words.
    #[must_use]
    pub fn render(&self) -> String {
        let (verdict, mut out) = (&self.verdict, String::new());
        // Writing to a `String` cannot fail.
        let _ = writeln!(out, "judged by rule set release {}, band {}", verdict.release, shown(&verdict.band));
        for hit in &verdict.hits {
            let _ = writeln!(out, "\nlevel {} {}  {}", hit.level, hit.level.word(), hit.rule);
            let _ = writeln!(out, "  category   {}", shown(&hit.category));
            for span in &hit.spans {
                let text = self.texts.as_ref().and_then(|texts| texts.get(span.text));
                let Some(text) = text else { continue };
                let words = shown(text.text.get(span.start..span.end).unwrap_or_default());
                let _ = writeln!(out, "  {:<10} {} \"{words}\"", text.scope.as_str(), span.mark);
            }
            for excepted in &hit.excepted {
                let _ = writeln!(out, "  excepted   \"{}\"", shown(&excepted.phrase));
            }
        }
        out
    }
}

impl StoredHit {
    fn difference(&self, now: &Self) -> Option<Difference> {
        if self.level != now.level {
            return Some(Difference::Level { rule: self.rule.clone(), then: self.level, now: now.level });
        }
        (self != now).then(|| Difference::Otherwise(self.rule.clone()))
    }
}

impl Replay {
    /// One word for scripts.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Reproduced => "reproduced",
            Self::Differs(_) => "differs",
            Self::NoEvidence | Self::UnknownBand(_) => "not_replayable",
        }
    }
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reproduced => f.write_str("reproduced: this rule set says the same"),
            Self::Differs(differences) => {
                f.write_str("differs:")?;
                differences.iter().try_for_each(|difference| write!(f, "\n  {difference}"))
            }
            Self::NoEvidence => f.write_str("not replayable: no text was kept"),
            Self::UnknownBand(band) => {
                write!(f, "not replayable: this build does not know the band `{}`", shown(band))
            }
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(rule) => write!(f, "`{rule}` does not fire"),
            Self::New(rule) => write!(f, "`{rule}` fires as well"),
            Self::Level { rule, then, now } => write!(f, "`{rule}` fires at level {now}, not {then}"),
            Self::Otherwise(rule) => write!(f, "`{rule}` fires on other words, weights or exceptions"),
        }
    }
}
