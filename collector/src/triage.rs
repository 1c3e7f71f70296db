//! Triage: captures become concerns that people decide on.
//!
//! ```text
//! capture -> level (what it weighs) -> grouping (which concern of the docket) -> routing (who) -> one transaction
//! ```
//!
//! The decisions are pure; [`Triage`] carries them out; [`commands`] are what people do with a concern afterwards.

mod announce;
mod climber;
mod climbing;
pub mod commands;
mod deadline;
mod docket;
mod grouping;
mod level;
mod reference;
mod reroute;
mod setting;
mod state;
mod worker;

pub use climber::{Climber, Step};
pub(crate) use deadline::acknowledge_by;
pub(crate) use docket::Topic;
pub use grouping::WINDOW;
pub use level::Cause;
pub(crate) use reference::random as random_reference;
pub(crate) use reroute::{reroute, unroute};
pub use state::{Decision, InvalidTransition, Move, State};
pub use worker::Triage;

use lapwing_proto::SchoolId;
use lapwing_rules::{Category, Mark};

use crate::ids::ConcernId;

/// Whether a concern of `category` is an illegal case: what it keeps and how it closes is not one person's to decide.
pub(crate) fn is_illegal(category: &str) -> bool {
    category.parse::<Category>().is_ok_and(|category| category.class().is_illegal())
}

/// What matched words say.
pub(crate) const fn mark_words(mark: Mark) -> &'static str {
    match mark {
        Mark::Topic => "what it is about",
        Mark::Intent => "wanting to",
        Mark::Method => "how to",
        Mark::Context => "said near it",
    }
}

/// Something about a concern changed. Carries no more than which: whoever listens asks again what they may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConcernChanged {
    /// The school.
    pub school: SchoolId,
    /// The concern.
    pub concern: ConcernId,
}
