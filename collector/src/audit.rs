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

mod kind;

use std::collections::BTreeMap;
use std::fmt;

use lapwing_proto::{SchoolId, failpoint};
use lapwing_rules::Digest;
use serde_json::json;
use sha2::{Digest as _, Sha256};

pub use kind::ActKind;

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
