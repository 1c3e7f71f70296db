//! What is said of a code to whoever looks it up: a page each, `pages/R001.md` and so on.
//!
//! A page is a heading, what the code means, an example that has the mistake and the same example mended. Both examples
//! are compiled by a test, so that a page cannot say what is no longer so.

use super::Code;

/// Where a page's example begins.
const EXAMPLE: &str = "\n## Example\n";
/// Where its mend begins.
const MEND: &str = "\n## Mend\n";

/// The documentation of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// What the code means, and why it is one.
    pub meaning: &'static str,
    /// Lines of a pack that have the mistake.
    pub example: &'static str,
    /// What to do about it.
    pub mend: &'static str,
    /// The example's lines, mended.
    pub mended: &'static str,
}

impl Code {
    /// Every code, in order.
    pub const ALL: &'static [Self] = &[
        Self::Syntax,
        Self::UnknownKey,
        Self::MissingKey,
        Self::WrongType,
        Self::InvalidValue,
        Self::OutOfBounds,
        Self::Repeated,
        Self::UnknownList,
        Self::Misnamed,
        Self::MatchShape,
        Self::NoWords,
        Self::TooFewExamples,
        Self::MustMatch,
        Self::MustNotMatch,
        Self::LoneWordCritical,
        Self::IllegalWeakened,
        Self::NotIllegal,
        Self::NoReason,
        Self::NoEffect,
        Self::NoContrast,
        Self::NotNeeded,
        Self::UnknownRule,
        Self::Survives,
        Self::SpellingMissed,
        Self::OtherWordFound,
        Self::TodoMatches,
        Self::NoScore,
        Self::ScoreReach,
        Self::PublicSuffix,
        Self::Expression,
        Self::PlainPhrases,
        Self::HashedExample,
        Self::ProtectedElsewhere,
        Self::TwoMeanings,
        Self::LeadsOn,
        Self::WatchTooUrgent,
        Self::WatchTooLong,
        Self::Over,
        Self::NoToday,
        Self::TuneTooLong,
        Self::TuneOfNothing,
        Self::Unapproved,
        Self::TuneIllegal,
        Self::EndsSoon,
        Self::ShortTerm,
        Self::NoContext,
        Self::AboutPeople,
        Self::Shadowed,
        Self::SaidTwice,
        Self::NoNegatives,
        Self::IdleException,
        Self::NeedlessAllow,
    ];

    /// Its documentation.
    #[must_use]
    pub fn page(self) -> Page {
        Page::read(self.written())
    }

    const fn written(self) -> &'static str {
        match self {
            Self::Syntax => include_str!("pages/R001.md"),
            Self::UnknownKey => include_str!("pages/R002.md"),
            Self::MissingKey => include_str!("pages/R003.md"),
            Self::WrongType => include_str!("pages/R004.md"),
            Self::InvalidValue => include_str!("pages/R005.md"),
            Self::OutOfBounds => include_str!("pages/R006.md"),
            Self::Repeated => include_str!("pages/R007.md"),
            Self::UnknownList => include_str!("pages/R008.md"),
            Self::Misnamed => include_str!("pages/R009.md"),
            Self::MatchShape => include_str!("pages/R010.md"),
            Self::NoWords => include_str!("pages/R011.md"),
            Self::TooFewExamples => include_str!("pages/R012.md"),
            Self::MustMatch => include_str!("pages/R013.md"),
            Self::MustNotMatch => include_str!("pages/R014.md"),
            Self::LoneWordCritical => include_str!("pages/R015.md"),
            Self::IllegalWeakened => include_str!("pages/R016.md"),
            Self::NotIllegal => include_str!("pages/R017.md"),
            Self::NoReason => include_str!("pages/R018.md"),
            Self::NoEffect => include_str!("pages/R019.md"),
            Self::NoContrast => include_str!("pages/R020.md"),
            Self::NotNeeded => include_str!("pages/R021.md"),
            Self::UnknownRule => include_str!("pages/R022.md"),
            Self::Survives => include_str!("pages/R030.md"),
            Self::SpellingMissed => include_str!("pages/R031.md"),
            Self::OtherWordFound => include_str!("pages/R032.md"),
            Self::TodoMatches => include_str!("pages/R050.md"),
            Self::NoScore => include_str!("pages/R051.md"),
            Self::ScoreReach => include_str!("pages/R052.md"),
            Self::PublicSuffix => include_str!("pages/R053.md"),
            Self::Expression => include_str!("pages/R054.md"),
            Self::PlainPhrases => include_str!("pages/R055.md"),
            Self::HashedExample => include_str!("pages/R056.md"),
            Self::ProtectedElsewhere => include_str!("pages/R057.md"),
            Self::TwoMeanings => include_str!("pages/R058.md"),
            Self::LeadsOn => include_str!("pages/R060.md"),
            Self::WatchTooUrgent => include_str!("pages/R061.md"),
            Self::WatchTooLong => include_str!("pages/R062.md"),
            Self::Over => include_str!("pages/R063.md"),
            Self::NoToday => include_str!("pages/R064.md"),
            Self::TuneTooLong => include_str!("pages/R065.md"),
            Self::TuneOfNothing => include_str!("pages/R066.md"),
            Self::Unapproved => include_str!("pages/R067.md"),
            Self::TuneIllegal => include_str!("pages/R068.md"),
            Self::EndsSoon => include_str!("pages/R069.md"),
            Self::ShortTerm => include_str!("pages/L001.md"),
            Self::NoContext => include_str!("pages/L002.md"),
            Self::AboutPeople => include_str!("pages/L003.md"),
            Self::Shadowed => include_str!("pages/L004.md"),
            Self::SaidTwice => include_str!("pages/L005.md"),
            Self::NoNegatives => include_str!("pages/L006.md"),
            Self::IdleException => include_str!("pages/L007.md"),
            Self::NeedlessAllow => include_str!("pages/L008.md"),
        }
    }
}

impl Page {
    /// Takes a page apart; what it lacks is empty.
    fn read(written: &'static str) -> Self {
        let (head, rest) = written.split_once(EXAMPLE).unwrap_or((written, ""));
        let (example, mend) = rest.split_once(MEND).unwrap_or((rest, ""));
        let (title, meaning) = head.split_once('\n').unwrap_or((head, ""));
        let (_, example) = fenced(example);
        let (mend, mended) = fenced(mend);
        Self { title: title.trim_start_matches("# "), meaning: meaning.trim(), example, mend, mended }
    }
}

/// The words before a block of TOML, and its lines.
fn fenced(text: &'static str) -> (&'static str, &'static str) {
    let (before, block) = text.split_once("```toml\n").unwrap_or((text, ""));
    (before.trim(), block.split_once("```").map_or(block, |(lines, _)| lines).trim_end())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_a_whole_page() {
        for code in Code::ALL {
            let page = code.page();
            for part in [page.title, page.meaning, page.example, page.mend, page.mended] {
                assert!(!part.is_empty() && !part.contains("```") && !part.contains("## "), "{code}: {part}");
            }
            assert!(!page.title.ends_with('.') && page.meaning.ends_with('.') && page.mend.ends_with('.'), "{code}");
        }
    }

    #[test]
    fn no_two_codes_share_a_name_or_a_page() {
        let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let titles: BTreeSet<&str> = Code::ALL.iter().map(|code| code.page().title).collect();
        assert_eq!((names.len(), titles.len()), (Code::ALL.len(), Code::ALL.len()));
        assert!(Code::ALL.is_sorted_by_key(|code| (code.is_lint(), code.as_str())), "mistakes, then lints");
    }
}
