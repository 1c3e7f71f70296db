//! What a notification says: a reference, a level, where to sign in, fixed sentences, and counts of devices and
//! concerns. Nothing else is at hand here.

mod daily;

use jiff::civil::{Date, DateTime};
use lapwing_rules::Level;

use super::Purpose;
use crate::calendar::Watch;

/// Longest line of a mail's text: no mail server has a reason to encode it.
const LINE: usize = 72;
const UNSAID: &str = "This message never says who or what a concern is about.";

/// A message in words, all in ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    /// Code of what it is, for machines.
    pub(super) kind: &'static str,
    /// One line.
    pub(super) subject: String,
    /// Of one concern, or a request.
    pub(super) about: Option<About>,
    /// Where to sign in.
    pub(super) link: String,
    /// The first says what there is; the link comes after it.
    paragraphs: Vec<String>,
}

/// Which concern or request, and how urgent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct About {
    pub(super) reference: String,
    pub(super) level: Level,
}

/// What is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Saying {
    /// Something of one concern or request.
    Of { purpose: Purpose, reference: String, level: Level, watch: Watch },
    /// What waits.
    Digest(Digest),
    /// Whether the school is watched.
    AllWell(Condition),
    /// A channel fails.
    CannotSend(Failing),
    /// Nothing: somebody tries the way.
    Test,
}

/// What waits for a person to acknowledge it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    /// The most urgent first, then the oldest.
    pub(crate) waiting: Vec<(String, Level)>,
    /// When the oldest came up.
    pub(crate) oldest: Option<Date>,
    /// Concerns of levels 1 and 2 that came up this week; said on its last school day.
    pub(crate) week: Option<u64>,
}

/// How well the school is watched, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Devices on the school's own list; `None` where it gave none.
    pub(crate) expected: Option<u64>,
    /// Enrolled.
    pub(crate) devices: u64,
    /// Heard today.
    pub(crate) heard: u64,
    /// Neither heard lately nor switched off.
    pub(crate) silent: u64,
    /// At work, and something on them cannot be seen.
    pub(crate) blind: u64,
    /// Of the latest daily checks, those that failed; `None` where nothing was checked.
    pub(crate) failed_checks: Option<u64>,
    /// Channels that cannot be used.
    pub(crate) failing_channels: u64,
    /// Messages to the reader, or about what they may see, that wait for long or were given up.
    pub(crate) undelivered: u64,
}

/// A channel that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failing {
    /// "mail", or the name of a shared channel.
    pub(crate) channel: String,
    /// In the school's time.
    pub(crate) since: DateTime,
}

impl Letter {
    /// The text of a mail, in short lines.
    pub(super) fn text(&self) -> String {
        let mut parts: Vec<String> = self.paragraphs.iter().map(|text| wrapped(text)).collect();
        let after_first = parts.len().min(1);
        parts.insert(after_first, format!("Sign in to read it:\r\n{}", self.link));
        let mut text = parts.join("\r\n\r\n");
        text.push_str("\r\n");
        text
    }

    /// What it says, a paragraph at a time, without the link.
    pub(super) fn paragraphs(&self) -> impl Iterator<Item = &str> {
        self.paragraphs.iter().map(String::as_str)
    }
}

impl Condition {
    /// Whether nobody needs to do anything.
    pub(crate) fn is_well(&self) -> bool {
        let is_whole = self.devices > 0 && self.expected.is_none_or(|expected| self.devices >= expected);
        let troubles = [self.silent, self.blind, self.failing_channels, self.undelivered];
        is_whole && troubles == [0; 4] && self.failed_checks.unwrap_or(0) == 0
    }
}

/// Puts `saying` into words; `link` is where people sign in.
pub(super) fn write(saying: &Saying, link: &str) -> Letter {
    let (kind, subject, paragraphs) = match saying {
        Saying::Of { purpose, reference, level, watch } => {
            let (subject, opening, closing) = of_one(*purpose, reference, (*level, *watch));
            (purpose.as_str(), subject, vec![opening, closing.to_owned(), format!("{UNSAID} {}", watched(*watch))])
        }
        Saying::Digest(digest) => ("digest", daily::digest_subject(digest), daily::digest_paragraphs(digest)),
        Saying::AllWell(condition) => ("all_well", daily::well_subject(condition), daily::well_paragraphs(condition)),
        Saying::CannotSend(failing) => {
            ("cannot_send", daily::cannot_subject(failing), daily::cannot_paragraphs(failing))
        }
        Saying::Test => ("test", "a test of this way for messages".to_owned(), daily::test_paragraphs()),
    };
    let about = match saying {
        Saying::Of { reference, level, .. } => Some(About { reference: reference.clone(), level: *level }),
        Saying::Digest(_) | Saying::AllWell(_) | Saying::CannotSend(_) | Saying::Test => None,
    };
    Letter { kind, subject: format!("Lapwing: {subject}"), about, link: link.to_owned(), paragraphs }
}

/// Subject, opening and closing of what is about one concern or request.
fn of_one(purpose: Purpose, reference: &str, (level, watch): (Level, Watch)) -> (String, String, &'static str) {
    let word = level.word();
    match purpose {
        Purpose::Concern => (
            format!("concern {reference}, {word}"),
            format!("A concern waits for you: {reference}, level {level}, {word}."),
            urgency(level, watch),
        ),
        Purpose::Climbed => (
            format!("concern {reference}, {word}, comes to you"),
            format!("Nobody acknowledged it in time, so it comes to you: concern {reference}, level {level}, {word}."),
            urgency(level, watch),
        ),
        Purpose::Again => (
            format!("concern {reference}, {word}, still waits"),
            format!("Nobody has acknowledged it yet: concern {reference}, level {level}, {word}."),
            urgency(level, watch),
        ),
        Purpose::Asked => (
            format!("concern {reference}, {word}: a colleague asks you"),
            format!("A colleague asks you to deal with concern {reference}, level {level}, {word}."),
            "What they wrote about it stands on its page.",
        ),
        Purpose::Recurred => (
            format!("concern {reference}, {word}: it came again"),
            format!("You wanted to hear if it came again: concern {reference}, level {level}, {word}."),
            urgency(level, watch),
        ),
        Purpose::Request => (
            format!("request {reference} waits for you"),
            format!("Somebody asks for a change that needs your approval: {reference}."),
            "It is not in force until it is approved.",
        ),
        Purpose::ReadAlone => (
            format!("concern {reference}, {word}, was read"),
            format!(
                "Concern {reference}, level {level}, {word}, was read by one person alone, because it could not wait."
            ),
            "You need not do anything. You are told because the rules ask for it.",
        ),
        Purpose::Review => (
            format!("concern {reference} is due for review"),
            format!("The review date of concern {reference} has come."),
            "It stands in your list again.",
        ),
        Purpose::Unmapped => (
            format!("an account on no list, {reference}"),
            format!("Concern {reference} is about an account on no list of the school."),
            "Whoever your school named for this has it. You are told so that two people know of it; you need not do anything.",
        ),
        Purpose::Undelivered => (
            format!("concern {reference}, {word}: a message did not arrive"),
            format!("A message about concern {reference}, level {level}, {word}, did not reach one of its readers."),
            "Please see that somebody has it in hand.",
        ),
        Purpose::Silence => (
            format!("devices are silent, {reference}"),
            format!("Devices of a room are silent, and nothing explains it: {reference}."),
            "While they are silent, nothing that happens on them is seen. The page of checks names the room and the devices.",
        ),
        Purpose::Image => (
            format!("PCs came up with another PC's identity, {reference}"),
            format!("PCs came up with the identity of another PC and were made devices of their own: {reference}."),
            "An image was made of a PC that was enrolled. Nothing is lost or mixed up. Prepare the PC that images are made of with `lapwing-agent doctor --image`; the page of enrolment names it.",
        ),
        Purpose::Certificate => (
            format!("a certificate ends, {reference}"),
            format!("A certificate of the collector ends soon, or has ended: {reference}."),
            "Once it has ended, devices or people cannot reach the collector any more. The page of enrolment says which it is, when it ends and what to do.",
        ),
        Purpose::RollOut => (
            format!("a roll-out is halted, {reference}"),
            format!(
                "Devices that took a new release are unwell, refuse it, or capture far more than others, so that it goes no further: {reference}."
            ),
            "Devices that have it keep it; all others stay with the one before. `lapwing-collector rules status` and `policy status` say how they are.",
        ),
        Purpose::Outdated => (
            format!("a rule set is to be replaced, {reference}"),
            format!("The rule set in force is to be replaced by a day that has come or is near: {reference}."),
            "It was signed so, or is a year old then. It stays in force, and nothing stops. It no longer knows what has come up since: sign the newest packs as the next release and publish it.",
        ),
        Purpose::Removed => (
            format!("the agent was taken off computers, {reference}"),
            format!("Computers said goodbye for good, since the agent was taken off them: {reference}."),
            "Nothing that happens on them is seen any more. The page of devices names them. Where nobody of the school did it, treat it as tampering.",
        ),
        Purpose::Changed => (
            format!("the agent's own files changed, {reference}"),
            format!(
                "The program, the configuration or the service unit of the agent changed on computers: {reference}."
            ),
            "They go on watching. The page of devices names them. Where nobody of the school did it, treat it as tampering. Changes that follow today stand on that page alone.",
        ),
        Purpose::Digest | Purpose::AllWell | Purpose::CannotSend => {
            ("something waits for you".to_owned(), "Something waits for you.".to_owned(), "Please have a look.")
        }
    }
}

const fn urgency(level: Level, watch: Watch) -> &'static str {
    match (level, watch) {
        (Level::Critical, Watch::Nobody) => {
            "Please acknowledge it when the school opens. If a child is in immediate danger, call 999."
        }
        (Level::Critical, Watch::SchoolHours | Watch::OnCall) => {
            "Please acknowledge it within 15 minutes. If a child is in immediate danger, call 999."
        }
        (Level::High, Watch::Nobody) => "Please acknowledge it when the school opens.",
        (Level::High, Watch::SchoolHours | Watch::OnCall) => "Please acknowledge it within 60 minutes.",
        (Level::Moderate, _) => "Please acknowledge it before the end of the school day.",
        (Level::Low | Level::Info, _) => "It can wait for the weekly review.",
    }
}

/// Who is promised to be watching, in words.
const fn watched(watch: Watch) -> &'static str {
    match watch {
        Watch::SchoolHours => "It was sent in school hours.",
        Watch::OnCall => "It is outside school hours; your school has somebody on call for this level.",
        Watch::Nobody => "It is outside school hours, and nobody is promised to be watching.",
    }
}

/// Breaks a paragraph into short lines.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let is_full = lines.last().is_some_and(|line| !line.is_empty() && line.len() + 1 + word.len() > LINE);
        if is_full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://lapwing.example/";
    const WELL: Condition = Condition {
        expected: None,
        devices: 121,
        heard: 118,
        silent: 0,
        blind: 0,
        failed_checks: None,
        failing_channels: 0,
        undelivered: 0,
    };

    fn said(saying: Saying) -> String {
        let letter = write(&saying, LINK);
        format!("{}\n{}", letter.subject, letter.text().replace("\r\n", " "))
    }

    #[test]
    fn every_message_is_said_in_ascii_and_in_short_lines() {
        let watches = [Watch::SchoolHours, Watch::OnCall, Watch::Nobody];
        for (purpose, level) in Purpose::ALL.into_iter().flat_map(|one| Level::ALL.map(|level| (one, level))) {
            for watch in watches {
                let saying = Saying::Of { purpose, reference: "K7-3F2P".to_owned(), level, watch };
                let letter = write(&saying, LINK);
                let text = letter.text();
                assert!(text.is_ascii() && letter.subject.is_ascii());
                assert!(text.lines().all(|line| line.len() <= LINE), "{text}");
                assert!(text.contains(LINK) && text.ends_with(".\r\n"));
                assert_eq!(text.replace("\r\n", " ").contains("nobody is promised"), watch == Watch::Nobody);
                let is_named = text.contains("K7-3F2P") && letter.subject.contains("K7-3F2P");
                assert_eq!(is_named, purpose.bond() != super::super::purpose::Bond::None);
            }
        }
    }

    #[test]
    fn a_digest_counts_names_twenty_and_says_since_when() {
        let waiting: Vec<_> = (0..23).map(|number| (format!("K7-{number:04}"), Level::Moderate)).collect();
        let oldest = Some(Date::constant(2026, 9, 28));
        let text = said(Saying::Digest(Digest { waiting, oldest, week: Some(5) }));
        for words in
            ["23 concerns wait", "since Monday 28 September 2026", "K7-0019, moderate; and 3 more", "5 concerns"]
        {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("K7-0020"));
        let one = Digest { waiting: vec![("K7-3F2P".to_owned(), Level::Low)], oldest, week: None };
        let text = said(Saying::Digest(one));
        assert!(text.contains("1 concern waits") && !text.contains("this week"), "{text}");
    }

    #[test]
    fn all_well_is_said_only_where_all_is() {
        assert!(
            said(Saying::AllWell(WELL)).starts_with("Lapwing: all well, 118 of 121 devices heard today\nAll is well.")
        );
        for (condition, words) in [
            (Condition { devices: 0, heard: 0, ..WELL }, "No device is enrolled."),
            (Condition { silent: 3, ..WELL }, "3 devices are silent"),
            (Condition { blind: 1, ..WELL }, "1 device is partly blind"),
            (Condition { expected: Some(122), ..WELL }, "1 device is on the school's list and not enrolled"),
            (Condition { failed_checks: Some(2), ..WELL }, "The daily check failed on 2 devices."),
            (Condition { failing_channels: 1, ..WELL }, "1 way for messages cannot be used."),
            (Condition { undelivered: 4, ..WELL }, "Messages that you should know of and that did not arrive: 4."),
        ] {
            let text = said(Saying::AllWell(condition));
            assert!(text.starts_with("Lapwing: not all is well") && text.contains(words), "{text}");
            assert!(text.contains("A day without it"));
        }
        let checked = Condition { failed_checks: Some(0), expected: Some(121), ..WELL };
        assert!(said(Saying::AllWell(checked)).contains("The daily checks passed."));
    }

    #[test]
    fn a_channel_that_fails_is_named_with_the_time() {
        let failing = Failing { channel: "mail".to_owned(), since: Date::constant(2026, 9, 28).at(10, 5, 0, 0) };
        let text = said(Saying::CannotSend(failing));
        assert!(text.contains("Messages by mail cannot be sent since 10:05 on Monday 28 September 2026."), "{text}");
    }
}
