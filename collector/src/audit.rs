//! The audit log: every view and decision, in the transaction of the act it records.
//!
//! ```text
//! leaf   version 1 (1) | index (8, big-endian) | at, microseconds of UTC (8, big-endian) | commitment (32)
//! commitment = SHA-256("lapwing act 1" | school length (8, big-endian) | school | salt (32) | act, JSON)
//! ```
//!
//! An RFC 6962 tree hashes a leaf as SHA-256(0x00 | leaf). The salt makes a leaf say nothing by itself: act and salt
//! stand in a table of their own and may be erased, while the leaf stays. Acts hold identifiers, never names or
//! evidence.

use std::collections::BTreeMap;
use std::fmt;

use lapwing_proto::{SchoolId, failpoint};
use lapwing_rules::Digest;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::actor::Actor;
use crate::store::audit as rows;
use crate::store::{Store, StoreError, Tx};

const LEAF_VERSION: u8 = 1;
const LEAF_BYTES: usize = 1 + 8 + 8 + 32;
const SALT_BYTES: usize = 32;
/// Leaves read at a time while verifying.
const PAGE: u32 = 1024;

/// Something done or seen.
#[derive(Clone, Debug)]
pub struct Act {
    /// Who; names the school too.
    pub actor: Actor,
    /// When, microseconds of UTC.
    pub at_us: i64,
    /// What.
    pub kind: ActKind,
    /// To what: the text form of an identifier, or empty.
    pub target: String,
    /// Further facts: codes, counts and identifiers.
    pub details: BTreeMap<&'static str, String>,
}

/// What was done or seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActKind {
    /// The product made a concern.
    ConcernOpened,
    /// The product raised a concern's level, or brought a closed one back.
    ConcernRaised,
    /// Nobody acknowledged a concern in time: it climbed, or was told again.
    ConcernClimbed,
    /// A concern's review date came.
    ConcernReviewDue,
    /// A capture of whoever looks at a device on purpose was filed with the investigation.
    CaptureInvestigated,
    /// A person opened a concern and its evidence.
    ConcernViewed,
    /// A person acknowledged a concern.
    ConcernAcknowledged,
    /// A person wrote a note.
    ConcernNoted,
    /// A person judged a concern.
    ConcernJudged,
    /// A person closed a concern.
    ConcernClosed,
    /// A person reopened a concern.
    ConcernReopened,
    /// A person let a concern count towards another.
    ConcernMerged,
    /// A person let a merged concern stand by itself again.
    ConcernSplit,
    /// A person took back what they just did with a concern.
    ConcernUndone,
    /// A person put a concern off.
    ConcernPutOff,
    /// A person brought a concern back that they had put off.
    ConcernBroughtBack,
    /// A person said who deals with a concern.
    ConcernAssigned,
    /// A person brought a concern to whoever is next up.
    ConcernEscalated,
    /// A person wrote down to whom a concern was referred.
    ConcernReferred,
    /// A person asked to be told when a topic comes again.
    RecurrenceWatched,
    /// A person read everything that stands about a subject.
    ChronologyViewed,
    /// A person wrote the school's local numbers or its action matrix down.
    LocalHelpChanged,
    /// A technician looked at a rule that somebody called noisy.
    RuleTicketDone,
    /// A person told technicians that a rule is noisy.
    RuleReported,
    /// A person handed a concern to somebody without a conflict of interest.
    ConcernTransferred,
    /// A person let a colleague see a concern.
    ConcernShared,
    /// A person kept a concern for a case at law.
    ConcernHeld,
    /// A case at law over a concern ended.
    ConcernReleased,
    /// A person said who used a class log-on.
    ConcernAttributed,
    /// A person took back who used a class log-on.
    ConcernUnattributed,
    /// A technician did what a change to the filter asked for.
    FilterTicketDone,
    /// A person asked for a concern that they may not open.
    ConcernRefused,
    /// A person asked for a change that takes more than one.
    RequestMade,
    /// A person answered a request.
    RequestAnswered,
    /// A request was carried out, or settled otherwise.
    RequestSettled,
    /// A person ended an exemption early.
    ExemptionEnded,
    /// A removable medium was approved.
    MediumApproved,
    /// A removable medium is approved no more.
    MediumWithdrawn,
    /// People were imported.
    PeopleImported,
    /// Pupils moved up a year.
    PeopleRolledOver,
    /// Somebody is away.
    AbsenceRecorded,
    /// Somebody is back, or will not be away.
    AbsenceEnded,
    /// Devices were put in rooms by a list.
    RoomsImported,
    /// A sign-in was added or changed.
    SignInChanged,
    /// A person set an authenticator up.
    SecondStepSetUp,
    /// A person's authenticator was forgotten, so that they set another one up.
    SecondStepForgotten,
    /// A person gave a recovery code for their second step.
    RecoveryCodeUsed,
    /// A person made new recovery codes.
    RecoveryCodesRenewed,
    /// A person signed in.
    SignedIn,
    /// A sign-in failed.
    SignInFailed,
    /// A person signed out.
    SignedOut,
    /// A campaign token was made.
    TokenCreated,
    /// A campaign token was withdrawn.
    TokenWithdrawn,
    /// A device that waited was let in.
    DeviceLetIn,
    /// A device that waited was turned away.
    DeviceTurnedAway,
    /// A device enrolled.
    DeviceEnrolled,
    /// A device was denied.
    DeviceRevoked,
    /// The agent was taken off a device's computer, which is denied from then on.
    DeviceRemoved,
    /// The database was brought back from a back-up.
    CollectorRestored,
    /// The authority was rolled over to a new key.
    AuthorityRolledOver,
    /// The authority before was retired.
    AuthorityRetired,
    /// A rule set was published.
    RuleSetPublished,
    /// A policy was published.
    PolicyPublished,
    /// A release may go further.
    RollOutGrown,
    /// A release goes no further.
    RollOutHalted,
    /// An evidence key was deleted.
    KeyErased,
    /// Devices of a room fell silent.
    SilenceRaised,
    /// All of them were heard again, or are no longer the school's.
    SilenceEnded,
    /// The list of expected devices was imported.
    ExpectedImported,
    /// A check that monitoring works was recorded.
    CheckRecorded,
    /// Alerts of the web filter were imported.
    FilterImported,
}

impl ActKind {
    /// The stable code inside the act.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ConcernOpened => "concern_opened",
            Self::ConcernRaised => "concern_raised",
            Self::ConcernClimbed => "concern_climbed",
            Self::ConcernReviewDue => "concern_review_due",
            Self::CaptureInvestigated => "capture_investigated",
            Self::ConcernViewed => "concern_viewed",
            Self::ConcernAcknowledged => "concern_acknowledged",
            Self::ConcernNoted => "concern_noted",
            Self::ConcernJudged => "concern_judged",
            Self::ConcernClosed => "concern_closed",
            Self::ConcernReopened => "concern_reopened",
            Self::ConcernMerged => "concern_merged",
            Self::ConcernSplit => "concern_split",
            Self::ConcernUndone => "concern_undone",
            Self::ConcernPutOff => "concern_put_off",
            Self::ConcernBroughtBack => "concern_brought_back",
            Self::ConcernAssigned => "concern_assigned",
            Self::ConcernEscalated => "concern_escalated",
            Self::ConcernReferred => "concern_referred",
            Self::RecurrenceWatched => "recurrence_watched",
            Self::ChronologyViewed => "chronology_viewed",
            Self::LocalHelpChanged => "local_help_changed",
            Self::RuleTicketDone => "rule_ticket_done",
            Self::RuleReported => "rule_reported",
            Self::ConcernTransferred => "concern_transferred",
            Self::ConcernShared => "concern_shared",
            Self::ConcernHeld => "concern_held",
            Self::ConcernReleased => "concern_released",
            Self::ConcernAttributed => "concern_attributed",
            Self::ConcernUnattributed => "concern_unattributed",
            Self::FilterTicketDone => "filter_ticket_done",
            Self::ConcernRefused => "concern_refused",
            Self::RequestMade => "request_made",
            Self::RequestAnswered => "request_answered",
            Self::RequestSettled => "request_settled",
            Self::ExemptionEnded => "exemption_ended",
            Self::MediumApproved => "medium_approved",
            Self::MediumWithdrawn => "medium_withdrawn",
            Self::PeopleImported => "people_imported",
            Self::PeopleRolledOver => "people_rolled_over",
            Self::AbsenceRecorded => "absence_recorded",
            Self::AbsenceEnded => "absence_ended",
            Self::RoomsImported => "rooms_imported",
            Self::SignInChanged => "sign_in_changed",
            Self::SecondStepSetUp => "second_step_set_up",
            Self::SecondStepForgotten => "second_step_forgotten",
            Self::RecoveryCodeUsed => "recovery_code_used",
            Self::RecoveryCodesRenewed => "recovery_codes_renewed",
            Self::SignedIn => "signed_in",
            Self::SignInFailed => "sign_in_failed",
            Self::SignedOut => "signed_out",
            Self::TokenCreated => "token_created",
            Self::TokenWithdrawn => "token_withdrawn",
            Self::DeviceLetIn => "device_let_in",
            Self::DeviceTurnedAway => "device_turned_away",
            Self::DeviceEnrolled => "device_enrolled",
            Self::DeviceRevoked => "device_revoked",
            Self::DeviceRemoved => "device_removed",
            Self::CollectorRestored => "collector_restored",
            Self::AuthorityRolledOver => "authority_rolled_over",
            Self::AuthorityRetired => "authority_retired",
            Self::RuleSetPublished => "rule_set_published",
            Self::RollOutGrown => "roll_out_grown",
            Self::RollOutHalted => "roll_out_halted",
            Self::PolicyPublished => "policy_published",
            Self::KeyErased => "key_erased",
            Self::SilenceRaised => "silence_raised",
            Self::SilenceEnded => "silence_ended",
            Self::ExpectedImported => "expected_imported",
            Self::CheckRecorded => "check_recorded",
            Self::FilterImported => "filter_imported",
        }
    }
}

/// Place of a leaf in its school's log, dense from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafIndex(u64);

impl fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What [`verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Leaves read.
    pub leaves: u64,
    /// Acts that their leaf commits to.
    pub matching: u64,
    /// What is wrong, in order; empty for a sound log.
    pub faults: Vec<Fault>,
}

/// One thing wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Leaves are missing, both ends included.
    #[error("leaves {0} to {1} are missing")]
    Missing(u64, u64),
    /// A leaf is not one, or says another index than its row.
    #[error("leaf {0} is malformed")]
    Malformed(u64),
    /// The act is not the one the leaf commits to.
    #[error("act {0} was altered")]
    Altered(u64),
    /// The act behind a leaf is gone.
    #[error("act {0} is gone")]
    ActGone(u64),
    /// Acts stand without a leaf.
    #[error("{0} acts have no leaf")]
    Orphans(u64),
}

impl Act {
    /// An act of `actor`.
    #[must_use]
    pub fn new(actor: &Actor, at_us: i64, kind: ActKind, target: impl fmt::Display) -> Self {
        Self { actor: actor.clone(), at_us, kind, target: target.to_string(), details: BTreeMap::new() }
    }

    /// Adds a code, a count or an identifier.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.details.insert(key, value.to_string());
        self
    }

    fn to_json(&self) -> String {
        let who = self.actor.person().map_or_else(|| "product".to_owned(), |person| person.to_string());
        json!({
            "at_us": self.at_us,
            "who": who,
            "what": self.kind.code(),
            "target": self.target,
            "details": self.details,
        })
        .to_string()
    }
}

/// Appends `act` to its school's log. It is in the log when `tx` commits.
///
/// # Errors
///
/// When the database cannot be written.
pub async fn append(tx: &mut Tx, act: &Act) -> Result<LeafIndex, StoreError> {
    let school = act.actor.school();
    let index = rows::next_index(tx, school).await?;
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt)?;
    let json = act.to_json();
    let leaf = leaf_bytes(index, act.at_us, &commitment(school, &salt, &json));
    failpoint!("audit.append", rows::insert(tx, school, index, &leaf, &salt, &json).await?);
    Ok(LeafIndex(index))
}

/// The hash of a leaf in an RFC 6962 tree.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    let hash = Sha256::new().chain_update([0]).chain_update(leaf).finalize();
    Digest::from_bytes(hash.into())
}

/// Reads the whole log of `school` and recomputes every commitment.
///
/// # Errors
///
/// When the database cannot be read. A log that is unsound is no error but a [`Report`] with faults.
pub async fn verify(store: &Store, school: &SchoolId) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let mut next = 0;
    loop {
        let leaves = rows::page(store, school, next, PAGE).await?;
        if leaves.is_empty() {
            break;
        }
        for leaf in leaves {
            if next < leaf.index {
                report.faults.push(Fault::Missing(next, leaf.index - 1));
            }
            next = leaf.index + 1;
            report.leaves += 1;
            match check(school, &leaf) {
                None => report.matching += 1,
                Some(fault) => report.faults.push(fault),
            }
        }
    }
    match rows::acts_without_leaf(store, school).await? {
        0 => {}
        orphans => report.faults.push(Fault::Orphans(orphans)),
    }
    Ok(report)
}

fn check(school: &SchoolId, leaf: &rows::StoredLeaf) -> Option<Fault> {
    let Some((index, committed)) = read_leaf(&leaf.leaf).filter(|(index, _)| *index == leaf.index) else {
        return Some(Fault::Malformed(leaf.index));
    };
    let (Some(salt), Some(act)) = (&leaf.salt, &leaf.act) else {
        return Some(Fault::ActGone(index));
    };
    (commitment(school, salt, act).as_slice() != committed).then_some(Fault::Altered(index))
}

fn commitment(school: &SchoolId, salt: &[u8], act: &str) -> [u8; 32] {
    let school = school.as_str().as_bytes();
    Sha256::new()
        .chain_update(b"lapwing act 1")
        .chain_update((school.len() as u64).to_be_bytes())
        .chain_update(school)
        .chain_update(salt)
        .chain_update(act)
        .finalize()
        .into()
}

fn leaf_bytes(index: u64, at_us: i64, commitment: &[u8; 32]) -> Vec<u8> {
    [&[LEAF_VERSION], index.to_be_bytes().as_slice(), &at_us.to_be_bytes(), commitment].concat()
}

fn read_leaf(leaf: &[u8]) -> Option<(u64, &[u8])> {
    if leaf.len() != LEAF_BYTES || leaf.first() != Some(&LEAF_VERSION) {
        return None;
    }
    let index = u64::from_be_bytes(leaf.get(1..9)?.try_into().ok()?);
    Some((index, leaf.get(17..)?))
}

#[cfg(test)]
mod tests;
