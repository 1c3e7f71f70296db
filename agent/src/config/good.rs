//! The last configuration that could be used, kept so that a restart with a broken file does not end watching.

use std::path::{Path, PathBuf};
use std::{fs, io};

use lapwing_proto::failpoint;
use serde::Deserialize;

use super::{Config, ConfigError, DEFAULT_STATE_DIR, Watched, read_bounded};
use crate::{durable, state_folder};

/// Which file a configuration was read from.
#[derive(Debug)]
pub enum LoadedFrom {
    /// The one that was asked for.
    Asked,
    /// The last good one, because the one that was asked for cannot be used.
    LastGood(ConfigError),
}

/// Reads the configuration, or the last good one where a service ran here before.
///
/// # Errors
///
/// When it cannot be used, and no service ran here before.
pub fn load_or_last_good(path: &Path) -> Result<(Config, LoadedFrom), ConfigError> {
    match Config::load(path) {
        Ok(config) => Ok((config, LoadedFrom::Asked)),
        Err(error) => {
            let kept = state_dir_of(path).join(state_folder::LAST_GOOD);
            let Ok(config) =
                read_bounded(&kept).map_err(|_| ()).and_then(|text| Config::from_text(&text, &kept).map_err(|_| ()))
            else {
                return Err(error);
            };
            Ok((config, LoadedFrom::LastGood(error)))
        }
    }
}

impl Watched {
    /// Keeps the file in effect as the last good one, in the state folder.
    ///
    /// # Errors
    ///
    /// When the state folder cannot be written.
    pub fn keep_as_last_good(&self) -> io::Result<()> {
        let text = read_bounded(self.path())?;
        let target = self.current().state_dir.join(state_folder::LAST_GOOD);
        if fs::read_to_string(&target).is_ok_and(|kept| kept == text) {
            return Ok(());
        }
        failpoint!("config.keep", durable::replace(&target, text.as_bytes()))
    }
}

/// The state folder that a file names, however broken it is otherwise.
fn state_dir_of(path: &Path) -> PathBuf {
    #[derive(Deserialize)]
    struct StateDir {
        state_dir: Option<PathBuf>,
    }
    let named = read_bounded(path).ok().and_then(|text| toml::from_str::<StateDir>(&text).ok());
    named.and_then(|named| named.state_dir).unwrap_or_else(|| DEFAULT_STATE_DIR.into())
}
