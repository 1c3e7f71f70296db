//! What the spool is asked and answers.

use std::time::Duration;

use lapwing_proto::{Epoch, Seq};
use lapwing_rules::Level;

use super::engine::EngineError;

/// How much the spool keeps, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Live records of all lanes, keys included, in bytes.
    pub live_bytes: u64,
    /// Part of them that only critical captures may use, in bytes.
    pub critical_bytes: u64,
    /// Age limit of all but critical captures.
    pub max_age: Duration,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        Self { live_bytes: 64 * 1024 * 1024, critical_bytes: 8 * 1024 * 1024, max_age: Duration::from_hours(14 * 24) }
    }
}

/// What became of a capture; durable in each case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is held under this sequence.
    Stored(Seq),
    /// A critical one that found no room: counted into another's repeats.
    Counted,
    /// No room and nothing below it to drop: this sequence became a gap.
    Dropped(Seq),
}

/// What opening found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenReport {
    /// What was done.
    pub opened: Opened,
    /// The epoch of the spool now open.
    pub epoch: Epoch,
    /// Records held.
    pub held: u64,
    /// Sequences found damaged or missing; they are gaps now.
    pub damaged: u64,
}

/// How a spool came to be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// There was none.
    Fresh,
    /// It was there.
    Continued,
    /// The one that was there could not be read, or is gone; a new epoch began, and gaps tell of it.
    Quarantined,
    /// The one that was there has lost its key; a new epoch began under a new key, and gaps tell of it.
    Keyless,
    /// The one that was there is of other hardware; a new epoch began, and gaps tell of it.
    Foreign,
    /// The disk refuses for now: each call tries again.
    Waiting,
}

impl Opened {
    /// Why the spool that was there was set aside; none where it goes on, or there was none.
    #[must_use]
    pub const fn loss(self) -> Option<&'static str> {
        match self {
            Self::Fresh | Self::Continued | Self::Waiting => None,
            Self::Quarantined => Some("it is damaged, or gone"),
            Self::Keyless => Some("its key is damaged, or gone"),
            Self::Foreign => Some("it was written on another computer"),
        }
    }
}

/// Why the spool did not do as it was told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpoolError {
    /// Another process has it open.
    #[error("the spool is in use by another process")]
    InUse,
    /// A capture is over its bound.
    #[error("a capture of {0} bytes is over the bound of a spool record")]
    TooLarge(usize),
    /// The collector acknowledged what was never made.
    #[error("lane {lane} was acknowledged through {through}, which it never reached")]
    Impossible {
        /// The lane.
        lane: Level,
        /// What the collector said.
        through: Seq,
    },
    /// The disk is full; the next attempt drops the lowest lanes first.
    #[error("the disk under the spool is full")]
    DiskFull,
    /// The store failed; the next attempt opens it anew.
    #[error("the spool's store failed: {0}")]
    Store(String),
}

impl SpoolError {
    pub(super) fn store(error: &EngineError) -> Self {
        if error.is_disk_full() { Self::DiskFull } else { Self::Store(error.to_string()) }
    }
}
