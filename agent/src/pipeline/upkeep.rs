//! What the service looks after while it runs: its configuration, its state folder, the age of its spool, its limits.

use std::sync::{Arc, PoisonError};

use super::judge::Bands;
use super::{Service, spooling};
use crate::config::{Change, Watched};
use crate::diagnostic::{Code, Diagnostics};
use crate::platform;

impl Service {
    /// Once every ten seconds.
    pub(super) async fn keep_up(&mut self) {
        self.limits.measure(self.clock.boot_us());
        let change = self.config.look();
        self.changed(change);
        self.keep_state();
        self.keeper.look_at_trial();
        self.tell_changes().await;
        let spool = Arc::clone(&self.spool);
        match tokio::task::spawn_blocking(move || spool.expire()).await {
            Ok(Err(error)) => self.diagnostics.raise(Code::SpoolFailed, error.to_string()),
            Ok(Ok(())) => self.diagnostics.clear(Code::SpoolFailed),
            Err(_) => {}
        }
        spooling::tell_loss(&self.spool, &self.diagnostics);
    }

    /// What the state folder refused is written once it takes it. A changed configuration that cannot be used is none to
    /// keep.
    fn keep_state(&self) {
        let wrong = self.diagnostics.snapshot();
        if wrong.contains_key(&Code::StateUnwritable) && !wrong.contains_key(&Code::ConfigKept) {
            keep_config(&self.config, &self.diagnostics);
        }
    }

    /// Files that the agent is made of and that changed are told of.
    async fn tell_changes(&self) {
        let (integrity, now_us) = (Arc::clone(&self.integrity), self.clock.wall_us());
        let look = move || integrity.lock().unwrap_or_else(PoisonError::into_inner).look(now_us);
        let Ok(parts) = tokio::task::spawn_blocking(look).await else { return };
        let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
        if parts.is_empty() {
            self.diagnostics.clear(Code::FilesChanged);
        } else {
            self.diagnostics.raise(Code::FilesChanged, parts.join(", "));
        }
    }

    /// Takes what a changed configuration brought.
    pub(super) fn changed(&mut self, change: Change) {
        match change {
            Change::None => {}
            Change::Taken(waiting) => {
                tracing::info!(restart.keys = ?waiting, "the configuration was read again");
                self.diagnostics.clear(Code::ConfigKept);
                if waiting.is_empty() {
                    self.diagnostics.clear(Code::ConfigRestart);
                } else {
                    self.diagnostics.raise(Code::ConfigRestart, waiting.join(", "));
                }
                self.keeper.trust(self.config.current());
                self.bands.store(Arc::new(Bands::of_config(self.config.current())));
                keep_config(&self.config, &self.diagnostics);
            }
            Change::Kept(error) => self.diagnostics.raise(Code::ConfigKept, error.to_string()),
        }
    }
}

/// Without a state folder the service watches all the same, and says so.
pub(super) fn keep_config(config: &Watched, diagnostics: &Diagnostics) {
    let folder = platform::create_private_folder(&config.current().state_dir);
    match folder.and_then(|()| config.keep_as_last_good()) {
        Ok(()) => diagnostics.clear(Code::StateUnwritable),
        Err(error) => diagnostics.raise(Code::StateUnwritable, error.to_string()),
    }
}
