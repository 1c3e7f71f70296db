//! A signal: what a sensor saw, once it stood still. Raw; it stays on the device unless a rule fires on it.

use std::fmt;
use std::path::PathBuf;

use lapwing_proto::{Account, Media, Signal as Kind, bounds};
use lapwing_rules::{Scope, Text, UrlParts};

use crate::observation::{FileOwner, SessionFacts, cut};

/// What a flood is called in the scope `app`, where no sensor tells anything else.
const FLOODED: &str = "lapwing agent flooded";

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Microseconds since the device started.
    pub boot_us: u64,
    /// Microseconds of UTC, by the device's clock.
    pub wall_us: i64,
}

/// What a sensor saw. `Debug` shows the kind alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Signal {
    /// Which sensor saw it.
    pub kind: Kind,
    /// When it was seen, before it settled.
    pub seen: Moment,
    /// Whose session.
    pub account: Account,
    /// Program or browser; empty where unknown.
    pub app: String,
    /// In a private window.
    pub private_window: bool,
    /// Host of the page it belongs to, where one is known.
    pub host: Option<String>,
    /// A browser's title whose page is not known, because the extension is silent.
    pub url_blind: bool,
    /// What rules look at. At most 16.
    pub texts: Vec<Text>,
    /// Facts of a removable medium.
    pub media: Option<Media>,
    /// The burst that a file drop is one of.
    pub burst: Option<Burst>,
}

/// Many file drops in a folder at a time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Burst {
    /// When they are summed up, microseconds since the device started.
    pub until_us: u64,
    /// The folder.
    pub folder: PathBuf,
}

impl Signal {
    /// A window title; `host` is that of the page a browser shows under it.
    #[must_use]
    pub fn title(seen: Moment, account: Account, app: &str, title: &str, host: Option<String>) -> Self {
        let mut texts = vec![Text::new(Scope::Title, bounded(title))];
        texts.extend(host.iter().map(|host| Text::new(Scope::UrlHost, host.as_str())));
        Self { app: app.to_owned(), host, texts, ..Self::empty(Kind::Title, seen, account) }
    }

    /// A URL that a tab shows.
    #[must_use]
    pub fn url(seen: Moment, account: Account, browser: &str, parts: &UrlParts) -> Self {
        let texts = parts.texts();
        Self { app: browser.to_owned(), host: Some(parts.host.clone()), texts, ..Self::empty(Kind::Url, seen, account) }
    }

    /// A file that appeared, alone or as one of many.
    #[must_use]
    pub fn file(seen: Moment, account: Account, name: &str, burst: Option<Burst>) -> Self {
        let texts = vec![Text::new(Scope::FileName, bounded(name))];
        Self { texts, burst, ..Self::empty(Kind::FileDrop, seen, account) }
    }

    /// A removable medium that was mounted.
    #[must_use]
    pub fn media(seen: Moment, account: Account, facts: Media) -> Self {
        let texts = vec![Text::new(Scope::Media, facts.label.as_str())];
        Self { texts, media: Some(facts), ..Self::empty(Kind::Media, seen, account) }
    }

    /// A program of a session floods the agent. The rule set's own words for it are what rules look at.
    #[must_use]
    pub fn flood(seen: Moment, account: Account) -> Self {
        let texts = vec![Text::new(Scope::App, FLOODED)];
        Self { texts, ..Self::empty(Kind::System, seen, account) }
    }

    fn empty(kind: Kind, seen: Moment, account: Account) -> Self {
        Self {
            kind,
            seen,
            account,
            app: String::new(),
            private_window: false,
            host: None,
            url_blind: false,
            texts: Vec::new(),
            media: None,
            burst: None,
        }
    }
}

impl fmt::Debug for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Burst(<redacted>)")
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signal({:?}, <redacted>)", self.kind)
    }
}

/// The account of a session, as it travels.
#[must_use]
pub fn account_of_session(session: &SessionFacts) -> Account {
    account(&session.account, session.id.as_str(), &session.groups)
}

/// The account that owns a file or medium outside any known session.
#[must_use]
pub fn account_of_owner(owner: &FileOwner) -> Account {
    account(&owner.name, &format!("uid-{}", owner.uid), &owner.groups)
}

fn account(name: &str, session: &str, groups: &[String]) -> Account {
    let group = |group: &String| cut(group.clone(), bounds::MAX_NAME_BYTES);
    Account {
        name: cut(name.to_owned(), bounds::MAX_ACCOUNT_BYTES),
        session: cut(session.to_owned(), bounds::MAX_NAME_BYTES),
        groups: groups.iter().take(bounds::MAX_GROUPS).map(group).collect(),
    }
}

fn bounded(text: &str) -> &str {
    text.get(..text.floor_char_boundary(Text::MAX_BYTES)).unwrap_or_default()
}
