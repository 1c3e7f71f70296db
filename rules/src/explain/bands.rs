//! What a rule set makes of one signal in every band.

use std::fmt::{self, Write as _};

use super::{explain_evidence, line, shown};
use crate::{Band, Date, Hit, Level, Reporting, RuleSet, Spared, Text};

/// A signal judged in several bands. [`Explanation::render`] says it in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The texts of the signal.
    pub texts: Vec<Text>,
    /// The bands asked for.
    pub bands: Vec<Band>,
    /// The day it is at the school; without one, nothing is said of whether a watch is on.
    pub today: Option<Date>,
    /// Rules that fired, highest level first, then by id. Those in shadow and those outside their days are among them:
    /// [`Explanation::untold_of`] says which.
    pub found: Vec<Found>,
    /// Rules that exceptions kept silent, by id, with the bands they did so in.
    pub spared: Vec<(Spared, Vec<Band>)>,
}

/// A rule that fired on the same words in some bands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The hit as it is in the band of the highest level.
    pub hit: Hit,
    /// The level in each of these bands.
    pub levels: Vec<(Band, Level)>,
}

/// Why nobody is told of a rule that fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untold {
    /// It is on trial.
    InShadow,
    /// Its watch is not on.
    OutsideItsDays,
}

impl Untold {
    /// One word for scripts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InShadow => "in_shadow",
            Self::OutsideItsDays => "outside_its_days",
        }
    }
}

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InShadow => "in shadow, counted by day",
            Self::OutsideItsDays => "not applied outside the days of its watch",
        })
    }
}

impl RuleSet {
    /// Judges the texts of one signal in each of `bands`, and says which exceptions won and what rules in shadow fired.
    #[must_use]
    pub fn explain(&self, texts: &[Text], bands: &[Band]) -> Explanation {
        let mut explanation = Explanation {
            texts: texts.to_vec(),
            bands: bands.to_vec(),
            today: None,
            found: Vec::new(),
            spared: Vec::new(),
        };
        for band in bands {
            let (verdict, shadows) = self.evaluate_all(texts, *band);
            for hit in verdict.hits.into_iter().chain(shadows) {
                explanation.add_hit(*band, hit);
            }
            for spared in self.spared(texts, *band) {
                explanation.add_spared(*band, spared);
            }
        }
        explanation.found.sort_by(|left, right| {
            right.hit.level.cmp(&left.hit.level).then_with(|| left.hit.rule.cmp(&right.hit.rule))
        });
        explanation.spared.sort_by(|left, right| left.0.rule.cmp(&right.0.rule));
        explanation
    }
}

impl Explanation {
    /// The same, for a day of the school's calendar.
    #[must_use]
    pub fn on(mut self, today: Date) -> Self {
        self.today = Some(today);
        self
    }

    /// Why nobody is told of what was found by `rules`; `None` where somebody is.
    #[must_use]
    pub fn untold_of(&self, found: &Found, rules: &RuleSet) -> Option<Untold> {
        let facts = rules.rule(&found.hit.rule)?;
        let is_off = self.today.is_some_and(|today| !facts.course.applies(Some(today)));
        match (is_off, facts.course.reporting) {
            (true, _) => Some(Untold::OutsideItsDays),
            (false, Reporting::Shadow) => Some(Untold::InShadow),
            (false, Reporting::Live) => None,
        }
    }

    fn add_hit(&mut self, band: Band, hit: Hit) {
        let level = hit.level;
        let same = |found: &&mut Found| Hit { level, ..found.hit.clone() } == hit;
        match self.found.iter_mut().find(same) {
            Some(found) => {
                found.hit.level = found.hit.level.max(level);
                found.levels.push((band, level));
            }
            None => self.found.push(Found { hit, levels: vec![(band, level)] }),
        }
    }

    fn add_spared(&mut self, band: Band, spared: Spared) {
        match self.spared.iter_mut().find(|(known, _)| *known == spared) {
            Some((_, bands)) => bands.push(band),
            None => self.spared.push((spared, vec![band])),
        }
    }

    /// How the texts are read, each rule that fired with the words it found and its level in every band, and each rule
    /// that exceptions kept silent. `rules` is the rule set that judged.
    #[must_use]
    pub fn render(&self, rules: &RuleSet) -> String {
        let mut out = String::new();
        let (found, spared) = (self.found.len(), self.spared.len());
        let release = rules.release();
        let untold = match self.found.iter().filter(|found| self.untold_of(found, rules).is_some()).count() {
            0 => String::new(),
            count => format!(", of {count} nobody is told"),
        };
        line(
            &mut out,
            format_args!("rule set release {release}: {found} found{untold}, {spared} kept silent by exceptions"),
        );
        self.render_reading(&mut out);
        for found in &self.found {
            self.render_found(&mut out, found, rules);
        }
        for (spared, bands) in &self.spared {
            self.render_spared(&mut out, spared, bands, rules);
        }
        out
    }

    fn render_reading(&self, out: &mut String) {
        for text in &self.texts {
            line(out, format_args!("\n{} \"{}\" is read as", text.scope, shown(&text.text)));
            for word in text.read() {
                let place = format!("{}..{}", word.start, word.end);
                let or = if word.is_reading { "or " } else { "" };
                line(out, format_args!("  {place:<10} {or}{}", shown(&word.word)));
            }
        }
    }

    fn render_found(&self, out: &mut String, found: &Found, rules: &RuleSet) {
        let Hit { rule, category, level, .. } = &found.hit;
        let title = rules.rule(rule).map_or("", |facts| facts.title.as_str());
        line(out, format_args!("\nlevel {level} {}  {rule}  {title}", level.word()));
        if let Some(untold) = self.untold_of(found, rules) {
            line(out, format_args!("  told       nobody: {untold}{}", self.today_of(untold)));
        }
        line(out, format_args!("  category   {} ({category})", category.name()));
        line(out, format_args!("  levels     {}", self.levels(&found.levels)));
        let band = found.levels.first().map_or(Band::Ks3, |(band, _)| *band);
        explain_evidence(out, &found.hit, band, &self.texts, rules);
    }

    /// The day that is outside the days of a watch.
    fn today_of(&self, untold: Untold) -> String {
        let today = self.today.filter(|_| untold == Untold::OutsideItsDays);
        today.map(|today| format!(", today being {today}")).unwrap_or_default()
    }

    /// `eyfs 5, ks1 5, staff 2; silent for guest`.
    fn levels(&self, levels: &[(Band, Level)]) -> String {
        let mut said: Vec<String> = levels.iter().map(|(band, level)| format!("{band} {level}")).collect();
        let silent = self.bands.iter().filter(|band| !levels.iter().any(|(other, _)| other == *band));
        let silent: Vec<&str> = silent.map(|band| band.as_str()).collect();
        if !silent.is_empty() {
            let last = said.pop().unwrap_or_default();
            said.push(format!("{last}; silent for {}", silent.join(", ")));
        }
        said.join(", ")
    }

    fn render_spared(&self, out: &mut String, spared: &Spared, bands: &[Band], rules: &RuleSet) {
        let title = rules.rule(&spared.rule).map_or("", |facts| facts.title.as_str());
        line(out, format_args!("\nkept silent  {}  {title}", spared.rule));
        for excepted in &spared.excepted {
            let text = self.texts.get(excepted.text);
            let words = text.and_then(|text| text.text.get(excepted.start..excepted.end)).unwrap_or_default();
            let (phrase, words) = (&excepted.phrase, shown(words));
            line(out, format_args!("  exception  \"{phrase}\" covers \"{words}\""));
        }
        if spared.by_host {
            line(out, format_args!("  exception  the rule is silent on this host"));
        }
        if bands.len() < self.bands.len() {
            let mut said = String::new();
            for band in bands {
                let _ = write!(said, " {band}");
            }
            line(out, format_args!("  bands     {said}"));
        }
    }
}
