//! From written to effective: each value checked once, each refusal with its line.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ed25519_dalek::VerifyingKey;
use lapwing_rules::parse_key;
use rustls_pki_types::ServerName;

use super::origin::{Origin, Origins, line_of};
use super::written::{self, Placed};
use super::{
    CertificateFiles, Config, ConfigError, FilterSyslog, Listen, School, Smtp, SmtpSignIn, SmtpTls, Trust, Written,
};
use crate::ids::InvalidId;

const DEFAULT_ENROL: &str = "0.0.0.0:7443";
const DEFAULT_UPLINK: &str = "0.0.0.0:7444";
const DEFAULT_CONSOLE: &str = "0.0.0.0:8443";
const DEFAULT_DATA_DIR: &str = "/var/lib/lapwing-collector";
const DEFAULT_HOST_NAME: &str = "localhost";
const MAX_HOST_NAMES: usize = 32;
const MAX_KEYS: usize = 16;
const MAX_NAME_BYTES: usize = 128;
/// Addresses that a filter may send from.
const MAX_FILTERS: usize = 16;

pub(super) struct Checker<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
    pub(super) origins: Origins,
}

impl<'a> Checker<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str) -> Self {
        Self { file, text, origins: Origins::default() }
    }

    pub(super) fn effective(mut self, written: Written) -> Result<Config, ConfigError> {
        let school = self.school(written.school)?;
        let data_dir = self.path("data_dir", written.data_dir).unwrap_or_else(|| DEFAULT_DATA_DIR.into());
        let keys_dir = self.path("keys_dir", written.keys_dir).unwrap_or_else(|| data_dir.join("keys"));
        Ok(Config {
            school,
            data_dir,
            keys_dir,
            listen: self.listen(written.listen)?,
            host_names: self.host_names(written.host_names)?,
            base_url: self.base_url(written.base_url)?,
            trust: self.trust(written.trust)?,
            smtp: written.smtp.map(|smtp| self.smtp(smtp)).transpose()?,
            shared: self.shared(written.webhook, written.teams)?,
            notices: self.notices(written.notify)?,
            filter_syslog: written.filter_syslog.map(|syslog| self.filter_syslog(syslog)).transpose()?,
            console_certificate: self.console_certificate(written.console)?,
            origins: self.origins,
        })
    }

    fn school(&mut self, written: written::School) -> Result<School, ConfigError> {
        let id = self.required("school.id", written.id, |id| id.parse().map_err(|_| "1 to 32 of a-z 0-9 -".into()))?;
        let name = self.required("school.name", written.name, short)?;
        let zone = self.required("school.zone", written.zone, |zone| match jiff::tz::TimeZone::get(&zone) {
            Ok(_) => Ok(zone),
            Err(_) => Err("an IANA time zone such as Europe/London".into()),
        })?;
        Ok(School { id, name, zone })
    }

    fn listen(&mut self, written: written::Listen) -> Result<Listen, ConfigError> {
        Ok(Listen {
            enrol: self.address("listen.enrol", written.enrol, DEFAULT_ENROL)?,
            uplink: self.address("listen.uplink", written.uplink, DEFAULT_UPLINK)?,
            console: self.address("listen.console", written.console, DEFAULT_CONSOLE)?,
        })
    }

    fn address(
        &mut self,
        key: &'static str,
        written: Placed<String>,
        default: &str,
    ) -> Result<SocketAddr, ConfigError> {
        let parse = |text: String| text.parse().map_err(|_| "an address and port such as 0.0.0.0:7443".to_owned());
        match self.optional(key, written, parse)? {
            Some(address) => Ok(address),
            None => parse(default.to_owned()).map_err(|reason| self.error(None, reason)),
        }
    }

    fn host_names(&mut self, written: Placed<Vec<String>>) -> Result<Vec<String>, ConfigError> {
        let names = self.optional("host_names", written, |names| {
            let usable = |name: &String| ServerName::try_from(name.as_str()).is_ok();
            if names.is_empty() || names.len() > MAX_HOST_NAMES || !names.iter().all(usable) {
                return Err(format!("1 to {MAX_HOST_NAMES} host names or addresses"));
            }
            Ok(names)
        })?;
        Ok(names.unwrap_or_else(|| vec![DEFAULT_HOST_NAME.to_owned()]))
    }

    fn base_url(&mut self, written: Placed<String>) -> Result<Option<String>, ConfigError> {
        self.optional("base_url", written, |url| {
            let url = url.trim_end_matches('/').to_owned();
            match http::Uri::try_from(&url) {
                Ok(uri) if uri.scheme_str() == Some("https") && uri.host().is_some() && uri.query().is_none() => {
                    Ok(url)
                }
                Ok(_) | Err(_) => Err("an https URL without a query".into()),
            }
        })
    }

    fn trust(&mut self, written: written::Trust) -> Result<Trust, ConfigError> {
        Ok(Trust {
            rule_keys: self.optional("trust.rule_keys", written.rule_keys, keys)?.unwrap_or_default(),
            policy_keys: self.optional("trust.policy_keys", written.policy_keys, keys)?.unwrap_or_default(),
            base_keys: self.optional("trust.base_keys", written.base_keys, base_keys)?.unwrap_or_default(),
        })
    }

    fn smtp(&mut self, written: written::Smtp) -> Result<Smtp, ConfigError> {
        let host = self.required("smtp.host", written.host, |host| match ServerName::try_from(host.as_str()) {
            Ok(_) => Ok(host),
            Err(_) => Err("a host name or address".into()),
        })?;
        let tls = self.optional("smtp.tls", written.tls, |tls| match tls.as_str() {
            "starttls" => Ok(SmtpTls::StartTls),
            "implicit" => Ok(SmtpTls::Implicit),
            _ => Err("`starttls` or `implicit`".into()),
        })?;
        let tls = tls.unwrap_or(SmtpTls::StartTls);
        let default_port = match tls {
            SmtpTls::StartTls => 587,
            SmtpTls::Implicit => 465,
        };
        let from = self.required("smtp.from", written.from, |from| match from.split_once('@') {
            Some((user, host)) if !user.is_empty() && !host.is_empty() => Ok(from),
            Some(_) | None => Err("a mail address".into()),
        })?;
        let port = self.optional("smtp.port", written.port, Ok)?.unwrap_or(default_port);
        let extra_ca = self.path("smtp.extra_ca", written.extra_ca);
        let user = self.optional("smtp.user", written.user, short)?;
        let password_file = self.path("smtp.password_file", written.password_file);
        let sign_in = match (user, password_file) {
            (Some(user), Some(password_file)) => Some(SmtpSignIn { user, password_file }),
            (None, None) => None,
            (Some(_), None) => return Err(self.missing("smtp.password_file")),
            (None, Some(_)) => return Err(self.missing("smtp.user")),
        };
        Ok(Smtp { host, port, tls, extra_ca, from, sign_in })
    }

    fn filter_syslog(&mut self, written: written::FilterSyslog) -> Result<FilterSyslog, ConfigError> {
        let address = |listen: String| listen.parse().map_err(|_| "an address and a port".to_owned());
        let known = |format: String| format.parse().map_err(|error: InvalidId| error.expected.to_owned());
        let addresses = |from: Vec<String>| {
            let read: Result<Vec<IpAddr>, _> = from.iter().map(|from| from.parse::<IpAddr>()).collect();
            let read = read.map_err(|_| "addresses such as 10.0.0.9".to_owned())?;
            if read.is_empty() || read.len() > MAX_FILTERS {
                return Err(format!("1 to {MAX_FILTERS} addresses that are heard"));
            }
            Ok(read.into_iter().map(|address| address.to_canonical()).collect())
        };
        Ok(FilterSyslog {
            listen: self.required("filter_syslog.listen", written.listen, address)?,
            format: self.required("filter_syslog.format", written.format, known)?,
            from: self.required("filter_syslog.from", written.from, addresses)?,
            datagrams: self.optional("filter_syslog.datagrams", written.datagrams, Ok)?.unwrap_or_default(),
        })
    }

    fn console_certificate(&mut self, written: written::Console) -> Result<Option<CertificateFiles>, ConfigError> {
        let certificate = self.path("console.certificate", written.certificate);
        let key = self.path("console.key", written.key);
        match (certificate, key) {
            (Some(certificate), Some(key)) => Ok(Some(CertificateFiles { certificate, key })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(self.missing("console.key")),
            (None, Some(_)) => Err(self.missing("console.certificate")),
        }
    }

    /// A path, from the file's folder where it is relative.
    pub(super) fn path(&mut self, key: &'static str, written: Placed<PathBuf>) -> Option<PathBuf> {
        let placed = written?;
        self.origins.set(key, Origin::File { line: line_of(self.text, placed.span().start) });
        let folder = self.file.parent().unwrap_or(Path::new("."));
        Some(folder.join(placed.into_inner()))
    }

    pub(super) fn required<T, U>(
        &mut self,
        key: &'static str,
        written: Placed<T>,
        check: impl FnOnce(T) -> Result<U, String>,
    ) -> Result<U, ConfigError> {
        self.optional(key, written, check)?.ok_or_else(|| self.missing(key))
    }

    pub(super) fn optional<T, U>(
        &mut self,
        key: &'static str,
        written: Placed<T>,
        check: impl FnOnce(T) -> Result<U, String>,
    ) -> Result<Option<U>, ConfigError> {
        let Some(placed) = written else { return Ok(None) };
        let line = line_of(self.text, placed.span().start);
        self.origins.set(key, Origin::File { line });
        match check(placed.into_inner()) {
            Ok(value) => Ok(Some(value)),
            Err(expected) => Err(self.error(Some(line), format!("`{key}` is not usable: expected {expected}"))),
        }
    }

    pub(super) fn missing(&self, key: &str) -> ConfigError {
        self.error(None, format!("`{key}` is missing"))
    }

    pub(super) fn error(&self, line: Option<usize>, reason: String) -> ConfigError {
        ConfigError { file: self.file.to_owned(), line, reason }
    }
}

pub(super) fn short(text: String) -> Result<String, String> {
    if text.trim().is_empty() || text.len() > MAX_NAME_BYTES || text.chars().any(char::is_control) {
        return Err(format!("1 to {MAX_NAME_BYTES} bytes without control characters"));
    }
    Ok(text)
}

fn keys(texts: Vec<String>) -> Result<Vec<VerifyingKey>, String> {
    if texts.len() > MAX_KEYS {
        return Err(format!("at most {MAX_KEYS} keys"));
    }
    texts
        .iter()
        .map(|text| parse_key(text).ok_or_else(|| "keys like `ed25519:<64 hexadecimal digits>`".to_owned()))
        .collect()
}

/// Keys of the illegal base, where this build takes any.
fn base_keys(texts: Vec<String>) -> Result<Vec<VerifyingKey>, String> {
    let trust = Trust { base_keys: keys(texts)?, ..Trust::default() };
    match trust.of_base() {
        Ok(_) => Ok(trust.base_keys),
        Err(error) => Err(format!("keys of the illegal base that can be ({error})")),
    }
}
