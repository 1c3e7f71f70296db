//! The effective configuration as a list of keys: for people to read, and to tell what a newer one changes.

use std::time::Duration;

use lapwing_rules::key_text;

use super::{Config, FilterSyslog, Shared, SmtpTls, Way};

/// A key and what holds for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, such as `listen.enrol`.
    pub key: &'static str,
    /// The value in force; empty where there is none.
    pub value: String,
    /// What becomes of a change.
    pub effect: Effect,
}

/// When a change of a key takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// With the next reload.
    AtReload,
    /// With the next start.
    AtRestart,
}

impl Config {
    /// Every key, in the order of the file.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let at_reload = |key, value| Entry { key, value, effect: Effect::AtReload };
        let at_restart = |key, value| Entry { key, value, effect: Effect::AtRestart };
        let mut entries = vec![
            at_restart("data_dir", self.data_dir.display().to_string()),
            at_restart("keys_dir", self.keys_dir.display().to_string()),
            at_reload("host_names", self.host_names.join(", ")),
            at_reload("base_url", self.base_url.clone().unwrap_or_default()),
            at_restart("school.id", self.school.id.to_string()),
            at_reload("school.name", self.school.name.clone()),
            at_reload("school.zone", self.school.zone.clone()),
            at_restart("listen.enrol", self.listen.enrol.to_string()),
            at_restart("listen.uplink", self.listen.uplink.to_string()),
            at_restart("listen.console", self.listen.console.to_string()),
            at_reload("trust.rule_keys", joined(self.trust.rule_keys.iter().map(key_text))),
            at_reload("trust.policy_keys", joined(self.trust.policy_keys.iter().map(key_text))),
            at_reload("trust.base_keys", joined(self.trust.base_keys.iter().map(key_text))),
        ];
        entries.extend(self.smtp_entries().into_iter().map(|(key, value)| at_reload(key, value)));
        entries.extend(self.notice_entries().into_iter().map(|(key, value)| at_reload(key, value)));
        let syslog = self.filter_syslog.as_ref();
        let told = |of: fn(&FilterSyslog) -> String| syslog.map(of).unwrap_or_default();
        entries.push(at_restart("filter_syslog.listen", told(|syslog| syslog.listen.to_string())));
        entries.push(at_restart("filter_syslog.format", told(|syslog| syslog.format.as_str().to_owned())));
        entries
            .push(at_restart("filter_syslog.from", told(|syslog| joined(syslog.from.iter().map(ToString::to_string)))));
        entries.push(at_restart("filter_syslog.datagrams", told(|syslog| syslog.datagrams.to_string())));
        let console = self.console_certificate.as_ref();
        let path = |path: Option<&std::path::PathBuf>| path.map(|path| path.display().to_string()).unwrap_or_default();
        entries.push(at_reload("console.certificate", path(console.map(|files| &files.certificate))));
        entries.push(at_reload("console.key", path(console.map(|files| &files.key))));
        entries
    }

    /// Names of the keys that differ in `newer` and take effect at `effect`.
    #[must_use]
    pub fn differing(&self, newer: &Self, effect: Effect) -> Vec<&'static str> {
        let pairs = self.entries().into_iter().zip(newer.entries());
        pairs.filter(|(old, new)| old.effect == effect && old.value != new.value).map(|(old, _)| old.key).collect()
    }

    /// Takes from `running` whatever takes effect at a restart only.
    #[must_use]
    pub fn as_reloaded_by(self, running: &Self) -> Self {
        let mut school = self.school;
        school.id = running.school.id.clone();
        Self {
            data_dir: running.data_dir.clone(),
            keys_dir: running.keys_dir.clone(),
            listen: running.listen,
            filter_syslog: running.filter_syslog.clone(),
            school,
            ..self
        }
    }

    fn notice_entries(&self) -> [(&'static str, String); 5] {
        let minutes = |after: Duration| (after.as_secs() / 60).to_string();
        let shared = |is_teams| {
            let of_kind = self.shared.iter().filter(move |one| matches!(one.way, Way::Teams { .. }) == is_teams);
            joined(of_kind.map(Shared::describe))
        };
        [
            ("notify.digest_after_minutes", minutes(self.notices.digest_after)),
            ("notify.all_well_after_minutes", minutes(self.notices.all_well_after)),
            ("notify.all_well_to", joined(self.notices.all_well_to.iter().map(ToString::to_string))),
            ("webhook", shared(false)),
            ("teams", shared(true)),
        ]
    }

    fn smtp_entries(&self) -> [(&'static str, String); 7] {
        let smtp = self.smtp.as_ref();
        let of = |read: fn(&super::Smtp) -> Option<String>| smtp.and_then(read).unwrap_or_default();
        [
            ("smtp.host", of(|smtp| Some(smtp.host.clone()))),
            ("smtp.port", of(|smtp| Some(smtp.port.to_string()))),
            ("smtp.tls", of(|smtp| Some(tls_word(smtp.tls).to_owned()))),
            ("smtp.extra_ca", of(|smtp| Some(smtp.extra_ca.as_ref()?.display().to_string()))),
            ("smtp.from", of(|smtp| Some(smtp.from.clone()))),
            ("smtp.user", of(|smtp| Some(smtp.sign_in.as_ref()?.user.clone()))),
            ("smtp.password_file", of(|smtp| Some(smtp.sign_in.as_ref()?.password_file.display().to_string()))),
        ]
    }
}

const fn tls_word(tls: SmtpTls) -> &'static str {
    match tls {
        SmtpTls::StartTls => "starttls",
        SmtpTls::Implicit => "implicit",
    }
}

fn joined(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}
