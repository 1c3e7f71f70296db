//! What has to be looked after while everything runs: one loop, once a second.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use arc_swap::{ArcSwap, ArcSwapOption};
use lapwing_rules::Release;
use tokio::sync::Notify;

use super::rule_words;
use crate::authority::Authority;
use crate::clock::Clock;
use crate::config::Config;
use crate::console::RuleBook;
use crate::enrolment;
use crate::ingest::{Ingest, Refreshed};
use crate::proof::certificates::Ends;
use crate::proof::{self, Lookout};
use crate::shutdown::Shutdown;
use crate::store::artefacts::ArtefactKind;
use crate::store::{Store, StoreError, roll_outs, upgrade};
use crate::tls::{TlsConfigs, TlsError};

/// Two short queries each: what was published or denied, by a command-line tool too, is in force within this.
const EVERY: Duration = Duration::from_secs(1);
const FORGET_EVERY_US: i64 = 24 * 60 * 60 * 1_000_000;
const YEAR_US: i64 = 365 * 24 * 60 * 60 * 1_000_000;
const HEARD_EVERY_US: i64 = 60 * 1_000_000;
/// A third of a server certificate's life.
const CERTIFICATES_EVERY_US: i64 = 10 * 24 * 60 * 60 * 1_000_000;

pub(super) struct Upkeep {
    pub(super) config: Arc<ArcSwap<Config>>,
    pub(super) authority: Arc<ArcSwap<Authority>>,
    pub(super) tls: TlsConfigs,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ingest: Arc<Ingest>,
    pub(super) store: Store,
    pub(super) rules: Arc<ArcSwap<RuleBook>>,
    pub(super) lookout: Lookout,
    /// Told of messages that wait.
    pub(super) mail: Arc<Notify>,
    /// Told once a minute: another process may have brought captures in.
    pub(super) triage: Arc<Notify>,
    /// Where the console reads when certificates end.
    pub(super) certificates: Arc<ArcSwapOption<Ends>>,
    pub(super) shutdown: Shutdown,
}

impl Upkeep {
    pub(super) async fn run(mut self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        rule_words::refresh(&self.store, &self.config, &self.rules).await;
        let started_us = self.clock.wall_us();
        // Also one that is started anew each day forgets.
        let (mut heard_us, mut certificates_us, mut forgotten_us) =
            (started_us, started_us, started_us.saturating_sub(FORGET_EVERY_US));
        loop {
            tokio::select! {
                () = self.shutdown.requested() => return,
                _ = ticks.tick() => {}
            }
            let now_us = self.clock.wall_us();
            self.refresh().await;
            if is_due(&mut heard_us, now_us, HEARD_EVERY_US) {
                self.write_heard().await;
                self.triage.notify_one();
            }
            if is_due(&mut forgotten_us, now_us, FORGET_EVERY_US) {
                self.forget_old(now_us).await;
            }
            self.take_authority();
            if is_due(&mut certificates_us, now_us, CERTIFICATES_EVERY_US) {
                self.renew_certificates();
            }
            // Without a service manager there is nobody to tell.
            let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Watchdog]);
        }
    }

    async fn refresh(&self) {
        match self.ingest.refresh().await {
            Ok(Refreshed::Published) => {
                tracing::info!("a rule set or policy was published");
                rule_words::refresh(&self.store, &self.config, &self.rules).await;
            }
            Ok(Refreshed::Same) => {}
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "cannot read what is published"),
        }
    }

    async fn write_heard(&mut self) {
        if let Err(error) = self.ingest.write_heard().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "times of last hearing are not written");
            self.lookout.interrupted();
            return;
        }
        match proof::releases::look(&self.store, &self.config.load().school.id, self.clock.wall_us()).await {
            Ok(true) => {
                self.refresh().await;
                self.mail.notify_one();
            }
            Ok(false) => {}
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "roll-outs are not looked after"),
        }
        self.tell_of_ends().await;
        match proof::tampering::look(&self.store, &self.config.load().school.id, self.clock.wall_us()).await {
            Ok(true) => self.mail.notify_one(),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "what was done to agents is not told of")
            }
        }
        match self.lookout.look(self.clock.wall_us()).await {
            Ok(true) => self.mail.notify_one(),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "silent devices are not looked for")
            }
        }
    }

    /// Certificates that end, and the rule set in force where it is to be replaced.
    async fn tell_of_ends(&self) {
        let ends = Ends { authority_us: self.authority.load().ends_us(), servers: self.tls.ends() };
        self.certificates.store(Some(Arc::new(ends)));
        let (school, now_us) = (self.config.load().school.id.clone(), self.clock.wall_us());
        let book = self.rules.load();
        let told = async {
            // One that was signed without an end is to be looked at once a year all the same.
            let published = roll_outs::standing(&self.store, &school, ArtefactKind::RuleSet).await?;
            let year_old_us = (published.out.newest > 0).then(|| published.started_us.saturating_add(YEAR_US));
            let newest = (book.release().map_or(0, Release::number), book.ends_us().or(year_old_us));
            let certificates = proof::certificates::look(&self.store, &school, ends, now_us).await?;
            Ok::<_, StoreError>(proof::outdated::look(&self.store, &school, newest, now_us).await? || certificates)
        };
        match told.await {
            Ok(true) => self.mail.notify_one(),
            Ok(false) => {}
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "what ends is not told of"),
        }
    }

    async fn forget_old(&self, now_us: i64) {
        let (school, database) = (self.config.load().school.id.clone(), self.config.load().database());
        upgrade::forget_old(&database, UNIX_EPOCH + Duration::from_micros(now_us.unsigned_abs()));
        if let Err(error) = enrolment::forget_old(&self.store, &school, now_us).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "old uses of tokens are not forgotten yet");
        }
    }

    /// Takes what a command did to the authority, with the certificates of the listeners, or neither: it is tried again.
    fn take_authority(&self) {
        let config = self.config.load();
        if !self.authority.load().is_outdated(&config.keys_dir) {
            return;
        }
        let taken = Authority::open_or_create(&config.keys_dir, &config.school.id, self.clock.as_ref())
            .map_err(TlsError::from)
            .and_then(|authority| Ok((TlsConfigs::prepare(&config, &authority, &self.clock)?, authority)));
        match taken {
            Ok((prepared, authority)) => {
                self.tls.adopt(prepared);
                self.authority.store(Arc::new(authority));
                tracing::info!("the authority was rolled over, or the one before was retired");
            }
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "the authority is not taken yet"),
        }
    }

    fn renew_certificates(&self) {
        match self.tls.reload(&self.config.load(), &self.authority.load(), &self.clock) {
            Ok(()) => tracing::info!("server certificates were renewed"),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "server certificates are not renewed");
            }
        }
    }
}

/// Whether `every_us` went by since `last_us`, either way: a clock that was set back does not stop the upkeep.
fn is_due(last_us: &mut i64, now_us: i64, every_us: i64) -> bool {
    let due = now_us.abs_diff(*last_us) >= every_us.unsigned_abs();
    if due {
        *last_us = now_us;
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upkeep_is_due_after_its_time_and_when_the_clock_jumps_back() {
        let mut last_us = 1000;

        assert!(!is_due(&mut last_us, 1009, 10));
        assert!(is_due(&mut last_us, 1010, 10));
        assert!(!is_due(&mut last_us, 1015, 10));
        assert!(is_due(&mut last_us, 5, 10));
    }
}
