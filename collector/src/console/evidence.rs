//! A capture as a page shows it: where the words stood, which of them matched, and by which rule.

use std::collections::BTreeSet;

use lapwing_proto::{Bus, Capture, Hit, Media, Open, Signal};
use lapwing_rules::Scope;

use super::rule_book::RuleBook;
use super::words::{self, Present};
use crate::proof::filter::RULE_PREFIX;
use crate::triage::commands::{Evidence, OpenedCapture};
use crate::triage::mark_words;

/// Matched words listed under one capture.
const MOST_WORDS: usize = 12;

/// One capture.
#[derive(Clone, Debug)]
pub(super) struct SeenView {
    pub(super) source: String,
    pub(super) when: String,
    pub(super) excerpts: Vec<ExcerptView>,
    /// Said where there is no excerpt to show.
    pub(super) instead: Option<&'static str>,
    pub(super) rule: String,
    pub(super) words: Vec<WordView>,
    pub(super) remarks: Vec<String>,
}

/// One text, cut at the edges of what matched. Never a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExcerptView {
    pub(super) from: &'static str,
    pub(super) parts: Vec<Part>,
}

/// A stretch of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) text: String,
    pub(super) is_matched: bool,
}

/// Matched words and what they say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WordView {
    pub(super) text: String,
    pub(super) says: &'static str,
}

/// How a capture is shown.
pub(super) fn seen(present: &Present, rules: &RuleBook, opened: &OpenedCapture) -> SeenView {
    match &opened.evidence {
        Evidence::Shown(capture) => {
            let excerpts = excerpts(capture);
            let nothing = excerpts.is_empty().then_some("The rule fires on the fact alone: no words were kept.");
            SeenView { excerpts, instead: nothing, ..known(present, rules, capture) }
        }
        Evidence::Withheld(capture) => SeenView {
            instead: Some("Not shown. What it names stays sealed: nobody needs to look at it to act."),
            words: Vec::new(),
            ..known(present, rules, capture)
        },
        Evidence::Erased => SeenView {
            source: "Erased".to_owned(),
            when: present.when(opened.received_us),
            excerpts: Vec::new(),
            instead: Some("What was seen has been erased and cannot be brought back."),
            rule: "erased with it".to_owned(),
            words: Vec::new(),
            remarks: Vec::new(),
        },
    }
}

fn known(present: &Present, rules: &RuleBook, capture: &Capture) -> SeenView {
    let release = capture.verdict.release;
    let rule = capture.verdict.hits.first().map(|hit| rule_words(rules, hit)).unwrap_or_default();
    SeenView {
        source: if is_from_filter(capture) { "From the filter".to_owned() } else { source(capture.signal).to_owned() },
        when: present.when(capture.wall_us),
        excerpts: Vec::new(),
        instead: None,
        rule: if is_from_filter(capture) {
            "the filter's own".to_owned()
        } else {
            format!("{rule}, release {release}")
        },
        words: matched(capture),
        remarks: remarks(rules, capture),
    }
}

/// Whether the school's web filter reported it, and no agent.
fn is_from_filter(capture: &Capture) -> bool {
    capture.verdict.hits.first().is_some_and(|hit| hit.rule.as_str().starts_with(RULE_PREFIX))
}

/// The title of a rule where the set in force has it, and its id.
fn rule_words(rules: &RuleBook, hit: &Hit) -> String {
    match rules.words(&hit.rule) {
        Some(words) => format!("{} ({})", words.title, hit.rule),
        None => hit.rule.to_string(),
    }
}

fn excerpts(capture: &Capture) -> Vec<ExcerptView> {
    let excerpts = capture.excerpts.iter().enumerate();
    excerpts
        .map(|(index, excerpt)| {
            let hits = capture.verdict.hits.iter();
            let spans = hits.flat_map(|hit| &hit.spans).filter(|span| span.text == index);
            let ranges = spans.map(|span| (span.start, span.end)).collect();
            ExcerptView { from: scope_words(excerpt.scope), parts: parts(&excerpt.text, ranges) }
        })
        .collect()
}

/// Cuts `text` at the edges of `ranges` (bytes). What lies outside the text or inside a character is not marked.
fn parts(text: &str, ranges: BTreeSet<(usize, usize)>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut done = 0;
    for (start, end) in ranges {
        let start = start.max(done);
        let (Some(before), Some(inside)) = (text.get(done..start), text.get(start..end)) else { continue };
        if inside.is_empty() {
            continue;
        }
        push(&mut parts, before, false);
        push(&mut parts, inside, true);
        done = end;
    }
    push(&mut parts, text.get(done..).unwrap_or_default(), false);
    parts
}

/// Stretches that touch and are marked alike become one.
fn push(parts: &mut Vec<Part>, text: &str, is_matched: bool) {
    if text.is_empty() {
        return;
    }
    match parts.last_mut() {
        Some(last) if last.is_matched == is_matched => last.text.push_str(text),
        Some(_) | None => parts.push(Part { text: text.to_owned(), is_matched }),
    }
}

fn matched(capture: &Capture) -> Vec<WordView> {
    let spans = capture.verdict.hits.iter().flat_map(|hit| &hit.spans);
    let words: BTreeSet<WordView> = spans
        .filter_map(|span| {
            let text = capture.excerpts.get(span.text)?.text.get(span.start..span.end)?;
            Some(WordView { text: text.to_owned(), says: mark_words(span.mark) })
        })
        .collect();
    words.into_iter().take(MOST_WORDS).collect()
}

fn remarks(rules: &RuleBook, capture: &Capture) -> Vec<String> {
    let mut remarks = Vec::new();
    if !capture.app.is_empty() {
        remarks.push(format!("In {}.", capture.app));
    }
    if capture.private_window {
        remarks.push("In a private window.".to_owned());
    }
    if capture.url_blind {
        remarks.push("The browser's extension was silent, so the title was read alone.".to_owned());
    }
    if capture.repeats > 0 {
        let times = words::plural(i64::from(capture.repeats), "more time");
        remarks.push(format!("Seen {times} shortly before."));
    }
    if capture.burst > 1 {
        remarks.push(format!("Stands for {} files.", capture.burst));
    }
    remarks.extend(capture.media.as_ref().map(media_words));
    remarks.extend(capture.verdict.hits.iter().skip(1).map(|hit| format!("Also: {}.", rule_words(rules, hit))));
    let excepted = capture.verdict.hits.iter().flat_map(|hit| &hit.excepted);
    let phrases: BTreeSet<&str> = excepted.map(|excepted| excepted.phrase.as_str()).collect();
    remarks.extend(phrases.iter().map(|phrase| format!("\u{201c}{phrase}\u{201d} was set aside as harmless.")));
    remarks
}

fn media_words(media: &Media) -> String {
    let bus = match media.bus {
        Open::Known(Bus::Usb) => "USB",
        Open::Known(Bus::Sd) => "Memory card",
        Open::Known(Bus::Optical) => "Disc",
        Open::Known(Bus::Loop) => "Mounted file",
        Open::Known(Bus::Other) | Open::Unknown(_) => "Removable",
    };
    let megabytes = media.size_bytes / 1_000_000;
    let size = if megabytes >= 1000 { format!("{} GB", megabytes / 1000) } else { format!("{megabytes} MB") };
    let fingerprint = media.serial_hash.map_or_else(
        || "It has no serial number.".to_owned(),
        |hash| format!("Its fingerprint, by which it can be approved: {hash}."),
    );
    format!("{bus}, {size}, {}. {fingerprint}", media.filesystem)
}

pub(super) const fn source(signal: Open<Signal>) -> &'static str {
    match signal {
        Open::Known(Signal::Title) => "Window title",
        Open::Known(Signal::Url) => "Web address",
        Open::Known(Signal::FileDrop) => "New file",
        Open::Known(Signal::Media) => "Removable medium",
        Open::Known(Signal::System) => "Lapwing itself",
        Open::Unknown(_) => "A kind of signal newer than this version",
    }
}

const fn scope_words(scope: Open<Scope>) -> &'static str {
    match scope {
        Open::Known(Scope::Title) => "Window title",
        Open::Known(Scope::UrlHost) => "Site",
        Open::Known(Scope::UrlPath) => "Page on the site",
        Open::Known(Scope::Query) => "Searched for",
        Open::Known(Scope::FileName) => "File name",
        Open::Known(Scope::Media) => "Label",
        Open::Known(Scope::App) => "Program",
        Open::Unknown(_) => "Text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(text: &str, ranges: &[(usize, usize)]) -> String {
        let parts = parts(text, ranges.iter().copied().collect());
        parts.iter().map(|part| if part.is_matched { format!("[{}]", part.text) } else { part.text.clone() }).collect()
    }

    #[test]
    fn matched_stretches_are_marked_and_nothing_is_lost() {
        assert_eq!(marked("one two three", &[(4, 7)]), "one [two] three");
        assert_eq!(marked("one two three", &[(0, 3), (2, 7)]), "[one two] three");
        assert_eq!(marked("one two", &[(0, 7), (4, 7)]), "[one two]");
        assert_eq!(marked("one", &[]), "one");
    }

    #[test]
    fn a_span_that_fits_no_character_marks_nothing() {
        assert_eq!(marked("\u{e9}t\u{e9}", &[(1, 3)]), "\u{e9}t\u{e9}");
        assert_eq!(marked("one", &[(2, 99), (3, 2)]), "one");
    }
}
