//! A neutral text for the child's file in another system: what was seen, what was done, and nothing of anybody else.

use std::fmt::Write as _;

use super::super::words::{self, Present};
use super::ConcernView;
use crate::store::queue::QueueRow;

/// Matched words that are quoted.
const MOST_WORDS: usize = 6;

/// The text. Names no child, so that it goes into the right file by the hand that opens it; quotes nothing that nobody views.
pub(super) fn of(present: &Present, row: &QueueRow, view: &ConcernView) -> String {
    let mut text = String::new();
    let mut line = |words: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", one_line(words));
    };
    line(&format!("Online safety: {}.", view.what));
    line(&format!(
        "The school's monitoring flagged this account on {}. {}, level {} of 5.",
        present.at(row.last_us),
        words::how_often(present, row.captures, row.first_us, row.last_us),
        row.level.number()
    ));
    for fact in view.facts.iter().filter(|fact| fact.name == "Device") {
        line(&format!("Device: {}.", fact.value));
    }
    let matched: Vec<_> = view.seen.iter().flat_map(|seen| &seen.words).take(MOST_WORDS).collect();
    if view.do_not_view.is_empty() && !matched.is_empty() {
        let quoted: Vec<_> = matched.iter().map(|word| format!("\u{201c}{}\u{201d}", word.text)).collect();
        line(&format!("Matched words: {}.", quoted.join(", ")));
    }
    for step in view.steps.iter().filter(|step| step.is_by_person) {
        line(&format!("{}: {}, {}.", step.at, step.did, step.who));
    }
    line("Who was at the keyboard is not known: an account is not a person.");
    line(&format!("Lapwing reference {}.", view.reference));
    text
}

/// Without what ends a line, turns a text round or is not seen: titles and names of devices are whatever somebody wrote.
fn one_line(words: &str) -> String {
    let is_hidden = |c: char| {
        matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let shown = words.chars().filter(|c| !is_hidden(*c)).map(|c| if c.is_control() { ' ' } else { c });
    shown.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn nothing_in_it_ends_a_line_or_turns_it_round() {
        assert_eq!(one_line("one\r\ntwo\u{202e} three\u{200b}\u{2028}four"), "one two three four");
    }
}
