//! Regular expressions, the last resort: read, held within bounds, and made into automata.

mod bounds;

use std::ops::Range;
use std::sync::Arc;

use regex_automata::MatchKind;
use regex_automata::dfa::{StartKind, dense};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Hir, HirKind, Look};
use toml::Spanned;

use crate::diagnostic::{Code, Diagnostic, Source};

/// Longest expression, in bytes.
const MAX_BYTES: usize = 256;
/// Fewest letters of what must be in every match.
const MIN_LETTERS: usize = 3;
/// Most texts of which one must be in every match.
const MAX_LITERALS: usize = 16;
/// An expression that means no more texts than this is a list of phrases.
const MAX_PHRASES: usize = 16;
const NEST_LIMIT: u32 = 16;
/// Most memory of an automaton, and while it is made, in bytes.
const MAX_AUTOMATON_BYTES: usize = 256 * 1024;
const MAX_WORKING_BYTES: usize = 4 * 1024 * 1024;

/// An expression that holds what an expression must.
pub(super) struct Expression {
    pub(super) span: Range<usize>,
    /// Texts of which one stands in every match.
    pub(super) literals: Vec<String>,
    /// Whether every match has several words.
    pub(super) has_several_words: bool,
    pub(super) automaton: Vec<u8>,
}

/// What is wrong with an expression, and what to do about it.
type Mistake = (String, &'static str);

/// Reads a written expression.
pub(super) fn read(
    written: &Spanned<String>,
    source: &Arc<Source>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Expression> {
    let span = written.span();
    match parse(written.get_ref()).and_then(|hir| Ok((automaton(&hir)?, literals(&hir)?, hir))) {
        Ok((automaton, literals, hir)) => {
            diagnostics.extend(phrases(&hir).map(|phrases| plain(source, span.clone(), &phrases)));
            let has_several_words = required(&hir, &|text| text.contains(' ')).is_some();
            Some(Expression { span, literals, has_several_words, automaton })
        }
        Err((message, help)) => {
            let diagnostic = Diagnostic::new(Code::Expression, source, span, message, "this expression");
            diagnostics.push(diagnostic.help(help));
            None
        }
    }
}

fn plain(source: &Arc<Source>, span: Range<usize>, phrases: &[String]) -> Diagnostic {
    let phrases: Vec<String> = phrases.iter().map(|phrase| format!("\"{phrase}\"")).collect();
    let message = "plain phrases say the same, and are found however they are spelt";
    let diagnostic = Diagnostic::new(Code::PlainPhrases, source, span, message, "needs no expression");
    diagnostic.help(format!("write `any = [{}]`", phrases.join(", ")))
}

fn parse(written: &str) -> Result<Hir, Mistake> {
    if written.len() > MAX_BYTES {
        return Err((format!("an expression is at most {MAX_BYTES} bytes"), "make several of it"));
    }
    let mut builder = regex_syntax::ParserBuilder::new();
    let parser = builder.unicode(false).utf8(false).nest_limit(NEST_LIMIT);
    let hir = parser.build().parse(written).map_err(|error| {
        let told = match error {
            regex_syntax::Error::Parse(error) => error.kind().to_string(),
            regex_syntax::Error::Translate(error) => error.kind().to_string(),
            error => error.to_string(),
        };
        (format!("not a regular expression: {told}"), "the syntax is that of the Rust crate `regex`, without Unicode")
    })?;
    bounds::check(&hir)?;
    Ok(hir)
}

fn literals(hir: &Hir) -> Result<Vec<String>, Mistake> {
    let letters = |text: &str| text.chars().filter(|letter| letter.is_alphabetic()).count();
    required(hir, &|text| letters(text) >= MIN_LETTERS).ok_or_else(|| {
        let message = format!("no text of {MIN_LETTERS} letters stands in every match");
        (message, "ask for a word that is always there, or for one of at most 16")
    })
}

/// Texts that `is_enough` holds for, of which one stands in every match.
fn required(hir: &Hir, is_enough: &dyn Fn(&str) -> bool) -> Option<Vec<String>> {
    match hir.kind() {
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).ok()?;
            is_enough(text).then(|| vec![text.to_owned()])
        }
        HirKind::Capture(capture) => required(&capture.sub, is_enough),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub, is_enough),
        // The fewest alternatives are the quickest to look for.
        HirKind::Concat(parts) => parts.iter().filter_map(|part| required(part, is_enough)).min_by_key(Vec::len),
        HirKind::Alternation(parts) => {
            let each = parts.iter().map(|part| required(part, is_enough)).collect::<Option<Vec<_>>>()?;
            Some(each.concat()).filter(|all| all.len() <= MAX_LITERALS)
        }
        HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) | HirKind::Repetition(_) => None,
    }
}

/// The texts an expression means, when they are few.
fn phrases(hir: &Hir) -> Option<Vec<String>> {
    let all = Extractor::new().limit_total(MAX_PHRASES).extract(hir);
    let few = all.literals().filter(|texts| texts.len() <= MAX_PHRASES && all.is_exact())?;
    few.iter().map(|text| Some(std::str::from_utf8(text.as_bytes()).ok()?.trim().to_owned())).collect()
}

/// An automaton that begins where it is told to and accepts before a space or at the end, the last of them.
fn automaton(hir: &Hir) -> Result<Vec<u8>, Mistake> {
    let edge = Hir::alternation(vec![Hir::literal(*b" "), Hir::look(Look::End)]);
    let whole = Hir::concat(vec![hir.clone(), edge]);
    let too_large =
        || ("its automaton is too large".to_owned(), "repeat less, use smaller classes, or make several of it");
    let config = thompson::Config::new().utf8(false).which_captures(WhichCaptures::None);
    let mut compiler = thompson::Compiler::new();
    let nfa = compiler.configure(config.nfa_size_limit(Some(MAX_AUTOMATON_BYTES))).build_from_hir(&whole);
    let nfa = nfa.map_err(|_| too_large())?;
    let config = dense::Config::new()
        .start_kind(StartKind::Anchored)
        .match_kind(MatchKind::All)
        .accelerate(false)
        .dfa_size_limit(Some(MAX_AUTOMATON_BYTES))
        .determinize_size_limit(Some(MAX_WORKING_BYTES));
    let dense = dense::Builder::new().configure(config).build_from_nfa(&nfa).map_err(|_| too_large())?;
    Ok(dense.to_sparse().map_err(|_| too_large())?.to_bytes_little_endian())
}
