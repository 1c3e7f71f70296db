//! One alert of a filter, and the capture that it becomes.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use lapwing_proto::bounds::{MAX_ACCOUNT_BYTES, MAX_EXCERPT_BYTES};
use lapwing_proto::{Account, BootId, Capture, Excerpt, Hit, Open, Signal, Verdict};
use lapwing_rules::{Category, Class, Digest, HostClass, Level, Mark, Release, RuleId, RuleSet, Scope, Span};

use super::Source;
use crate::sheet;

/// What the rules that filters apply are called here: no rule of a pack begins so.
pub(crate) const RULE_PREFIX: &str = "filter.";
/// Times as exports write them, besides RFC 3339 and seconds since 1970.
const TIMES: [&str; 8] = [
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y, %H:%M:%S",
    "%d %b %Y %H:%M:%S",
    "%d-%m-%Y %H:%M:%S",
];
/// Seconds since 1970 are believed from 2000 to 2100.
const SECONDS: std::ops::Range<i64> = 946_684_800..4_102_444_800;

/// What a filter reports of one request. `Debug` prints `<redacted>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Alert {
    at_us: i64,
    account: String,
    host: String,
    path: String,
    terms: String,
    category: Category,
}

/// Account, host and category.
pub(super) type Topic = (String, String, Category);

/// A time as one or two columns write it.
#[derive(Clone, Copy)]
pub(super) struct When<'a> {
    pub(super) date: &'a str,
    pub(super) time: &'a str,
}

impl fmt::Debug for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Alert(<redacted>)")
    }
}

impl When<'_> {
    /// Microseconds of UTC; a time without a zone is in `zone`.
    pub(super) fn us(self, zone: &TimeZone) -> Option<i64> {
        let text = format!("{} {}", self.date, self.time);
        let text = text.trim();
        if let Ok(at) = text.parse::<Timestamp>() {
            return Some(at.as_microsecond());
        }
        if let Ok(seconds) = text.parse::<i64>() {
            return SECONDS.contains(&seconds).then(|| seconds.saturating_mul(1_000_000));
        }
        let at = TIMES.iter().find_map(|format| DateTime::strptime(format, text).ok())?;
        Some(at.to_zoned(zone.clone()).ok()?.timestamp().as_microsecond())
    }
}

impl Alert {
    /// An alert about a request of `who`. A name is taken without its domain and what stands in brackets after it.
    ///
    /// # Errors
    ///
    /// The column that is not usable, and why.
    pub(super) fn new(
        at_us: i64,
        who: &str,
        url: &str,
        terms: &str,
        category: Category,
    ) -> Result<Self, super::Problem> {
        let who = who.rsplit('\\').next().unwrap_or(who);
        let account = who.split(" (").next().unwrap_or(who).trim();
        if account.is_empty() || sheet::problem(account, MAX_ACCOUNT_BYTES).is_some() {
            return Err(("account", "an account has 1 to 128 bytes, no control character, and begins as no formula"));
        }
        let (host, path) = parts(url);
        // Some reports have one column for what was asked for, be it an address or words.
        let (host, terms) =
            if is_host(&host) { (host, terms) } else { (String::new(), if terms.is_empty() { url } else { terms }) };
        if host.is_empty() && terms.is_empty() {
            return Err(("url", "nothing says what was asked for"));
        }
        let [path, terms] = [path.as_str(), terms].map(|text| bounded(text, MAX_EXCERPT_BYTES));
        Ok(Self {
            at_us,
            account: account.to_owned(),
            path: if host.is_empty() { String::new() } else { path },
            host,
            terms,
            category,
        })
    }

    /// Whether `rules` would have it captured: what protects a pupil who asks for help protects them here too.
    pub(super) fn is_looked_at(&self, rules: &RuleSet) -> bool {
        match rules.host_class(&self.host) {
            HostClass::Ordinary => true,
            HostClass::Confidential => self.category.default_level() >= Level::High,
            HostClass::Support | HostClass::Protected => false,
        }
    }

    /// Whose request it was, where to and about what: repeats of it say nothing new for a while.
    pub(super) fn topic(&self) -> Topic {
        (self.account.clone(), self.host.clone(), self.category)
    }

    /// Whether somebody is told of it at once.
    pub(super) fn is_grave(&self) -> bool {
        self.category.default_level() >= Level::High
    }

    /// What tells this alert from every other, in one text.
    pub(super) fn identity(&self) -> String {
        let fields = [&self.at_us.to_string(), &self.account, &self.host, &self.path, &self.terms, self.category.id()]
            .map(ToString::to_string);
        fields.join("\u{1f}")
    }

    /// The capture that it becomes, as of a device called after the filter. Of a class of which no evidence is kept,
    /// nothing is: the filter's own log has it.
    pub(super) fn capture(&self, source: Source, now_us: i64) -> Option<Capture> {
        let rule: RuleId = format!("{RULE_PREFIX}{}", self.category.id()).parse().ok()?;
        let texts = [(Scope::UrlHost, &self.host), (Scope::UrlPath, &self.path), (Scope::Query, &self.terms)];
        let kept = if self.category.class() == Class::IllegalNoEvidence { &texts[..0] } else { &texts[..] };
        let excerpts: Vec<_> = kept
            .iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(scope, text)| Excerpt { scope: Open::Known(*scope), text: (*text).clone() })
            .collect();
        let topic = |(text, excerpt): (usize, &Excerpt)| {
            // A path alone says nothing of why.
            let is_told = excerpt.scope != Open::Known(Scope::UrlPath);
            is_told.then_some(Span { text, start: 0, end: excerpt.text.len(), mark: Mark::Topic, weight: 0 })
        };
        let hit = Hit {
            rule,
            category: lapwing_proto::Category::Known(self.category),
            level: self.category.default_level(),
            spans: excerpts.iter().enumerate().filter_map(topic).collect(),
            excepted: Vec::new(),
            weight: 0,
        };
        Some(Capture {
            signal: Open::Known(Signal::Url),
            wall_us: self.at_us.min(now_us),
            boot_us: 0,
            boot_id: BootId::from_bytes([0; 16]),
            account: Account { name: self.account.clone(), session: String::new(), groups: Vec::new() },
            app: source.name().to_owned(),
            private_window: false,
            excerpts,
            verdict: Verdict {
                release: Release::new(0),
                rule_set: Digest::of(RULE_PREFIX.as_bytes()),
                band: Open::Unknown(0),
                hits: vec![hit],
            },
            sealed_reference: Vec::new(),
            repeats: 0,
            media: None,
            url_blind: false,
            burst: 1,
        })
    }
}

/// Host and path of an address, without user, port, query and fragment.
fn parts(url: &str) -> (String, String) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = host.split(':').next().unwrap_or(host).trim_end_matches('.').to_lowercase();
    let path = path.split(['?', '#']).next().unwrap_or_default();
    (host, if path == "/" { String::new() } else { path.to_owned() })
}

fn is_host(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '-' | '_');
    text.contains('.') && text.len() <= 253 && text.chars().all(is_letter)
}

/// The beginning of a text, without control characters.
fn bounded(text: &str, max_bytes: usize) -> String {
    let mut kept = String::new();
    for letter in text.chars().filter(|letter| !sheet::is_unseen(*letter)) {
        if kept.len() + letter.len_utf8() > max_bytes {
            break;
        }
        kept.push(letter);
    }
    kept
}
