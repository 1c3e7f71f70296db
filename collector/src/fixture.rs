//! A school for tests: a database and keys in a folder of their own, and captures to deliver.

use std::sync::Arc;

use lapwing_proto::{
    Account, BootId, Capture, Category, DeviceId, Epoch, Excerpt, Hit, Open, SchoolId, Seq, Signal, Verdict,
};
use lapwing_rules::{Band, Digest, Level, Mark, Release, Scope, Span};
use tokio::sync::Notify;

use crate::intake::{Delivery, Intake};
use crate::seal::Vault;
use crate::store::Store;
use crate::subject::AccountGroups;

/// Nine o'clock on a Monday.
pub(crate) const NINE_US: i64 = 1_790_586_000_000_000;
pub(crate) const DEVICE: DeviceId = DeviceId::from_bytes([0xd1; 16]);
pub(crate) const EPOCH: Epoch = Epoch::from_bytes([0xe1; 16]);

pub(crate) struct School {
    _folder: tempfile::TempDir,
    pub(crate) id: SchoolId,
    pub(crate) store: Store,
    pub(crate) vault: Vault,
    pub(crate) wake: Arc<Notify>,
}

impl School {
    pub(crate) async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let id: SchoolId = "hill-school".parse().unwrap();
        let store = Store::open(&folder.path().join("lapwing.db")).await.unwrap();
        let vault = Vault::open(&folder.path().join("keys"), id.clone()).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        sqlx::query("INSERT INTO schools (school_id, name, zone, created_us) VALUES ($1, 'Hill', 'Europe/London', 1)")
            .bind(id.as_str())
            .execute(tx.connection())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        Self { _folder: folder, id, store, vault, wake: Arc::new(Notify::new()) }
    }

    pub(crate) fn intake(&self) -> Intake {
        Intake::new(
            self.id.clone(),
            self.store.clone(),
            self.vault.clone(),
            AccountGroups::default(),
            Arc::clone(&self.wake),
        )
    }

    /// One number out of the database.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.store.reader()).await.unwrap()
    }
}

/// A batch of `captures` of level `lane` beginning at `first`.
pub(crate) fn delivery(lane: Level, first: u64, captures: Vec<Capture>) -> Delivery {
    Delivery {
        device: DEVICE,
        epoch: EPOCH,
        lane,
        first: Seq::new(first),
        captures,
        gaps: vec![],
        received_us: NINE_US,
    }
}

/// A title of `account` that holds `text`, which a rule of `category` matched.
pub(crate) fn title(account: &str, category: lapwing_rules::Category, level: Level, text: &str) -> Capture {
    let span = Span { text: 0, start: 0, end: text.len(), mark: Mark::Topic, weight: 0 };
    Capture {
        signal: Open::Known(Signal::Title),
        wall_us: NINE_US,
        boot_us: 1,
        boot_id: BootId::from_bytes([0xb1; 16]),
        account: Account { name: account.to_owned(), session: "3".to_owned(), groups: vec!["users".to_owned()] },
        app: "editor".to_owned(),
        private_window: false,
        excerpts: vec![Excerpt { scope: Open::Known(Scope::Title), text: text.to_owned() }],
        verdict: Verdict {
            release: Release::new(1),
            rule_set: Digest::of(b"rules"),
            band: Open::Known(Band::Ks3),
            hits: vec![Hit {
                rule: format!("{}.words", category.id()).parse().unwrap(),
                category: Category::Known(category),
                level,
                spans: vec![span],
                excepted: vec![],
                weight: 0,
            }],
        },
        sealed_reference: vec![],
        repeats: 0,
        media: None,
        url_blind: false,
        burst: 1,
    }
}
