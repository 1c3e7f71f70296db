//! The sentences of what is about no single concern: the digest, the "all well", a channel that fails, a trial.

use jiff::civil::Date;

use super::{Condition, Digest, Failing, UNSAID};
use crate::store::channels::MOST_COUNTED;

/// References that a digest names; the rest are counted.
const NAMED: usize = 20;

pub(super) fn digest_subject(digest: &Digest) -> String {
    match digest.waiting.len() {
        0 => "the week's concerns of levels 1 and 2".to_owned(),
        1 => "1 concern waits for you".to_owned(),
        many => format!("{many} concerns wait for you"),
    }
}

pub(super) fn digest_paragraphs(digest: &Digest) -> Vec<String> {
    let mut said = Vec::new();
    let since = digest.oldest.map(|date| format!(", the oldest since {}", day(date))).unwrap_or_default();
    match digest.waiting.len() {
        0 => said.push("No concern waits for you to acknowledge it.".to_owned()),
        1 => said.push(format!("1 concern waits for you to acknowledge it{since}.")),
        many => said.push(format!("{many} concerns wait for you to acknowledge them{since}.")),
    }
    let named: Vec<_> =
        digest.waiting.iter().take(NAMED).map(|(reference, level)| format!("{reference}, {}", level.word())).collect();
    let more = digest.waiting.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    if !named.is_empty() {
        said.push(format!("{}{more}.", named.join("; ")));
    }
    match digest.week {
        None => {}
        Some(1) => said.push("1 concern of levels 1 and 2 came up this week, for the weekly sign-off.".to_owned()),
        Some(week) => {
            said.push(format!("{week} concerns of levels 1 and 2 came up this week, for the weekly sign-off."));
        }
    }
    said.push(UNSAID.to_owned());
    said
}

pub(super) fn well_subject(condition: &Condition) -> String {
    let word = if condition.is_well() { "all well" } else { "not all is well" };
    format!("{word}, {} of {} heard today", condition.heard, devices(condition.devices))
}

pub(super) fn well_paragraphs(condition: &Condition) -> Vec<String> {
    let opening = if condition.is_well() { "All is well." } else { "Not all is well: please have a look." };
    let mut facts = vec![match condition.devices {
        0 => "No device is enrolled.".to_owned(),
        many => format!("{} of {} heard today.", condition.heard, devices(many)),
    }];
    if let Some(missing) = condition.expected.map(|expected| expected.saturating_sub(condition.devices)) {
        facts.push(counted(missing, "on the school's list and not enrolled"));
    }
    facts.push(counted(condition.silent, "silent without an explanation"));
    facts.push(counted(condition.blind, "partly blind: something on it cannot be seen"));
    match condition.failed_checks {
        None => {}
        Some(0) => facts.push("The daily checks passed.".to_owned()),
        Some(failed) => facts.push(format!("The daily check failed on {}.", devices(failed))),
    }
    match condition.failing_channels {
        0 => facts.push("Messages can be sent.".to_owned()),
        1 => facts.push("1 way for messages cannot be used.".to_owned()),
        many => facts.push(format!("{many} ways for messages cannot be used.")),
    }
    if condition.undelivered > 0 {
        let or_more = if condition.undelivered >= MOST_COUNTED { " or more" } else { "" };
        let many = condition.undelivered;
        facts.push(format!("Messages that you should know of and that did not arrive: {many}{or_more}."));
    }
    let closing = "This message comes once a school day. A day without it means that something is broken.";
    vec![opening.to_owned(), facts.join(" "), closing.to_owned()]
}

pub(super) fn cannot_subject(failing: &Failing) -> String {
    format!("messages by {} cannot be sent", failing.channel)
}

pub(super) fn cannot_paragraphs(failing: &Failing) -> Vec<String> {
    let since = format!("{} on {}", failing.since.strftime("%H:%M"), day(failing.since.date()));
    vec![
        format!("Messages by {} cannot be sent since {since}.", failing.channel),
        "Until it is put right nobody is told of a concern that way. Please look at the list in the console, and have \
         the way repaired."
            .to_owned(),
    ]
}

pub(super) fn test_paragraphs() -> Vec<String> {
    vec![
        "Somebody tries whether messages arrive. This one did.".to_owned(),
        "Nothing has happened, and nothing needs to be done.".to_owned(),
    ]
}

fn counted(number: u64, what: &str) -> String {
    match number {
        0 => format!("No device is {what}."),
        1 => format!("1 device is {what}."),
        many => format!("{many} devices are {what}."),
    }
}

fn devices(number: u64) -> String {
    if number == 1 { "1 device".to_owned() } else { format!("{number} devices") }
}

fn day(date: Date) -> String {
    date.strftime("%A %-d %B %Y").to_string()
}
