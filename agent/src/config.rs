//! The agent's configuration: written (every value optional), then checked once, then in effect (every value there,
//! and each remembers where it came from).
//!
//! ```toml
//! state_dir = "/var/lib/lapwing"
//! socket = "/run/lapwing/agent.sock"
//! room = "B12"                           # as device management set it
//! group = "pupils"                       # group of the device
//!
//! [collector]
//! enrol = "https://lapwing.school.example:7401"
//! uplink = "https://lapwing.school.example:7402"
//! ca_fingerprint = "sha256:..."          # of the collector's CA, as `lapwing-collector ca export` prints it
//!
//! [enrol]
//! token_file = "/etc/lapwing/token"      # campaign token, needed until the device is enrolled
//!
//! [trust]
//! rule_keys = ["ed25519:...", "ed25519:..."]
//! policy_keys = ["ed25519:...", "ed25519:..."]
//! base_keys = ["ed25519:..."]            # of the illegal base; a release has the project's and takes no others
//! rule_threshold = 2                     # signatures needed: 2 unless there is one key
//! policy_threshold = 2
//! base_threshold = 1
//!
//! [files]
//! folders = ["/srv/shared"]              # besides everybody's Downloads and Desktop
//!
//! [limits]
//! spool_mib = 64
//! memory_mib = 48                        # the service does less as it comes near
//! cpu_percent = 10                       # of one core
//!
//! [bands]
//! default = "ks3"                        # until the collector says whose account it is
//! groups = { teachers = "staff" }        # operating-system group -> band
//! ```

mod good;
mod place;
mod watch;
mod written;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use lapwing_rules::{Band, TrustedKeys};

pub use good::{LoadedFrom, load_or_last_good};
pub use place::{Origin, Setting};
pub use watch::{Change, Watched};

/// Where the configuration stands unless a flag says otherwise.
pub const DEFAULT_PATH: &str = "/etc/lapwing/agent.toml";
/// Where the service keeps its state unless the configuration says otherwise.
pub const DEFAULT_STATE_DIR: &str = "/var/lib/lapwing";
/// Where the service listens for the programs of a session unless the configuration says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/lapwing/agent.sock";
/// Largest configuration file, in bytes.
pub const MAX_CONFIG_BYTES: u64 = 64 * 1024;
/// Most folders watched besides the usual ones.
pub const MAX_FOLDERS: usize = 64;

/// The configuration in effect.
#[derive(Clone, Debug)]
pub struct Config {
    /// Identity, spool, rule set and policy.
    pub state_dir: Setting<PathBuf>,
    /// Where the programs of a session connect.
    pub socket: Setting<PathBuf>,
    /// The collector; `None` where the file names none: everything stays in the spool.
    pub collector: Option<Collector>,
    /// File that holds the campaign token, needed until the device is enrolled.
    pub token_file: Option<Setting<PathBuf>>,
    /// Room, as device management set it.
    pub room: Option<Setting<String>>,
    /// Group of the device.
    pub group: Option<Setting<String>>,
    /// Whose rule sets are taken; `None` where the file names no key: none are.
    pub rule_keys: Setting<Option<TrustedKeys>>,
    /// Whose policies are taken; `None` where the file names no key: none are.
    pub policy_keys: Setting<Option<TrustedKeys>>,
    /// Whose illegal base a rule set has to carry: the project's in a release; `None` where there are none: no rule set is
    /// taken.
    pub base_keys: Setting<Option<TrustedKeys>>,
    /// Folders watched besides everybody's Downloads and Desktop.
    pub folders: Setting<Vec<PathBuf>>,
    /// Live records the spool keeps, in mebibytes, 16 to 256.
    pub spool_mib: Setting<u32>,
    /// Resident memory that the service may need, in mebibytes, 24 to 512.
    pub memory_mib: Setting<u32>,
    /// Hundredths of one processor core that the service may need, 1 to 100.
    pub cpu_percent: Setting<u32>,
    /// The band of an account nobody has said more about.
    pub default_band: Setting<Band>,
    /// The band that an operating-system group stands for.
    pub group_bands: Setting<BTreeMap<String, Band>>,
}

/// Where the collector is.
#[derive(Clone, Debug)]
pub struct Collector {
    /// `https://host:port` of the enrol listener.
    pub enrol: Setting<String>,
    /// `https://host:port` of the uplink listener.
    pub uplink: Setting<String>,
    /// `sha256:` and SHA-256 of the collector's CA certificate; without it the device does not enrol.
    pub ca_fingerprint: Option<Setting<String>>,
}

/// Why a configuration cannot be used. Names file, line and cause.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read configuration `{path}`: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be understood, or a value makes no sense.
    #[error("{path}:{line}: {reason}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    ///
    /// When it cannot be read, has an unknown key, or a value that makes no sense.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read_bounded(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Self::from_text(&text, path)
    }

    /// Checks `text`, which stands at `path`.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn from_text(text: &str, path: &Path) -> Result<Self, ConfigError> {
        written::Written::parse(text, path)?.check(path, text)
    }

    /// Everything of it, a line a value, with where it came from.
    #[must_use]
    pub fn explain(&self) -> Vec<String> {
        let mut lines = vec![
            line("state_dir", self.state_dir.display(), self.state_dir.origin()),
            line("socket", self.socket.display(), self.socket.origin()),
        ];
        let named = |key, value: &Option<Setting<String>>| value.as_ref().map(|v| line(key, &**v, v.origin()));
        lines.extend(named("room", &self.room));
        lines.extend(named("group", &self.group));
        if let Some(collector) = &self.collector {
            lines.push(line("collector.enrol", &*collector.enrol, collector.enrol.origin()));
            lines.push(line("collector.uplink", &*collector.uplink, collector.uplink.origin()));
        }
        let keys = |keys: &Option<TrustedKeys>| keys.as_ref().map_or(0, |keys| keys.keys().len());
        lines.extend([
            line("trust.rule_keys", keys(&self.rule_keys), self.rule_keys.origin()),
            line("trust.policy_keys", keys(&self.policy_keys), self.policy_keys.origin()),
            line("trust.base_keys", keys(&self.base_keys), self.base_keys.origin()),
            line("files.folders", self.folders.len(), self.folders.origin()),
            line("limits.spool_mib", *self.spool_mib, self.spool_mib.origin()),
            line("limits.memory_mib", *self.memory_mib, self.memory_mib.origin()),
            line("limits.cpu_percent", *self.cpu_percent, self.cpu_percent.origin()),
            line("bands.default", *self.default_band, self.default_band.origin()),
            line("bands.groups", self.group_bands.len(), self.group_bands.origin()),
        ]);
        lines
    }

    /// The keys whose change takes effect at the next start only.
    #[must_use]
    pub fn needs_restart(&self, newer: &Self) -> Vec<&'static str> {
        let text = |setting: &Option<Setting<PathBuf>>| setting.as_deref().cloned();
        let mut keys = Vec::new();
        let mut note = |key, differs: bool| keys.extend(differs.then_some(key));
        note("state_dir", *self.state_dir != *newer.state_dir);
        note("socket", *self.socket != *newer.socket);
        note(
            "collector",
            self.collector.as_ref().map(Collector::values) != newer.collector.as_ref().map(Collector::values),
        );
        note("enrol.token_file", text(&self.token_file) != text(&newer.token_file));
        note("room", self.room.as_deref() != newer.room.as_deref());
        note("files.folders", *self.folders != *newer.folders);
        note("limits.spool_mib", *self.spool_mib != *newer.spool_mib);
        note("limits.memory_mib", *self.memory_mib != *newer.memory_mib);
        note("limits.cpu_percent", *self.cpu_percent != *newer.cpu_percent);
        keys
    }
}

impl Collector {
    fn values(&self) -> (&str, &str, Option<&str>) {
        (&self.enrol, &self.uplink, self.ca_fingerprint.as_ref().map(|text| text.as_str()))
    }
}

fn line(key: &str, value: impl fmt::Display, origin: &Origin) -> String {
    format!("{key} = {value}  ({origin})")
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_CONFIG_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_CONFIG_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("larger than {MAX_CONFIG_BYTES} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
