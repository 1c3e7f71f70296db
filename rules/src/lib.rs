//! The rule language, compiler and matcher of Lapwing.
//!
//! Rule packs (TOML) go through [`Compiler`] into a signed artefact; a device loads the artefact as a [`RuleSet`]
//! and asks it for a [`Verdict`] on the texts of one signal. Nothing here knows a network, a clock or a thread.
//!
//! ```text
//! packs/*.toml -> pack -> compile -> artefact -> RuleSet -> evaluate(texts, band) -> Verdict
//! ```

#![forbid(unsafe_code)]

mod band;
mod category;
mod ids;
mod level;
mod scope;
mod verdict;

pub use band::Band;
pub use category::{Category, Class, FourC};
pub use ids::{Digest, InvalidId, Release, RuleId};
pub use level::Level;
pub use scope::{Scope, Text};
pub use verdict::{Excepted, Hit, Mark, Span, Verdict};
