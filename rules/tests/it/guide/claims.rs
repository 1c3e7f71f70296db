//! What the guide's sentences say of the block below them, in the few forms that they have.
//!
//! | written | means |
//! |---|---|
//! | It fires on `a` and `b` at level 3, not on `c` | what a set of rules makes of these texts |
//! | Rule `birds.one` fires on `a` | so, of that rule alone |
//! | In band `ks1` it fires on `a` | so, in that band |
//! | It fires on `a`, which reads `b` | and this stands in the explanation |
//! | It counts `a` | nobody is told, and it is counted |
//! | Here `https://a.example/` is `support` | the class of a host |
//! | It is refused with `R000`, it has the lint `L000` | what is wrong with the block |

use lapwing_rules::{Band, Code, Level};

/// One thing said of a block.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) rule: Option<String>,
    pub(super) band: Band,
    pub(super) said: Said,
}

#[derive(Debug)]
pub(super) enum Said {
    Fires { text: String, level: Option<Level>, reads: String },
    Quiet(String),
    Counts(String),
    Class(String, String),
    Refused(Code),
    Lint(Code),
}

/// What a text in code says from here to the end of the sentence.
#[derive(Clone, Copy)]
enum Mood {
    Fires,
    Quiet,
}

/// Reads a paragraph. Prose and code take turns in it, prose first.
pub(super) fn claims(paragraph: &str) -> Vec<Claim> {
    let parts: Vec<&str> = paragraph.split('`').collect();
    let (mut found, mut mood, mut rule, mut band): (Vec<Claim>, _, _, _) = (Vec::new(), None, None, Band::Ks3);
    let (mut previous, following) = ("", parts.iter().skip(2).step_by(2));
    for (pair, next) in parts.chunks_exact(2).zip(following) {
        let [prose, code] = [pair[0], pair[1]];
        if prose.contains(". ") {
            (mood, rule, band) = (None, None, Band::Ks3);
        }
        if prose.ends_with("fires on ") {
            mood = Some(Mood::Fires);
        } else if prose.ends_with("not on ") {
            mood = Some(Mood::Quiet);
        }
        if next.starts_with(" fires on ") {
            rule = Some(code.to_owned());
        } else if prose.to_lowercase().ends_with("in band ") {
            band = code.parse().unwrap();
        } else if prose.ends_with("which reads ") {
            let Some(Said::Fires { reads, .. }) = found.last_mut().map(|claim| &mut claim.said) else {
                panic!("`{code}` of what?")
            };
            code.clone_into(reads);
        } else {
            let said = fact(prose, code, previous).or_else(|| Some(of_text(mood?, code, next)));
            found.extend(said.map(|said| Claim { rule: rule.clone(), band, said }));
        }
        previous = code;
    }
    found
}

/// What code says by the words right before it.
fn fact(prose: &str, text: &str, previous: &str) -> Option<Said> {
    if prose.ends_with("counts ") {
        Some(Said::Counts(text.to_owned()))
    } else if prose == " is " && previous.starts_with("https://") {
        Some(Said::Class(previous.to_owned(), text.to_owned()))
    } else if prose.ends_with("refused with ") {
        Some(Said::Refused(code(text)))
    } else if prose.ends_with("has the lint ") {
        Some(Said::Lint(code(text)))
    } else {
        None
    }
}

fn of_text(mood: Mood, text: &str, next: &str) -> Said {
    match mood {
        Mood::Fires => Said::Fires { text: text.to_owned(), level: level(next), reads: String::new() },
        Mood::Quiet => Said::Quiet(text.to_owned()),
    }
}

fn code(text: &str) -> Code {
    *Code::ALL.iter().find(|code| code.as_str() == text).unwrap_or_else(|| panic!("no code `{text}`"))
}

/// The level that is told right after a text.
fn level(next: &str) -> Option<Level> {
    next.strip_prefix(" at level ").map(|number| number[..1].parse().unwrap())
}
