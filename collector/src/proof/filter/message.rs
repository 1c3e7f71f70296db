//! One syslog message as fields: what stands before them is passed over, but for the time.
//!
//! ```text
//! <134>Sep 28 09:55:00 gw utm: user_name="amy" src_ip="10.0.0.7" category="Weapons" url="https://a.example/"
//! <134>1 2026-09-28T08:55:00Z gw filter - - - username=amy category=Weapons domain=a.example
//! ```
//!
//! A field is `name=value` or `name="value"`, in which a backslash keeps the next sign. Nothing here fails: what is no
//! field is passed over. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// Longest message, in bytes: what is longer is cut.
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
    pub(super) fn parse(text: &str) -> Self {
        let text = text.trim();
        let body = text.strip_prefix('<').and_then(|rest| rest.split_once('>')).map_or(text, |(_, body)| body);
        let mut message = Self { sent_us: header_us(body), ..Self::default() };
        let mut rest = body;
        while let Some((before, after)) = rest.split_once('=') {
            let name = before.rsplit([' ', ',', ';', '|', '[', '\t']).next().unwrap_or(before);
            let (value, left) = value(after);
            if !name.is_empty() && message.fields.len() < MAX_FIELDS {
                // The first that has something in it counts: later ones are of other parts of the log.
                message
                    .fields
                    .entry(name.to_lowercase())
                    .and_modify(|held| {
                        if held.is_empty() {
                            held.clone_from(&value);
                        }
                    })
                    .or_insert(value);
            }
            rest = left;
        }
        message
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
        let end = text.find([' ', ',', ';', '|', ']', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        return (value.to_owned(), rest);
    };
    let (mut value, mut letters) = (String::new(), quoted.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, quoted.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(letters.next().map(|(_, kept)| kept)),
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

    #[test]
    fn fields_are_read_behind_any_header() {
        let message = Message::parse(
            "<134>Sep 28 09:55:00 gw utm: user_name=\"amy \\\"a\\\" b\" src_ip=10.0.0.7,category=\"Weapons, Knives\" url=\"https://a.example/?q=1\" user_name=\"other\"",
        );
        assert_eq!(message.field(&["user name"]), "amy \"a\" b");
        assert_eq!(message.field(&["address", "src_ip"]), "10.0.0.7");
        assert_eq!(message.field(&["category"]), "Weapons, Knives");
        assert_eq!(message.field(&["url"]), "https://a.example/?q=1");
        assert_eq!((message.field(&["terms"]), message.sent_us), ("", None));
    }

    #[test]
    fn the_time_of_a_header_with_a_zone_is_read() {
        let at = |text: &str| Message::parse(text).sent_us;
        assert_eq!(at("<134>1 2026-09-28T09:55:00+01:00 gw filter - - - a=b"), Some(1_790_585_700_000_000));
        assert_eq!(at("<134>1 - gw filter - - - a=b"), None);
        assert_eq!(at("<134>Sep 28 09:55:00 gw a=b"), None);
        assert_eq!(Message::parse("").field(&["a"]), "");
    }

    proptest! {
        #[test]
        fn no_message_makes_it_panic(text in "\\PC{0,300}", quoted in "(<1>)?([a-z]{1,3}=\"?[a-z=\\\\\" ]{0,9}){0,9}") {
            prop_assert!(Message::parse(&text).fields.len() <= MAX_FIELDS);
            prop_assert!(Message::parse(&quoted).fields.len() <= MAX_FIELDS);
        }
    }
}
