//! Sealing: each capture under its subject's key, subjects and keys that are new made and durable before it.
//!
//! Names and keys are asked for once for the batches that wait together, and never kept: a person mapped or a key erased
//! by another process holds for the next.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_proto::{SchoolId, failpoint};
use tokio::sync::mpsc;

use super::described::Described;
use super::{Awaited, Batch, TakeError, Waiting};
use crate::ids::{CaptureId, KeyId, SubjectId};
use crate::seal::{Place, SubjectKey, Vault};
use crate::shutdown::Shutdown;
use crate::store::captures::SealedCapture;
use crate::store::subjects::{self, Filed};
use crate::store::{Store, StoreError};
use crate::subject::{AccountGroups, Named, account_key};

/// Captures sealed together: some milliseconds of work.
const TOGETHER: usize = 256;

#[derive(Debug)]
pub(super) struct Sealing {
    school: SchoolId,
    store: Store,
    vault: Vault,
    groups: AccountGroups,
}

type Keys<'a> = BTreeMap<&'a Named, (SubjectId, SubjectKey)>;

impl Sealing {
    pub(super) const fn new(school: SchoolId, store: Store, vault: Vault, groups: AccountGroups) -> Self {
        Self { school, store, vault, groups }
    }

    /// Seals what is `waiting` until `stop`, and then what still is.
    pub(super) async fn run(
        self,
        mut waiting: mpsc::Receiver<Waiting>,
        sealed: mpsc::Sender<Awaited<SealedCapture>>,
        stop: Shutdown,
    ) {
        loop {
            let next = tokio::select! {
                biased;
                next = waiting.recv() => next,
                () = stop.requested() => None,
            };
            let Some(next) = next else { return };
            let mut captures = next.batch.captures.len();
            let mut together = vec![next];
            while captures < TOGETHER
                && let Ok(next) = waiting.try_recv()
            {
                captures += next.batch.captures.len();
                together.push(next);
            }
            for batch in self.seal(together).await {
                // Committing ends after this.
                drop(sealed.send(batch).await);
            }
        }
    }

    /// Seals `together`; where that fails, each by itself, so that no batch fails for another.
    async fn seal(&self, together: Vec<Waiting>) -> Vec<Awaited<SealedCapture>> {
        let batches: Vec<_> = together.iter().map(|awaited| &awaited.batch).collect();
        let sealed = match self.seal_all(&batches).await {
            Ok(sealed) => sealed.into_iter().map(Ok).collect(),
            Err(error) if batches.len() == 1 => vec![Err(error)],
            Err(_) => {
                let mut each = Vec::with_capacity(batches.len());
                for batch in batches {
                    let sealed = self.seal_all(&[batch]).await;
                    each.push(sealed.and_then(|all| all.into_iter().next().ok_or(TakeError::Stopping)));
                }
                each
            }
        };
        let mut ready = Vec::with_capacity(together.len());
        for (awaited, sealed) in together.into_iter().zip(sealed) {
            match sealed {
                Ok(captures) => ready.push(awaited.with(captures)),
                Err(error) => awaited.tell(Err(error)),
            }
        }
        ready
    }

    async fn seal_all(&self, batches: &[&Batch<Described>]) -> Result<Vec<Vec<SealedCapture>>, TakeError> {
        let named = self.name(batches).await?;
        let now_us = batches.iter().map(|batch| batch.received_us).max().unwrap_or(0);
        let keys = self.file(&named, now_us).await?;
        let mut named = named.iter();
        let mut sealed = Vec::with_capacity(batches.len());
        for batch in batches {
            let mut seq = batch.first;
            let mut captures = Vec::with_capacity(batch.captures.len());
            for (capture, named) in batch.captures.iter().zip(named.by_ref()) {
                let (subject, key) = keys.get(named).ok_or(StoreError::Corrupt { what: "subject" })?;
                let id = CaptureId::random().map_err(StoreError::from)?.beginning_with(batch.received_us);
                captures.push(SealedCapture {
                    id,
                    seq,
                    signal: capture.signal,
                    rule: capture.rule.clone(),
                    category: capture.category.clone(),
                    release: capture.release,
                    marked: capture.marked,
                    repeats: capture.repeats,
                    wall_us: capture.wall_us,
                    subject: *subject,
                    key: key.id(),
                    sealed: self.vault.seal(key, Place { table: "captures", row: id.as_bytes() }, &capture.plain)?,
                });
                seq = seq.next();
            }
            sealed.push(captures);
        }
        Ok(sealed)
    }

    /// Whom each capture is about.
    async fn name(&self, batches: &[&Batch<Described>]) -> Result<Vec<Named>, StoreError> {
        let captures = || batches.iter().flat_map(|batch| batch.captures.iter().map(|capture| (batch.device, capture)));
        let accounts: BTreeSet<_> = captures().map(|(_, capture)| account_key(&capture.account.name)).collect();
        let accounts: Vec<_> = accounts.into_iter().collect();
        let persons = subjects::persons_of(&self.store, &self.school, &accounts).await?;
        let named = captures().map(|(device, capture)| {
            let mapped = persons.get(&account_key(&capture.account.name)).copied();
            Named::by(&capture.account, device, mapped, &self.groups)
        });
        Ok(named.collect())
    }

    /// Finds or makes each subject and its key. Keys are durable before the row that names them.
    async fn file<'a>(&self, named: &'a [Named], now_us: i64) -> Result<Keys<'a>, TakeError> {
        let named: BTreeSet<_> = named.iter().collect();
        let wanted: BTreeMap<&Named, [u8; 32]> =
            named.into_iter().map(|named| (named, self.vault.identity(named.identity()))).collect();
        let identities: Vec<_> = wanted.values().copied().collect();
        let mut known = subjects::filed(&self.store, &self.school, &identities).await?;
        let new: Vec<_> = wanted.iter().filter(|(_, identity)| !known.contains_key(*identity)).collect();
        if !new.is_empty() {
            let keys = self.vault.new_keys(new.len(), now_us).await?;
            let mut tx = self.store.begin().await?;
            for ((named, identity), key) in new.into_iter().zip(keys) {
                let filed = Filed { subject: SubjectId::random().map_err(StoreError::from)?, key: key.id() };
                let insert = subjects::insert(&mut tx, &self.school, named, identity, filed);
                failpoint!("intake.subject", insert.await?);
            }
            failpoint!("intake.commit_subjects", tx.commit().await?);
            known = subjects::filed(&self.store, &self.school, &identities).await?;
        }
        self.open(&wanted, &known, now_us).await
    }

    /// The key of each subject; a new one where it was erased, so that what was erased stays so.
    async fn open<'a>(
        &self,
        wanted: &BTreeMap<&'a Named, [u8; 32]>,
        known: &BTreeMap<[u8; 32], Filed>,
        now_us: i64,
    ) -> Result<Keys<'a>, TakeError> {
        let ids: Vec<KeyId> = known.values().map(|filed| filed.key).collect();
        let mut keys = self.vault.keys(&ids).await?;
        let mut opened = BTreeMap::new();
        for (named, identity) in wanted {
            let filed = known.get(identity).ok_or(StoreError::Corrupt { what: "subject" })?;
            let key = match keys.remove(&filed.key) {
                Some(key) => key,
                None => self.replaced(*filed, now_us).await?,
            };
            opened.insert(*named, (filed.subject, key));
        }
        Ok(opened)
    }

    async fn replaced(&self, filed: Filed, now_us: i64) -> Result<SubjectKey, TakeError> {
        let key = self.vault.new_key(now_us).await?;
        let mut tx = self.store.begin().await?;
        subjects::replace_key(&mut tx, &self.school, filed.subject, key.id()).await?;
        tx.commit().await?;
        Ok(key)
    }
}

impl Waiting {
    fn with(self, captures: Vec<SealedCapture>) -> Awaited<SealedCapture> {
        let Batch { device, epoch, lane, first, captures: _, gaps, received_us } = self.batch;
        let batch = Batch { device, epoch, lane, first, captures, gaps, received_us };
        Awaited { batch, held: self.held, answer: self.answer }
    }
}
