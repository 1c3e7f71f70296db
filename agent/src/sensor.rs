//! What a sensor is, and how it says whether it can see.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::observation::{Observation, SessionId};
use crate::shutdown::Shutdown;

/// Most entries a [`HealthBoard`] keeps: the four sensors for more sessions than a shared PC has open.
pub const MAX_HEALTH_ENTRIES: usize = 64;
/// Longest detail of a health entry, in bytes; longer ones are cut.
pub const MAX_DETAIL_BYTES: usize = 128;

/// Where sensors put what they see. Bounded; made in the pipeline.
pub type Observations = mpsc::Sender<Observation>;

/// One of the four signals that need no keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SensorName {
    /// Window titles.
    Titles,
    /// Committed URLs.
    Urls,
    /// Files that appear in watched folders.
    Files,
    /// Removable media.
    Media,
}

impl SensorName {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Titles, Self::Urls, Self::Files, Self::Media];

    /// The one text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Titles => "titles",
            Self::Urls => "urls",
            Self::Files => "files",
            Self::Media => "media",
        }
    }
}

impl fmt::Display for SensorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SensorName {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or(UnknownWord("sensor"))
    }
}

/// Whether a sensor can see, as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SensorHealth {
    /// Sees.
    Working,
    /// Runs, but cannot see now. The detail holds no personal data.
    Blind(Reason, Option<String>),
    /// Cannot run here. The detail holds no personal data.
    Unavailable(Reason, Option<String>),
}

/// Why a sensor cannot see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The session has no display that can be read.
    NoDisplay,
    /// No window manager says which window is in front.
    NoWindowManager,
    /// A Wayland desktop that does not tell titles.
    WaylandWithoutTitles,
    /// A browser is in front and its extension says nothing.
    ExtensionSilent,
    /// The browser cannot start the native host.
    NoBrowserHost,
    /// The operating system's limit of watched folders is reached.
    WatchLimit,
    /// A folder to watch does not exist.
    NoSuchFolder,
    /// The operating system refused.
    NotPermitted,
    /// This operating system is not supported yet.
    NotSupportedHere,
    /// The session it belonged to is over.
    SessionEnded,
    /// It stopped by an error.
    Failed,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::NoDisplay,
        Self::NoWindowManager,
        Self::WaylandWithoutTitles,
        Self::ExtensionSilent,
        Self::NoBrowserHost,
        Self::WatchLimit,
        Self::NoSuchFolder,
        Self::NotPermitted,
        Self::NotSupportedHere,
        Self::SessionEnded,
        Self::Failed,
    ];

    /// The stable code that travels.
    #[must_use]
    pub const fn as_code(self) -> &'static str {
        match self {
            Self::NoDisplay => "no_display",
            Self::NoWindowManager => "no_window_manager",
            Self::WaylandWithoutTitles => "wayland_without_titles",
            Self::ExtensionSilent => "extension_silent",
            Self::NoBrowserHost => "no_browser_host",
            Self::WatchLimit => "watch_limit",
            Self::NoSuchFolder => "no_such_folder",
            Self::NotPermitted => "not_permitted",
            Self::NotSupportedHere => "not_supported_here",
            Self::SessionEnded => "session_ended",
            Self::Failed => "failed",
        }
    }

    /// The sentence a technician reads.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::NoDisplay => "the session has no display that can be read",
            Self::NoWindowManager => "no window manager says which window is in front",
            Self::WaylandWithoutTitles => "this Wayland desktop does not tell window titles",
            Self::ExtensionSilent => "a browser is in front and its extension says nothing",
            Self::NoBrowserHost => "the browser cannot start its native host",
            Self::WatchLimit => "the operating system's limit of watched folders is reached",
            Self::NoSuchFolder => "a folder to watch does not exist",
            Self::NotPermitted => "the operating system refused",
            Self::NotSupportedHere => "this operating system is not supported yet",
            Self::SessionEnded => "the session is over",
            Self::Failed => "it stopped by an error",
        }
    }
}

impl FromStr for Reason {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|reason| reason.as_code() == text).ok_or(UnknownWord("reason"))
    }
}

/// A word that is none of a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {0}")]
pub struct UnknownWord(pub(crate) &'static str);

/// The health of every sensor, by session where it belongs to one, in order.
pub type HealthSnapshot = BTreeMap<(SensorName, Option<SessionId>), SensorHealth>;

/// Where sensors say how they are. Clones are the same board.
#[derive(Clone, Debug)]
pub struct HealthBoard(Arc<watch::Sender<HealthSnapshot>>);

impl HealthBoard {
    /// An empty board.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(HealthSnapshot::new())))
    }

    /// Says how a sensor is. On a full board ([`MAX_HEALTH_ENTRIES`]) a session that is over makes room; without one it
    /// takes changes, but no further entry.
    pub fn set(&self, sensor: SensorName, session: Option<SessionId>, health: SensorHealth) {
        let health = health.with_bounded_detail();
        self.0.send_if_modified(|board| {
            let key = (sensor, session);
            if board.get(&key) == Some(&health) || !(board.contains_key(&key) || has_room(board)) {
                return false;
            }
            board.insert(key, health);
            true
        });
    }

    /// Forgets what was said about a session that is over.
    pub fn forget_session(&self, session: &SessionId) {
        self.0.send_if_modified(|board| {
            let before = board.len();
            board.retain(|(_, of), _| of.as_ref() != Some(session));
            board.len() != before
        });
    }

    /// How every sensor is now.
    #[must_use]
    pub fn snapshot(&self) -> HealthSnapshot {
        self.0.borrow().clone()
    }

    /// A receiver that wakes at each change.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<HealthSnapshot> {
        self.0.subscribe()
    }
}

/// Whether a further entry fits, for which one of a session that is over goes.
fn has_room(board: &mut HealthSnapshot) -> bool {
    if board.len() < MAX_HEALTH_ENTRIES {
        return true;
    }
    let over = board.iter().find(|(_, health)| health.is_over()).map(|(key, _)| key.clone());
    over.is_some_and(|key| board.remove(&key).is_some())
}

impl Default for HealthBoard {
    fn default() -> Self {
        Self::new()
    }
}

/// A source of observations.
pub trait Sensor: Send + 'static {
    /// Which signal it sees.
    fn name(&self) -> SensorName;

    /// Sees until `shutdown`, or until it cannot, and says on `health` how it is. Never ends the process.
    fn run(self, out: Observations, health: HealthBoard, shutdown: Shutdown) -> impl Future<Output = ()> + Send;
}

impl SensorHealth {
    /// Reason and detail, where it does not see.
    #[must_use]
    pub fn trouble(&self) -> Option<(Reason, Option<&str>)> {
        match self {
            Self::Working => None,
            Self::Blind(reason, detail) | Self::Unavailable(reason, detail) => Some((*reason, detail.as_deref())),
        }
    }

    /// Whether it saw for a session that is over: nothing is wrong with it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.trouble().is_some_and(|(reason, _)| reason == Reason::SessionEnded)
    }

    fn with_bounded_detail(self) -> Self {
        let bound = |detail: Option<String>| detail.map(|text| crate::observation::cut(text, MAX_DETAIL_BYTES));
        match self {
            Self::Working => Self::Working,
            Self::Blind(reason, detail) => Self::Blind(reason, bound(detail)),
            Self::Unavailable(reason, detail) => Self::Unavailable(reason, bound(detail)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_and_sensor_reads_back_from_its_code() {
        for reason in Reason::ALL {
            assert_eq!(reason.as_code().parse(), Ok(reason));
            assert!(reason.as_code().len() <= 48);
        }
        for name in SensorName::ALL {
            assert_eq!(name.as_str().parse(), Ok(name));
        }
    }

    #[test]
    fn a_watcher_wakes_at_a_change_and_not_at_a_repeat() {
        let board = HealthBoard::new();
        let mut changed = board.changed();
        board.set(SensorName::Files, None, SensorHealth::Working);
        assert!(changed.has_changed().unwrap());
        changed.mark_unchanged();
        board.set(SensorName::Files, None, SensorHealth::Working);
        assert!(!changed.has_changed().unwrap());
    }

    #[test]
    fn a_full_board_still_takes_changes_of_what_it_holds() {
        let board = HealthBoard::new();
        for number in 0..MAX_HEALTH_ENTRIES + 5 {
            let session = format!("s{number}").parse().unwrap();
            board.set(SensorName::Titles, Some(session), SensorHealth::Working);
        }
        assert_eq!(board.snapshot().len(), MAX_HEALTH_ENTRIES);
        let first: SessionId = "s0".parse().unwrap();
        board.set(SensorName::Titles, Some(first.clone()), SensorHealth::Blind(Reason::NoWindowManager, None));
        let snapshot = board.snapshot();
        assert!(snapshot.get(&(SensorName::Titles, Some(first))).unwrap().trouble().is_some());
    }

    #[test]
    fn sessions_that_are_over_make_room_on_a_full_board() {
        let board = HealthBoard::new();
        for number in 0..MAX_HEALTH_ENTRIES {
            let session = format!("s{number}").parse().unwrap();
            board.set(SensorName::Titles, Some(session), SensorHealth::Unavailable(Reason::SessionEnded, None));
        }
        let blind = SensorHealth::Blind(Reason::WatchLimit, None);
        board.set(SensorName::Files, None, blind.clone());
        assert_eq!(board.snapshot().get(&(SensorName::Files, None)), Some(&blind));
        assert_eq!(board.snapshot().len(), MAX_HEALTH_ENTRIES);
    }
}
