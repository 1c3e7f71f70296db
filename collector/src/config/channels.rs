//! Channels that notifications go out by besides mail, and when the day's messages are made.
//!
//! ```toml
//! [notify]
//! digest_after_minutes = 240           # of the school day; at the latest an hour before it ends
//! all_well_after_minutes = 60
//! all_well_to = ["technician", "dsl"]  # roles; the default is technician alone, [] is nobody
//!
//! [[webhook]]                          # signed as standardwebhooks describes
//! name = "pager"
//! url = "https://pager.school.example/lapwing"
//! secret_file = "pager.secret"         # whsec_..., mode 0600; two lines while it is changed
//! readers = ["dana.dsl"]               # accounts of everybody who reads it; without any, it carries no concern
//! allow_private = true                 # an address inside the school's network; http to this machine alone
//! extra_ca = "school-ca.pem"
//!
//! [[teams]]                            # a workflow "when a Teams webhook request is received"
//! name = "safeguarding"
//! url_file = "teams.url"               # the address is a secret: mode 0600
//! readers = ["dana.dsl", "deputy"]
//! ```

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::ConfigError;
use super::check::{Checker, short};
use super::written::{self, Placed};
use crate::actor::Role;
use crate::subject::account_key;

/// Most shared channels.
const MAX_CHANNELS: usize = 8;
/// Most readers of one.
const MAX_READERS: usize = 64;
/// Longest address.
const MAX_URL_BYTES: usize = 2048;
/// Longest wait of a day's messages, in minutes.
const MAX_MINUTES: u32 = 24 * 60;
const DIGEST_AFTER_MINUTES: u32 = 240;
const ALL_WELL_AFTER_MINUTES: u32 = 60;

/// When the day's messages are made, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notices {
    /// Of the digest, from the moment the school opens.
    pub digest_after: Duration,
    /// Of the "all well".
    pub all_well_after: Duration,
    /// Whom the "all well" goes to.
    pub all_well_to: Vec<Role>,
}

impl Default for Notices {
    fn default() -> Self {
        Self {
            digest_after: minutes(DIGEST_AFTER_MINUTES),
            all_well_after: minutes(ALL_WELL_AFTER_MINUTES),
            all_well_to: vec![Role::Technician],
        }
    }
}

/// A channel that several people may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Its name, unique among all channels.
    pub name: String,
    /// Where it goes.
    pub way: Way,
    /// Accounts of everybody who reads it. Without any, it carries no concern.
    pub readers: Vec<String>,
    /// A further authority to trust it by, PEM.
    pub extra_ca: Option<PathBuf>,
}

/// Where a shared channel goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// A signed webhook.
    Webhook {
        /// Its address.
        url: Uri,
        /// File of the secret that it is signed with.
        secret_file: PathBuf,
        /// Whether it may lie inside the school's network.
        private: Private,
    },
    /// A Teams workflow.
    Teams {
        /// File of its address, which is its secret too.
        url_file: PathBuf,
        /// Whether it may lie inside the school's network: a relay.
        private: Private,
    },
}

/// Whether a private address may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Private {
    /// It may not.
    Refused,
    /// It may.
    Allowed,
}

impl Private {
    const fn describe(self) -> &'static str {
        match self {
            Self::Refused => "",
            Self::Allowed => ", private allowed",
        }
    }
}

impl Shared {
    /// What is written of it, in one line, without a secret.
    pub(super) fn describe(&self) -> String {
        let way = match &self.way {
            Way::Webhook { url, secret_file, private } => {
                format!("{url}, secret in {}{}", secret_file.display(), private.describe())
            }
            Way::Teams { url_file, private } => format!("address in {}{}", url_file.display(), private.describe()),
        };
        let trusted = self.extra_ca.as_ref().map(|file| format!(", trusts {}", file.display())).unwrap_or_default();
        format!("{} ({way}{trusted}, read by [{}])", self.name, self.readers.join(", "))
    }

    /// Files that it names.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let own = match &self.way {
            Way::Webhook { secret_file, .. } => secret_file,
            Way::Teams { url_file, .. } => url_file,
        };
        std::iter::once(own).chain(&self.extra_ca)
    }
}

impl Checker<'_> {
    pub(super) fn notices(&mut self, written: written::Notify) -> Result<Notices, ConfigError> {
        let standard = Notices::default();
        let within = |number: u32| {
            if number <= MAX_MINUTES { Ok(minutes(number)) } else { Err(format!("at most {MAX_MINUTES} minutes")) }
        };
        let digest = self.optional("notify.digest_after_minutes", written.digest_after_minutes, within)?;
        let all_well = self.optional("notify.all_well_after_minutes", written.all_well_after_minutes, within)?;
        let to = self.optional("notify.all_well_to", written.all_well_to, |roles| {
            let roles = roles.iter().map(|role| role.parse::<Role>().map_err(|error| error.expected.to_owned()));
            roles.collect::<Result<Vec<_>, _>>()
        })?;
        Ok(Notices {
            digest_after: digest.unwrap_or(standard.digest_after),
            all_well_after: all_well.unwrap_or(standard.all_well_after),
            all_well_to: to.unwrap_or(standard.all_well_to),
        })
    }

    pub(super) fn shared(
        &mut self,
        webhooks: Vec<written::Webhook>,
        teams: Vec<written::Teams>,
    ) -> Result<Vec<Shared>, ConfigError> {
        let mut found: Vec<Shared> = Vec::new();
        // Many tables share their keys: each kind is one entry, where the first of it is written.
        let mut rows = Checker::new(self.file, self.text);
        for one in webhooks {
            let shared = rows.webhook(one, &found)?;
            self.origins.set_first("webhook", rows.origins.of("webhook.name"));
            found.push(shared);
        }
        for one in teams {
            let shared = rows.teams(one, &found)?;
            self.origins.set_first("teams", rows.origins.of("teams.name"));
            found.push(shared);
        }
        if found.len() > MAX_CHANNELS {
            return Err(self.error(None, format!("more than {MAX_CHANNELS} webhooks and Teams workflows")));
        }
        Ok(found)
    }

    fn webhook(&mut self, written: written::Webhook, others: &[Shared]) -> Result<Shared, ConfigError> {
        let name = self.channel_name("webhook.name", written.name, others)?;
        let private = self.private("webhook.allow_private", written.allow_private)?;
        let url = self.required("webhook.url", written.url, |url| {
            channel_url(&url, private)
                .ok_or_else(|| "an https URL; http to this machine alone, with allow_private = true".to_owned())
        })?;
        let secret_file = self.path("webhook.secret_file", written.secret_file);
        let secret_file = secret_file.ok_or_else(|| self.missing("webhook.secret_file"))?;
        let readers = self.readers("webhook.readers", written.readers)?;
        let extra_ca = self.path("webhook.extra_ca", written.extra_ca);
        Ok(Shared { name, way: Way::Webhook { url, secret_file, private }, readers, extra_ca })
    }

    fn teams(&mut self, written: written::Teams, others: &[Shared]) -> Result<Shared, ConfigError> {
        let name = self.channel_name("teams.name", written.name, others)?;
        let url_file = self.path("teams.url_file", written.url_file);
        let url_file = url_file.ok_or_else(|| self.missing("teams.url_file"))?;
        let readers = self.readers("teams.readers", written.readers)?;
        let extra_ca = self.path("teams.extra_ca", written.extra_ca);
        let private = self.private("teams.allow_private", written.allow_private)?;
        Ok(Shared { name, way: Way::Teams { url_file, private }, readers, extra_ca })
    }

    fn private(&mut self, key: &'static str, written: Placed<bool>) -> Result<Private, ConfigError> {
        let allowed = self.optional(key, written, Ok)?.unwrap_or(false);
        Ok(if allowed { Private::Allowed } else { Private::Refused })
    }

    /// A name that no other channel has.
    fn channel_name(
        &mut self,
        key: &'static str,
        written: Placed<String>,
        others: &[Shared],
    ) -> Result<String, ConfigError> {
        self.required(key, written, |name| {
            let is_word = !name.is_empty() && name.len() <= 32;
            let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            if !is_word || !is_plain || name == "mail" {
                return Err("1 to 32 of a-z 0-9 -, and not `mail`".to_owned());
            }
            if others.iter().any(|other| other.name == name) {
                return Err(format!("a name of its own; `{name}` is taken"));
            }
            Ok(name)
        })
    }

    fn readers(&mut self, key: &'static str, written: Placed<Vec<String>>) -> Result<Vec<String>, ConfigError> {
        let readers = self.optional(key, written, |accounts| {
            if accounts.len() > MAX_READERS {
                return Err(format!("at most {MAX_READERS} accounts"));
            }
            accounts.into_iter().map(|account| short(account_key(&account))).collect::<Result<Vec<_>, _>>()
        })?;
        Ok(readers.unwrap_or_default())
    }
}

/// An address that a shared channel may have: https, or http to this machine where private addresses are allowed; with a
/// host, and nobody's name or password in it.
pub(crate) fn channel_url(text: &str, private: Private) -> Option<Uri> {
    let uri = Uri::try_from(text).ok().filter(|_| text.len() <= MAX_URL_BYTES)?;
    let host = uri.host().filter(|host| !host.is_empty())?;
    if uri.authority()?.as_str().contains('@') {
        return None;
    }
    let is_here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    let is_allowed = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => is_here && private == Private::Allowed,
        Some(_) | None => false,
    };
    is_allowed.then_some(uri)
}

const fn minutes(number: u32) -> Duration {
    Duration::from_secs(number as u64 * 60)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Config, Effect, Origin};
    use super::*;

    const SMALLEST: &str = "[school]\nid = \"hill\"\nname = \"Hill\"\nzone = \"Europe/London\"\n";
    const PAGER: &str = "[[webhook]]\nname = \"pager\"\nurl = \"https://pager.example/in\"\nsecret_file = \"s\"\n";

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("/etc/lapwing/collector.toml"), &format!("{SMALLEST}{text}"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_word_the_technician_is_told_an_hour_in_and_the_digest_comes_after_four() {
        let config = parse("").unwrap();
        assert_eq!(config.notices, Notices::default());
        assert_eq!(config.notices.digest_after, Duration::from_secs(4 * 3600));
        assert!(config.shared.is_empty());
    }

    #[test]
    fn channels_are_read_with_their_readers_and_files() {
        let teams = "[[teams]]\nname = \"room\"\nurl_file = \"/run/t\"\nreaders = [\"dana\", \" Priya\"]\n";
        let config = parse(&format!("{PAGER}{teams}[notify]\nall_well_to = [\"dsl\"]\n")).unwrap();
        let [pager, room] = config.shared.as_slice() else { panic!("two channels") };
        assert_eq!((pager.name.as_str(), pager.readers.len()), ("pager", 0));
        assert_eq!(room.readers, ["dana", "priya"], "as accounts are compared");
        let files: Vec<_> = config.files().collect();
        assert_eq!(files, [Path::new("/etc/lapwing/s"), Path::new("/run/t")]);
        assert_eq!(config.notices.all_well_to, [Role::Dsl]);
    }

    #[test]
    fn what_no_channel_can_be_is_refused_with_its_line_and_key() {
        let http = PAGER.replace("https", "http");
        for (bad, wanted) in [
            (http.clone(), ":7: `webhook.url`"),
            (format!("{http}allow_private = true\n"), ":7: `webhook.url`"),
            (PAGER.replace("pager.example", "user:word@pager.example"), ":7: `webhook.url`"),
            (PAGER.replace("https://pager.example/in", "/in"), ":7: `webhook.url`"),
            (PAGER.replace("\"pager\"", "\"mail\""), ":6: `webhook.name`"),
            (PAGER.replace("\"pager\"", "\"Pager 1\""), ":6: `webhook.name`"),
            (format!("{PAGER}{PAGER}"), ":10: `webhook.name`"),
            (PAGER.replace("secret_file", "secret"), "unknown field `secret`"),
            (PAGER.replace("secret_file = \"s\"\n", ""), "`webhook.secret_file` is missing"),
            ("[[teams]]\nname = \"room\"\n".to_owned(), "`teams.url_file` is missing"),
            ("[[teams]]\nurl_file = \"u\"\n".to_owned(), "`teams.name` is missing"),
            ("[notify]\nall_well_to = [\"everybody\"]\n".to_owned(), "`notify.all_well_to`"),
            ("[notify]\ndigest_after_minutes = 9999\n".to_owned(), "`notify.digest_after_minutes`"),
        ] {
            let error = parse(&bad).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
        let nine: String = (0..9).map(|number| PAGER.replace("\"pager\"", &format!("\"pager-{number}\""))).collect();
        assert!(parse(&nine).unwrap_err().contains("more than 8"));
    }

    #[test]
    fn http_goes_to_this_machine_alone() {
        let local = PAGER.replace("https://pager.example", "http://127.0.0.1:8080");
        assert!(parse(&local).is_err());
        assert!(parse(&format!("{local}allow_private = true\n")).is_ok());
    }

    #[test]
    fn another_reader_is_a_change_and_no_secret_is_shown() {
        let one = parse(PAGER).unwrap();
        let two = parse(&format!("{PAGER}readers = [\"dana\"]\n")).unwrap();
        assert_eq!(one.differing(&two, Effect::AtReload), ["webhook"]);
        assert_eq!(two.origins.of("webhook"), Origin::File { line: 6 });
    }
}
