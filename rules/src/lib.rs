//! The rule language, compiler and matcher of Lapwing.
//!
//! Rule packs (TOML) are compiled into a signed artefact; a device loads the artefact as a rule set
//! and asks it for a [`Verdict`] on the texts of one signal. Nothing here knows a network, a clock or a thread.
//!
//! ```text
//! packs/*.toml -> pack -> compile -> artefact -> RuleSet -> evaluate(texts, band) -> Verdict
//! ```

#![forbid(unsafe_code)]

mod artefact;
mod band;
mod category;
mod compile;
mod cursor;
mod diagnostic;
mod explain;
mod fold;
mod host;
mod ids;
mod judge;
mod level;
mod lexicon;
mod matcher;
mod pack;
mod policy;
mod program;
mod rule_set;
mod scope;
mod trust;
mod url;
mod verdict;

pub use artefact::{Artefact, ArtefactError, ENGINE, Kind, MAX_ARTEFACT_BYTES, MAX_SIGNATURES, Validity, sign};
pub use band::Band;
pub use category::{Category, Class, FourC};
pub use compile::{Compiler, Counts};
pub use diagnostic::{Code, Diagnostic};
pub use ed25519_dalek::{SigningKey, VerifyingKey};
pub use host::HostClass;
pub use ids::{Digest, InvalidId, Release, RuleId};
pub use level::Level;
pub use policy::{
    Day, Decision, Hours, InvalidNetwork, InvalidTime, Network, Period, Policy, PolicyError, Presence, Sites,
    TimeOfDay, Watched, WeekMinute, sign_policy,
};
pub use program::{PackFacts, RuleFacts};
pub use rule_set::{MAX_TEXTS, RuleSet};
pub use scope::{Scope, Text};
pub use trust::{TrustError, TrustedKeys, key_text, parse_key};
pub use url::{MAX_SEARCH_TERMS, MAX_URL_BYTES, UrlError, UrlParts, split_url};
pub use verdict::{Excepted, Hit, Mark, Span, Verdict};
