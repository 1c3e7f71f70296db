//! The first start of a collector: whenever the power goes, it starts, and the authority it told of stays.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use lapwing_collector::authority::Authority;
use lapwing_collector::clock::SystemClock;
use lapwing_collector::config::Config;
use lapwing_collector::lifecycle::open_store;
use lapwing_collector::seal::Vault;

use super::{Verdict, timed};
use crate::Programs;

/// What `init` prints before the fingerprint, once all is made.
const AUTHORITY: &str = "authority:";
/// A public key; nothing is published here.
const KEY: &str = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

/// The command that makes everything below `root`.
pub(super) fn command(root: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(&Programs::built()?.collector);
    command.arg("init").arg("--data").arg(data(root)).args(["--school", "sample", "--name", "Sample School"]);
    command.args(["--host-name", "localhost", "--rule-key", KEY, "--policy-key", KEY]);
    Ok(command)
}

/// Judges the files below `root` against what was said before the cut.
pub(super) async fn judge<'a>(root: &Path, told: impl Iterator<Item = &'a str>) -> anyhow::Result<Verdict> {
    let told: Option<&str> = told.filter_map(|line| line.strip_prefix(AUTHORITY)).map(str::trim).last();
    let mut verdict = Verdict::default();
    if told.is_some() {
        Config::load(&data(root).join("collector.toml")).context("the configuration it wrote")?;
    }
    let config = config(root)?;
    let (authority, took) = timed(|| Authority::open_or_create(&config.keys_dir, &config.school.id, &SystemClock));
    verdict.recovery = took;
    if let Some(told) = told.filter(|told| authority.as_ref().is_ok_and(|made| made.fingerprint() != *told)) {
        verdict.lost += 1;
        verdict.wrong(format!("the authority {told} is another"));
    }
    authority.context("the authority")?;
    open_store(&config, &SystemClock).await.context("the database")?.close().await;
    Vault::open(&config.keys_dir, config.school.id.clone()).await.context("the keys")?.close().await;
    Ok(verdict)
}

/// The collector's folder below `root`.
pub(super) fn data(root: &Path) -> PathBuf {
    root.join("collector")
}

/// A configuration of the files below `root`, written nowhere.
pub(super) fn config(root: &Path) -> anyhow::Result<Config> {
    let text = format!(
        "data_dir = \"{data}\"\nhost_names = [\"localhost\"]\n\n\
         [school]\nid = \"sample\"\nname = \"Sample School\"\nzone = \"Europe/London\"\n\n\
         [listen]\nenrol = \"127.0.0.1:0\"\nuplink = \"127.0.0.1:0\"\nconsole = \"127.0.0.1:0\"\n\n\
         [trust]\nrule_keys = [\"{KEY}\"]\npolicy_keys = [\"{KEY}\"]\nbase_keys = [\"{KEY}\"]\n",
        data = data(root).display(),
    );
    Ok(Config::parse(&data(root).join("collector.toml"), &text)?)
}
