//! Why a concern has the level it has, in sentences.

use std::collections::BTreeSet;

use lapwing_proto::Open;
use lapwing_rules::Mark;

use super::super::words;
use super::capture;
use crate::store::concern_page::Decided;
use crate::store::queue::QueueRow;
use crate::triage::commands::{Evidence, Opened};
use crate::triage::{Cause, is_illegal};

/// Why the level is what it is, in sentences.
pub(super) fn why(row: &QueueRow, decided: &Decided, opened: &Opened) -> Vec<String> {
    let captures = || opened.captures.iter().filter_map(|one| capture(&one.evidence));
    let Some(highest) = captures().max_by_key(|capture| capture.level()) else {
        return vec![format!("{}. What it rested on has been erased.", words::level(row.level))];
    };
    let to = match highest.verdict.band {
        Open::Known(band) => format!(" for an account of {}", words::band(band).to_lowercase()),
        Open::Unknown(_) => String::new(),
    };
    let mut lines = vec![format!("{}: the rule gives this level{to}.", words::level(highest.level()))];
    lines.extend(marks(opened).map(str::to_owned));
    if row.level != highest.level() {
        let moved = if row.level > highest.level() { "Raised" } else { "Lowered" };
        let causes: Vec<_> = decided.causes.iter().map(|cause| cause_words(*cause)).collect();
        let because = if causes.is_empty() { "what else was seen".to_owned() } else { causes.join("; ") };
        lines.push(format!("{moved} to {}: {because}.", words::level(row.level).to_lowercase()));
    }
    if is_illegal(&row.category) {
        lines.push("A topic that the law names: its level is never lowered.".to_owned());
    }
    lines
}

/// What the matched words say together; nothing where they are not shown.
fn marks(opened: &Opened) -> Option<&'static str> {
    if opened.captures.iter().any(|one| matches!(one.evidence, Evidence::Withheld(_))) {
        return None;
    }
    let captures = opened.captures.iter().filter_map(|one| capture(&one.evidence));
    let spans = captures.flat_map(|capture| &capture.verdict.hits).flat_map(|hit| &hit.spans);
    let marks: BTreeSet<Mark> = spans.map(|span| span.mark).collect();
    Some(match (marks.is_empty(), marks.contains(&Mark::Intent), marks.contains(&Mark::Method)) {
        (true, _, _) => "No words matched: the fact alone is enough.",
        (false, true, true) => "The words say wanting to, and how to.",
        (false, true, false) => "The words say wanting to.",
        (false, false, true) => "The words say how to.",
        (false, false, false) => "The words say what it is about. They say neither wanting to nor how to.",
    })
}

/// Why a level was changed. A mark that the DSL set is for the DSL's team to know: the page does not tell it from others.
const fn cause_words(cause: Cause) -> &'static str {
    match cause {
        Cause::Repeats => "it was seen again and again",
        Cause::Linked | Cause::Vulnerable => "what else is known",
        Cause::Unsupervised => "the school was closed",
        Cause::HelpSeeking => "the words look for help",
        Cause::Exempted => "an exemption for the topic was in force",
    }
}
