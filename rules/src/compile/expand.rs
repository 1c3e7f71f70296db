//! Rules with their lists written out and their phrases folded.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;

use super::expression::{self, Expression};
use crate::diagnostic::{Code, Diagnostic, Source};
use crate::fold::{MAX_WORD_BYTES, fold};
use crate::hashed::{HashedKind, HashedList};
use crate::host::HostPattern;
use crate::pack::{Exception, Group, HostRef, Matching, Pack, RuleSource, Term, Words};
use crate::program::{Bands, Order, Role, Rule, RuleFacts, Scopes, Test};
use crate::{Band, Mark, RuleId, Scope};

/// Most words of a phrase.
const MAX_PHRASE_WORDS: usize = 16;
/// Longest phrase, folded, in bytes: what a capture can carry of an exception.
const MAX_PHRASE_BYTES: usize = 128;
/// Most phrases that the lists named in one phrase make.
const MAX_FILLED: usize = 10_000;
/// Most phrases that one pack makes in all.
const MAX_OF_A_PACK: usize = 500_000;
/// Shortest substring, folded, in bytes.
const MIN_SUBSTRING_BYTES: usize = 4;

/// A rule on its way into the tables.
pub(super) struct Draft<'a> {
    pub(super) source: &'a Arc<Source>,
    pub(super) written: &'a RuleSource,
    pub(super) is_base: bool,
    pub(super) rule: Rule,
    pub(super) phrases: Vec<(Phrase<'a>, Role)>,
    pub(super) substrings: Vec<(String, Role)>,
    pub(super) expressions: Vec<Expression>,
    pub(super) hashed: Option<&'a HashedList>,
    pub(super) hosts: Vec<HostPattern>,
    pub(super) silent_hosts: Vec<HostPattern>,
    /// Words of exceptions, and the rules they lead to.
    pub(super) reroutes: Vec<(Vec<String>, &'a Spanned<RuleId>)>,
}

/// A folded phrase and where it was written.
pub(super) struct Phrase<'a> {
    pub(super) words: Vec<String>,
    pub(super) span: Range<usize>,
    /// Its weight in the bands that have their own.
    pub(super) weights: &'a [(Band, i16)],
}

impl Phrase<'_> {
    pub(super) fn weight_in(&self, band: Band) -> Option<i16> {
        self.weights.iter().find(|(own, _)| *own == band).map(|(_, weight)| *weight)
    }
}

/// A part of a written phrase.
enum Piece<'a> {
    Text(&'a str),
    List(&'a str),
}

/// Every rule of every pack, by id.
pub(super) fn drafts<'a>(packs: &'a [(Arc<Source>, Pack)], diagnostics: &mut Vec<Diagnostic>) -> Vec<Draft<'a>> {
    let mut drafts = Vec::new();
    for (source, pack) in packs {
        let mut expander = Expander::new(source, pack, diagnostics);
        drafts.extend(pack.rules.iter().map(|rule| expander.draft(rule)));
    }
    drafts.sort_by(|left, right| left.rule.facts.id.cmp(&right.rule.facts.id));
    drafts
}

/// A phrase that stands outside every pack, folded.
pub(super) fn phrase(
    source: &Arc<Source>,
    written: &Spanned<String>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Phrase<'static>> {
    let (lists, hosts, hashed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut expander = Expander { source, is_base: false, lists, hosts, hashed, made: 0, diagnostics };
    let Phrase { words, span, .. } = expander.phrase(written.get_ref(), written.span())?;
    Some(Phrase { words, span, weights: &[] })
}

struct Expander<'a, 'd> {
    source: &'a Arc<Source>,
    is_base: bool,
    lists: BTreeMap<&'a str, &'a [Spanned<String>]>,
    hosts: BTreeMap<&'a str, &'a [Spanned<HostPattern>]>,
    hashed: BTreeMap<&'a str, &'a HashedList>,
    /// Phrases made so far.
    made: usize,
    diagnostics: &'d mut Vec<Diagnostic>,
}

impl<'a, 'd> Expander<'a, 'd> {
    fn new(source: &'a Arc<Source>, pack: &'a Pack, diagnostics: &'d mut Vec<Diagnostic>) -> Self {
        let lists = pack.lists.iter().map(|list| (list.id.get_ref().as_str(), list.phrases.as_slice())).collect();
        let hosts = pack.domains.iter().map(|list| (list.id.get_ref().as_str(), list.hosts.as_slice())).collect();
        let hashed = pack.hashed.iter().map(|source| (source.id.get_ref().as_str(), &source.list)).collect();
        let is_base = pack.id.get_ref() == crate::rule_set::ILLEGAL_BASE;
        Self { source, is_base, lists, hosts, hashed, made: 0, diagnostics }
    }

    fn draft(&mut self, written: &'a RuleSource) -> Draft<'a> {
        let rule = Rule {
            facts: facts(written),
            bands: written.bands.as_ref().map_or(Bands::ALL, |bands| bands.get_ref().iter().copied().collect()),
            scopes: written.scopes.get_ref().iter().copied().collect::<Scopes>(),
            test: test(written.matching.get_ref()),
        };
        let mut draft = Draft {
            source: self.source,
            written,
            is_base: self.is_base,
            rule,
            phrases: Vec::new(),
            substrings: Vec::new(),
            expressions: Vec::new(),
            hashed: None,
            hosts: Vec::new(),
            silent_hosts: Vec::new(),
            reroutes: Vec::new(),
        };
        self.matching(&mut draft);
        for exception in &written.exceptions {
            match exception {
                Exception::Phrase { phrase, reroute } => {
                    let phrases = self.filled(phrase);
                    if let Some(target) = reroute {
                        draft.reroutes.extend(phrases.iter().map(|phrase| (phrase.words.clone(), target)));
                    }
                    draft.phrases.extend(phrases.into_iter().map(|phrase| (phrase, Role::Exception)));
                }
                Exception::Host(host) => draft.silent_hosts.push(host.get_ref().clone()),
            }
        }
        draft
    }

    fn matching(&mut self, draft: &mut Draft<'a>) {
        let scope = |scope| if let [only] = draft.written.scopes.get_ref().as_slice() { *only == scope } else { false };
        let (on_hosts, on_media) = (scope(Scope::UrlHost), scope(Scope::Media));
        match draft.written.matching.get_ref() {
            Matching::Any { terms, threshold } => {
                self.terms(draft, terms, 0, Mark::Topic, i16::from(threshold.is_some()));
            }
            Matching::All { groups } => self.groups(draft, groups, Mark::Topic),
            Matching::Near { groups, .. } => self.groups(draft, groups, Mark::Context),
            Matching::Substring { texts, .. } => {
                for text in texts {
                    let folded = self.substring(text);
                    draft.substrings.extend(folded.map(|text| (text, Role::TOPIC)));
                }
            }
            Matching::Hashed { list } => self.hashed(draft, list),
            Matching::Regex { expressions, .. } => {
                let read =
                    expressions.iter().filter_map(|written| expression::read(written, self.source, self.diagnostics));
                draft.expressions.extend(read);
            }
            Matching::Domain { hosts } => {
                self.needs_scope(draft, on_hosts, "domain", Scope::UrlHost);
                for host in hosts {
                    self.hosts(draft, host);
                }
            }
            Matching::Medium => self.needs_scope(draft, on_media, "media", Scope::Media),
            Matching::Score { .. } => {}
            Matching::Label { terms } => {
                self.needs_scope(draft, on_media, "media", Scope::Media);
                self.terms(draft, terms, 0, Mark::Topic, 0);
            }
        }
    }

    fn needs_scope(&mut self, draft: &Draft<'a>, is_so: bool, shape: &str, scope: Scope) {
        if !is_so {
            let span = draft.written.scopes.span();
            let message = format!("a `{shape}` match has the scope `{scope}` alone");
            let diagnostic = Diagnostic::new(Code::MatchShape, self.source, span, message, "other scopes");
            self.diagnostics.push(diagnostic.help(format!("write `scopes = [\"{scope}\"]`")));
        }
    }

    /// Groups after the first default to `later`.
    fn groups(&mut self, draft: &mut Draft<'a>, groups: &'a [Group], later: Mark) {
        for (number, group) in (0..).zip(groups) {
            let default = if number == 0 { Mark::Topic } else { later };
            self.terms(draft, &group.terms, number, group.mark.unwrap_or(default), 0);
        }
    }

    fn terms(&mut self, draft: &mut Draft<'a>, terms: &'a [Term], group: u8, mark: Mark, weight: i16) {
        for term in terms {
            let (weight, weights) = match &term.weight {
                Some(written) => (written.default, written.bands.as_slice()),
                None => (weight, [].as_slice()),
            };
            let role = Role::Term { group, mark: term.mark.unwrap_or(mark), weight };
            let phrases = match &term.words {
                Words::Phrase(phrase) => self.filled(phrase),
                Words::List(id) => {
                    let listed = self.list(id.get_ref(), id.span());
                    listed.iter().filter_map(|phrase| self.phrase(phrase.get_ref(), phrase.span())).collect()
                }
            };
            draft.phrases.extend(phrases.into_iter().map(|phrase| (Phrase { weights, ..phrase }, role)));
        }
    }

    fn hashed(&mut self, draft: &mut Draft<'a>, id: &'a Spanned<String>) {
        draft.hashed = self.hashed.get(id.get_ref().as_str()).copied();
        let on_addresses = |scope: &Scope| matches!(scope, Scope::UrlHost | Scope::UrlPath);
        match draft.hashed.map(|list| list.kind) {
            None => self.unknown_list(id.get_ref(), id.span(), "hashed"),
            Some(HashedKind::Url) if !draft.written.scopes.get_ref().iter().all(on_addresses) => {
                let span = draft.written.scopes.span();
                let message = "a hashed list of addresses is for the scopes `url_host` and `url_path`";
                let diagnostic = Diagnostic::new(Code::MatchShape, self.source, span, message, "other scopes");
                self.diagnostics.push(diagnostic.help("write `scopes = [\"url_host\", \"url_path\"]`"));
            }
            Some(HashedKind::Url | HashedKind::Phrase) => {}
        }
    }

    fn hosts(&mut self, draft: &mut Draft<'a>, host: &'a HostRef) {
        match host {
            HostRef::Host(host) => draft.hosts.push(host.get_ref().clone()),
            HostRef::List(id) => match self.hosts.get(id.get_ref().as_str()) {
                Some(hosts) => draft.hosts.extend(hosts.iter().map(|host| host.get_ref().clone())),
                None => self.unknown_list(id.get_ref(), id.span(), "domains"),
            },
        }
    }

    /// The phrases of a list of this pack.
    fn list(&mut self, id: &str, span: Range<usize>) -> &'a [Spanned<String>] {
        let listed = self.lists.get(id).copied();
        if listed.is_none() {
            self.unknown_list(id, span, "list");
        }
        listed.unwrap_or_default()
    }

    fn unknown_list(&mut self, id: &str, span: Range<usize>, table: &str) {
        let message = format!("there is no `[[{table}]]` named `{id}` in this pack");
        self.diagnostics.push(Diagnostic::new(Code::UnknownList, self.source, span, message, "unknown"));
    }

    /// A written phrase with every phrase of the lists it names in braces put in their places: `beat {people} at chess`.
    fn filled(&mut self, written: &'a Spanned<String>) -> Vec<Phrase<'a>> {
        let span = written.span();
        let Some(pieces) = pieces(written.get_ref()) else {
            let message = "braces stand around the name of a list, as in `beat {people} at chess`";
            self.diagnostics.push(Diagnostic::new(Code::InvalidValue, self.source, span, message, "other braces"));
            return Vec::new();
        };
        let mut texts = vec![String::new()];
        for piece in pieces {
            let fillings = match piece {
                Piece::Text(text) => vec![text.to_owned()],
                Piece::List(id) => self.list(id, span.clone()).iter().map(|phrase| phrase.get_ref().clone()).collect(),
            };
            if texts.len().saturating_mul(fillings.len()) > MAX_FILLED {
                let message = format!("the lists in this phrase make more than {MAX_FILLED} phrases");
                self.diagnostics.push(Diagnostic::new(Code::OutOfBounds, self.source, span, message, "too many"));
                return Vec::new();
            }
            texts =
                texts.iter().flat_map(|text| fillings.iter().map(move |filling| format!("{text}{filling}"))).collect();
        }
        texts.iter().filter_map(|text| self.phrase(text, span.clone())).collect()
    }

    fn phrase(&mut self, written: &str, span: Range<usize>) -> Option<Phrase<'a>> {
        self.made += 1;
        if self.made > MAX_OF_A_PACK {
            if self.made == MAX_OF_A_PACK + 1 {
                let message = format!("this pack makes more than {MAX_OF_A_PACK} phrases with its lists written out");
                self.diagnostics.push(Diagnostic::new(Code::OutOfBounds, self.source, span, message, "too many"));
            }
            return None;
        }
        let words: Vec<String> = fold(written).words().map(str::to_owned).collect();
        if words.is_empty() {
            let message = "a phrase needs a letter or a digit";
            self.diagnostics.push(Diagnostic::new(Code::NoWords, self.source, span, message, "nothing is left of it"));
            return None;
        }
        let bytes: usize = words.iter().map(|word| word.len() + 1).sum();
        let long = words.iter().any(|word| word.len() > MAX_WORD_BYTES);
        if words.len() > MAX_PHRASE_WORDS || bytes > MAX_PHRASE_BYTES || long {
            let message = format!(
                "a phrase has at most {MAX_PHRASE_WORDS} words of {MAX_WORD_BYTES} bytes, {MAX_PHRASE_BYTES} in all"
            );
            self.diagnostics.push(Diagnostic::new(Code::OutOfBounds, self.source, span, message, "too long"));
            return None;
        }
        Some(Phrase { words, span, weights: &[] })
    }

    fn substring(&mut self, written: &Spanned<String>) -> Option<String> {
        let folded = fold(written.get_ref());
        let text = folded.words().next().unwrap_or_default().to_owned();
        if folded.len() == 1 && (MIN_SUBSTRING_BYTES..=MAX_WORD_BYTES).contains(&text.len()) {
            return Some(text);
        }
        let message = format!("a substring is part of one word, of {MIN_SUBSTRING_BYTES} to {MAX_WORD_BYTES} bytes");
        self.diagnostics.push(Diagnostic::new(Code::OutOfBounds, self.source, written.span(), message, "not so"));
        None
    }
}

/// The text and the lists of a written phrase; `None` when a brace has no partner.
fn pieces(written: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = written;
    while let Some((text, after)) = rest.split_once('{') {
        let (id, after) = after.split_once('}')?;
        if text.contains('}') || id.contains('{') {
            return None;
        }
        pieces.extend([Piece::Text(text), Piece::List(id)]);
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    (!rest.contains('}')).then_some(pieces)
}

fn facts(written: &RuleSource) -> RuleFacts {
    let category = *written.category.get_ref();
    RuleFacts {
        id: written.id.get_ref().clone(),
        title: written.title.clone(),
        category,
        level: written.level.as_ref().map_or(category.default_level(), |level| *level.get_ref()),
        levels: written.levels.iter().map(|(band, level)| (*band, *level.get_ref())).collect(),
        guidance: written.guidance.clone(),
        cooldown: Duration::from_secs(u64::from(written.cooldown_s)),
        course: written.course.terms(),
        tuned: None,
    }
}

fn test(matching: &Matching) -> Test {
    let count = |groups: &Vec<Group>| u8::try_from(groups.len()).unwrap_or(u8::MAX);
    match matching {
        Matching::Any { threshold, .. } => Test::Any { threshold: *threshold },
        Matching::All { groups } => Test::All { groups: count(groups) },
        Matching::Near { within, ordered, groups } => {
            let order = if *ordered { Order::AsWritten } else { Order::Any };
            Test::Near { within: *within, order, groups: count(groups) }
        }
        Matching::Substring { .. }
        | Matching::Regex { .. }
        | Matching::Hashed { .. }
        | Matching::Domain { .. }
        | Matching::Label { .. } => Test::Any { threshold: None },
        Matching::Medium => Test::Medium,
        Matching::Score { threshold } => Test::Score { threshold: *threshold },
    }
}
