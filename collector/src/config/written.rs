//! The file as it is written: everything optional, unknown keys refused.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

/// A value with its place in the file.
pub(super) type Placed<T> = Option<Spanned<T>>;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Written {
    pub(super) data_dir: Placed<PathBuf>,
    pub(super) keys_dir: Placed<PathBuf>,
    pub(super) host_names: Placed<Vec<String>>,
    pub(super) base_url: Placed<String>,
    pub(super) school: School,
    pub(super) listen: Listen,
    pub(super) trust: Trust,
    pub(super) smtp: Option<Smtp>,
    pub(super) notify: Notify,
    pub(super) webhook: Vec<Webhook>,
    pub(super) teams: Vec<Teams>,
    pub(super) filter_syslog: Option<FilterSyslog>,
    pub(super) console: Console,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct School {
    pub(super) id: Placed<String>,
    pub(super) name: Placed<String>,
    pub(super) zone: Placed<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Listen {
    pub(super) enrol: Placed<String>,
    pub(super) uplink: Placed<String>,
    pub(super) console: Placed<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Trust {
    pub(super) rule_keys: Placed<Vec<String>>,
    pub(super) policy_keys: Placed<Vec<String>>,
    pub(super) base_keys: Placed<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Smtp {
    pub(super) host: Placed<String>,
    pub(super) port: Placed<u16>,
    pub(super) tls: Placed<String>,
    pub(super) extra_ca: Placed<PathBuf>,
    pub(super) from: Placed<String>,
    pub(super) user: Placed<String>,
    pub(super) password_file: Placed<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FilterSyslog {
    pub(super) listen: Placed<String>,
    pub(super) format: Placed<String>,
    pub(super) from: Placed<Vec<String>>,
    pub(super) datagrams: Placed<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Console {
    pub(super) certificate: Placed<PathBuf>,
    pub(super) key: Placed<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Notify {
    pub(super) digest_after_minutes: Placed<u32>,
    pub(super) all_well_after_minutes: Placed<u32>,
    pub(super) all_well_to: Placed<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Webhook {
    pub(super) name: Placed<String>,
    pub(super) url: Placed<String>,
    pub(super) secret_file: Placed<PathBuf>,
    pub(super) readers: Placed<Vec<String>>,
    pub(super) allow_private: Placed<bool>,
    pub(super) extra_ca: Placed<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Teams {
    pub(super) name: Placed<String>,
    pub(super) url_file: Placed<PathBuf>,
    pub(super) readers: Placed<Vec<String>>,
    pub(super) allow_private: Placed<bool>,
    pub(super) extra_ca: Placed<PathBuf>,
}
