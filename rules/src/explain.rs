//! Verdicts in words.

mod bands;
mod normal;
mod shown;

use std::fmt::Write as _;

use crate::{Band, Hit, RuleFacts, RuleSet, Scored, Span, Text, Verdict};

pub use bands::{Explanation, Found, Untold};
pub use normal::ReadWord;
pub use shown::shown;

impl Verdict {
    /// Renders the verdict for people: each rule that fired, its level and why, the matched words marked with `[ ]`,
    /// exceptions that applied, and what to do next.
    ///
    /// `texts` are those that were judged (a text that is missing is left out), `rules` the rule set that judged;
    /// titles and guidance of rules it does not have are left out.
    #[must_use]
    pub fn explain(&self, texts: &[Text], rules: &RuleSet) -> String {
        let mut out = String::new();
        let count = match self.hits.len() {
            0 => "nothing fired".to_owned(),
            1 => "1 rule fired".to_owned(),
            count => format!("{count} rules fired"),
        };
        line(&mut out, format_args!("rule set release {}, band {}: {count}", self.release, self.band));
        for hit in &self.hits {
            explain_hit(&mut out, hit, self.band, texts, rules);
        }
        out
    }
}

fn explain_hit(out: &mut String, hit: &Hit, band: Band, texts: &[Text], rules: &RuleSet) {
    let facts = rules.rule(&hit.rule);
    let title = facts.map_or("", |facts| facts.title.as_str());
    line(out, format_args!("\nlevel {} {}  {}  {title}", hit.level, hit.level.word(), hit.rule));
    line(out, format_args!("  category   {} ({})", hit.category.name(), hit.category));
    if let Some(raised) = facts.and_then(|facts| raised(hit, band, facts)) {
        line(out, format_args!("  why level  {raised}"));
    }
    if let Some(usual) = facts.filter(|facts| facts.levels.contains_key(&band)).map(|facts| facts.level) {
        line(out, format_args!("  why level  the rule gives band {band} its own level, otherwise {usual}"));
    }
    explain_evidence(out, hit, band, texts, rules);
}

/// The rule's terms, the matched words, exceptions, the weight in the band, and what to do next.
fn explain_evidence(out: &mut String, hit: &Hit, band: Band, texts: &[Text], rules: &RuleSet) {
    for (what, told) in rules.rule(&hit.rule).map(|facts| facts.course.told()).unwrap_or_default() {
        line(out, format_args!("  {what:<10} {told}"));
    }
    if let Some(tuned) = rules.rule(&hit.rule).and_then(|facts| facts.tuned.as_ref()) {
        line(out, format_args!("  tuned      {}", tuned.told()));
    }
    if hit.spans.is_empty() {
        line(out, format_args!("  matched    the fact alone, no words"));
    }
    for (index, text) in texts.iter().enumerate() {
        let spans: Vec<&Span> = hit.spans.iter().filter(|span| span.text == index).collect();
        if !spans.is_empty() {
            line(out, format_args!("  {:<10} {}", text.scope.as_str(), marked(&text.text, &spans)));
        }
        for span in spans {
            let words = shown(text.text.get(span.start..span.end).unwrap_or_default());
            line(out, format_args!("             {} \"{words}\"{}", span.mark, weight(span.weight)));
        }
    }
    for excepted in &hit.excepted {
        let phrase = &excepted.phrase;
        match rules.rerouted_from(&hit.rule, phrase) {
            Some(rule) => line(out, format_args!("  rerouted   \"{phrase}\" led here what would have been {rule}")),
            None => line(out, format_args!("  excepted   \"{phrase}\" covered words that therefore do not count")),
        }
    }
    if hit.weight != 0 {
        let own = if rules.has_own_weights(&hit.rule, band) { " by weights of the band's own" } else { "" };
        line(out, format_args!("  weight     {}{own}", hit.weight));
    }
    if let Some(scored) = rules.scored(&hit.rule, texts, band) {
        explain_score(out, &scored);
    }
    if let Some(facts) = rules.rule(&hit.rule) {
        line(out, format_args!("  next       {}", facts.guidance));
    }
}

/// `score 3 of 2: birds.nest +1, birds.egg +2`.
fn explain_score(out: &mut String, scored: &Scored) {
    let parts: Vec<String> = scored.parts.iter().map(|(rule, points)| format!("{rule} {points:+}")).collect();
    line(out, format_args!("  score      {} of {}: {}", scored.points(), scored.threshold, parts.join(", ")));
}

/// Why a hit is of a higher level than its rule gives the band.
fn raised(hit: &Hit, band: Band, facts: &RuleFacts) -> Option<String> {
    let (own, escalation) = (facts.level_for(band), facts.course.escalation?);
    let spans = escalation.spans;
    (own < hit.level).then(|| format!("raised from {own}: at least {spans} different phrases of the rule stood lately"))
}

fn weight(weight: i32) -> String {
    if weight == 0 { String::new() } else { format!(" ({weight:+})") }
}

/// The text with every stretch of matched words in brackets; overlapping stretches become one.
fn marked(text: &str, spans: &[&Span]) -> String {
    let mut out = String::with_capacity(text.len() + 2 * spans.len());
    let mut at = 0;
    let mut spans = spans.iter().peekable();
    while let Some(span) = spans.next() {
        let mut end = span.end;
        while let Some(next) = spans.next_if(|next| next.start < end) {
            end = end.max(next.end);
        }
        out.push_str(&shown(text.get(at..span.start).unwrap_or_default()));
        out.push('[');
        out.push_str(&shown(text.get(span.start.max(at)..end).unwrap_or_default()));
        out.push(']');
        at = end;
    }
    out.push_str(&shown(text.get(at..).unwrap_or_default()));
    out
}

fn line(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a `String` cannot fail.
    let _ = writeln!(out, "{line}");
}
