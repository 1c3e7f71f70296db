//! The rule language, compiler and matcher of Lapwing.
//!
//! Rule packs (TOML) go through [`Compiler`] into a signed [`Artefact`]; a device loads the artefact as a [`RuleSet`]
//! and asks it for a [`Verdict`] on the [`Text`]s of one signal. Beside them stand what agent and collector must read
//! alike: URLs ([`split_url`]) and a school's signed [`Policy`]. Nothing here knows a network, a clock or a thread: the
//! same rule and the same text give the same verdict everywhere.
//!
//! ```text
//! packs/*.toml --Compiler--> Artefact --sign--> bytes --RuleSet::load--> RuleSet --evaluate(texts, band)--> Verdict
//! ```
//!
//! Whoever writes rules finds a guide in `packs/README.md`.
//!
//! # Layout
//!
//! | module | holds |
//! |---|---|
//! | `pack`, `diagnostic` | the language as written, and all that is wrong with it, with a code each |
//! | `compile` | expansion, lints, numbering, the examples of every rule and what they show |
//! | `format` | the one way to write a pack |
//! | `program`, `fingerprint`, `index` | what a rule set is made of, its sections, and how they are looked up |
//! | `artefact`, `trust`, `cursor` | the signed container: verified, then bounds-checked, then decoded |
//! | `line`, `pattern` | a text as its words alone, and regular expressions on it |
//! | `hashed` | lists whose entries stand hashed |
//! | `fold` | one reading of a text however it was spelt, with offsets back to the original |
//! | `matcher`, `judge` | what stands in a text, and whether a rule fires on it |
//! | `course` | what a rule does in the course of time, which a device keeps |
//! | `overlay` | what a school changed of a rule |
//! | `rule_set`, `explain` | the loaded rule set, the illegal base it carries, and verdicts in words |
//! | `stored` | the verdict of a capture as it is kept, judged again |
//! | `url`, `host`, `policy` | URLs, classes of hosts, the school's policy |
//! | `category`, `level`, `band`, `scope`, `ids`, `date`, `verdict` | the words all of them share |
//!
//! # The language
//!
//! A pack holds `[pack]`, `[[list]]`, `[[domains]]`, `[[hashed]]`, `[[rule]]` and `[[score]]`. A rule's match is one of
//! these, on folded words:
//!
//! | written | fires where |
//! |---|---|
//! | `phrase = ".."`, `any = [..]` | one of the phrases stands as whole words |
//! | `any = [..], threshold = n` | the weights of distinct phrases in one text reach n |
//! | `all = [..]` | every group stands in one text |
//! | `near = { within, ordered, groups }` | they stand with at most so many words between first and last |
//! | `substring = [..], reason = ".."` | the letters stand inside a word |
//! | `regex = [..], reason = ".."` | an expression matches whole words, with one space between them, as they stand |
//! | `hashed = ".."` | a phrase, or the address, is on a `[[hashed]]` list |
//! | `domain = [..]` | the host is listed, or below one that is; `=host` means itself alone |
//! | `media = "any"`, `media = [..]` | a medium was put in, or one with such a label |
//!
//! A `[[score]]` is a rule of its own kind: it fires where rules of its category fire on one signal and what each says
//! with `score = n` reaches its `threshold`. A rule with `report = false` is no hit and only adds to its score.
//!
//! In a `[[domains]]` with `registrable = true` a host stands for the whole site that it is part of, as the public
//! suffix list knows it: `www.owl.co.uk` for `owl.co.uk`. A public suffix means the sites of everybody below it only
//! where that is written: `*.nhs.uk`.
//!
//! A phrase fills in lists of its pack: `beat {people} at {pastimes}`. An exception `{ phrase = ".." }` consumes the
//! finds it covers, `{ host = ".." }` silences the rule there, and `{ phrase = "..", reroute = "support.rule" }` lets a
//! support rule fire on what it alone kept from firing. A weight, and what a rule adds to a score, is a number, or one
//! for each band that has its own: `{ default = 1, ks1 = 3 }`.
//!
//! A `[[hashed]]` list holds what a supplier licenses and nobody is to read, as `hashed` says in detail: phrases or
//! addresses, each a keyed hash. The examples of its rules stand hashed too: `{ scope = "query", hash = ".." }`, under
//! `must_match` an entry of the list, under `must_not_match` what must never become one. `lapwing-rules hash` makes them.
//!
//! Examples stand for something: each that must not match would without its context or an exception, and each part of a
//! rule is needed by one ([`Code::NoContrast`], [`Code::NotNeeded`]). An example speaks of every band of its rule, or
//! of its own `bands`. Under `todo_match` stands what a rule ought to find and does not find yet; it is counted, and
//! told once it is found.
//!
//! One evaluation knows no time. What a device remembers of an account and log-on session is set by the rule:
//!
//! | written | means |
//! |---|---|
//! | `cooldown = "10m"` | told once, and counted until this is over |
//! | `after = { times = 3, within = "1h" }` | told from the third time within an hour on, and counted before |
//! | `escalate = { spans = 3, within = "1h", level = 4 }` | level 4 once three different phrases stood, told at once |
//! | `shadow = true` | on trial: counted by rule and day, and nobody is told ([`RuleSet::evaluate_all`]) |
//! | `watch = { from = 2026-12-01, until = 2026-12-20 }` | applied on these days alone, at most 28; level 3 at most |
//!
//! `budget = 2` says on how many of 100,000 benign texts a rule may fire; `lapwing-rules test --benign FILE` counts.
//!
//! What the language allows and a rule had better not say is a lint, told by [`Compiler::lint`]. A rule that has a reason
//! says so: `allow = [{ lint = "L002", reason = ".." }]`.
//!
//! # A school's overlay
//!
//! A file of `[[tune]]` beside the packs survives their updates. Each changes one rule, with `reason`, `requester`,
//! `approver` (another person; two of them where a rule of level 4 or 5 is weakened) and `expires` (a date within a
//! year), and one or more of:
//!
//! | written | means |
//! |---|---|
//! | `off = true`, `off_scopes`, `off_bands` | the rule is off, altogether or there |
//! | `level = 2`, `levels = { ks1 = 3 }` | its level for every band, or for these |
//! | `except_phrases = [..]`, `except_hosts = [..]` | more exceptions |
//! | `weights = { "red kite" = 1 }` | other weights of its phrases |
//!
//! Rules of illegal categories are untouchable, and so is a support rule to which one of them hands on what it excepts.
//! A tune of a rule that is in none of the packs is a warning ([`Code::is_warning`]): an update that drops a rule must
//! not keep a school from the rest of it. What was changed travels with the rule set ([`RuleFacts::tuned`]).
//!
//! # Example
//!
//! ```
//! use lapwing_rules::{Band, Compiler, Release, RuleSet, Scope, SigningKey, Text, TrustedKeys, Validity, sign};
//!
//! let pack = r#"
//!     [pack]
//!     id = "birds"
//!     version = 1
//!     title = "Birds"
//!     sources = ["a field guide"]
//!
//!     [[rule]]
//!     id = "birds.nest_theft"
//!     title = "Looked for nests to take eggs from"
//!     category = "off_task_gaming"
//!     scopes = ["title", "query"]
//!     guidance = "Ask what the eggs are for."
//!     match.near = { within = 4, groups = [{ any = ["steal", "take"], mark = "intent" }, "lapwing eggs"] }
//!     except = [{ phrase = "take lapwing eggs seriously" }]
//!
//!     [rule.examples]
//!     must_match = [{ scope = "query", text = "how to take some lapwing eggs" }]
//!     must_not_match = [{ scope = "title", text = "Why we take lapwing eggs seriously" }]
//! "#;
//! let artefact = Compiler::new()
//!     .pack("birds.toml", pack)
//!     .compile(Release::new(1), Validity::default())
//!     .expect("the pack has no mistakes and its examples hold");
//!
//! let key = SigningKey::from_bytes(&[7; 32]);
//! let trusted = TrustedKeys::new(vec![key.verifying_key()], 1)?;
//! let rules = RuleSet::load(&sign(&artefact, &key), &trusted)?;
//!
//! let texts = [Text::new(Scope::Query, "T4ke l a p w i n g eggs")];
//! let verdict = rules.evaluate(&texts, Band::Ks3);
//! assert_eq!(verdict.hits[0].rule.as_str(), "birds.nest_theft");
//! let words = verdict.hits[0].spans.iter().map(|span| &texts[0].text[span.start..span.end]);
//! assert_eq!(words.collect::<Vec<_>>(), ["T4ke", "l a p w i n g eggs"]);
//! println!("{}", verdict.explain(&texts, &rules));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The tool `lapwing-rules` does the same from a shell: `check`, `test`, `lint`, `mutate`, `cost`, `fmt`, `compile`,
//! `explain`, `diff`, `classify`, `score`, `keygen`, `sign`, `verify`, `policy-sign`, `policy-diff`, `codes`, `categories`, `hash`.

#![forbid(unsafe_code)]

mod artefact;
mod band;
mod category;
mod compile;
mod course;
mod cursor;
mod date;
mod diagnostic;
mod explain;
mod fingerprint;
mod fold;
mod format;
mod hashed;
mod host;
mod ids;
mod index;
mod judge;
mod level;
mod line;
mod matcher;
mod overlay;
mod pack;
mod pattern;
mod policy;
mod program;
mod rule_set;
mod scope;
mod stored;
mod trust;
mod url;
mod verdict;

pub use artefact::{Artefact, ArtefactError, ENGINE, Kind, MAX_ARTEFACT_BYTES, MAX_SIGNATURES, Validity, sign};
pub use band::Band;
pub use category::{Category, Class, FourC};
pub use compile::{
    Compiler, Costs, Counts, Exercise, LintLevel, LintLevels, LintLevelsError, Mutations, RuleCost, RuleExercise,
    Spelling, UponError,
};
pub use course::{After, Course, Escalation, Reporting, Watch};
pub use date::Date;
pub use diagnostic::{Code, Diagnostic, Page, Severity};
pub use ed25519_dalek::{SigningKey, VerifyingKey};
pub use explain::{Explanation, Found, ReadWord, Untold, shown};
pub use format::{FormatError, format_pack};
pub use hashed::{EntryHash, HashKey};
pub use host::HostClass;
pub use ids::{Digest, InvalidId, Release, RuleId};
pub use level::Level;
pub use overlay::Tuned;
pub use policy::{
    Acceptability, Action, Day, Decision, Doer, Hours, InvalidNetwork, InvalidTime, Network, Period, Policy,
    PolicyError, Presence, Role, Sites, Standing, TimeOfDay, Watched, WeekMinute, Widening, sign_policy,
};
pub use program::{PackFacts, RuleFacts};
pub use rule_set::{Base, BaseError, Extent, MAX_TEXTS, RuleSet, Scored, Weakened};
pub use scope::{Scope, Text};
pub use stored::{Difference, Replay, StoredCapture, StoredCaptureError};
pub use trust::{TrustError, TrustedKeys, base_keys, key_text, parse_key};
pub use url::{MAX_SEARCH_TERMS, MAX_URL_BYTES, UrlError, UrlParts, split_url};
pub use verdict::{Excepted, Hit, Mark, Span, Spared, Verdict};
