//! `check`: the effective configuration.

use clap::Args;

use super::{ConfigFile, Failure, say};
use crate::config::Effect;

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    file: ConfigFile,
}

impl Check {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.file.load()?;
        for entry in config.entries() {
            let value = if entry.value.is_empty() { absent(entry.key) } else { &entry.value };
            let effect = match entry.effect {
                Effect::AtReload => "",
                Effect::AtRestart => ", needs a restart to change",
            };
            say(format!("{} = {value}    # {}{effect}", entry.key, config.origins.of(entry.key)))?;
        }
        Ok(())
    }
}

/// What holds where a key has no value.
fn absent(key: &str) -> &'static str {
    match key {
        "base_url" => "from the first host name",
        "notify.all_well_to" => "nobody",
        "smtp.host" => "none: mails wait",
        "console.certificate" => "the collector's own authority issues one",
        _ => "none",
    }
}
