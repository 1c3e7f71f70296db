//! Makes the least of a signal that still explains itself: what travels.
//!
//! A title, file name or label is cut to the smallest stretch around its matched words on which the same rules fire. A
//! URL keeps host, path and the search terms that matched. On mail, health and banking pages the matched words stand
//! alone. A signal on which a rule of a no-evidence class fires keeps no text at all: its reference travels sealed to
//! the school's key, and for as long as there is no such key, not at all.

mod window;

use std::collections::BTreeMap;

use lapwing_proto::{Account, BootId, Capture, Excerpt, Open, Signal as Kind, bounds};
use lapwing_rules::{Class, Excepted, Hit, Level, RuleId, RuleSet, Scope, Span, Text, Verdict};

use crate::detect::Found;
use crate::observation::cut;
use crate::signal::Signal;
use window::Window;

/// How much of a confidential page may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The matched words alone.
    SpansAlone,
    /// What explains the match.
    Explanation,
}

/// Makes the capture of what was found on a signal.
#[must_use]
pub fn minimise(signal: Signal, found: Found, rules: &RuleSet, keep: Keep, boot_id: BootId) -> Capture {
    let Found { verdict, risen, repeats } = found;
    let has_evidence = verdict.hits.iter().all(|hit| hit.category.class() != Class::IllegalNoEvidence);
    let windows = if has_evidence { smallest(&signal, &verdict, rules, keep) } else { Vec::new() };
    let excerpts = excerpts(&signal, &windows);
    Capture {
        signal: Open::Known(signal.kind),
        wall_us: signal.seen.wall_us,
        boot_us: signal.seen.boot_us,
        boot_id,
        account: bounded_account(signal.account),
        app: cut(signal.app, bounds::MAX_NAME_BYTES),
        private_window: signal.private_window,
        verdict: raised(moved(verdict, &windows), &risen).into(),
        excerpts,
        sealed_reference: Vec::new(),
        repeats,
        media: signal.media.filter(|_| has_evidence),
        url_blind: signal.url_blind,
        burst: 1,
    }
}

/// The windows on the signal's texts that are kept, in order of the texts.
fn smallest(signal: &Signal, verdict: &Verdict, rules: &RuleSet, keep: Keep) -> Vec<Window> {
    let mut windows = first_windows(signal, verdict, keep);
    while !fires_alike(signal, &windows, verdict, rules) {
        // Widened evenly; once every window is as wide as it may be, this is the best there is.
        if !windows.iter_mut().fold(false, |grew, window| window.widen(&signal.texts) | grew) {
            break;
        }
    }
    windows
}

fn first_windows(signal: &Signal, verdict: &Verdict, keep: Keep) -> Vec<Window> {
    let spans_of = |index: usize| {
        let spans = verdict.hits.iter().flat_map(|hit| &hit.spans).filter(move |span| span.text == index);
        spans.fold(None, |found: Option<(usize, usize)>, span| {
            let (start, end) = found.unwrap_or((span.start, span.end));
            Some((start.min(span.start), end.max(span.end)))
        })
    };
    let window = |(index, text): (usize, &Text)| match (spans_of(index), is_kept_whole(signal.kind, text.scope, keep)) {
        (Some(matched), true) => Some(Window::whole(index, text, matched.0)),
        (Some((start, end)), false) => Some(Window::around(index, text, start, end)),
        (None, true) if text.scope != Scope::Query => Some(Window::whole(index, text, 0)),
        (None, true | false) => None,
    };
    signal.texts.iter().enumerate().filter_map(window).take(bounds::MAX_EXCERPTS).collect()
}

/// What is kept around the matched words: of a URL its host, path and matched search terms, of a medium its label,
/// which its facts hold too.
fn is_kept_whole(kind: Kind, scope: Scope, keep: Keep) -> bool {
    match (kind, scope) {
        (Kind::Media, Scope::Media) => true,
        (Kind::Url, Scope::UrlHost | Scope::UrlPath | Scope::Query) => keep == Keep::Explanation,
        (Kind::Url | Kind::Title | Kind::FileDrop | Kind::Media | Kind::System, _) => false,
    }
}

fn fires_alike(signal: &Signal, windows: &[Window], verdict: &Verdict, rules: &RuleSet) -> bool {
    let texts: Vec<Text> = windows.iter().map(|window| window.text(&signal.texts)).collect();
    let again = rules.evaluate(&texts, verdict.band);
    let same = |hit: &Hit, other: &Hit| hit.rule == other.rule && hit.level == other.level;
    verdict.hits.iter().all(|hit| again.hits.iter().any(|other| same(hit, other)))
}

fn excerpts(signal: &Signal, windows: &[Window]) -> Vec<Excerpt> {
    let excerpt = |window: &Window| {
        let Text { scope, text } = window.text(&signal.texts);
        Excerpt { scope: Open::Known(scope), text }
    };
    windows.iter().map(excerpt).collect()
}

/// The verdict with its places told by excerpt; what lies outside every window is left out.
fn moved(mut verdict: Verdict, windows: &[Window]) -> Verdict {
    let place = |text: usize, start: usize, end: usize| {
        let excerpt = windows.iter().position(|window| window.holds(text, start, end))?;
        let offset = windows.get(excerpt)?.start();
        Some((excerpt, start.checked_sub(offset)?, end.checked_sub(offset)?))
    };
    for hit in verdict.hits.iter_mut() {
        let spans = hit.spans.iter().filter_map(|span| {
            let (text, start, end) = place(span.text, span.start, span.end)?;
            Some(Span { text, start, end, ..*span })
        });
        hit.spans = spans.take(bounds::MAX_SPANS).collect();
        let excepted = hit.excepted.iter().filter_map(|won| {
            let (text, start, end) = place(won.text, won.start, won.end)?;
            Some(Excepted { phrase: cut(won.phrase.clone(), bounds::MAX_PHRASE_BYTES), text, start, end })
        });
        hit.excepted = excepted.take(bounds::MAX_EXCEPTIONS).collect();
    }
    verdict.hits.truncate(bounds::MAX_HITS);
    verdict
}

/// The verdict with hits at the levels they rose to. Which words matched, and so what is kept, is their rules' alone.
fn raised(mut verdict: Verdict, risen: &BTreeMap<RuleId, Level>) -> Verdict {
    for hit in &mut verdict.hits {
        hit.level = risen.get(&hit.rule).copied().unwrap_or(hit.level);
    }
    verdict.hits.sort_by(|left, right| right.level.cmp(&left.level).then_with(|| left.rule.cmp(&right.rule)));
    verdict
}

fn bounded_account(account: Account) -> Account {
    let Account { name, session, groups } = account;
    Account {
        name: cut(name, bounds::MAX_ACCOUNT_BYTES),
        session: cut(session, bounds::MAX_NAME_BYTES),
        groups: groups.into_iter().take(bounds::MAX_GROUPS).map(|group| cut(group, bounds::MAX_NAME_BYTES)).collect(),
    }
}

#[cfg(test)]
mod tests;
