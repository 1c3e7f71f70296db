//! Rule packs as people write them: TOML, one file a pack, unknown keys refused.
//!
//! Reading keeps the place of every value and goes on after a mistake, so that all of them are told at once.

mod bands;
mod course;
mod examples;
mod hashed;
mod hosts;
mod matching;
mod reader;
mod rule;
mod score;
mod tune;

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;

use crate::diagnostic::{Code, Diagnostic, Source};
use crate::hashed::{EntryHash, HashedList};
use crate::host::HostPattern;
use crate::program::CaseScope;
use crate::{Band, Category, HostClass, Level, Mark, RuleId, Scope};
pub(crate) use course::CourseSource;
use reader::{Fields, Reader};
#[cfg(test)]
pub(crate) use rule::KEYS as RULE_KEYS;
#[cfg(test)]
pub(crate) use score::KEYS as SCORE_KEYS;
pub(crate) use tune::{TuneSource, read_overlay};

/// Largest pack, in bytes: a hashed list of the most entries fits in.
pub(crate) const MAX_PACK_BYTES: usize = 48 * 1024 * 1024;
/// Longest title, in bytes.
const MAX_TITLE_BYTES: usize = 120;
/// Most entries of a list, a domain list or an `any`.
const MAX_ENTRIES: usize = 200_000;

/// A pack.
#[derive(Debug)]
pub(crate) struct Pack {
    pub(crate) id: Spanned<String>,
    pub(crate) version: u32,
    pub(crate) title: String,
    pub(crate) lists: Vec<List>,
    pub(crate) domains: Vec<Domains>,
    pub(crate) hashed: Vec<HashedSource>,
    /// Its rules, and its scores, which are rules of another kind.
    pub(crate) rules: Vec<RuleSource>,
}

/// Phrases under a name.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) id: Spanned<String>,
    pub(crate) phrases: Vec<Spanned<String>>,
}

/// Hosts under a name, with the class they give.
#[derive(Debug)]
pub(crate) struct Domains {
    pub(crate) id: Spanned<String>,
    pub(crate) class: HostClass,
    pub(crate) hosts: Vec<Spanned<HostPattern>>,
}

/// Hashes under a name.
#[derive(Debug)]
pub(crate) struct HashedSource {
    pub(crate) id: Spanned<String>,
    pub(crate) list: HashedList,
}

/// A rule.
#[derive(Debug)]
pub(crate) struct RuleSource {
    pub(crate) id: Spanned<RuleId>,
    pub(crate) title: String,
    pub(crate) category: Spanned<Category>,
    pub(crate) level: Option<Spanned<Level>>,
    pub(crate) levels: Vec<(Band, Spanned<Level>)>,
    pub(crate) bands: Option<Spanned<Vec<Band>>>,
    pub(crate) scopes: Spanned<Vec<Scope>>,
    pub(crate) guidance: String,
    pub(crate) cooldown_s: u32,
    pub(crate) course: CourseSource,
    /// Of 100,000 benign texts, on how many it may fire.
    pub(crate) budget: Option<u64>,
    pub(crate) matching: Spanned<Matching>,
    pub(crate) exceptions: Vec<Exception>,
    pub(crate) allowed: Vec<Allowed>,
    pub(crate) examples: Examples,
    /// What it adds to the score of its category.
    pub(crate) points: Option<Spanned<Weight>>,
    /// Where `report = false` says that it adds to a score and is no hit of its own.
    pub(crate) unreported: Option<Range<usize>>,
}

/// What a rule looks for.
#[derive(Debug)]
pub(crate) enum Matching {
    Any {
        terms: Vec<Term>,
        threshold: Option<i32>,
    },
    All {
        groups: Vec<Group>,
    },
    Near {
        within: u16,
        ordered: bool,
        groups: Vec<Group>,
    },
    Substring {
        texts: Vec<Spanned<String>>,
        has_reason: bool,
    },
    /// What is on a hashed list.
    Hashed {
        list: Spanned<String>,
    },
    Regex {
        expressions: Vec<Spanned<String>>,
        has_reason: bool,
    },
    Domain {
        hosts: Vec<HostRef>,
    },
    Medium,
    Label {
        terms: Vec<Term>,
    },
    /// Rules of its category that fire on the same signal, whose points reach the threshold.
    Score {
        threshold: i32,
    },
}

/// A phrase or list with what it says.
#[derive(Debug)]
pub(crate) struct Term {
    pub(crate) words: Words,
    pub(crate) mark: Option<Mark>,
    pub(crate) weight: Option<Weight>,
}

/// A number, and what it is in the bands that have their own, in order.
#[derive(Debug)]
pub(crate) struct Weight {
    pub(crate) default: i16,
    pub(crate) bands: Vec<(Band, i16)>,
}

impl Weight {
    pub(crate) fn in_band(&self, band: Band) -> i16 {
        let own = self.bands.iter().find(|(own, _)| *own == band);
        own.map_or(self.default, |(_, weight)| *weight)
    }
}

/// Where the words of a term stand.
#[derive(Debug)]
pub(crate) enum Words {
    Phrase(Spanned<String>),
    List(Spanned<String>),
}

/// Terms of which one must be there.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) terms: Vec<Term>,
    pub(crate) mark: Option<Mark>,
}

/// A host or a list of hosts.
#[derive(Debug)]
pub(crate) enum HostRef {
    Host(Spanned<HostPattern>),
    List(Spanned<String>),
}

/// What silences a rule.
#[derive(Debug)]
pub(crate) enum Exception {
    /// Words that consume the finds they cover, and the support rule that fires on what they alone kept from firing.
    Phrase { phrase: Spanned<String>, reroute: Option<Spanned<RuleId>> },
    /// A host on which the rule is silent.
    Host(Spanned<HostPattern>),
}

/// Texts that show what a rule does.
#[derive(Debug, Default)]
pub(crate) struct Examples {
    pub(crate) must_match: Vec<Example>,
    pub(crate) must_not_match: Vec<Example>,
    /// Texts the rule ought to find and does not find yet.
    pub(crate) todo_match: Vec<Example>,
}

impl Examples {
    pub(crate) fn all(&self) -> impl Iterator<Item = &Example> {
        self.must_match.iter().chain(&self.must_not_match).chain(&self.todo_match)
    }
}

/// A lint that a rule has a reason not to follow.
#[derive(Debug)]
pub(crate) struct Allowed {
    pub(crate) lint: Spanned<Code>,
}

/// A text that shows what a rule does.
#[derive(Debug)]
pub(crate) struct Example {
    pub(crate) scope: CaseScope,
    /// Empty where a hash stands for it.
    pub(crate) text: Spanned<String>,
    pub(crate) hash: Option<EntryHash>,
    /// The bands it speaks of; without them every band of the rule.
    pub(crate) bands: Option<Spanned<Vec<Band>>>,
}

impl Example {
    pub(crate) fn speaks_of(&self, band: Band) -> bool {
        self.bands.as_ref().is_none_or(|bands| bands.get_ref().contains(&band))
    }
}

/// Reads a pack as far as it goes; every mistake is added to `diagnostics`.
pub(crate) fn read(source: &Arc<Source>, diagnostics: &mut Vec<Diagnostic>) -> Option<Pack> {
    if source.text.len() > MAX_PACK_BYTES {
        let message = format!("a pack is at most {MAX_PACK_BYTES} bytes");
        diagnostics.push(Diagnostic::new(Code::OutOfBounds, source, 0..0, message, "this file is larger"));
        return None;
    }
    let (document, errors) = toml::de::DeTable::parse_recoverable(&source.text);
    let mut reader = Reader::new(source, diagnostics);
    for error in &errors {
        reader.syntax(error);
    }
    if !errors.is_empty() {
        return None;
    }
    let root = Fields::new(document.get_ref(), 0..0, "a pack");
    reader.known(&root, &["pack", "list", "domains", "hashed", "rule", "score"]);
    let lists = reader.tables(&root, "list", list);
    let domains = reader.tables(&root, "domains", domains_list);
    let hashed = reader.tables(&root, "hashed", hashed::hashed);
    let mut rules = reader.tables(&root, "rule", rule::rule);
    rules.extend(reader.tables(&root, "score", score::score));
    let pack = reader.required_table(&root, "pack", "`[pack]`")?;
    reader.known(&pack, &["id", "version", "title", "sources"]);
    let id = reader.text(&pack, "id", RuleId::MAX_BYTES);
    let version = reader.integer(&pack, "version", 1..=i64::from(u32::MAX), None);
    let title = reader.text(&pack, "title", MAX_TITLE_BYTES);
    let sources = reader.texts(&pack, "sources", MAX_ENTRIES);
    let (id, version, title) = (id?, u32::try_from(version?.into_inner()).ok()?, title?.into_inner());
    sources?;
    Some(Pack { id, version, title, lists, domains, hashed, rules })
}

fn list(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<List> {
    reader.known(fields, &["id", "phrases"]);
    let id = reader.text(fields, "id", RuleId::MAX_BYTES);
    let phrases = reader.texts(fields, "phrases", MAX_ENTRIES);
    for phrase in phrases.iter().flatten().filter(|phrase| phrase.get_ref().contains(['{', '}'])) {
        reader.report(Code::InvalidValue, phrase.span(), "a list names no other list", "braces", None);
    }
    Some(List { id: id?, phrases: phrases? })
}

fn domains_list(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Domains> {
    reader.known(fields, &["id", "class", "registrable", "hosts"]);
    let id = reader.text(fields, "id", RuleId::MAX_BYTES);
    let class = reader.optional_parsed::<HostClass>(fields, "class");
    let read = if reader.flag(fields, "registrable") { hosts::registrable } else { hosts::pattern };
    let hosts = reader.texts(fields, "hosts", MAX_ENTRIES);
    let hosts = hosts?.into_iter().filter_map(|host| read(reader, host)).collect();
    let class = class.map_or(HostClass::Ordinary, Spanned::into_inner);
    Some(Domains { id: id?, class, hosts })
}
