//! Hosts: classes, patterns, and the walk from a host to the domains above it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Host;

use crate::InvalidId;

/// How the pages of a host are treated, whatever the rules say of their words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostClass {
    /// Like any other.
    #[default]
    Ordinary,
    /// Helplines and counselling: without an intent span an anonymous count only.
    Support,
    /// Mail, health, banking: rules of levels 4 and 5 only, and the span alone.
    Confidential,
    /// Whistle-blowing, unions, legal advice, complaints: never captured for anyone.
    Protected,
}

impl HostClass {
    /// All classes, least careful first.
    pub const ALL: [Self; 4] = [Self::Ordinary, Self::Support, Self::Confidential, Self::Protected];

    /// The one text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::Support => "support",
            Self::Confidential => "confidential",
            Self::Protected => "protected",
        }
    }
}

impl fmt::Display for HostClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for HostClass {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str() == text)
            .ok_or_else(|| InvalidId::new("host class", text, "support, confidential, protected or ordinary"))
    }
}

/// How far below a named host a pattern reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reach {
    /// The host and its subdomains.
    Subtree,
    /// The host alone.
    Exact,
}

/// A host as packs write it: `example.org` for itself and its subdomains, `=example.org` for itself alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct HostPattern {
    pub(crate) host: String,
    pub(crate) reach: Reach,
}

impl HostPattern {
    /// Whether it names `host`.
    pub(crate) fn holds(&self, host: &str) -> bool {
        let mut domains = domains(host);
        match self.reach {
            Reach::Subtree => domains.any(|domain| domain == self.host),
            Reach::Exact => host == self.host,
        }
    }
}

impl FromStr for HostPattern {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (name, reach) = match text.strip_prefix('=') {
            Some(name) => (name, Reach::Exact),
            None => (text, Reach::Subtree),
        };
        let refused = || InvalidId::new("host", text, "a host such as `example.org`, or `=example.org` for it alone");
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | ':' | '[' | ']' | '_');
        if !name.chars().all(plain) || name.ends_with('.') {
            return Err(refused());
        }
        match Host::parse(name).map_err(|_| refused())? {
            Host::Domain(host) if reach == Reach::Subtree && !host.contains('.') => Err(refused()),
            host @ (Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)) => Ok(Self { host: host.to_string(), reach }),
        }
    }
}

/// A host with its labels of punycode in the letters they stand for; `None` where it has none, or they stand for nothing.
pub(crate) fn spelt_out(host: &str) -> Option<String> {
    let has_punycode = host.starts_with("xn--") || host.contains(".xn--");
    if !has_punycode {
        return None;
    }
    let (spelt, valid) = idna::domain_to_unicode(host);
    valid.ok().map(|()| spelt)
}

/// The host and every domain above it, nearest first: `a.b.org`, `b.org`, `org`. Takes time linear in the host.
pub(crate) fn domains(host: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(host), |name| name.split_once('.').map(|(_, above)| above)).take(MAX_LABELS)
}

/// More labels than a valid host name has.
const MAX_LABELS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        text.parse().unwrap()
    }

    #[test]
    fn an_equals_sign_means_the_host_alone() {
        assert_eq!(pattern("example.org").reach, Reach::Subtree);
        assert_eq!(pattern("=example.org"), HostPattern { host: "example.org".into(), reach: Reach::Exact });
    }

    #[test]
    fn hosts_are_kept_in_the_form_urls_give() {
        assert_eq!(pattern("BÜCHER.example").host, "xn--bcher-kva.example");
        assert_eq!(pattern("127.0.0.1").host, "127.0.0.1");
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in ["", "=", "com", "https://a.org", "a.org/path", "a b.org", "*.a.org", "a.org."] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn punycode_is_spelt_out() {
        assert_eq!(spelt_out("www.xn--bcher-kva.example").as_deref(), Some("www.bücher.example"));
        assert_eq!(spelt_out("buecher.example"), None);
        assert_eq!(spelt_out("xn--\u{0}.example"), None);
        assert_eq!(spelt_out("xn--99999999999.example"), None);
    }

    #[test]
    fn domains_go_up_to_the_top() {
        assert_eq!(domains("a.b.org").collect::<Vec<_>>(), ["a.b.org", "b.org", "org"]);
        assert_eq!(domains(&"a.".repeat(4000)).count(), MAX_LABELS);
    }
}
