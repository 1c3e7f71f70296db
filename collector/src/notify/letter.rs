//! What a notification says: a reference, a level, where to sign in, and fixed sentences. Nothing else is at hand here.

use lapwing_rules::Level;

use super::Purpose;
use crate::calendar::Watch;

/// Subject and text, in ASCII.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) subject: String,
    pub(super) text: String,
}

/// Writes the notification of a concern, or of a request that waits.
pub(super) fn write(purpose: Purpose, reference: &str, level: Level, watch: Watch, sign_in: &str) -> Letter {
    let word = level.word();
    let (subject, opening, closing) = match purpose {
        Purpose::Concern => (
            format!("concern {reference}, {word}"),
            format!("A concern waits for you: {reference}, level {level}, {word}."),
            urgency(level),
        ),
        Purpose::Climbed => (
            format!("concern {reference}, {word}, comes to you"),
            format!(
                "Nobody acknowledged it in time, so it comes to you: concern\r\n{reference}, level {level}, {word}."
            ),
            urgency(level),
        ),
        Purpose::Again => (
            format!("concern {reference}, {word}, still waits"),
            format!("Nobody has acknowledged it yet: concern {reference}, level {level}, {word}."),
            urgency(level),
        ),
        Purpose::Request => (
            format!("request {reference} waits for you"),
            format!("Somebody asks for a change that needs your approval: {reference}."),
            "It is not in force until it is approved.",
        ),
        Purpose::ReadAlone => (
            format!("concern {reference}, {word}, was read"),
            format!(
                "Concern {reference}, level {level}, {word}, was read by one person\r\nalone, because it could not wait."
            ),
            "You need not do anything. You are told because the rules ask for it.",
        ),
        Purpose::Review => (
            format!("concern {reference} is due for review"),
            format!("The review date of concern {reference} has come."),
            "It stands in your list again.",
        ),
        Purpose::Unmapped => (
            format!("unmapped account, {reference}"),
            format!("Concern {reference} is about an account on no list of the school."),
            "The headteacher has it. You are told so that no one person could let\r\nit vanish; you need not do anything.",
        ),
    };
    let text = format!(
        "{opening}\r\n\r\nSign in to read it:\r\n{sign_in}\r\n\r\n{closing}\r\n\
         This message never says who or what a concern is about. {}\r\n",
        watched(watch)
    );
    Letter { subject: format!("Lapwing: {subject}"), text }
}

const fn urgency(level: Level) -> &'static str {
    match level {
        Level::Critical => "Please acknowledge it within 15 minutes.\r\nIf a child is in immediate danger, call 999.",
        Level::High => "Please acknowledge it within 60 minutes.",
        Level::Moderate => "Please acknowledge it before the end of the school day.",
        Level::Low | Level::Info => "It can wait for the weekly review.",
    }
}

/// Who is promised to be watching, in words.
const fn watched(watch: Watch) -> &'static str {
    match watch {
        Watch::SchoolHours => "It was\r\nsent in school hours.",
        Watch::OnCall => "It is\r\noutside school hours; your school has somebody on call for this level.",
        Watch::Nobody => "It is\r\noutside school hours, and nobody is promised to be watching.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_said_in_ascii_and_in_short_lines() {
        let watches = [Watch::SchoolHours, Watch::OnCall, Watch::Nobody];
        for (purpose, level) in Purpose::ALL.into_iter().flat_map(|one| Level::ALL.map(|level| (one, level))) {
            for watch in watches {
                let letter = write(purpose, "K7-3F2P", level, watch, "https://lapwing.example/");
                assert!(letter.text.is_ascii() && letter.subject.is_ascii());
                assert!(letter.text.lines().all(|line| line.len() < 80), "{}", letter.text);
                assert!(letter.text.contains("K7-3F2P") && letter.subject.contains("K7-3F2P"));
                assert!(letter.text.contains("https://lapwing.example/"));
                assert_eq!(letter.text.contains("nobody is promised"), watch == Watch::Nobody);
            }
        }
    }
}
