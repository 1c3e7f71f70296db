//! `check`: the effective configuration.

use clap::Args;

use super::{ConfigFile, Failure, say};

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    file: ConfigFile,
}

impl Check {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.file.load()?;
        let origin = |key: &str| config.origins.of(key);
        let listen = config.listen;
        for (key, value) in [
            ("school.id", config.school.id.to_string()),
            ("school.name", config.school.name.clone()),
            ("school.zone", config.school.zone.clone()),
            ("data_dir", config.data_dir.display().to_string()),
            ("keys_dir", config.keys_dir.display().to_string()),
            ("host_names", config.host_names.join(", ")),
            ("listen.enrol", listen.enrol.to_string()),
            ("listen.uplink", listen.uplink.to_string()),
            ("listen.console", listen.console.to_string()),
            ("trust.rule_keys", format!("{} keys", config.trust.rule_keys.len())),
            ("trust.policy_keys", format!("{} keys", config.trust.policy_keys.len())),
            ("base_url", config.base_url.clone().unwrap_or_else(|| "from the first host name".into())),
            ("smtp.host", config.smtp.as_ref().map_or_else(|| "none: mails wait".into(), |smtp| smtp.host.clone())),
        ] {
            say(format!("{key} = {value}    # {}", origin(key)))?;
        }
        Ok(())
    }
}
