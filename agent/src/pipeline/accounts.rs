//! What the collector says of the accounts that are signed in, asked for beside the judging, never before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use lapwing_proto::Account;
use tokio::sync::mpsc;

use crate::shutdown::Shutdown;
use crate::uplink::{Resolution, Resolver};

/// Questions that wait: one a new account. When it is full the account is asked for at its next signal.
const QUESTIONS: usize = 32;
/// Most accounts remembered; all are forgotten, and asked for anew, when there are more.
const MAX_KNOWN: usize = 512;
/// How long an answer is used before it is asked for again.
const FRESH_US: u64 = 15 * 60 * 1_000_000;
/// How long to wait before an account without an answer is asked for again.
const PATIENCE_US: u64 = 10 * 1_000_000;

/// Answers by account name.
type Known = Arc<ArcSwap<BTreeMap<String, Resolution>>>;

/// Where questions are asked and answers looked up.
pub(super) struct Accounts {
    known: Known,
    questions: mpsc::Sender<Account>,
    asked_us: BTreeMap<String, u64>,
}

/// The end that asks the collector.
pub(super) struct Asking {
    known: Known,
    questions: mpsc::Receiver<Account>,
}

/// Both ends.
pub(super) fn accounts() -> (Accounts, Asking) {
    let (send, receive) = mpsc::channel(QUESTIONS);
    let known = Known::default();
    let accounts = Accounts { known: Arc::clone(&known), questions: send, asked_us: BTreeMap::new() };
    (accounts, Asking { known, questions: receive })
}

impl Accounts {
    /// What the collector said of an account, where it did. Asks it where the answer is old or there is none.
    pub(super) fn resolution(&mut self, account: &Account, now_us: u64) -> Option<Resolution> {
        let known = self.known.load().get(&account.name).cloned();
        let patience = if known.is_some() { FRESH_US } else { PATIENCE_US };
        let due = self.asked_us.get(&account.name).is_none_or(|asked| now_us.saturating_sub(*asked) >= patience);
        if due && !account.name.is_empty() && self.questions.try_send(account.clone()).is_ok() {
            if self.asked_us.len() >= MAX_KNOWN {
                self.asked_us.clear();
            }
            self.asked_us.insert(account.name.clone(), now_us);
        }
        known
    }
}

impl Asking {
    /// Asks for one account after the other.
    pub(super) async fn run(mut self, resolver: Resolver, shutdown: Shutdown) {
        loop {
            let account = tokio::select! {
                () = shutdown.requested() => return,
                account = self.questions.recv() => match account {
                    Some(account) => account,
                    None => return,
                },
            };
            if let Some(resolution) = resolver.resolve(&account.name, &account.groups).await {
                self.known.rcu(|known| {
                    let mut known = BTreeMap::clone(known);
                    if known.len() >= MAX_KNOWN {
                        known.clear();
                    }
                    known.insert(account.name.clone(), resolution.clone());
                    known
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str) -> Account {
        Account { name: name.to_owned(), session: "1".to_owned(), groups: Vec::new() }
    }

    #[test]
    fn an_account_is_asked_for_once_until_patience_ends() {
        let (mut accounts, mut asking) = accounts();
        assert_eq!(accounts.resolution(&account("kim"), 0), None);
        assert_eq!(accounts.resolution(&account("kim"), PATIENCE_US - 1), None);
        assert_eq!(asking.questions.try_recv().map(|account| account.name), Ok("kim".to_owned()));
        assert!(asking.questions.try_recv().is_err());
        accounts.resolution(&account("kim"), PATIENCE_US);
        assert!(asking.questions.try_recv().is_ok());
    }

    #[test]
    fn an_answer_is_used_and_asked_for_again_when_it_is_old() {
        let (mut accounts, mut asking) = accounts();
        let resolution = Resolution { band: Some(lapwing_rules::Band::Staff), group: String::new(), mapped: true };
        asking.known.store(Arc::new([("kim".to_owned(), resolution.clone())].into()));
        assert_eq!(accounts.resolution(&account("kim"), 0), Some(resolution));
        assert!(asking.questions.try_recv().is_ok());
        accounts.resolution(&account("kim"), FRESH_US - 1);
        assert!(asking.questions.try_recv().is_err());
    }
}
