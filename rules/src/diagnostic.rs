//! What is wrong with a pack, where, and what to do about it.

mod pages;

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::InvalidId;

pub use pages::Page;

/// The kinds of mistakes, each with a code that stays the same from release to release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// R001: not TOML.
    Syntax,
    /// R002: a key that is not part of the language.
    UnknownKey,
    /// R003: a key that must be there.
    MissingKey,
    /// R004: another type of value is expected.
    WrongType,
    /// R005: a value that is not one of those allowed.
    InvalidValue,
    /// R006: too long, too many, too large, or none at all.
    OutOfBounds,
    /// R007: the same id or phrase twice.
    Repeated,
    /// R008: a list that is not in this pack.
    UnknownList,
    /// R009: an id that does not fit its place.
    Misnamed,
    /// R010: a match that is none, or several, or does not fit the scopes.
    MatchShape,
    /// R011: a phrase without any word.
    NoWords,
    /// R012: too few examples.
    TooFewExamples,
    /// R013: an example that must match and does not.
    MustMatch,
    /// R014: an example that must not match and does.
    MustNotMatch,
    /// R015: a single word at level 5.
    LoneWordCritical,
    /// R016: a rule of an illegal category that is weakened.
    IllegalWeakened,
    /// R017: a rule of another category in the illegal base pack.
    NotIllegal,
    /// R018: a substring without a reason.
    NoReason,
    /// R019: something that has no effect.
    NoEffect,
    /// R020: an example that must not match, and would not without the context and the exceptions either.
    NoContrast,
    /// R021: an exception, group, window, order, scope or weight that no example needs.
    NotNeeded,
    /// R022: a rule that is in none of the packs.
    UnknownRule,
    /// R030: a phrase, window or threshold that no example needs.
    Survives,
    /// R031: an example that must match and does not in another spelling.
    SpellingMissed,
    /// R032: an example that must not match and does with a letter more in a word.
    OtherWordFound,
    /// R050: an example that is still to be found, and is found.
    TodoMatches,
    /// R051: points without a score, or a rule that is seen nowhere.
    NoScore,
    /// R052: a score that all its rules together do not reach, or that one of them reaches alone.
    ScoreReach,
    /// R053: a public suffix with all the sites below it.
    PublicSuffix,
    /// R054: a regular expression that is none, or is not held within bounds.
    Expression,
    /// R055: a regular expression where phrases say the same.
    PlainPhrases,
    /// R056: an example of a hashed list in clear, or a hash of another.
    HashedExample,
    /// R057: protected hosts outside the pack `hosts`, or whole public suffixes of them.
    ProtectedElsewhere,
    /// R058: a phrase twice in one group, with another weight or mark.
    TwoMeanings,
    /// R060: an exception of a rule in shadow or on watch that leads to another rule.
    LeadsOn,
    /// R061: a rule on watch above level 3.
    WatchTooUrgent,
    /// R062: a watch that ends before it begins, or lasts longer than 28 days.
    WatchTooLong,
    /// R063: something whose last day is in the past.
    Over,
    /// R064: something that has a last day, where today is not known.
    NoToday,
    /// R065: a tune that lasts longer than a year.
    TuneTooLong,
    /// R066: a tune of a rule that is in none of the packs. A warning.
    TuneOfNothing,
    /// R067: a tune whose requester approves it, or that too few approve.
    Unapproved,
    /// R068: a tune of a rule of an illegal category, or of one that stands in for it.
    TuneIllegal,
    /// R069: a tune that ends within 30 days, or a watch within 7. A warning.
    EndsSoon,
    /// L001: a term too short to stand alone.
    ShortTerm,
    /// L002: an everyday word alone above level 2.
    NoContext,
    /// L003: a word for who somebody is, or how they are, alone.
    AboutPeople,
    /// L004: a phrase that adds nothing to another one of its rule.
    Shadowed,
    /// L005: a phrase on which two rules of one category fire.
    SaidTwice,
    /// L006: a rule that shows nothing it leaves alone.
    NoNegatives,
    /// L007: an exception that covers nothing.
    IdleException,
    /// L008: an allowed lint that was not found.
    NeedlessAllow,
}

/// How much a diagnostic weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Somebody should look at it.
    Warning,
    /// It has to be mended.
    #[default]
    Error,
}

impl Code {
    /// The code people look up.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "R001",
            Self::UnknownKey => "R002",
            Self::MissingKey => "R003",
            Self::WrongType => "R004",
            Self::InvalidValue => "R005",
            Self::OutOfBounds => "R006",
            Self::Repeated => "R007",
            Self::UnknownList => "R008",
            Self::Misnamed => "R009",
            Self::MatchShape => "R010",
            Self::NoWords => "R011",
            Self::TooFewExamples => "R012",
            Self::MustMatch => "R013",
            Self::MustNotMatch => "R014",
            Self::LoneWordCritical => "R015",
            Self::IllegalWeakened => "R016",
            Self::NotIllegal => "R017",
            Self::NoReason => "R018",
            Self::NoEffect => "R019",
            Self::NoContrast => "R020",
            Self::NotNeeded => "R021",
            Self::UnknownRule => "R022",
            Self::Survives => "R030",
            Self::SpellingMissed => "R031",
            Self::OtherWordFound => "R032",
            Self::TodoMatches => "R050",
            Self::NoScore => "R051",
            Self::ScoreReach => "R052",
            Self::PublicSuffix => "R053",
            Self::Expression => "R054",
            Self::PlainPhrases => "R055",
            Self::HashedExample => "R056",
            Self::ProtectedElsewhere => "R057",
            Self::TwoMeanings => "R058",
            Self::LeadsOn => "R060",
            Self::WatchTooUrgent => "R061",
            Self::WatchTooLong => "R062",
            Self::Over => "R063",
            Self::NoToday => "R064",
            Self::TuneTooLong => "R065",
            Self::TuneOfNothing => "R066",
            Self::Unapproved => "R067",
            Self::TuneIllegal => "R068",
            Self::EndsSoon => "R069",
            Self::ShortTerm => "L001",
            Self::NoContext => "L002",
            Self::AboutPeople => "L003",
            Self::Shadowed => "L004",
            Self::SaidTwice => "L005",
            Self::NoNegatives => "L006",
            Self::IdleException => "L007",
            Self::NeedlessAllow => "L008",
        }
    }

    /// Whether it is about what a rule may say and had better not: those can be allowed.
    #[must_use]
    pub fn is_lint(self) -> bool {
        self.as_str().starts_with('L')
    }

    /// The lint of this code.
    ///
    /// # Errors
    ///
    /// When there is none: a mistake cannot be allowed.
    pub fn lint(text: &str) -> Result<Self, InvalidId> {
        let code = text.parse().ok().filter(|code: &Self| code.is_lint());
        code.ok_or_else(|| InvalidId::new("lint", text, "such as L001, see `lapwing-rules codes`"))
    }
}

impl FromStr for Code {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let named = |code: &&Self| code.as_str().eq_ignore_ascii_case(text);
        Self::ALL.iter().find(named).copied().ok_or_else(|| InvalidId::new("code", text, "such as R013"))
    }
}

impl Code {
    /// Whether it is told and keeps nothing from being compiled.
    #[must_use]
    pub const fn is_warning(self) -> bool {
        matches!(self, Self::TuneOfNothing | Self::EndsSoon)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A pack's file, kept for its diagnostics.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) file: String,
    pub(crate) text: String,
}

impl Source {
    /// The name of the file without folder and ending.
    pub(crate) fn stem(&self) -> &str {
        Path::new(&self.file).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }
}

/// One mistake. `Display` gives one line, [`Diagnostic::render`] the marked source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    code: Code,
    severity: Severity,
    message: String,
    label: String,
    help: Option<String>,
    source: Arc<Source>,
    span: Range<usize>,
}

impl Diagnostic {
    pub(crate) fn new(
        code: Code,
        source: &Arc<Source>,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        let end = source.text.floor_char_boundary(span.end);
        let start = source.text.floor_char_boundary(span.start.min(end));
        Self {
            code,
            severity: if code.is_warning() { Severity::Warning } else { Severity::Error },
            message: message.into(),
            label: label.into(),
            help: None,
            source: Arc::clone(source),
            span: start..end,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Whether it has to be mended.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// What kind of mistake.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The file as it was named to the compiler.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.source.file
    }

    /// Line of its first character, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.before().matches('\n').count() + 1
    }

    /// Column of its first character, from 1, in characters.
    #[must_use]
    pub fn column(&self) -> usize {
        self.before().rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1
    }

    /// What is wrong, in one sentence without a full stop.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The mistake with its source line, marked.
    #[must_use]
    pub fn render(&self) -> String {
        let snippet = Snippet::source(self.source.text.as_str())
            .path(self.source.file.as_str())
            .annotation(AnnotationKind::Primary.span(self.span.clone()).label(self.label.as_str()));
        let level = if self.is_error() { Level::ERROR } else { Level::WARNING };
        let mut group = level.primary_title(self.message.as_str()).id(self.code.as_str()).element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        Renderer::plain().render(&[group])
    }

    /// What diagnostics are sorted by: file, place, code.
    pub(crate) fn place(&self) -> (&str, usize, Code) {
        (&self.source.file, self.span.start, self.code)
    }

    fn before(&self) -> &str {
        self.source.text.get(..self.span.start).unwrap_or_default()
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}: {}", self.file(), self.line(), self.column(), self.code, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_line_and_a_column_of_characters() {
        let source = Arc::new(Source { file: "packs/a.toml".into(), text: "one\né two\n".into() });
        let diagnostic = Diagnostic::new(Code::UnknownKey, &source, 7..10, "two is not known", "here").help("drop it");
        assert_eq!(diagnostic.to_string(), "packs/a.toml:2:3: R002: two is not known");
        assert_eq!(source.stem(), "a");
        let rendered = diagnostic.render();
        assert!(rendered.contains("error[R002]: two is not known") && rendered.contains("help: drop it"), "{rendered}");
    }

    #[test]
    fn a_span_beyond_the_source_is_brought_back() {
        let source = Arc::new(Source { file: "a".into(), text: "é".into() });
        let diagnostic = Diagnostic::new(Code::Syntax, &source, 1..9, "x", "y");
        assert_eq!((diagnostic.line(), diagnostic.column()), (1, 1));
        assert!(!diagnostic.render().is_empty());
    }
}
