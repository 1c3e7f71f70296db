//! Proof that monitoring works: silence is seen, what is expected is counted, and checks are logged.
//!
//! ```text
//! last words, goodbyes, calendar -> silence (pure) -> one notice a room -> technicians, then the DSL
//! device list of the MDM         -> expected       -> expected, heard today, never heard
//! daily check of each device     -> canary (pure)  -> checks log <- what people tested themselves
//! ```
//!
//! The decisions are pure; [`Lookout`] carries them out once a minute.

pub(crate) mod canary;
pub mod certificates;
pub mod checks;
mod daily;
mod ending;
pub mod expected;
pub mod filter;
mod lookout;
pub(crate) mod outdated;
pub(crate) mod releases;
pub(crate) mod silence;
pub(crate) mod tampering;

use std::collections::BTreeSet;

use lapwing_proto::SchoolId;
use lapwing_rules::Level;

use crate::actor::{PersonId, Role};
use crate::notify::Purpose;
use crate::store::outbox::{self, Message};
use crate::store::{StoreError, Tx, silences};

pub use lookout::Lookout;

/// Who looks after devices, in order: the first of whom somebody can sign in is told of what is wrong with them.
const CARETAKERS: [Role; 4] = [Role::Technician, Role::Dsl, Role::DeputyDsl, Role::Headteacher];

/// What a message about devices counts as where messages are ordered: behind urgent concerns, before digests.
const LEVEL: Level = Level::Moderate;

/// Tells them of something with devices. Says whether messages wait.
pub(crate) async fn tell_caretakers(
    tx: &mut Tx,
    school: &SchoolId,
    (purpose, reference): (Purpose, &str),
    now_us: i64,
) -> Result<bool, StoreError> {
    let people = caretakers(tx, school).await?;
    for person in &people {
        outbox::insert(tx, school, &Message { person: *person, purpose, reference, level: LEVEL }, now_us).await?;
    }
    if people.is_empty() {
        tracing::error!(reference, "nobody can be told: import people with roles and give them a sign-in");
    }
    Ok(!people.is_empty())
}

/// Technicians who can sign in, or who stands in for them; none where nobody can.
pub(crate) async fn caretakers(tx: &mut Tx, school: &SchoolId) -> Result<BTreeSet<PersonId>, StoreError> {
    for role in CARETAKERS {
        let people = silences::holders(tx, school, role.as_str()).await?;
        if !people.is_empty() {
            return Ok(people.into_iter().collect());
        }
    }
    Ok(BTreeSet::new())
}
