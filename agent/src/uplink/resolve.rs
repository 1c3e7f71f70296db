//! Asking the collector for the band and group of a signed-in account, so that matching fits the age.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapwing_proto::bounds::{MAX_ACCOUNT_BYTES, MAX_GROUPS, MAX_NAME_BYTES};
use lapwing_proto::{band_from_wire, failpoint, wire};
use lapwing_rules::Band;
use tokio::time::timeout;

use super::link::Link;
use super::recover::Failure;
use crate::clock::Clock;

/// How long a log-on waits for the collector before the device decides by itself.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// An answer is asked for anew after this; an older one is still better than none.
const FRESH_FOR: Duration = Duration::from_mins(15);
/// Accounts remembered; the one asked for longest ago makes room.
const MAX_REMEMBERED: usize = 256;

/// What the collector says of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The band, where the collector names one that this build knows.
    pub band: Option<Band>,
    /// The policy group; may be empty.
    pub group: String,
    /// Whether the account is mapped to a person.
    pub mapped: bool,
}

/// Resolves accounts, with a memory. Clones share it.
#[derive(Clone)]
pub struct Resolver {
    link: Arc<Link>,
    clock: Arc<dyn Clock>,
    remembered: Arc<Mutex<BTreeMap<Asked, Answered>>>,
}

type Asked = (String, Vec<String>);

#[derive(Clone)]
struct Answered {
    resolution: Resolution,
    boot_us: u64,
}

impl Resolver {
    pub(super) fn new(link: Arc<Link>, clock: Arc<dyn Clock>) -> Self {
        Self { link, clock, remembered: Arc::default() }
    }

    /// What the collector says of an account, or said last. `None`: it cannot be asked and never was, so that the
    /// device's own group decides. Takes at most three seconds.
    pub async fn resolve(&self, account: &str, groups: &[String]) -> Option<Resolution> {
        let fits = |text: &&String| text.len() <= MAX_NAME_BYTES;
        let groups: Vec<String> = groups.iter().filter(fits).take(MAX_GROUPS).cloned().collect();
        if account.len() > MAX_ACCOUNT_BYTES {
            return None;
        }
        let asked = (account.to_owned(), groups);
        let known = self.remembered().get(&asked).cloned();
        let now_us = self.clock.boot_us();
        let fresh = |known: &Answered| Duration::from_micros(now_us.saturating_sub(known.boot_us)) < FRESH_FOR;
        if let Some(known) = known.as_ref().filter(|known| fresh(known)) {
            return Some(known.resolution.clone());
        }
        match timeout(ANSWER_WITHIN, self.ask(&asked)).await {
            Ok(Ok(resolution)) => {
                self.remember(asked, Answered { resolution: resolution.clone(), boot_us: now_us });
                Some(resolution)
            }
            Ok(Err(failure)) => {
                tracing::debug!(error = %failure, "an account was not resolved");
                known.map(|known| known.resolution)
            }
            Err(_) => known.map(|known| known.resolution),
        }
    }

    async fn ask(&self, (account, groups): &Asked) -> Result<Resolution, Failure> {
        let request = wire::ResolveSessionRequest { account: account.clone(), groups: groups.clone() };
        let answer = failpoint!("resolve.call", self.link.client()?.resolve_session(request).await?).into_inner();
        if answer.group.len() > MAX_NAME_BYTES {
            return Err(Failure::Contract("a group is over its bound"));
        }
        let band = band_from_wire(answer.band);
        Ok(Resolution { band, group: answer.group, mapped: answer.mapped })
    }

    fn remember(&self, asked: Asked, answered: Answered) {
        let mut remembered = self.remembered();
        remembered.insert(asked, answered);
        if remembered.len() > MAX_REMEMBERED {
            let oldest = remembered.iter().min_by_key(|(_, answered)| answered.boot_us).map(|(asked, _)| asked.clone());
            if let Some(oldest) = oldest {
                remembered.remove(&oldest);
            }
        }
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, BTreeMap<Asked, Answered>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}
