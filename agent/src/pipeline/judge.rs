//! From settled signal to capture: scope, detect, minimise, by the rule set and policy in force.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use lapwing_proto::{Account, BootId, Capture, Signal as Kind};
use lapwing_rules::{Band, RuleSet, Verdict};
use tokio::sync::watch;

use super::accounts::Accounts;
use super::addresses;
use super::force::Force;
use super::looks::Looks;
use crate::config::Config;
use crate::counters::{Counters, Dropped};
use crate::detect::{Bursts, Cooldowns, Detected, Findings, detect, report, shadows};
use crate::limits::Effort;
use crate::minimise::{Keep, minimise};
use crate::scope::{self, Whereabouts, Who};
use crate::signal::Signal;
use crate::uplink::TrustedTime;

/// Which band an account is judged by, until the collector says whose it is.
#[derive(Clone, Debug)]
pub(super) struct Bands {
    default: Band,
    groups: BTreeMap<String, Band>,
}

impl Bands {
    pub(super) fn of_config(config: &Config) -> Self {
        Self { default: *config.default_band, groups: (*config.group_bands).clone() }
    }

    /// Staff and class log-ons come before ages where an account is in several groups.
    fn of(&self, account: &Account) -> Band {
        account.groups.iter().filter_map(|group| self.groups.get(group).copied()).max().unwrap_or(self.default)
    }
}

/// Judges signals one after the other.
pub(super) struct Judge {
    force: Force,
    bands: Arc<ArcSwap<Bands>>,
    accounts: Accounts,
    counters: Counters,
    boot_id: BootId,
    /// By which the school's hours are judged: the device's own clock may be wrong or turned.
    time: Arc<TrustedTime>,
    cooldowns: Cooldowns,
    bursts: Bursts,
    effort: watch::Receiver<Effort>,
    looks: Looks,
    whereabouts: Whereabouts,
    /// The device's addresses, asked for where the policy names networks.
    addresses: fn() -> Vec<IpAddr>,
}

impl Judge {
    pub(super) fn new(
        force: Force,
        bands: Arc<ArcSwap<Bands>>,
        accounts: Accounts,
        counters: Counters,
        boot_id: BootId,
        time: Arc<TrustedTime>,
    ) -> Self {
        Self {
            force,
            bands,
            accounts,
            counters,
            boot_id,
            time,
            cooldowns: Cooldowns::new(),
            bursts: Bursts::new(),
            effort: watch::channel(Effort::full()).1,
            looks: Looks::default(),
            whereabouts: Whereabouts::default(),
            addresses: addresses::outbound,
        }
    }

    /// The same, doing as much as `effort` says.
    pub(super) fn easing(self, effort: watch::Receiver<Effort>) -> Self {
        Self { effort, ..self }
    }

    /// Asks whose account was seen, so that the answer is there when what it shows has settled.
    pub(super) fn meet(&mut self, account: &Account, now_us: u64) {
        self.accounts.resolution(account, now_us);
    }

    /// The capture of a signal; `None` for one that is not looked at, does not match, is counted alone, or waits for
    /// the others of its burst.
    pub(super) fn judge(&mut self, signal: Signal) -> Option<Capture> {
        let (rules, policy) = (self.force.rules()?, self.force.policy()?);
        let who = self.who(&signal);
        let at_us = self.time.at_us(signal.seen);
        let presence = self.whereabouts.at(&policy, at_us, self.addresses);
        let look = scope::decide(&policy, &rules, &signal, at_us, &who, presence).ok()?;
        if !self.may_look(&signal) {
            self.counters.count_dropped(Dropped::Limit, 1);
            return None;
        }
        self.counters.count_seen();
        let keep = if look.keeps_spans_alone() { Keep::SpansAlone } else { Keep::Explanation };
        let seen_us = signal.seen.boot_us;
        let exempted = self.force.exemptions().at(seen_us, self.time.between(seen_us), &who.group);
        let Findings { detected, on_trial, exempted } = detect(&signal, &look, &rules, who.band, &exempted);
        for (exemption, category) in exempted {
            self.counters.count_anonymously(&format!("exempted:{exemption}:{category}"), at_us);
        }
        let effort = *self.effort.borrow();
        for rule in shadows(on_trial, who.band, &signal, &rules, &mut self.cooldowns, &effort) {
            self.counters.count_anonymously(&format!("shadow:{rule}"), at_us);
        }
        match detected {
            Detected::Nothing => None,
            Detected::Support(host) => {
                self.counters.count_anonymously(&format!("support:{host}"), at_us);
                None
            }
            Detected::Hits(verdict) => {
                self.counters.count_matched();
                self.capture(signal, verdict, &rules, keep)
            }
        }
    }

    /// When [`Judge::over`] next has something to tell, microseconds since the device started.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.bursts.deadline()
    }

    /// The captures of bursts that are over.
    pub(super) fn over(&mut self, now_us: u64) -> Vec<Capture> {
        self.bursts.over(now_us)
    }

    /// How much of what is shown and what matched is to be done, now and later.
    pub(super) fn effort(&self) -> watch::Receiver<Effort> {
        self.effort.clone()
    }

    /// Whether the agent does enough to look at this.
    fn may_look(&mut self, signal: &Signal) -> bool {
        let per_second = self.effort.borrow().looks_per_second;
        match (signal.kind, per_second) {
            (Kind::Title | Kind::Url, Some(per_second)) => {
                self.looks.allow(&signal.account, per_second, signal.seen.boot_us)
            }
            (Kind::Title | Kind::Url | Kind::FileDrop | Kind::Media | Kind::System, _) => true,
        }
    }

    fn capture(&mut self, mut signal: Signal, mut verdict: Verdict, rules: &RuleSet, keep: Keep) -> Option<Capture> {
        let burst = signal.burst.take();
        if let Some(burst) = &burst {
            self.bursts.count(burst, &signal.account, &mut verdict);
        }
        let found = report(verdict, &signal, rules, &mut self.cooldowns, &self.effort.borrow())?;
        let capture = minimise(signal, found, rules, keep, self.boot_id);
        match burst {
            Some(burst) => self.bursts.hold(burst, capture),
            None => Some(capture),
        }
    }

    /// What the collector says of the account, else what its groups say.
    fn who(&mut self, signal: &Signal) -> Who {
        let resolution = self.accounts.resolution(&signal.account, signal.seen.boot_us);
        let band = resolution.as_ref().and_then(|resolution| resolution.band);
        Who {
            band: band.unwrap_or_else(|| self.bands.load().of(&signal.account)),
            group: resolution.map(|resolution| resolution.group).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;
