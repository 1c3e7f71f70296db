//! The configuration as it is written: every key optional, unknown keys refused.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::HEXLOWER_PERMISSIVE;
use lapwing_proto::bounds::MAX_NAME_BYTES;
use lapwing_rules::{Band, TrustedKeys};
use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::{Collector, Config, ConfigError, DEFAULT_SOCKET, DEFAULT_STATE_DIR, MAX_FOLDERS, Origin, Setting};

/// What is signed for a school is nobody's alone.
const TWO_PEOPLE: usize = 2;
const SPOOL_MIB: u32 = 64;
const MEMORY_MIB: u32 = 48;
const CPU_PERCENT: u32 = 10;
/// Bands of the operating-system groups that schools commonly have.
const GROUP_BANDS: [(&str, Band); 3] = [("staff", Band::Staff), ("teachers", Band::Staff), ("shared", Band::Shared)];

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    state_dir: Option<Spanned<PathBuf>>,
    socket: Option<Spanned<PathBuf>>,
    room: Option<Spanned<String>>,
    group: Option<Spanned<String>>,
    collector: Option<Spanned<WrittenCollector>>,
    #[serde(default)]
    enrol: WrittenEnrol,
    #[serde(default)]
    trust: WrittenTrust,
    #[serde(default)]
    files: WrittenFiles,
    #[serde(default)]
    limits: WrittenLimits,
    #[serde(default)]
    bands: WrittenBands,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCollector {
    enrol: Option<Spanned<String>>,
    uplink: Option<Spanned<String>>,
    ca_fingerprint: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEnrol {
    token_file: Option<Spanned<PathBuf>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTrust {
    rule_keys: Option<Spanned<Vec<String>>>,
    policy_keys: Option<Spanned<Vec<String>>>,
    base_keys: Option<Spanned<Vec<String>>>,
    rule_threshold: Option<Spanned<usize>>,
    policy_threshold: Option<Spanned<usize>>,
    base_threshold: Option<Spanned<usize>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFiles {
    folders: Option<Spanned<Vec<PathBuf>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLimits {
    spool_mib: Option<Spanned<u32>>,
    memory_mib: Option<Spanned<u32>>,
    cpu_percent: Option<Spanned<u32>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBands {
    default: Option<Spanned<Band>>,
    groups: Option<Spanned<BTreeMap<String, Band>>>,
}

/// The text a value stands in, to name its line.
struct Source<'a> {
    path: Arc<PathBuf>,
    text: &'a str,
}

impl Written {
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error: toml::de::Error| {
            let line = line_of(text, error.span().map_or(0, |span| span.start));
            ConfigError::Invalid { path: path.to_owned(), line, reason: error.message().trim().to_owned() }
        })
    }

    pub(super) fn check(self, path: &Path, text: &str) -> Result<Config, ConfigError> {
        let source = Source { path: Arc::new(path.to_owned()), text };
        let Self { state_dir, socket, room, group, collector, enrol, trust, files, limits, bands } = self;
        let rule_keys = source.keys(("rule_keys", TWO_PEOPLE), trust.rule_keys, trust.rule_threshold)?;
        let policy_keys = source.keys(("policy_keys", TWO_PEOPLE), trust.policy_keys, trust.policy_threshold)?;
        let base_keys = source.base_keys(trust.base_keys, trust.base_threshold)?;
        Ok(Config {
            state_dir: source.absolute(state_dir)?.unwrap_or_else(|| default(DEFAULT_STATE_DIR.into())),
            socket: source.absolute(socket)?.unwrap_or_else(|| default(DEFAULT_SOCKET.into())),
            collector: collector.map(|collector| source.collector(collector)).transpose()?,
            token_file: source.absolute(enrol.token_file)?,
            room: room.map(|room| source.name(room)).transpose()?,
            group: group.map(|group| source.name(group)).transpose()?,
            rule_keys,
            policy_keys,
            base_keys,
            folders: source.folders(files.folders)?,
            spool_mib: source.limit("spool_mib", limits.spool_mib, SPOOL_MIB, 16..=256)?,
            memory_mib: source.limit("memory_mib", limits.memory_mib, MEMORY_MIB, 24..=512)?,
            cpu_percent: source.limit("cpu_percent", limits.cpu_percent, CPU_PERCENT, 1..=100)?,
            default_band: bands.default.map_or_else(|| default(Band::Ks3), |band| source.setting(band)),
            group_bands: source.group_bands(bands.groups),
        })
    }
}

impl Source<'_> {
    fn setting<T>(&self, value: Spanned<T>) -> Setting<T> {
        let line = line_of(self.text, value.span().start);
        Setting::new(value.into_inner(), Origin::File(Arc::clone(&self.path), line))
    }

    fn refuse<T, V>(&self, value: &Spanned<V>, reason: impl Into<String>) -> Result<T, ConfigError> {
        let line = line_of(self.text, value.span().start);
        Err(ConfigError::Invalid { path: self.path.as_ref().clone(), line, reason: reason.into() })
    }

    fn absolute(&self, path: Option<Spanned<PathBuf>>) -> Result<Option<Setting<PathBuf>>, ConfigError> {
        let Some(path) = path else { return Ok(None) };
        if !path.get_ref().is_absolute() {
            return self.refuse(&path, format!("`{}` is not an absolute path", path.get_ref().display()));
        }
        Ok(Some(self.setting(path)))
    }

    fn collector(&self, collector: Spanned<WrittenCollector>) -> Result<Collector, ConfigError> {
        let WrittenCollector { enrol, uplink, ca_fingerprint } = collector.get_ref();
        let (Some(enrol), Some(uplink)) = (enrol, uplink) else {
            return self.refuse(&collector, "[collector] needs both `enrol` and `uplink`");
        };
        let ca_fingerprint = ca_fingerprint.as_ref().map(|text| self.fingerprint(text)).transpose()?;
        Ok(Collector { enrol: self.listener(enrol)?, uplink: self.listener(uplink)?, ca_fingerprint })
    }

    fn listener(&self, url: &Spanned<String>) -> Result<Setting<String>, ConfigError> {
        let valid = Url::parse(url.get_ref()).ok().filter(|parsed| {
            parsed.scheme() == "https" && parsed.has_host() && parsed.path() == "/" && parsed.query().is_none()
        });
        if valid.is_none() {
            return self.refuse(url, format!("`{}` is not `https://host:port`", url.get_ref()));
        }
        Ok(self.setting(url.clone()))
    }

    fn fingerprint(&self, text: &Spanned<String>) -> Result<Setting<String>, ConfigError> {
        let digits = text.get_ref().strip_prefix("sha256:").unwrap_or_default().replace(':', "");
        if HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).is_ok_and(|bytes| bytes.len() == 32) {
            return Ok(self.setting(text.clone()));
        }
        self.refuse(text, "a fingerprint is `sha256:` and 64 hexadecimal digits")
    }

    fn name(&self, name: Spanned<String>) -> Result<Setting<String>, ConfigError> {
        if name.get_ref().len() > MAX_NAME_BYTES {
            return self.refuse(&name, format!("longer than {MAX_NAME_BYTES} bytes"));
        }
        Ok(self.setting(name))
    }

    /// Those of the project, where this build knows them; else those of the file.
    fn base_keys(
        &self,
        keys: Option<Spanned<Vec<String>>>,
        threshold: Option<Spanned<usize>>,
    ) -> Result<Setting<Option<TrustedKeys>>, ConfigError> {
        let place = keys.clone().unwrap_or_else(|| Spanned::new(0..0, Vec::new()));
        let given = self.keys(("base_keys", 1), keys, threshold)?;
        match lapwing_rules::base_keys((*given).clone()) {
            Ok(keys) => Ok(Setting::new(keys, given.origin().clone())),
            Err(error) => self.refuse(&place, format!("`base_keys`: {error}")),
        }
    }

    /// Keys of which at least `usual` have to sign, if there are so many and no threshold says otherwise.
    fn keys(
        &self,
        (what, usual): (&str, usize),
        keys: Option<Spanned<Vec<String>>>,
        threshold: Option<Spanned<usize>>,
    ) -> Result<Setting<Option<TrustedKeys>>, ConfigError> {
        let Some(keys) = keys else { return Ok(default(None)) };
        let threshold = threshold.map_or_else(|| keys.get_ref().len().clamp(1, usual), Spanned::into_inner);
        match TrustedKeys::parse(keys.get_ref(), threshold) {
            Ok(trusted) => Ok(Setting::new(Some(trusted), self.setting(keys).origin().clone())),
            Err(error) => self.refuse(&keys, format!("`{what}`: {error}")),
        }
    }

    fn folders(&self, folders: Option<Spanned<Vec<PathBuf>>>) -> Result<Setting<Vec<PathBuf>>, ConfigError> {
        let Some(folders) = folders else { return Ok(default(Vec::new())) };
        if folders.get_ref().len() > MAX_FOLDERS {
            return self.refuse(&folders, format!("more than {MAX_FOLDERS} folders"));
        }
        if let Some(relative) = folders.get_ref().iter().find(|folder| !folder.is_absolute()) {
            return self.refuse(&folders, format!("`{}` is not an absolute path", relative.display()));
        }
        Ok(self.setting(folders))
    }

    fn limit(
        &self,
        key: &str,
        written: Option<Spanned<u32>>,
        usual: u32,
        sensible: RangeInclusive<u32>,
    ) -> Result<Setting<u32>, ConfigError> {
        let Some(written) = written else { return Ok(default(usual)) };
        if !sensible.contains(written.get_ref()) {
            return self.refuse(&written, format!("`{key}` is {} to {}", sensible.start(), sensible.end()));
        }
        Ok(self.setting(written))
    }

    fn group_bands(&self, groups: Option<Spanned<BTreeMap<String, Band>>>) -> Setting<BTreeMap<String, Band>> {
        let usual = || GROUP_BANDS.into_iter().map(|(group, band)| (group.to_owned(), band)).collect();
        groups.map_or_else(|| default(usual()), |groups| self.setting(groups))
    }
}

fn default<T>(value: T) -> Setting<T> {
    Setting::new(value, Origin::Default)
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}
