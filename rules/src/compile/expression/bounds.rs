//! Nothing in an expression that a folded text cannot hold, and nothing that goes on without bound.

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::Mistake;
use crate::fold::fold;

/// Most times a part is repeated, where not without end.
const MAX_REPEATS: u32 = 64;

pub(super) fn check(hir: &Hir) -> Result<(), Mistake> {
    match hir.kind() {
        HirKind::Empty => Ok(()),
        HirKind::Literal(literal) => literal_is_folded(&literal.0),
        HirKind::Class(class) => class_is_folded(class),
        HirKind::Look(_) => {
            let message = "an expression looks at no edges".to_owned();
            Err((
                message,
                "take `^`, `$` and the like out: a match begins and ends with whole words, wherever they stand",
            ))
        }
        HirKind::Repetition(repetition) => repeats(repetition),
        HirKind::Capture(capture) => check(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().try_for_each(check),
    }
}

fn literal_is_folded(bytes: &[u8]) -> Result<(), Mistake> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let words: Vec<String> = fold(text).words().map(str::to_owned).collect();
    if !text.is_empty() && !text.contains("  ") && words.join(" ") == text.trim_matches(' ') {
        return Ok(());
    }
    let message = format!("no folded text holds `{}`", String::from_utf8_lossy(bytes));
    Err((message, "it is lower case, without accents, apostrophes and signs, with one space between words"))
}

/// A class holds something that a folded text can.
fn class_is_folded(class: &Class) -> Result<(), Mistake> {
    let holds = (b'a'..=b'z').chain(b'0'..=b'9').chain([b' ']).any(|letter| class_holds(class, letter));
    if holds { Ok(()) } else { Err(("no folded text holds any of this class".to_owned(), "write `[a-z]` or `[0-9]`")) }
}

fn class_holds(class: &Class, letter: u8) -> bool {
    match class {
        Class::Unicode(class) => {
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&char::from(letter)))
        }
        Class::Bytes(class) => class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&letter)),
    }
}

fn repeats(repetition: &Repetition) -> Result<(), Mistake> {
    match (repetition.max, repetition.sub.kind()) {
        (Some(most), _) if most <= MAX_REPEATS => check(&repetition.sub),
        (None, HirKind::Class(class)) if !class_holds(class, b' ') => check(&repetition.sub),
        (_, _) => {
            let message = format!("a part is repeated more than {MAX_REPEATS} times, or without end");
            Err((message, "write `{0,8}`, or repeat a class that has no space in it, such as `[a-z]*`"))
        }
    }
}
