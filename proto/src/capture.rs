//! A capture: what matched, minimised, with the verdict that explains it.

use std::fmt;

use lapwing_rules::{Band, Digest, Excepted, Level, Release, RuleId, Scope, Span};

use crate::BootId;
#[cfg(doc)]
use crate::bounds;

/// A value of a set that later builds may widen: what this build does not know is kept and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Open<T> {
    /// One this build knows.
    Known(T),
    /// The number on the wire of one it does not.
    Unknown(i32),
}

/// What matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Which sensor saw it.
    pub signal: Open<Signal>,
    /// Device clock when it was seen, microseconds of UTC.
    pub wall_us: i64,
    /// Microseconds since the device started, sleep included.
    pub boot_us: u64,
    /// Which start of the device `boot_us` counts from.
    pub boot_id: BootId,
    /// Who was signed in.
    pub account: Account,
    /// Program or browser; empty where unknown.
    pub app: String,
    /// Seen in a private window.
    pub private_window: bool,
    /// The smallest stretches on which the same rules fire.
    pub excerpts: Vec<Excerpt>,
    /// Why.
    pub verdict: Verdict,
    /// Reference of a no-evidence class, sealed on the device; empty otherwise.
    pub sealed_reference: Vec<u8>,
    /// Further hits inside the cooldown before this one.
    pub repeats: u32,
    /// Facts of a removable medium.
    pub media: Option<Media>,
    /// A browser title that was matched alone because the extension was silent.
    pub url_blind: bool,
    /// File drops this capture stands for, at least 1.
    pub burst: u32,
}

/// The sensors' kinds of signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// A window title.
    Title,
    /// A committed URL.
    Url,
    /// A file that appeared in a watched folder.
    FileDrop,
    /// A removable medium.
    Media,
    /// The agent itself: tamper, canary.
    System,
}

/// The account that was signed in, as the operating system names it.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Account {
    /// Name.
    pub name: String,
    /// Log-on session.
    pub session: String,
    /// Operating-system groups.
    pub groups: Vec<String>,
}

/// One minimised text. `Debug` prints `<redacted>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// Where it comes from.
    pub scope: Open<Scope>,
    /// The text, at most [`bounds::MAX_EXCERPT_BYTES`].
    pub text: String,
}

/// A removable medium.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// Volume label.
    pub label: String,
    /// Size.
    pub size_bytes: u64,
    /// How it is attached.
    pub bus: Open<Bus>,
    /// SHA-256 of the serial number, where it has one.
    pub serial_hash: Option<Digest>,
    /// File system.
    pub filesystem: String,
}

/// How a medium is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bus {
    /// USB.
    Usb,
    /// SD or MMC.
    Sd,
    /// CD, DVD.
    Optical,
    /// A file mounted as a disk.
    Loop,
    /// Something else.
    Other,
}

/// [`lapwing_rules::Verdict`] as it travelled: its categories may be newer than this build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Release of the rule set that judged.
    pub release: Release,
    /// Digest of that rule set's artefact.
    pub rule_set: Digest,
    /// Band it was judged by.
    pub band: Open<Band>,
    /// Rules that fired, at least one, highest level first.
    pub hits: Vec<Hit>,
}

/// One rule that fired; spans index [`Capture::excerpts`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The rule.
    pub rule: RuleId,
    /// Its category.
    pub category: Category,
    /// Its level.
    pub level: Level,
    /// Where.
    pub spans: Vec<Span>,
    /// Exceptions that did not silence it.
    pub excepted: Vec<Excepted>,
    /// Sum of weights.
    pub weight: i32,
}

/// A category by its id, known to this build or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// One this build knows.
    Known(lapwing_rules::Category),
    /// The id of one it does not, at most 32 bytes of `a-z 0-9 _`.
    Unknown(String),
}

impl Category {
    /// The id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Known(category) => category.id(),
            Self::Unknown(id) => id,
        }
    }
}

impl Default for Open<Bus> {
    fn default() -> Self {
        Self::Unknown(0)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account(<redacted>)")
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Excerpt(<redacted>)")
    }
}

impl Capture {
    /// The highest level of its hits, which is the lane it travels in.
    #[must_use]
    pub fn level(&self) -> Level {
        self.verdict.hits.iter().map(|hit| hit.level).max().unwrap_or(Level::Info)
    }
}
