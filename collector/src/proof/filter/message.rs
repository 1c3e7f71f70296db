//! One syslog message as fields: what stands before them is passed over, but for the time.
//!
//! ```text
//! <134>Sep 28 09:55:00 gw utm: user_name="amy" src_ip="10.0.0.7" category="Weapons" url="https://a.example/"
//! <134>1 2026-09-28T08:55:00Z gw filter - - - username=amy category=Weapons domain=a.example
//! ```
//!
//! A field is `name=value`, up to the next space, or `name="value"`, in which a backslash stands before a quote, a
//! backslash or a bracket. The first field of a name counts, for what a pupil asks for may look like fields: a message is
//! only believed as far as the filter quotes what it was given. What has no priority before it is no message, and what is
//! longer or has more fields than there may be is none either, rather than half of one. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// Longest message, in bytes.
pub(super) const MAX_MESSAGE_BYTES: usize = 8 * 1024;
/// Most fields of a message.
const MAX_FIELDS: usize = 128;

/// What a message says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    fields: BTreeMap<String, String>,
    /// The time of its header, where that has a zone.
    pub(super) sent_us: Option<i64>,
}

impl Message {
    /// The message; `None` where it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > MAX_MESSAGE_BYTES {
            return None;
        }
        let (priority, body) = text.strip_prefix('<')?.split_once('>')?;
        if !(1..=3).contains(&priority.len()) || !priority.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let mut message = Self { sent_us: header_us(body), ..Self::default() };
        let mut rest = body;
        while let Some((before, after)) = rest.split_once('=') {
            let name = before.rsplit([' ', ',', ';', '|', '[', '\t']).next().unwrap_or(before);
            let (value, left) = value(after);
            if message.fields.len() >= MAX_FIELDS {
                return None;
            }
            if !name.is_empty() {
                message.fields.entry(name.to_lowercase()).or_insert(value);
            }
            rest = left;
        }
        Some(message)
    }

    /// The first of `names` that has a value; a space in a name may be a `_` in the message.
    pub(super) fn field(&self, names: &[&str]) -> &str {
        let value = |name: &&str| self.fields.get(*name).or_else(|| self.fields.get(&name.replace(' ', "_")));
        names.iter().filter_map(value).find(|value| !value.is_empty()).map_or("", String::as_str)
    }
}

/// A value, and what follows it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        return (value.to_owned(), rest);
    };
    let (mut value, mut letters) = (String::new(), quoted.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, quoted.get(at + 1..).unwrap_or_default()),
            '\\' => match letters.clone().next() {
                // Before anything else it is a sign like others: `HILL\amy`.
                Some((_, kept @ ('"' | '\\' | ']'))) => {
                    value.push(kept);
                    letters.next();
                }
                Some(_) | None => value.push(letter),
            },
            other => value.push(other),
        }
    }
    (value, "")
}

/// RFC 5424 has its time after the version; RFC 3164 names neither year nor zone, so that its time is no use.
fn header_us(body: &str) -> Option<i64> {
    let mut words = body.split(' ');
    let at: Timestamp = match words.next()? {
        "1" => words.next()?.parse().ok()?,
        _ => return None,
    };
    Some(at.as_microsecond())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Message {
        Message::parse(text).unwrap()
    }

    #[test]
    fn fields_are_read_behind_any_header() {
        let message = parsed(
            "<134>Sep 28 09:55:00 gw utm: user_name=\"HILL\\amy \\\"a\\\"\" src_ip=10.0.0.7 category=\"Weapons, Knives\",url=\"https://a.example/?q=1\"",
        );
        assert_eq!(message.field(&["user name"]), "HILL\\amy \"a\"");
        assert_eq!(message.field(&["address", "src_ip"]), "10.0.0.7");
        assert_eq!(message.field(&["category"]), "Weapons, Knives");
        assert_eq!(message.field(&["url"]), "https://a.example/?q=1");
        assert_eq!((message.field(&["terms"]), message.sent_us), ("", None));
    }

    #[test]
    fn what_was_asked_for_adds_no_field_and_takes_none_away() {
        let message = parsed("<1>user_name=\"\" url=https://a.example/;user_name=ben;category=News category=Suicide");
        assert_eq!(message.field(&["user name"]), "", "the first counts, with nothing in it too");
        assert_eq!(message.field(&["url"]), "https://a.example/;user_name=ben;category=News");
        assert_eq!(message.field(&["category"]), "Suicide");
    }

    #[test]
    fn what_is_no_whole_message_is_none() {
        for text in [
            "",
            "GET /?;user_name=amy;category=Suicide HTTP/1.1",
            "<>a=b",
            "<1234>a=b",
            "<x>a=b",
            &format!("<1>{}", "x".repeat(MAX_MESSAGE_BYTES)),
            &format!("<1>{}", (0..=MAX_FIELDS).map(|number| format!("f{number}=a ")).collect::<String>()),
        ] {
            assert_eq!(Message::parse(text), None, "{text}");
        }
        assert!(Message::parse("<1>a=b a=c a=d").is_some());
    }

    #[test]
    fn the_time_of_a_header_with_a_zone_is_read() {
        let at = |text: &str| parsed(text).sent_us;
        assert_eq!(at("<134>1 2026-09-28T09:55:00+01:00 gw filter - - - a=b"), Some(1_790_585_700_000_000));
        assert_eq!(at("<134>1 - gw filter - - - a=b"), None);
        assert_eq!(at("<134>Sep 28 09:55:00 gw a=b"), None);
        assert_eq!(parsed("<1>").field(&["a"]), "");
    }

    proptest! {
        #[test]
        fn no_message_makes_it_panic(text in "\\PC{0,300}", quoted in "<1>([a-z]{1,3}=\"?[a-z=\\\\\" ]{0,9}){0,9}") {
            drop(Message::parse(&text));
            prop_assert!(Message::parse(&quoted).is_some_and(|message| message.fields.len() <= MAX_FIELDS));
        }
    }
}
