//! Taking a new configuration while everything runs: all of it that needs no restart, or nothing.

use std::sync::Arc;

use super::{Collector, rule_words};
use crate::config::{Config, Effect};
use crate::notify::{ChannelError, Channels};
use crate::store::{StoreError, schools};
use crate::tls::{TlsConfigs, TlsError};

/// What a reload did, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// In force now.
    pub changed: Vec<&'static str>,
    /// In force after the next start.
    pub needs_restart: Vec<&'static str>,
}

/// Why a configuration was not taken. Everything is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The ways for messages.
    #[error(transparent)]
    Channels(#[from] ChannelError),
    /// The school's name and zone cannot be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Collector {
    /// Takes `newer`: certificates are issued and read anew, messages go by the new settings, names are stored. What
    /// takes effect at a start only keeps its running value.
    ///
    /// # Errors
    ///
    /// [`ReloadError`]: then nothing was taken.
    pub async fn reload(&self, newer: Config) -> Result<Reloaded, ReloadError> {
        let running = self.config.load_full();
        let needs_restart = running.differing(&newer, Effect::AtRestart);
        let newer = newer.as_reloaded_by(&running);
        let tls = TlsConfigs::prepare(&newer, &self.authority.load(), &self.clock)?;
        let channels = Channels::new(&newer, self.addresses.console.port())?;
        let mut tx = self.store.begin().await?;
        schools::ensure(&mut tx, &newer.school, self.clock.wall_us()).await?;
        channels.list(&mut tx, &newer.school.id).await?;
        tx.commit().await?;
        self.tls.adopt(tls);
        self.channels.store(Arc::new(channels));
        self.waking.mail.notify_one();
        let changed = running.differing(&newer, Effect::AtReload);
        self.config.store(Arc::new(newer));
        rule_words::refresh(&self.store, &self.config, &self.rules).await;
        Ok(Reloaded { changed, needs_restart })
    }
}
