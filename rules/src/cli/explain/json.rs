//! An explanation for scripts.

use lapwing_rules::{
    Band, Excepted, Explanation, Found, HostClass, ReadWord, Reporting, RuleFacts, RuleId, RuleSet, Scored, Span, Text,
    Tuned, Untold,
};
use serde_json::{Map, Value, json};

/// Everything that the text says, and how the texts are read.
pub(super) fn explained(explanation: &Explanation, rules: &RuleSet, class: Option<HostClass>) -> Value {
    let bands = |bands: &[Band]| bands.iter().map(|band| band.as_str()).collect::<Vec<_>>();
    let excepted = |excepted: &[Excepted]| excepted.iter().map(|excepted| excepted.phrase.clone()).collect::<Vec<_>>();
    let spared = explanation.spared.iter().map(|(spared, of)| {
        json!({
            "rule": spared.rule.as_str(),
            "excepted": excepted(&spared.excepted),
            "by_host": spared.by_host,
            "bands": bands(of),
        })
    });
    json!({
        "release": rules.release().number(),
        "digest": rules.digest().to_string(),
        "bands": bands(&explanation.bands),
        "host_class": class.map(HostClass::as_str),
        "texts": explanation.texts.iter().map(text_as_json).collect::<Vec<_>>(),
        "hits": explanation.found.iter().map(|found| found_as_json(found, explanation, rules)).collect::<Vec<_>>(),
        "spared": spared.collect::<Vec<_>>(),
    })
}

fn text_as_json(text: &Text) -> Value {
    let word = |word: ReadWord| json!({ "word": word.word, "start": word.start, "end": word.end, "is_reading": word.is_reading });
    let words: Vec<Value> = text.read().into_iter().map(word).collect();
    json!({ "scope": text.scope.as_str(), "text": text.text, "words": words })
}

fn found_as_json(found: &Found, explanation: &Explanation, rules: &RuleSet) -> Value {
    let hit = &found.hit;
    let span = |span: &Span| {
        let text = explanation.texts.get(span.text);
        json!({
            "text": span.text,
            "scope": text.map(|text| text.scope.as_str()),
            "start": span.start,
            "end": span.end,
            "words": text.and_then(|text| text.text.get(span.start..span.end)),
            "mark": span.mark.as_str(),
            "weight": span.weight,
        })
    };
    let levels: Map<String, Value> =
        found.levels.iter().map(|(band, level)| (band.to_string(), level.number().into())).collect();
    let facts = rules.rule(&hit.rule);
    let band = found.levels.first().map(|(band, _)| *band);
    let scored = band.and_then(|band| rules.scored(&hit.rule, &explanation.texts, band));
    json!({
        "rule": hit.rule.as_str(),
        "title": facts.map(|facts| facts.title.as_str()),
        "guidance": facts.map(|facts| facts.guidance.as_str()),
        "category": hit.category.id(),
        "category_name": hit.category.name(),
        "c": hit.category.branch().as_str(),
        "level": hit.level.number(),
        "level_word": hit.level.word(),
        "levels": levels,
        "untold": explanation.untold_of(found, rules).map(Untold::as_str),
        "course": facts.map(course_as_json),
        "tuned": facts.and_then(|facts| facts.tuned.as_ref()).map(tuned_as_json),
        "score": scored.as_ref().map(score_as_json),
        "weight": hit.weight,
        "spans": hit.spans.iter().map(span).collect::<Vec<_>>(),
        "excepted": hit.excepted.iter().map(|excepted| excepted.phrase.as_str()).collect::<Vec<_>>(),
    })
}

/// Lengths in seconds.
fn course_as_json(facts: &RuleFacts) -> Value {
    let course = &facts.course;
    json!({
        "cooldown_s": facts.cooldown.as_secs(),
        "after": course.after.map(|after| json!({ "times": after.times, "within_s": after.within.as_secs() })),
        "escalate": course.escalation.map(|escalation| json!({
            "spans": escalation.spans,
            "within_s": escalation.within.as_secs(),
            "level": escalation.level.number(),
        })),
        "shadow": course.reporting == Reporting::Shadow,
        "watch": course.watch.map(|watch| json!({ "from": watch.from.to_string(), "until": watch.until.to_string() })),
    })
}

/// A change of a rule, for `verify` as well.
pub(in crate::cli) fn tuned_as_json(tuned: &Tuned) -> Value {
    json!({
        "changes": tuned.changes,
        "reason": tuned.reason,
        "requester": tuned.requester,
        "approvers": tuned.approvers,
        "until": tuned.expires.to_string(),
    })
}

fn score_as_json(scored: &Scored) -> Value {
    let part = |(rule, points): &(RuleId, i32)| json!({ "rule": rule.as_str(), "points": points });
    json!({
        "threshold": scored.threshold,
        "points": scored.points(),
        "rules": scored.parts.iter().map(part).collect::<Vec<_>>(),
    })
}
