//! What a rule set is made of, once compiled: tables that a matcher can use as they are.
//!
//! The sections of a rule set's artefact, each a list of records (numbers little-endian, text as length and UTF-8):
//!
//! ```text
//! 1 packs       id, version, title
//! 2 rules       facts, bands and scopes as bit sets, test
//! 3 words       every word of every phrase, sorted; a word's number is its place
//! 4 phrases     each a list of word numbers, sorted
//! 5 phrase rows phrase, rule, role; sorted by phrase
//! 6 substrings  each a text, with its rows (rule, role)
//! 7 hosts       every named host, sorted
//! 8 host rows   host, reach, use; sorted by host
//! 9 cases       rule, scope, text, whether the rule fires
//! 10 reroutes   rule, phrase, the rule it leads to
//! 11 weights    rule, band, phrase, group, weight
//! 12 scores     rule, the score it adds to, whether it is reported itself, points, points of bands; the rule added to
//!               stands in section 2 with its threshold and without words
//! 13 patterns   rule, letters that stand in a match, sparse automaton of regex-automata in little-endian form
//! 14 hashed     kind, key, lengths in words, entries of 16 bytes, rules
//! 20 to 23      the terms of rules: see `course`
//! 24 tunes      what a school changed of rules: see `tunes`
//! 31 beginnings fingerprints of all beginnings of all phrases, ascending, 8 bytes each (plain)
//! 32 values     of each beginning, 4 bytes: the phrase that ends there, whether one goes on
//! 33 texts      of the phrases of exceptions, for those who read a verdict: phrase, text; by phrase
//! 34 names      host key (16 bytes), then fingerprints of all named hosts, ascending, 8 bytes each (plain)
//! 35 uses       of each name, 4 bytes: which of the lists that follow; the lists: reach, purpose
//! 36 base       the illegal base, an artefact of its own with these sections but this one (plain): see `rule_set::base`
//! ```
//!
//! Sections 10 to 29 are sorted, and absent where there is nothing in them. Engines 1 and 2 wrote words and hosts
//! themselves, in sections 3, 4, 7 and 8, which are read still and made into those from 31 on. Since then a rule set holds
//! no phrase that is only looked for, and is used as it is read, without building anything.

mod course;
mod decode;
mod encode;
mod hosts;
mod phrases;
mod tunes;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::course::Course;
use crate::hashed::HashedList;
use crate::host::Reach;
use crate::overlay::Tuned;
use crate::pattern::Pattern;
use crate::{Band, Category, HostClass, Level, Mark, RuleId, Scope};

pub(crate) use decode::decode;
pub(crate) use encode::encode;
pub(crate) use hosts::{HostKey, Hosts};
pub(crate) use phrases::Phrases;

/// Most groups of one rule.
pub(crate) const MAX_GROUPS: usize = 6;

/// A pack that went into a rule set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackFacts {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: u32,
    /// Its title.
    pub title: String,
}

/// What people are told of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFacts {
    /// Its id; it starts with the pack's.
    pub id: RuleId,
    /// What it found, in plain words.
    pub title: String,
    /// Its category.
    pub category: Category,
    /// Its level where a band has none of its own.
    pub level: Level,
    /// Levels of single bands.
    pub levels: BTreeMap<Band, Level>,
    /// What the DSL does next.
    pub guidance: String,
    /// How long the same rule on the same account is counted rather than reported again.
    pub cooldown: Duration,
    /// What it does in the course of time beside that.
    pub course: Course,
    /// What the school changed of it.
    pub tuned: Option<Tuned>,
}

impl RuleFacts {
    /// The level for an account of `band`.
    #[must_use]
    pub fn level_for(&self, band: Band) -> Level {
        self.levels.get(&band).copied().unwrap_or(self.level)
    }
}

/// A compiled rule set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    pub(crate) packs: Vec<PackFacts>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) phrases: Phrases,
    /// The words of phrases that stand in exceptions, by phrase.
    pub(crate) phrase_texts: Vec<(u32, String)>,
    pub(crate) phrase_rows: Vec<PhraseRow>,
    pub(crate) substrings: Vec<Substring>,
    pub(crate) hosts: Hosts,
    pub(crate) cases: Vec<Case>,
    pub(crate) reroutes: Vec<Reroute>,
    pub(crate) band_weights: Vec<BandWeight>,
    pub(crate) contributions: Vec<Contribution>,
    /// By rule, in the order written.
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) hashed: Vec<Hashed>,
}

impl Program {
    /// The number of a phrase.
    pub(crate) fn phrase_number(&self, words: &[String]) -> Option<u32> {
        self.phrases.number(words)
    }

    /// The words of a phrase that stands in an exception.
    pub(crate) fn phrase_words(&self, phrase: u32) -> Option<&str> {
        let at = self.phrase_texts.binary_search_by_key(&phrase, |(phrase, _)| *phrase).ok()?;
        self.phrase_texts.get(at).map(|(_, words)| words.as_str())
    }

    /// The exceptions of a rule that hand on what they consume.
    pub(crate) fn reroutes_of(&self, rule: u32) -> &[Reroute] {
        let from = self.reroutes.partition_point(|reroute| reroute.rule < rule);
        let to = self.reroutes.partition_point(|reroute| reroute.rule <= rule);
        self.reroutes.get(from..to).unwrap_or_default()
    }

    /// What a rule adds to a score.
    pub(crate) fn contribution_of(&self, rule: u32) -> Option<&Contribution> {
        let at = self.contributions.binary_search_by_key(&rule, |contribution| contribution.rule).ok()?;
        self.contributions.get(at)
    }

    /// The weights that differ for a rule in a band, by phrase and group.
    pub(crate) fn weights_of(&self, rule: u32, band: Band) -> &[BandWeight] {
        let from = self.band_weights.partition_point(|row| (row.rule, row.band) < (rule, band));
        let to = self.band_weights.partition_point(|row| (row.rule, row.band) <= (rule, band));
        self.band_weights.get(from..to).unwrap_or_default()
    }
}

/// A compiled rule, without its words and hosts: those point at it.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) facts: RuleFacts,
    pub(crate) bands: Bands,
    pub(crate) scopes: Scopes,
    pub(crate) test: Test,
}

/// When what was found is a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    /// Any find; with a threshold, finds of distinct phrases in one text whose weights reach it.
    Any { threshold: Option<i32> },
    /// A find of every group in one text.
    All { groups: u8 },
    /// A find of every group in one text, with at most `within` words between the first and the last.
    Near { within: u16, order: Order, groups: u8 },
    /// Any removable medium.
    Medium,
    /// Other rules, whose points for one signal reach the threshold.
    Score { threshold: i32 },
}

/// Whether groups must stand in the order written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Any,
    AsWritten,
}

/// A set of bands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bands(pub(crate) u16);

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scopes(pub(crate) u8);

impl Bands {
    pub(crate) const ALL: Self = Self((1 << Band::ALL.len()) - 1);

    pub(crate) fn holds(self, band: Band) -> bool {
        self.0 & (1 << band as u16) != 0
    }
}

impl FromIterator<Band> for Bands {
    fn from_iter<I: IntoIterator<Item = Band>>(bands: I) -> Self {
        Self(bands.into_iter().fold(0, |set, band| set | 1 << band as u16))
    }
}

impl Scopes {
    pub(crate) fn holds(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | 1 << scope as u8))
    }
}

/// What a phrase or substring is to a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// One of the terms of a group.
    Term { group: u8, mark: Mark, weight: i16 },
    /// Words that consume the finds they cover.
    Exception,
}

impl Role {
    /// What is found where a rule looks for one thing alone.
    pub(crate) const TOPIC: Self = Self::Term { group: 0, mark: Mark::Topic, weight: 0 };
}

/// A phrase in a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PhraseRow {
    pub(crate) phrase: u32,
    pub(crate) rule: u32,
    pub(crate) role: Role,
}

/// Letters that are found inside words, folded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Substring {
    pub(crate) text: String,
    pub(crate) rows: Vec<(u32, Role)>,
}

/// An exception that hands what it consumes to another rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reroute {
    pub(crate) rule: u32,
    pub(crate) phrase: u32,
    pub(crate) target: u32,
}

/// The weight of a term in a band that has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BandWeight {
    pub(crate) rule: u32,
    pub(crate) band: Band,
    pub(crate) phrase: u32,
    pub(crate) group: u8,
    pub(crate) weight: i16,
}

/// A hashed list and the rules that fire on what is on it.
#[derive(Clone, Debug)]
pub(crate) struct Hashed {
    pub(crate) list: HashedList,
    pub(crate) rules: Vec<u32>,
}

/// What a rule that fires adds to a score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contribution {
    pub(crate) rule: u32,
    pub(crate) score: u32,
    /// Whether it is a hit of its own besides.
    pub(crate) is_reported: bool,
    pub(crate) points: i16,
    /// Points of the bands that have their own.
    pub(crate) of_bands: Vec<(Band, i16)>,
}

impl Contribution {
    pub(crate) fn points_in(&self, band: Band) -> i16 {
        let own = self.of_bands.iter().find(|(own, _)| *own == band);
        own.map_or(self.points, |(_, points)| *points)
    }
}

/// What a host is named for, and how far below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostUse {
    pub(crate) reach: Reach,
    pub(crate) purpose: HostPurpose,
}

/// What a host is named for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HostPurpose {
    /// The rule fires there.
    Rule(u32),
    /// The rule is silent there.
    Exception(u32),
    /// The host has this class.
    Class(HostClass),
}

/// An example that a reader of the artefact runs again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) rule: u32,
    pub(crate) scope: CaseScope,
    pub(crate) text: String,
    pub(crate) fires: bool,
}

/// Where the text of an example stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CaseScope {
    /// A text of this scope.
    Text(Scope),
    /// A whole URL, split as on a device.
    Url,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Artefact, Compiler, Kind, Release, RuleSet, SigningKey, Text, TrustedKeys, Validity, sign};

    #[test]
    fn a_set_in_which_an_illegal_rule_is_weakened_is_refused_whoever_signed_it() {
        let pack = "[pack]\nid = \"t\"\nversion = 1\ntitle = \"T\"\nsources = [\"none\"]\n\
            [[rule]]\nid = \"t.a\"\ntitle = \"A\"\ncategory = \"terrorism\"\nscopes = [\"title\"]\nguidance = \"G\"\n\
            match = { all = [\"owl\", \"nest\"] }\nexamples = {}\n";
        let whole = Compiler::new().pack("t.toml", pack).program().unwrap();
        let key = SigningKey::from_bytes(&[7; 32]);
        let keys = TrustedKeys::new(vec![key.verifying_key()], 1).unwrap();
        let load = |program: &Program| {
            let artefact = Artefact::build(Kind::RuleSet, Release::new(1), Validity::default(), &encode(program));
            RuleSet::load(&sign(&artefact, &key), &keys).map(|_| ())
        };
        assert!(load(&whole).is_ok());
        let weaken: [fn(&mut Rule); 5] = [
            |rule| rule.facts.level = Level::Info,
            |rule| rule.facts.levels.extend([(Band::Ks3, Level::Info)]),
            |rule| rule.bands = Bands(1),
            |rule| rule.scopes = Scopes::default(),
            |rule| rule.facts.cooldown = Duration::from_secs(u64::from(u32::MAX)),
        ];
        for weaken in weaken {
            let mut program = whole.clone();
            program.rules.iter_mut().for_each(weaken);
            let error = load(&program).unwrap_err();
            assert_eq!(error, crate::ArtefactError::Damaged { what: "its illegal rules" });
        }
    }

    /// Signed is not the same as sane: whatever a key's owner signs, reading and judging by it must not panic.
    #[test]
    fn damaged_sections_that_are_signed_are_refused_or_harmless() {
        let pack = "[pack]\nid = \"t\"\nversion = 1\ntitle = \"T\"\nsources = [\"none\"]\n\
            [[rule]]\nid = \"t.a\"\ntitle = \"A\"\ncategory = \"drugs\"\nscopes = [\"title\"]\nguidance = \"G\"\n\
            match.near = { within = 4, groups = [\"owl\", \"barn nest\"] }\nexcept = [{ phrase = \"nest box\", reroute = \"t.c\" }]\n\
            examples.must_match = [{ scope = \"title\", text = \"owl barn nest\" }]\n\
            [[rule]]\nid = \"t.b\"\ntitle = \"B\"\ncategory = \"drugs\"\nscopes = [\"title\"]\nguidance = \"G\"\n\
            match = { substring = [\"tawny\"], reason = \"R\" }\nexamples = {}\n\
            [[rule]]\nid = \"t.c\"\ntitle = \"C\"\ncategory = \"help_seeking\"\nscopes = [\"title\"]\nguidance = \"G\"\n\
            match = { phrase = \"helpline\" }\nexamples = {}\n\
            [[rule]]\nid = \"t.d\"\ntitle = \"D\"\ncategory = \"drugs\"\nscopes = [\"title\"]\nguidance = \"G\"\n\
            match = { threshold = 2, any = [{ phrase = \"owl\", weight = { default = 2, ks3 = 4 } }] }\nexamples = {}\n\
            score = 1\nreport = false\n\
            [[rule]]\nid = \"t.e\"\ntitle = \"E\"\ncategory = \"drugs\"\nscopes = [\"title\"]\nguidance = \"G\"\n\
            match = { phrase = \"nest\" }\nexamples = {}\nscore = { default = 1, ks3 = 2 }\n\
            [[score]]\nid = \"t.f\"\ntitle = \"F\"\ncategory = \"drugs\"\nguidance = \"G\"\nthreshold = 2\nbands = [\"ks4\"]\nexamples = {}\n\
            [[rule]]\nid = \"t.g\"\ntitle = \"G\"\ncategory = \"drugs\"\nscopes = [\"title\"]\nguidance = \"G\"\n\
            match = { regex = [\"tawny[0-9]{2}\"], reason = \"R\" }\nexamples = {}\n\
            [[rule]]\nid = \"t.h\"\ntitle = \"H\"\ncategory = \"drugs\"\nscopes = [\"title\"]\nguidance = \"G\"\n\
            match = { hashed = \"l\" }\nexamples = {}\n\
            [[hashed]]\nid = \"l\"\nkind = \"phrase\"\nkey = \"0102030405060708090a0b0c0d0e0f10\"\nwords = [1]\n\
            entries = [\"7c1b4b1d81644cd2bb50166e3cdd7597\"]\n\
            [[domains]]\nid = \"d\"\nclass = \"support\"\nhosts = [\"a.example\"]\n";
        let compiled = Compiler::new().pack("t.toml", pack).program().unwrap();
        let key = SigningKey::from_bytes(&[7; 32]);
        let keys = TrustedKeys::new(vec![key.verifying_key()], 1).unwrap();
        let texts =
            [Text::new(Scope::Title, "owl barn nest box tawny tawny77"), Text::new(Scope::UrlHost, "a.example")];
        let mut sections = encode(&compiled);
        // Deflating says nothing of what stands in a section, and takes most of the time.
        sections.iter_mut().for_each(|section| section.encoding = crate::artefact::Encoding::Plain);
        let sizes: Vec<usize> = sections.iter().map(|section| section.plain.len()).collect();
        for (section, byte) in sizes.iter().enumerate().flat_map(|(at, size)| (0..*size).map(move |byte| (at, byte))) {
            for flip in [0x01, 0x80, 0xff] {
                sections[section].plain[byte] ^= flip;
                let artefact = Artefact::build(Kind::RuleSet, Release::new(1), Validity::default(), &sections);
                sections[section].plain[byte] ^= flip;
                if let Ok(rules) = RuleSet::load(&sign(&artefact, &key), &keys) {
                    let _ = rules.evaluate(&texts, Band::Ks3).explain(&texts, &rules);
                    let _ = rules.host_class("b.a.example");
                }
            }
        }
    }
}
