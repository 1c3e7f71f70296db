//! What is about to end: told while there is still time to have it approved anew, or to take it out.

use super::expand::Draft;
use super::overlay::{Tune, draft_of};
use crate::Date;
use crate::diagnostic::{Code, Diagnostic};

/// A tune is agreed to by several people, who need the time to meet.
const TUNE_DAYS: u32 = 30;
/// A watch lasts four weeks at most: earlier than this it would be about to end from its first day on.
const WATCH_DAYS: u32 = 7;

/// Warns of every tune that ends within 30 days, and of every watch that ends within 7.
pub(super) fn check(drafts: &[Draft<'_>], tunes: &[Tune], today: Option<Date>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(today) = today else { return };
    diagnostics.extend(drafts.iter().filter_map(|draft| watch(draft, today)));
    let of_rules = tunes.iter().filter(|(_, tune)| draft_of(drafts, tune).is_some());
    diagnostics.extend(of_rules.filter_map(|of| tune(of, today)));
}

fn watch(draft: &Draft<'_>, today: Date) -> Option<Diagnostic> {
    let written = draft.written.course.watch.as_ref()?;
    let until = written.get_ref().until;
    let ends = in_words(today, until, WATCH_DAYS)?;
    let message = format!("the watch of rule `{}` ends {ends}, on {until}", draft.rule.facts.id);
    let diagnostic = draft.diagnostic(Code::EndsSoon, written.span(), message, "packs do not compile after that");
    Some(diagnostic.help("plan a release without the rule"))
}

fn tune((source, tune): &Tune, today: Date) -> Option<Diagnostic> {
    let expires = *tune.expires.get_ref();
    let ends = in_words(today, expires, TUNE_DAYS)?;
    let message = format!("this tune of rule `{}` ends {ends}, on {expires}", tune.rule.get_ref());
    let label = "packs do not compile with it after that";
    let diagnostic = Diagnostic::new(Code::EndsSoon, source, tune.expires.span(), message, label);
    Some(diagnostic.help("have it approved anew, or plan to take it out"))
}

/// `in 12 days`; none for a day that is over, or further off than `within`.
fn in_words(today: Date, end: Date, within: u32) -> Option<String> {
    let days = end.days().checked_sub(today.days()).filter(|days| *days <= within)?;
    Some(match days {
        0 => "today".to_owned(),
        1 => "tomorrow".to_owned(),
        _ => format!("in {days} days"),
    })
}
