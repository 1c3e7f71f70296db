//! Configuration: what was written, all optional, becomes what holds, checked once, each value with its origin.
//!
//! ```toml
//! data_dir = "/var/lib/lapwing-collector"
//! host_names = ["collector.school.example", "10.0.0.5"]
//!
//! [school]
//! id = "sample-school"
//! name = "Sample School"
//! zone = "Europe/London"
//!
//! [trust]
//! rule_keys = ["ed25519:<64 hexadecimal digits>"]
//! policy_keys = ["ed25519:<64 hexadecimal digits>"]
//! base_keys = ["ed25519:<64 hexadecimal digits>"]    # of the illegal base; a release has the project's and takes no others
//!
//! [filter_syslog]  # where the web filter sends its alerts
//! listen = "0.0.0.0:5514"
//! format = "sophos"  # generic, smoothwall, rm or sophos
//! from = ["10.0.0.9"]
//! datagrams = true  # UDP too, which anybody nearby can forge; otherwise TCP alone
//! ```

mod channels;
mod check;
mod entries;
mod origin;
mod watch;
mod written;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ed25519_dalek::VerifyingKey;
use lapwing_proto::SchoolId;
use lapwing_rules::{TrustError, TrustedKeys};

use crate::proof::filter::Source;

pub(crate) use channels::channel_url;
pub use channels::{Notices, Private, Shared, Way};
pub use entries::{Effect, Entry};
pub use origin::{Origin, Origins};
pub use watch::Watch;
pub use written::Written;

/// Where the configuration is looked for when no file is named.
pub const DEFAULT_FILE: &str = "/etc/lapwing/collector.toml";
/// Largest configuration file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// The effective configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder of the database.
    pub data_dir: PathBuf,
    /// Folder of the keys: the authority's, and those of sealed evidence. Nobody else may read it.
    pub keys_dir: PathBuf,
    /// The school this collector serves.
    pub school: School,
    /// Where it listens.
    pub listen: Listen,
    /// Names and addresses the server certificate is for; at least one.
    pub host_names: Vec<String>,
    /// What links in notifications begin with; absent, the first host name and the console's port.
    pub base_url: Option<String>,
    /// Who may sign what is published to devices.
    pub trust: Trust,
    /// Where notifications go out; absent, they wait.
    pub smtp: Option<Smtp>,
    /// Where else they go, to be read by several people.
    pub shared: Vec<Shared>,
    /// When the day's messages are made, and for whom.
    pub notices: Notices,
    /// Where the web filter sends its alerts; absent, they come from files alone.
    pub filter_syslog: Option<FilterSyslog>,
    /// The console's own certificate; absent, the authority issues one.
    pub console_certificate: Option<CertificateFiles>,
    /// Where each value came from.
    pub origins: Origins,
}

/// A school.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct School {
    /// Its id, first in every key of the database.
    pub id: SchoolId,
    /// What people call it.
    pub name: String,
    /// IANA time zone its hours are in.
    pub zone: String,
}

/// The addresses of the three listeners. Port 0 takes a free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Enrolment: server-authenticated TLS.
    pub enrol: SocketAddr,
    /// Enrolled devices: mutual TLS.
    pub uplink: SocketAddr,
    /// People: HTTPS.
    pub console: SocketAddr,
}

/// Where alerts of the web filter are heard, and whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterSyslog {
    /// For connections; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether datagrams are heard too, at the same port: anybody nearby can forge whom they come from.
    pub datagrams: bool,
    /// Whose messages they are.
    pub format: Source,
    /// Addresses that are heard; at least one, others are not.
    pub from: Vec<IpAddr>,
}

/// Keys whose signatures are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Of rule sets.
    pub rule_keys: Vec<VerifyingKey>,
    /// Of policies.
    pub policy_keys: Vec<VerifyingKey>,
    /// Of the illegal base in rule sets. A release has the project's, and takes none here.
    pub base_keys: Vec<VerifyingKey>,
}

impl Trust {
    /// Whose illegal base a rule set has to carry; none where no key is trusted for it.
    ///
    /// # Errors
    ///
    /// When the keys make no trust, or are given to a release.
    pub fn of_base(&self) -> Result<Option<TrustedKeys>, TrustError> {
        let given = (!self.base_keys.is_empty()).then(|| TrustedKeys::new(self.base_keys.clone(), 1));
        lapwing_rules::base_keys(given.transpose()?)
    }
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smtp {
    /// Its name, which its certificate must carry.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How TLS starts; there is no mode without it.
    pub tls: SmtpTls,
    /// A further authority to trust it by, PEM.
    pub extra_ca: Option<PathBuf>,
    /// Sender of the notifications.
    pub from: String,
    /// Whom to sign in as; absent, without.
    pub sign_in: Option<SmtpSignIn>,
}

/// A sign-in at a mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpSignIn {
    /// User name.
    pub user: String,
    /// File that holds the password alone.
    pub password_file: PathBuf,
}

/// How TLS starts on the way to a mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// By the STARTTLS command, which must succeed.
    StartTls,
    /// From the first byte.
    Implicit,
}

/// A certificate chain and its key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the server's first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// A configuration that cannot be used. Prints as `file:line: reason`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {reason}", file.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct ConfigError {
    file: PathBuf,
    line: Option<usize>,
    reason: String,
}

impl Config {
    /// Reads and checks `file`.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is no TOML, has an unknown key, or a value that cannot be used.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = read_bounded(file).map_err(|reason| ConfigError { file: file.to_owned(), line: None, reason })?;
        Self::parse(file, &text)
    }

    /// Checks `text`, the content of `file`. Relative paths count from the file's folder.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let written: Written = toml::from_str(text).map_err(|error| ConfigError {
            file: file.to_owned(),
            line: error.span().map(|span| origin::line_of(text, span.start)),
            reason: error.message().lines().next().unwrap_or("not TOML").to_owned(),
        })?;
        check::Checker::new(file, text).effective(written)
    }

    /// The database's file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.data_dir.join("lapwing.db")
    }

    /// Further files that it names and that are read with it.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let console = self.console_certificate.iter().flat_map(|files| [&files.certificate, &files.key]);
        let smtp = self
            .smtp
            .iter()
            .flat_map(|smtp| smtp.extra_ca.iter().chain(smtp.sign_in.iter().map(|sign_in| &sign_in.password_file)));
        console.chain(smtp).chain(self.shared.iter().flat_map(Shared::files)).map(PathBuf::as_path)
    }
}

fn read_bounded(file: &Path) -> Result<String, String> {
    let size = std::fs::metadata(file).map_err(|error| format!("cannot read it: {error}"))?.len();
    if size > MAX_FILE_BYTES {
        return Err(format!("is {size} bytes long, at most {MAX_FILE_BYTES} are read"));
    }
    std::fs::read_to_string(file).map_err(|error| format!("cannot read it: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str =
        "data_dir = \"data\"\n[school]\nid = \"sample-school\"\nname = \"Sample School\"\nzone = \"Europe/London\"\n";

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("/etc/lapwing/collector.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_smallest_file_gets_defaults_and_paths_from_its_own_folder() {
        let config = parse(SMALLEST).unwrap();

        assert_eq!(config.data_dir, Path::new("/etc/lapwing/data"));
        assert_eq!(config.keys_dir, Path::new("/etc/lapwing/data/keys"));
        assert_eq!(config.host_names, ["localhost"]);
        assert_eq!(config.origins.of("school.id"), Origin::File { line: 3 });
        assert_eq!(config.origins.of("listen.enrol"), Origin::Default);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let error = parse(&format!("{SMALLEST}\n[listen]\nenroll = \"127.0.0.1:0\"\n")).unwrap_err();

        assert!(error.starts_with("/etc/lapwing/collector.toml:8: unknown field `enroll`"), "{error}");
    }

    #[test]
    fn a_value_that_cannot_be_used_names_line_key_and_reason() {
        for (line, bad, wanted) in [
            (6, "[listen]\nuplink = \"nowhere\"", "`listen.uplink`"),
            (6, "[trust]\nrule_keys = [\"ed25519:12\"]", "`trust.rule_keys`"),
            (6, "[smtp]\nhost = \"mail\"\nfrom = \"a@b\"\ntls = \"none\"", "`smtp.tls`"),
        ] {
            let error = parse(&format!("{SMALLEST}{bad}\n")).unwrap_err();
            assert!(error.contains(wanted), "{error}");
            assert!(error.starts_with("/etc/lapwing/collector.toml:"), "{error}");
            assert!(!error.starts_with(&format!("/etc/lapwing/collector.toml:{line}:")), "{error}");
        }
    }

    #[test]
    fn a_filter_that_sends_is_named_by_its_addresses() {
        let syslog = |format: &str, from: &str| {
            parse(&format!(
                "{SMALLEST}[filter_syslog]\nlisten = \"0.0.0.0:5514\"\nformat = \"{format}\"\nfrom = {from}\n"
            ))
        };
        let config = syslog("sophos", "[\"10.0.0.9\", \"::ffff:10.0.0.8\"]").unwrap();
        let heard = config.filter_syslog.unwrap();
        assert_eq!(heard.from, ["10.0.0.9", "10.0.0.8"].map(|from| from.parse::<IpAddr>().unwrap()));
        for (format, from, said) in [
            ("fortinet", "[\"10.0.0.9\"]", "generic, smoothwall, rm or sophos"),
            ("rm", "[]", "1 to 16 addresses"),
            ("rm", "[\"filter.school.example\"]", "addresses such as 10.0.0.9"),
        ] {
            let error = syslog(format, from).unwrap_err();
            assert!(error.contains("filter_syslog") && error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_missing_school_is_named() {
        assert!(parse("data_dir = \"/data\"").unwrap_err().ends_with(": `school.id` is missing"));
    }

    #[test]
    fn a_zone_that_does_not_exist_is_refused() {
        let error = parse(&SMALLEST.replace("Europe/London", "Europe/Lapwing")).unwrap_err();

        assert!(error.starts_with("/etc/lapwing/collector.toml:5: `school.zone`"), "{error}");
    }

    #[test]
    fn what_a_change_needs_is_told_by_key() {
        let old = parse(SMALLEST).unwrap();
        let text = SMALLEST.replace("sample-school", "other-school").replace("Sample School", "Other");
        let changed = "base_url = \"https://console.example\"\nhost_names = [\"a\"]\n";
        let new = parse(&format!("{changed}{text}[listen]\nuplink = \"127.0.0.1:1\"\n")).unwrap();

        assert_eq!(old.differing(&new, Effect::AtReload), ["host_names", "base_url", "school.name"]);
        assert_eq!(old.differing(&new, Effect::AtRestart), ["school.id", "listen.uplink"]);
        let reloaded = new.as_reloaded_by(&old);
        assert_eq!(old.differing(&reloaded, Effect::AtRestart), Vec::<&str>::new());
        assert_eq!(reloaded.school.name, "Other");
    }

    #[test]
    fn every_key_that_can_be_written_is_an_entry() {
        let written = "data_dir = \"d\"\nkeys_dir = \"k\"\nhost_names = [\"a\"]\nbase_url = \"https://a\"\n\
            [school]\nid = \"a\"\nname = \"A\"\nzone = \"UTC\"\n\
            [listen]\nenrol = \"127.0.0.1:1\"\nuplink = \"127.0.0.1:2\"\nconsole = \"127.0.0.1:3\"\n\
            [trust]\nrule_keys = []\npolicy_keys = []\nbase_keys = []\n\
            [filter_syslog]\nlisten = \"127.0.0.1:4\"\nformat = \"rm\"\nfrom = [\"10.0.0.9\"]\n\
            datagrams = true\n\
            [notify]\ndigest_after_minutes = 1\nall_well_after_minutes = 1\nall_well_to = []\n\
            [[webhook]]\nname = \"w\"\nurl = \"https://a\"\nsecret_file = \"s\"\nreaders = []\n\
            allow_private = true\nextra_ca = \"c\"\n\
            [[teams]]\nname = \"t\"\nurl_file = \"u\"\nreaders = []\nallow_private = true\nextra_ca = \"c\"\n\
            [smtp]\nhost = \"m\"\nport = 1\ntls = \"implicit\"\nextra_ca = \"c\"\nfrom = \"a@b\"\nuser = \"u\"\n\
            password_file = \"p\"\n[console]\ncertificate = \"c\"\nkey = \"k\"\n";
        let config = parse(written).unwrap();
        let mut keys: Vec<_> = config.entries().into_iter().map(|entry| entry.key).collect();

        keys.sort_unstable();

        assert_eq!(keys, config.origins.written().map(|(key, _)| key).collect::<Vec<_>>());
    }
}
