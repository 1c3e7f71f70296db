//! Where in a signal a text was found.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::InvalidId;

/// The part of a signal that a text comes from; a rule names the scopes it looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// A window title.
    Title,
    /// The host of a URL, in ASCII (punycode) lower case.
    UrlHost,
    /// The path of a URL, percent-decoded.
    UrlPath,
    /// A search term taken out of a URL.
    Query,
    /// The name of a dropped file.
    FileName,
    /// The label of a removable medium.
    Media,
    /// The program or browser.
    App,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 7] =
        [Self::Title, Self::UrlHost, Self::UrlPath, Self::Query, Self::FileName, Self::Media, Self::App];

    /// The one text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::UrlHost => "url_host",
            Self::UrlPath => "url_path",
            Self::Query => "query",
            Self::FileName => "file_name",
            Self::Media => "media",
            Self::App => "app",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| InvalidId::new("scope", text, "title, url_host, url_path, query, file_name, media or app"))
    }
}

/// One matchable text of a signal. `Debug` prints `<redacted>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    /// Where it comes from.
    pub scope: Scope,
    /// The text, at most [`Text::MAX_BYTES`]; longer texts are cut by the sensor at a character boundary.
    pub text: String,
}

impl Text {
    /// Longest text a sensor hands on, in bytes.
    pub const MAX_BYTES: usize = 4096;

    /// A text of `scope`.
    pub fn new(scope: Scope, text: impl Into<String>) -> Self {
        Self { scope, text: text.into() }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:<redacted>", self.scope)
    }
}
