//! What a notification says: a reference, a level, where to sign in, and fixed sentences. Nothing else is at hand here.

use lapwing_rules::Level;

/// Subject and text, in ASCII.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) subject: String,
    pub(super) text: String,
}

/// Writes the notification of a concern.
pub(super) fn write(reference: &str, level: Level, sign_in: &str) -> Letter {
    let word = level.word();
    let subject = format!("Lapwing: concern {reference}, {word}");
    let text = format!(
        "A concern waits for you: {reference}, level {level}, {word}.\r\n\
         \r\n\
         Sign in to read it:\r\n\
         {sign_in}\r\n\
         \r\n\
         {}\r\n\
         This message never says who or what a concern is about. Outside\r\n\
         school hours nobody is promised to be watching, unless your school\r\n\
         has said so.\r\n",
        urgency(level)
    );
    Letter { subject, text }
}

const fn urgency(level: Level) -> &'static str {
    match level {
        Level::Critical => "Please acknowledge it within 15 minutes.\r\nIf a child is in immediate danger, call 999.",
        Level::High => "Please acknowledge it within 60 minutes.",
        Level::Moderate => "Please acknowledge it before the end of the school day.",
        Level::Low | Level::Info => "It can wait for the weekly review.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_said_in_ascii() {
        for level in Level::ALL {
            let letter = write("K7-3F2P", level, "https://lapwing.example/");
            assert!(letter.text.is_ascii() && letter.subject.is_ascii());
            assert!(letter.text.lines().all(|line| line.len() < 72));
            assert!(letter.text.contains("K7-3F2P") && letter.text.contains(level.word()));
            assert!(letter.text.contains("https://lapwing.example/"));
        }
    }
}
