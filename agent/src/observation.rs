//! What a sensor saw: raw and unmatched. It lives in memory alone, is never logged, and `Debug` shows its kind.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::sensor::UnknownWord;

/// A log-on session of the operating system: 1 to 64 printable ASCII characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId(String);

impl SessionId {
    /// Longest id, in bytes.
    pub const MAX_BYTES: usize = 64;

    /// What a program of a session calls its own, whose real id the service knows.
    #[must_use]
    pub(crate) fn own() -> Self {
        Self("own".to_owned())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SessionId {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        if (1..=Self::MAX_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(UnknownWord("session id"))
        }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who is signed in to a session, as the operating system says; never as a message says. `Debug` shows the session.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionFacts {
    /// The session.
    pub id: SessionId,
    /// Account name.
    pub account: String,
    /// The account's number.
    pub uid: u32,
    /// Names of the account's groups.
    pub groups: Vec<String>,
}

impl fmt::Debug for SessionFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionFacts({}, <redacted>)", self.id)
    }
}

/// Whose file it is. `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct FileOwner {
    /// The account's number.
    pub uid: u32,
    /// Account name.
    pub name: String,
    /// Names of the account's groups.
    pub groups: Vec<String>,
}

impl fmt::Debug for FileOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileOwner(<redacted>)")
    }
}

/// One thing a sensor saw.
#[derive(Clone, PartialEq, Eq)]
pub enum Observation {
    /// The window with the focus now has this title.
    Title {
        /// Whose.
        session: SessionFacts,
        /// The window's number, unique in its session while it is open.
        window: u64,
        /// The title.
        title: String,
        /// Program name.
        app: String,
        /// The program's process; 0 where unknown.
        pid: u32,
    },
    /// No window has the focus.
    Unfocused {
        /// Whose.
        session: SessionFacts,
    },
    /// Nothing tells the titles of a session any more.
    SessionOver {
        /// Whose.
        session: SessionFacts,
    },
    /// Something happened to a browser tab.
    Tab {
        /// Whose.
        session: SessionFacts,
        /// The browser's program name.
        browser: String,
        /// The tab's number, unique in its browser while it is open.
        tab: u64,
        /// What.
        event: TabEvent,
        /// In a private window.
        private: bool,
    },
    /// A browser's connection ended.
    BrowserGone {
        /// Whose.
        session: SessionFacts,
        /// The browser's program name.
        browser: String,
    },
    /// Programs of a session flood the agent with messages.
    Flood {
        /// Whose.
        session: SessionFacts,
    },
    /// A whole file appeared in a watched folder.
    File {
        /// Who owns it.
        account: FileOwner,
        /// The watched folder.
        folder: PathBuf,
        /// The file's name.
        name: String,
        /// Where many came into the folder together: when they are summed up, microseconds since the device started.
        burst_until_us: Option<u64>,
    },
    /// A removable medium was mounted.
    Media {
        /// What is known of it.
        facts: lapwing_proto::Media,
        /// Where it was mounted.
        mount_point: PathBuf,
        /// The account it was mounted for, where mount point or options tell.
        owner: Option<u32>,
    },
}

/// What happened to a tab. `Debug` shows the kind alone.
#[derive(Clone, PartialEq, Eq)]
pub enum TabEvent {
    /// A document was committed.
    Committed {
        /// Its URL.
        url: String,
    },
    /// The document changed its own URL: `history.pushState`, a fragment.
    SameDocument {
        /// The new URL.
        url: String,
    },
    /// The tab came to the front of its window.
    Activated {
        /// The URL it shows.
        url: String,
    },
    /// The tab closed.
    Closed,
}

impl Observation {
    /// The session it was seen in, where it was in one.
    #[must_use]
    pub fn session(&self) -> Option<&SessionFacts> {
        match self {
            Self::Title { session, .. }
            | Self::Unfocused { session }
            | Self::SessionOver { session }
            | Self::Tab { session, .. }
            | Self::BrowserGone { session, .. }
            | Self::Flood { session } => Some(session),
            Self::File { .. } | Self::Media { .. } => None,
        }
    }
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Title { .. } => "Title",
            Self::Unfocused { .. } => "Unfocused",
            Self::SessionOver { .. } => "SessionOver",
            Self::Tab { .. } => "Tab",
            Self::BrowserGone { .. } => "BrowserGone",
            Self::Flood { .. } => "Flood",
            Self::File { .. } => "File",
            Self::Media { .. } => "Media",
        };
        write!(f, "{kind}(<redacted>)")
    }
}

impl fmt::Debug for TabEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Committed { .. } => "Committed(<redacted>)",
            Self::SameDocument { .. } => "SameDocument(<redacted>)",
            Self::Activated { .. } => "Activated(<redacted>)",
            Self::Closed => "Closed",
        })
    }
}

/// Cuts `text` to at most `max_bytes`, at a character boundary.
pub(crate) fn cut(mut text: String, max_bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(max_bytes));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_observed_text_shows_in_debug() {
        let session = SessionFacts {
            id: "c2".parse().unwrap(),
            account: "marker-account".to_owned(),
            uid: 1000,
            groups: vec!["marker-group".to_owned()],
        };
        let event = TabEvent::Committed { url: "https://marker-url/".to_owned() };
        let seen = Observation::Title {
            session: session.clone(),
            window: 1,
            title: "marker-title".to_owned(),
            app: "marker-app".to_owned(),
            pid: 1,
        };
        let owner = FileOwner { uid: 1, name: "marker-owner".to_owned(), groups: Vec::new() };
        assert!(!format!("{session:?}{event:?}{seen:?}{owner:?}").contains("marker"));
    }

    #[test]
    fn a_cut_text_ends_between_characters() {
        assert_eq!(cut("aé".to_owned(), 2), "a");
        assert_eq!(cut("aé".to_owned(), 3), "aé");
    }

    #[test]
    fn a_session_id_is_printable_and_bounded() {
        assert!("c2".parse::<SessionId>().is_ok());
        assert!("".parse::<SessionId>().is_err());
        assert!("a b".parse::<SessionId>().is_err());
        assert!("x".repeat(65).parse::<SessionId>().is_err());
    }
}
