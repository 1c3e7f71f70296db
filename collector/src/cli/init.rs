//! `init`: a configuration, and what it names.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use toml::{Table, Value};

use super::{Failure, say};
use crate::authority::Authority;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::durable;
use crate::lifecycle::open_store;
use crate::seal::Vault;

const FILE: &str = "collector.toml";

#[derive(Debug, Args)]
pub(super) struct Init {
    /// Folder of the database and the keys; made where it does not exist.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Id of the school: 1 to 32 of a-z 0-9 -.
    #[arg(long, value_name = "ID")]
    school: String,
    /// Name of the school.
    #[arg(long)]
    name: String,
    /// Time zone of the school.
    #[arg(long, default_value = "Europe/London")]
    zone: String,
    /// Configuration file to write [default: collector.toml in the data folder].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A name or address that devices and people reach this collector by; may be repeated.
    #[arg(long = "host-name", value_name = "NAME")]
    host_names: Vec<String>,
    /// A key whose rule sets are trusted, `ed25519:HEX`; may be repeated.
    #[arg(long = "rule-key", value_name = "KEY")]
    rule_keys: Vec<String>,
    /// A key whose policies are trusted, `ed25519:HEX`; may be repeated.
    #[arg(long = "policy-key", value_name = "KEY")]
    policy_keys: Vec<String>,
    /// A key whose illegal base is trusted, `ed25519:HEX`; may be repeated. A release has the project's and takes no others.
    #[arg(long = "base-key", value_name = "KEY")]
    base_keys: Vec<String>,
    /// Address of the enrolment listener.
    #[arg(long, value_name = "ADDRESS")]
    enrol: Option<SocketAddr>,
    /// Address of the uplink listener.
    #[arg(long, value_name = "ADDRESS")]
    uplink: Option<SocketAddr>,
    /// Address of the console.
    #[arg(long, value_name = "ADDRESS")]
    console: Option<SocketAddr>,
}

impl Init {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let data = std::path::absolute(&self.data).context("failed to make the data folder's path absolute")?;
        let file = self.config.clone().unwrap_or_else(|| data.join(FILE));
        let text = toml::to_string(&self.written(&data)).context("failed to write the configuration as TOML")?;
        let config = Config::parse(&file, &text).map_err(Failure::unusable)?;
        write_new(&file, &text)?;
        let store = open_store(&config, &SystemClock).await?;
        let authority = Authority::open_or_create(&config.keys_dir, &config.school.id, &SystemClock)
            .context("failed to make the authority")?;
        let vault = Vault::open(&config.keys_dir, config.school.id.clone()).await;
        vault.context("failed to make the keys of evidence")?.close().await;
        store.close().await;
        say(format!("configuration: {}", file.display()))?;
        say(format!("authority:     {}", authority.fingerprint()))?;
        for (what, key, keys) in
            [("rule set", "rule_keys", &self.rule_keys), ("policy", "policy_keys", &self.policy_keys)]
        {
            let signers: BTreeSet<&String> = keys.iter().collect();
            if signers.len() < 2 {
                let lacks = format!("two people sign a {what}; name both their keys under `trust.{key}`");
                say(format!("still to do:   {lacks} ({} so far)", signers.len()))?;
            }
        }
        let has_base_key =
            !self.base_keys.is_empty() || lapwing_rules::base_keys(None).is_ok_and(|keys| keys.is_some());
        if !has_base_key {
            say(
                "still to do:   this is a build for development: name whose illegal base it takes under `trust.base_keys`",
            )?;
        }
        Ok(())
    }

    fn written(&self, data: &Path) -> Table {
        let text = |text: &str| Value::String(text.to_owned());
        let texts = |texts: &[String]| Value::Array(texts.iter().map(|one| text(one)).collect());
        let mut root = Table::new();
        root.insert("data_dir".into(), text(&data.to_string_lossy()));
        if !self.host_names.is_empty() {
            root.insert("host_names".into(), texts(&self.host_names));
        }
        let school = [("id", &self.school), ("name", &self.name), ("zone", &self.zone)];
        let school = school.into_iter().map(|(key, value)| (key.to_owned(), text(value)));
        root.insert("school".into(), Value::Table(school.collect()));
        let listen = [("enrol", self.enrol), ("uplink", self.uplink), ("console", self.console)];
        let listen = listen.into_iter().filter_map(|(key, at)| Some((key.to_owned(), text(&at?.to_string()))));
        root.insert("listen".into(), Value::Table(listen.collect()));
        let of_base = Some(("base_keys", &self.base_keys)).filter(|(_, keys)| !keys.is_empty());
        let trust = [("rule_keys", &self.rule_keys), ("policy_keys", &self.policy_keys)].into_iter().chain(of_base);
        let trust = trust.map(|(key, keys)| (key.to_owned(), texts(keys)));
        root.insert("trust".into(), Value::Table(trust.collect()));
        root
    }
}

fn write_new(file: &Path, text: &str) -> Result<(), Failure> {
    let write = || -> std::io::Result<()> {
        if file.exists() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        if let Some(folder) = file.parent() {
            durable::make_folder(folder)?;
        }
        durable::write(file, 0o640, text.as_bytes())
    };
    write()
        .with_context(|| format!("cannot write `{}`, which must not exist yet", file.display()))
        .map_err(Failure::Unusable)
}
