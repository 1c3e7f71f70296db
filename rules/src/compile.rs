//! From packs to a rule set: read, expand, fold with the agent's own code, lint, number, run every example.

mod contrast;
mod cost;
mod course;
mod ending;
mod examples;
mod exercise;
mod expand;
mod expression;
mod layers;
mod lint;
mod mutate;
mod needed;
mod overlay;
mod review;
mod scores;
mod tables;
mod trial;

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;

use crate::diagnostic::{Code, Diagnostic, Source};
use crate::pack::{self, Example, Pack};
use crate::program::{PackFacts, Program};
use crate::rule_set::{ILLEGAL_BASE, PROTECTED_HOSTS};
use crate::{Artefact, Band, Date, HostClass, Release, RuleId, RuleSet, Validity};
use expand::Draft;
use trial::Trials;

pub use cost::{Costs, RuleCost};
pub use exercise::{Exercise, RuleExercise, Spelling};
pub use layers::UponError;
pub use mutate::Mutations;
pub use review::{LintLevel, LintLevels, LintLevelsError};

/// Builds a rule set out of packs.
///
/// The order in which packs are added makes no difference, and the same packs give the same bytes.
///
/// ```
/// use lapwing_rules::{Compiler, Release, Validity};
///
/// let errors = Compiler::new().pack("packs/a.toml", "[pack]\nid = \"b\"").compile(Release::new(1), Validity::default());
/// let lines: Vec<String> = errors.expect_err("three keys are missing").iter().map(ToString::to_string).collect();
/// assert_eq!(lines[0], "packs/a.toml:1:1: R003: `[pack]` needs `version`");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Compiler {
    sources: Vec<Arc<Source>>,
    overlays: Vec<Arc<Source>>,
    least_examples: usize,
    today: Option<Date>,
    /// Whether a signed illegal base stands beside the packs.
    upon_base: bool,
}

impl Compiler {
    /// A compiler without packs, content with any number of examples.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pack: the name of its file, whose stem is the pack's id, and its TOML.
    #[must_use]
    pub fn pack(mut self, file: impl Into<String>, text: impl Into<String>) -> Self {
        self.sources.push(Arc::new(Source { file: file.into(), text: text.into() }));
        self
    }

    /// Adds a school's overlay: the name of its file, and its TOML. Its rules may be in any of the packs.
    #[must_use]
    pub fn overlay(mut self, file: impl Into<String>, text: impl Into<String>) -> Self {
        self.overlays.push(Arc::new(Source { file: file.into(), text: text.into() }));
        self
    }

    /// Says which day it is at the school: nothing here reads a clock. Rules on watch and overlays need it, and are refused
    /// once they are over.
    #[must_use]
    pub fn today(mut self, today: Date) -> Self {
        self.today = Some(today);
        self
    }

    /// Asks for at least so many examples of each kind in every rule and, above 0, that those which must not match are
    /// contrasts, on which the rule would fire without an exception or its context ([`Code::NoContrast`]), and that an
    /// example needs each exception, group, window, order, scope and weight ([`Code::NotNeeded`]).
    #[must_use]
    pub fn least_examples(mut self, count: usize) -> Self {
        self.least_examples = count;
        self
    }

    /// Compiles the packs into an unsigned artefact. Its illegal base is not signed either, so that no device takes it:
    /// [`Compiler::compile_upon`] makes one for devices.
    ///
    /// # Errors
    ///
    /// Every mistake in every pack, by file and place.
    pub fn compile(&self, release: Release, validity: Validity) -> Result<Artefact, Vec<Diagnostic>> {
        self.layered(release, validity)
    }

    /// Compiles the packs into a rule set at once, for tools and tests. Its digest is that of the unsigned artefact.
    ///
    /// # Errors
    ///
    /// Every mistake in every pack, by file and place.
    pub fn rule_set(&self, release: Release) -> Result<RuleSet, Vec<Diagnostic>> {
        self.layered_set(release)
    }

    /// Checks the language and the lints of every pack and overlay, without running examples; warnings are among what
    /// it finds. The counts are what was read.
    #[must_use]
    pub fn check(&self) -> (Counts, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let packs = self.read(&mut diagnostics);
        let drafts = self.drafts(&packs, &mut diagnostics);
        let tunes = self.tunes(&drafts, &mut diagnostics);
        ending::check(&drafts, &tunes, self.today, &mut diagnostics);
        let counts = Counts::of(packs.len(), &drafts);
        (counts, sorted(diagnostics))
    }

    /// How many of 100,000 benign texts each rule may fire on, where its pack says so.
    #[must_use]
    pub fn budgets(&self) -> BTreeMap<RuleId, u64> {
        let packs = self.read(&mut Vec::new());
        let rules = packs.iter().flat_map(|(_, pack)| &pack.rules);
        rules.filter_map(|rule| Some((rule.id.get_ref().clone(), rule.budget?))).collect()
    }

    pub(crate) fn program(&self) -> Result<Program, Vec<Diagnostic>> {
        let mut diagnostics = Vec::new();
        let packs = self.read(&mut diagnostics);
        let mut drafts = self.drafts(&packs, &mut diagnostics);
        let tunes = self.tunes(&drafts, &mut diagnostics);
        diagnostics.retain(|diagnostic| !diagnostic.code().is_warning());
        // Examples of a rule set that lacks a rule, or has one half read, would fail for reasons already told.
        if !diagnostics.is_empty() {
            return Err(sorted(diagnostics));
        }
        let program = tables::program(facts(&packs), &packs, &drafts);
        if let Some(program) = program.as_ref().filter(|_| self.least_examples > 0) {
            check_examples(program, &drafts, &mut diagnostics);
        }
        let mut program = program.and_then(|program| examples::run(program, &drafts, &mut diagnostics));
        if !tunes.is_empty() && diagnostics.is_empty() {
            overlay::apply(&tunes, &mut drafts, &mut diagnostics);
            program = tables::program(facts(&packs), &packs, &drafts).and_then(judged_anew);
        }
        match program {
            Some(program) if diagnostics.is_empty() => Ok(program),
            None if diagnostics.is_empty() => Err(self.too_large()),
            Some(_) | None => Err(sorted(diagnostics)),
        }
    }

    /// Told at the first pack: it is all of them together.
    fn too_large(&self) -> Vec<Diagnostic> {
        let empty = Arc::new(Source { file: "packs".to_owned(), text: String::new() });
        let first = self.sources.iter().min_by(|left, right| left.file.cmp(&right.file)).unwrap_or(&empty);
        let message = "these packs are too large to be numbered, or two of their phrases share a fingerprint";
        let diagnostic = Diagnostic::new(Code::OutOfBounds, first, 0..0, message, "all packs together");
        vec![diagnostic.help("take phrases out; where only one was added last, spell that one otherwise")]
    }

    /// Told at the first pack: one is missing.
    fn no_base(&self) -> Vec<Diagnostic> {
        let empty = Arc::new(Source { file: "packs".to_owned(), text: String::new() });
        let first = self.sources.iter().min_by(|left, right| left.file.cmp(&right.file)).unwrap_or(&empty);
        let message = format!("the illegal base is the pack `{ILLEGAL_BASE}`, and there is none");
        vec![Diagnostic::new(Code::OutOfBounds, first, 0..0, message, "all packs together")]
    }

    fn tunes(&self, drafts: &[Draft<'_>], diagnostics: &mut Vec<Diagnostic>) -> Vec<overlay::Tune> {
        let mut sources = self.overlays.clone();
        sources.sort_by(|left, right| left.file.cmp(&right.file));
        let mut tunes = Vec::new();
        for source in sources {
            let read = pack::read_overlay(&source, diagnostics);
            tunes.extend(read.into_iter().map(|tune| (Arc::clone(&source), tune)));
        }
        overlay::check(&tunes, drafts, self.today, diagnostics);
        tunes
    }

    fn read(&self, diagnostics: &mut Vec<Diagnostic>) -> Vec<(Arc<Source>, Pack)> {
        let mut sources = self.sources.clone();
        sources.sort_by(|left, right| left.file.cmp(&right.file));
        sources.into_iter().filter_map(|source| pack::read(&source, diagnostics).map(|pack| (source, pack))).collect()
    }

    fn drafts<'a>(&self, packs: &'a [(Arc<Source>, Pack)], diagnostics: &mut Vec<Diagnostic>) -> Vec<Draft<'a>> {
        check_names(packs, self.upon_base, diagnostics);
        let drafts = expand::drafts(packs, diagnostics);
        lint::check(&drafts, self.least_examples, diagnostics);
        scores::check(&drafts, diagnostics);
        course::check(&drafts, self.today, diagnostics);
        drafts
    }
}

/// A tuned program whose cases are what its rules now say of them.
fn judged_anew(program: Program) -> Option<Program> {
    let cases = program.clone().into_rule_set()?.judged_cases();
    Some(Program { cases, ..program })
}

/// How much was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packs.
    pub packs: usize,
    /// Rules.
    pub rules: usize,
    /// Phrases, lists written out in every rule that uses them.
    pub phrases: usize,
    /// Examples that must match or must not.
    pub examples: usize,
    /// Examples that are still to be found.
    pub todo: usize,
}

impl Counts {
    fn of(packs: usize, drafts: &[Draft<'_>]) -> Self {
        let todo = |draft: &Draft<'_>| draft.written.examples.todo_match.len();
        let examples = |draft: &Draft<'_>| draft.written.examples.all().count() - todo(draft);
        Self {
            packs,
            rules: drafts.len(),
            phrases: drafts.iter().map(|draft| draft.phrases.len()).sum(),
            examples: drafts.iter().map(examples).sum(),
            todo: drafts.iter().map(todo).sum(),
        }
    }
}

/// Asks what the examples of every rule show; the rules of `program` are those of `drafts`.
fn check_examples(program: &Program, drafts: &[Draft<'_>], diagnostics: &mut Vec<Diagnostic>) {
    let Some(rule_set) = program.clone().into_rule_set() else { return };
    for (number, draft) in (0..).zip(drafts) {
        let trials = Trials { rule_set: &rule_set, program, number, draft };
        let loud = trials.of(&draft.written.examples.must_match);
        let silent = trials.of(&draft.written.examples.must_not_match);
        diagnostics.extend(contrast::check(&silent));
        diagnostics.extend(needed::check(&trials, &loud, &silent));
        diagnostics.extend(needed::of_score(&trials, drafts));
    }
}

fn sorted(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by(|left, right| left.place().cmp(&right.place()));
    diagnostics
}

fn facts(packs: &[(Arc<Source>, Pack)]) -> Vec<PackFacts> {
    let facts =
        |pack: &Pack| PackFacts { id: pack.id.get_ref().clone(), version: pack.version, title: pack.title.clone() };
    let mut facts: Vec<PackFacts> = packs.iter().map(|(_, pack)| facts(pack)).collect();
    facts.sort_by(|left, right| left.id.cmp(&right.id));
    facts
}

/// Ids fit their places, and none stands twice.
fn check_names(packs: &[(Arc<Source>, Pack)], upon_base: bool, diagnostics: &mut Vec<Diagnostic>) {
    let is_for_devices = upon_base || packs.iter().any(|(_, pack)| pack.id.get_ref() == ILLEGAL_BASE);
    let mut pack_ids = Names::new("pack");
    let mut rule_ids = Names::new("rule");
    for (source, pack) in packs {
        if pack.id.get_ref() != source.stem() {
            let message = format!("pack `{}` stands in a file named `{}`", pack.id.get_ref(), source.stem());
            let diagnostic = Diagnostic::new(Code::Misnamed, source, pack.id.span(), message, "not the file's name");
            diagnostics.push(diagnostic.help("a pack's id is the name of its file without `.toml`"));
        }
        pack_ids.take(source, &pack.id, diagnostics);
        let (mut lists, mut domains) = (Names::new("list"), Names::new("list of hosts"));
        let mut hashed = Names::new("hashed list");
        pack.hashed.iter().for_each(|list| hashed.take(source, &list.id, diagnostics));
        pack.lists.iter().for_each(|list| lists.take(source, &list.id, diagnostics));
        pack.domains.iter().for_each(|list| domains.take(source, &list.id, diagnostics));
        if is_for_devices {
            diagnostics.extend(protected_elsewhere(source, pack));
        }
        for rule in &pack.rules {
            let id = Spanned::new(rule.id.span(), rule.id.get_ref().to_string());
            let prefix = format!("{}.", pack.id.get_ref());
            if !id.get_ref().starts_with(&prefix) {
                let message = format!("rule `{}` stands in pack `{}`", id.get_ref(), pack.id.get_ref());
                let diagnostic = Diagnostic::new(Code::Misnamed, source, id.span(), message, "another pack's id");
                diagnostics.push(diagnostic.help(format!("a rule's id begins with `{prefix}`")));
            }
            rule_ids.take(source, &id, diagnostics);
        }
    }
}

/// A set for devices has its protected hosts in one place, where whoever reviews packs looks for them: they stop every
/// rule, illegal ones included.
fn protected_elsewhere(source: &Arc<Source>, pack: &Pack) -> Option<Diagnostic> {
    let list = pack.domains.iter().find(|list| list.class == HostClass::Protected)?;
    if pack.id.get_ref() == PROTECTED_HOSTS {
        return None;
    }
    let message = format!("protected hosts stand in the pack `{PROTECTED_HOSTS}` alone");
    let diagnostic = Diagnostic::new(Code::ProtectedElsewhere, source, list.id.span(), message, "in another pack");
    Some(
        diagnostic.help(
            "nothing at all is captured there: `confidential` leaves levels 4 and 5, `support` what has an intent",
        ),
    )
}

/// Names seen so far.
struct Names {
    what: &'static str,
    seen: BTreeMap<String, String>,
}

impl Names {
    fn new(what: &'static str) -> Self {
        Self { what, seen: BTreeMap::new() }
    }

    fn take(&mut self, source: &Arc<Source>, name: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) {
        let place = Diagnostic::new(Code::Repeated, source, name.span(), "", "");
        let place = format!("{}:{}", place.file(), place.line());
        if let Some(earlier) = self.seen.insert(name.get_ref().clone(), place) {
            let message = format!("{} `{}` stands here and at {earlier}", self.what, name.get_ref());
            diagnostics.push(Diagnostic::new(Code::Repeated, source, name.span(), message, "the second one"));
        }
    }
}

impl Draft<'_> {
    fn bands(&self) -> impl Iterator<Item = Band> {
        Band::ALL.into_iter().filter(|band| self.rule.bands.holds(*band))
    }

    /// The bands of the rule that an example speaks of.
    fn bands_of(&self, example: &Example) -> impl Iterator<Item = Band> {
        self.bands().filter(|band| example.speaks_of(*band))
    }

    /// A mistake in the file that the rule comes from.
    fn diagnostic(
        &self,
        code: Code,
        span: std::ops::Range<usize>,
        message: impl Into<String>,
        label: &str,
    ) -> Diagnostic {
        Diagnostic::new(code, self.source, span, message, label)
    }
}
