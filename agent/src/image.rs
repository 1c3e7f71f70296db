//! Preparing the PC that images are made of: nothing that makes it this device goes into the image.
//!
//! Rule set and policy stay, so that a PC of the image watches from its first minute; so does the campaign token, by which
//! it joins. An image that was not prepared does no harm: see [`crate::uplink`] on copies.

use std::io;
use std::path::Path;

use crate::config::Config;
use crate::doctor;
use crate::identity::IdentityStore;
use crate::state_folder::{self, Held};

/// Why the PC is not prepared. Nothing has changed then, unless the disk refused half-way.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The service would make it all anew.
    #[error("the service runs: stop it first, and make the image before it is started again")]
    Running,
    /// Captures would be lost.
    #[error(
        "the spool holds {0} captures that were not delivered: start the service until they are, or give `--discard`"
    )]
    Holds(u64),
    /// What the spool holds cannot be told.
    #[error("it cannot be told what the spool holds: {0}; `--discard` gives it up")]
    Spool(String),
    /// The disk.
    #[error("the state folder cannot be used: {0}")]
    Disk(#[from] io::Error),
}

/// Removes what makes this PC a device. Answers what was done and what is to be done, a line each.
///
/// # Errors
///
/// [`ImageError`].
pub async fn prepare(config: &Config, discard: bool) -> Result<Vec<String>, ImageError> {
    if doctor::ask_status(&config.socket).await.is_ok() {
        return Err(ImageError::Running);
    }
    let folder = config.state_dir.to_path_buf();
    let held = match held(&folder) {
        Err(ImageError::Spool(_)) if discard => None,
        held => Some(held?),
    };
    match held {
        Some(held) if held > 0 && !discard => return Err(ImageError::Holds(held)),
        Some(_) | None => {}
    }
    let device = IdentityStore::open(&folder)?.device();
    state_folder::remove_device(&folder)?;
    Ok(said(config, device.map(|device| device.to_string()), held.filter(|held| *held > 0)))
}

fn held(folder: &Path) -> Result<u64, ImageError> {
    state_folder::held(folder).map_err(|held| match held {
        Held::InUse => ImageError::Running,
        Held::Unknown(why) => ImageError::Spool(why),
    })
}

fn said(config: &Config, device: Option<String>, discarded: Option<u64>) -> Vec<String> {
    let mut lines =
        vec!["nothing of this device is left: make the image now, before the service is started".to_owned()];
    if let Some(captures) = discarded {
        lines.push(format!("{captures} captures that were not delivered are gone"));
    }
    if let Some(device) = device {
        lines.push(format!("it was {device}: deny it with `lapwing-collector device revoke {device}`"));
    }
    match config.token_file.as_deref() {
        Some(file) if file.exists() => {
            lines.push(format!("PCs of the image join by the token in `{}`: it needs a use for each", file.display()));
        }
        Some(file) => {
            lines.push(format!("put a campaign token with a use for each PC into `{}`", file.display()));
        }
        None => lines.push("set `[enrol] token_file`: PCs of the image join by the campaign token in it".to_owned()),
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lapwing_proto::wire;
    use lapwing_rules::Level;

    use super::*;
    use crate::clock::SystemClock;
    use crate::identity::HardwareHash;
    use crate::spool::{KeySource, Spool, SpoolLimits};

    fn config(folder: &Path) -> Config {
        let path = folder.join("agent.toml");
        let text = format!(
            "state_dir = \"{0}\"\nsocket = \"{0}/agent.sock\"\n[enrol]\ntoken_file = \"{0}/token\"\n",
            folder.display()
        );
        std::fs::write(&path, text).unwrap();
        Config::load(&path).unwrap()
    }

    fn spool(folder: &Path, captures: u64) -> Spool {
        let (key, clock) = (KeySource::File(folder.join("spool.key")), Arc::new(SystemClock::new().unwrap()));
        let limits = SpoolLimits::default();
        let (spool, _) = Spool::open(&folder.join("spool"), key, HardwareHash::default(), limits, clock).unwrap();
        for _ in 0..captures {
            spool.append(Level::High, &wire::Capture::default()).unwrap();
        }
        spool
    }

    #[tokio::test]
    async fn nothing_of_the_device_is_left_and_rules_policy_and_token_are() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        drop(spool(folder.path(), 0));
        for file in ["identity.json.bad", "incarnation", "joining.key", "rule_set.artefact", "policy.artefact", "token"]
        {
            std::fs::write(folder.path().join(file), "x").unwrap();
        }
        let said = prepare(&config, false).await.unwrap().join("\n");
        assert!(said.contains("make the image now") && said.contains("needs a use for each"), "{said}");
        let mut left: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["agent.toml", "policy.artefact", "rule_set.artefact", "token"]);
        assert!(prepare(&config, false).await.is_ok(), "and once more");
    }

    #[tokio::test]
    async fn captures_that_wait_are_not_given_up_unless_somebody_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let open = spool(folder.path(), 3);
        assert!(matches!(prepare(&config, true).await, Err(ImageError::Running)), "somebody has it open");
        drop(open);
        assert!(matches!(prepare(&config, false).await, Err(ImageError::Holds(3))));
        assert!(folder.path().join("spool.key").exists(), "nothing has changed");
        let said = prepare(&config, true).await.unwrap().join("\n");
        assert!(said.contains("3 captures") && !folder.path().join("spool").exists(), "{said}");
    }
}
