//! The rule set and policy in force: verified before they are used, swapped whole, and kept on disk, so that a device
//! that restarts without a network goes on with what it had.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use lapwing_proto::bounds::MAX_ARTEFACT_BYTES;
use lapwing_proto::failpoint;
use lapwing_rules::{
    ArtefactError, Base, BaseError, Digest, Policy, PolicyError, Release, RuleSet, TrustedKeys, Widening,
};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostic::{Code, Diagnostics};
use crate::exemptions::Exemptions;
use crate::notice::Notice;
use crate::scope::{InForce, UnknownZone};
use crate::{durable, state_folder};

mod trial;

use trial::{Broke, Trial};

const MAX_BASE_BYTES: usize = 32;

/// What is in force. Clones see the same.
#[derive(Clone, Default)]
pub(crate) struct Force {
    rules: Arc<ArcSwapOption<RuleSet>>,
    policy: Arc<ArcSwapOption<InForce>>,
    exemptions: Exemptions,
}

/// Why an artefact was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("no key is trusted for it")]
    NoKeys,
    #[error(transparent)]
    RuleSet(#[from] ArtefactError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Zone(#[from] UnknownZone),
    #[error(
        "no key is trusted for the illegal base: this is a build for development, and `trust.base_keys` names none"
    )]
    NoBaseKeys,
    #[error(transparent)]
    Base(#[from] BaseError),
    #[error("release {found} is older than release {held} in force")]
    Older { found: Release, held: Release },
    #[error("it looks at more than the notice said ({0}), and names no newer notice")]
    NoNewNotice(Widening),
    #[error(transparent)]
    Broke(#[from] Broke),
    #[error("it cannot be kept: {0}")]
    Unkept(#[from] io::Error),
}

/// Takes rule sets and policies into force.
pub(crate) struct Keeper {
    force: Force,
    state_dir: PathBuf,
    rule_keys: Option<TrustedKeys>,
    policy_keys: Option<TrustedKeys>,
    base_keys: Option<TrustedKeys>,
    trial: Trial,
    clock: Arc<dyn Clock>,
    diagnostics: Diagnostics,
    /// What the notice says follows the policy.
    notice: watch::Sender<Notice>,
}

impl Force {
    pub(crate) fn rules(&self) -> Option<Arc<RuleSet>> {
        self.rules.load_full()
    }

    pub(crate) fn policy(&self) -> Option<Arc<InForce>> {
        self.policy.load_full()
    }

    /// What is not captured for a while.
    pub(crate) const fn exemptions(&self) -> &Exemptions {
        &self.exemptions
    }

    /// Whether the rule set was to be replaced by `now_us`, microseconds of UTC. It is in force all the same.
    pub(crate) fn is_outdated(&self, now_us: i64) -> bool {
        let expires = self.rules().and_then(|rules| rules.validity().expires);
        expires.is_some_and(|second| u64::try_from(now_us / 1_000_000).is_ok_and(|now| second <= now))
    }

    /// Releases of rule set and policy; 0 for none.
    pub(crate) fn releases(&self) -> (u64, u64) {
        let rules = self.rules().map_or(0, |rules| rules.release().number());
        (rules, self.policy().map_or(0, |force| force.policy().release.number()))
    }
}

impl Keeper {
    pub(crate) fn new(
        config: &Config,
        clock: Arc<dyn Clock>,
        diagnostics: Diagnostics,
        notice: watch::Sender<Notice>,
    ) -> Self {
        Self {
            force: Force::default(),
            state_dir: config.state_dir.to_path_buf(),
            trial: Trial::open(&config.state_dir, clock.boot_id(), env!("CARGO_PKG_VERSION")),
            clock,
            rule_keys: (*config.rule_keys).clone(),
            policy_keys: (*config.policy_keys).clone(),
            base_keys: (*config.base_keys).clone(),
            diagnostics,
            notice,
        }
    }

    pub(crate) fn force(&self) -> Force {
        self.force.clone()
    }

    /// Takes other keys. What is in force stays until something newer arrives.
    pub(crate) fn trust(&mut self, config: &Config) {
        self.rule_keys = (*config.rule_keys).clone();
        self.policy_keys = (*config.policy_keys).clone();
        self.base_keys = (*config.base_keys).clone();
    }

    /// Takes into force what an earlier run kept.
    pub(crate) fn take_kept(&mut self) {
        self.take_kept_rule_set();
        match durable::read_bounded(&self.state_dir.join(state_folder::POLICY), MAX_ARTEFACT_BYTES) {
            Ok(bytes) => self.report(Code::PolicyRefused, self.use_policy(&bytes)),
            Err(_) => self.diagnostics.raise(Code::NoPolicy, ""),
        }
    }

    /// The one that was in force last; where that cannot be used, or ended the service, the one before it in its place.
    fn take_kept_rule_set(&mut self) {
        let Err(refused) = self.use_kept(state_folder::RULE_SET) else {
            return self.report(Code::RuleSetRefused, Ok(()));
        };
        let before = self.use_kept(state_folder::RULE_SET_BEFORE);
        let is_first_start = !self.state_dir.join(state_folder::RULE_SET).exists() && before.is_err();
        if is_first_start {
            return self.diagnostics.raise(Code::NoRuleSet, "");
        }
        let taken = before.and_then(|bytes| self.keep(state_folder::RULE_SET, &bytes));
        if let Err(error) = taken {
            tracing::warn!(error = %error, "the rule set before the last is not in its place");
        }
        self.report(Code::RuleSetRefused, Err(refused));
    }

    /// What an earlier run kept. Its start is counted before it is read: reading it may be what breaks.
    fn use_kept(&mut self, file: &str) -> Result<Vec<u8>, Refused> {
        let bytes = durable::read_bounded(&self.state_dir.join(file), MAX_ARTEFACT_BYTES)?;
        let before = self.trial.resume(&Digest::of(&bytes), self.clock.boot_us())?;
        if let Err(refused) = self.use_rule_set(&bytes) {
            self.trial.withdraw(before);
            return Err(refused);
        }
        if !self.trial.is_of(&Digest::of(&bytes)) {
            self.keep_base();
        }
        Ok(bytes)
    }

    /// Takes a rule set that arrived; on any failure the one in force stays, and the failure is reported.
    pub(crate) fn take_rule_set(&mut self, bytes: &[u8]) {
        let last = durable::read_bounded(&self.state_dir.join(state_folder::RULE_SET), MAX_ARTEFACT_BYTES).ok();
        let taken = match last {
            Some(last) if last == bytes && !self.trial.is_of(&Digest::of(bytes)) => {
                self.use_rule_set(bytes).map(|()| self.keep_base())
            }
            last => self.try_rule_set(bytes, last),
        };
        self.report(Code::RuleSetRefused, taken);
    }

    /// Takes a new one into force, on trial; `last` is the one that is kept.
    fn try_rule_set(&mut self, bytes: &[u8], last: Option<Vec<u8>>) -> Result<(), Refused> {
        // One that has passed is one to go back to; one on trial is better than none.
        let has_before = self.state_dir.join(state_folder::RULE_SET_BEFORE).exists();
        let last = last.filter(|last| last != bytes && !(has_before && self.trial.is_of(&Digest::of(last))));
        let before = self.trial.begin(&Digest::of(bytes), self.clock.boot_us())?;
        if let Err(refused) = self.use_rule_set(bytes) {
            self.trial.withdraw(before);
            return Err(refused);
        }
        // A copy of a file that may be damaged by now: it is verified whenever it is used.
        if let Some(last) = last {
            self.keep(state_folder::RULE_SET_BEFORE, &last)?;
        }
        self.keep(state_folder::RULE_SET, bytes)
    }

    /// Looks whether a new rule set has been in force for long enough.
    pub(crate) fn look_at_trial(&mut self) {
        if self.trial.look(self.clock.boot_us()) {
            self.keep_base();
        }
    }

    /// The service is told to stop.
    pub(crate) fn stop(&mut self) {
        self.trial.stop();
    }

    /// Takes a policy that arrived; on any failure the one in force stays, and the failure is reported.
    pub(crate) fn take_policy(&mut self, bytes: &[u8]) {
        let taken = self.use_policy(bytes).and_then(|()| self.keep(state_folder::POLICY, bytes));
        self.report(Code::PolicyRefused, taken);
    }

    /// Takes a list of exemptions that arrived `now_us` after the device started, signed by one of `authorities`; on any
    /// failure the one in force stays, and the failure is reported. It is never written to disk.
    pub(crate) fn take_exemptions(&self, bytes: &[u8], authorities: &[Vec<u8>], now_us: u64) {
        match self.force.exemptions.take(bytes, authorities, now_us) {
            Ok(()) => self.diagnostics.clear(Code::ExemptionsRefused),
            Err(refused) => self.diagnostics.raise(Code::ExemptionsRefused, refused.to_string()),
        }
    }

    fn use_rule_set(&self, bytes: &[u8]) -> Result<(), Refused> {
        let keys = self.rule_keys.as_ref().ok_or(Refused::NoKeys)?;
        let base_keys = self.base_keys.as_ref().ok_or(Refused::NoBaseKeys)?;
        let (rules, held) = (RuleSet::load(bytes, keys)?, self.force.rules());
        let base_held = held.as_ref().and_then(|held| held.base()).map(Base::release).max(self.base_ever());
        rules.check_base(base_keys, base_held)?;
        refuse_older(rules.release(), held.map(|held| held.release()))?;
        tracing::info!(rule_set.release = rules.release().number(), "a rule set is in force");
        self.force.rules.store(Some(Arc::new(rules)));
        self.diagnostics.clear(Code::NoRuleSet);
        Ok(())
    }

    /// The illegal base of the rule set in force is the oldest that is taken from now on. Not before the rule set has passed its
    /// trial: there would be nothing to go back to.
    fn keep_base(&self) {
        let Some(base) = self.force.rules().as_ref().and_then(|rules| rules.base()).map(Base::release) else { return };
        if self.base_ever().is_some_and(|ever| base <= ever) {
            return;
        }
        if let Err(error) = self.keep(state_folder::BASE, base.to_string().as_bytes()) {
            tracing::warn!(error = %error, "the release of the illegal base cannot be kept");
        }
    }

    /// The highest release of an illegal base that was in force here, also where the rule set that carried it is gone.
    fn base_ever(&self) -> Option<Release> {
        let bytes = durable::read_bounded(&self.state_dir.join(state_folder::BASE), MAX_BASE_BYTES).ok()?;
        std::str::from_utf8(&bytes).ok()?.trim().parse().ok().map(Release::new)
    }

    fn use_policy(&self, bytes: &[u8]) -> Result<(), Refused> {
        let keys = self.policy_keys.as_ref().ok_or(Refused::NoKeys)?;
        let policy = Policy::load(bytes, keys)?;
        let held = self.force.policy().map(|held| held.policy().release);
        refuse_older(policy.release, held)?;
        self.refuse_untold(&policy)?;
        let force = InForce::new(policy)?;
        self.notice.send_replace(Notice::of(force.policy()));
        self.force.policy.store(Some(Arc::new(force)));
        tracing::info!(policy.release = self.force.releases().1, "a policy is in force");
        self.diagnostics.clear(Code::NoPolicy);
        Ok(())
    }

    /// Refuses to look at more than people were told, where the policy names no notice that tells them.
    fn refuse_untold(&self, policy: &Policy) -> Result<(), Refused> {
        let Some(held) = self.force.policy() else { return Ok(()) };
        if policy.notice_version > held.policy().notice_version {
            return Ok(());
        }
        match policy.widened_from(held.policy()).into_iter().next() {
            Some(widening) => Err(Refused::NoNewNotice(widening)),
            None => Ok(()),
        }
    }

    fn keep(&self, file: &str, bytes: &[u8]) -> Result<(), Refused> {
        Ok(failpoint!("force.keep", durable::replace(&self.state_dir.join(file), bytes))?)
    }

    fn report(&self, code: Code, taken: Result<(), Refused>) {
        match taken {
            Ok(()) => self.diagnostics.clear(code),
            Err(refused) => self.diagnostics.raise(code, refused.to_string()),
        }
        let (rules, policy) = self.force.releases();
        if rules == 0 {
            self.diagnostics.raise(Code::NoRuleSet, "");
        }
        if policy == 0 {
            self.diagnostics.raise(Code::NoPolicy, "");
        }
    }
}

/// Reads what a service kept in `state_dir`, for a look from outside.
pub(crate) fn kept(state_dir: &Path, config: &Config) -> (Result<RuleSet, String>, Result<Policy, String>) {
    let read = |file: &str| {
        durable::read_bounded(&state_dir.join(file), MAX_ARTEFACT_BYTES).map_err(|error| error.to_string())
    };
    let rules = config
        .rule_keys
        .as_ref()
        .ok_or_else(|| Refused::NoKeys.to_string())
        .and_then(|keys| RuleSet::load(&read(state_folder::RULE_SET)?, keys).map_err(|error| error.to_string()))
        .and_then(|rules| {
            let keys = config.base_keys.as_ref().ok_or_else(|| Refused::NoBaseKeys.to_string())?;
            rules.check_base(keys, None).map(|_| rules).map_err(|error| error.to_string())
        });
    let policy = config
        .policy_keys
        .as_ref()
        .ok_or_else(|| Refused::NoKeys.to_string())
        .and_then(|keys| Policy::load(&read(state_folder::POLICY)?, keys).map_err(|error| error.to_string()));
    (rules, policy)
}

fn refuse_older(found: Release, held: Option<Release>) -> Result<(), Refused> {
    match held {
        Some(held) if found < held => Err(Refused::Older { found, held }),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
