//! A school for tests: a database and keys in a folder of their own, and captures to deliver.

use std::sync::Arc;

use lapwing_proto::{
    Account, BootId, Capture, Category, DeviceId, Epoch, Excerpt, Hit, Open, SchoolId, Seq, Signal, Verdict,
};
use lapwing_rules::{Band, Digest, Level, Mark, Release, Scope, Span};
use tokio::sync::{Notify, broadcast};
use tokio_util::task::TaskTracker;

use super::Store;
use super::captures::{self, Lane};
use crate::actor::{Actor, PersonId, Role};
use crate::clock::ManualClock;
use crate::ids::ConcernId;
use crate::intake::{Delivery, Held, Intake, IntakeParts, IntakeWorker};
use crate::seal::Vault;
use crate::shutdown::Shutdown;
use crate::subject::{AccountGroups, Kind};
use crate::triage::Triage;

/// Nine o'clock on a Monday.
pub(crate) const NINE_US: i64 = 1_790_586_000_000_000;
pub(crate) const DEVICE: DeviceId = DeviceId::from_bytes([0xd1; 16]);
pub(crate) const EPOCH: Epoch = Epoch::from_bytes([0xe1; 16]);

pub(crate) struct School {
    folder: tempfile::TempDir,
    pub(crate) id: SchoolId,
    pub(crate) store: Store,
    pub(crate) vault: Vault,
    pub(crate) wake: Arc<Notify>,
    tasks: TaskTracker,
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
        Self { folder, id, store, vault, wake: Arc::new(Notify::new()), tasks: TaskTracker::new() }
    }

    /// An intake, and its worker at work.
    pub(crate) fn intake(&self) -> Intake {
        let (intake, worker) = self.idle_intake();
        self.tasks.spawn(worker.run(Shutdown::new()));
        intake
    }

    /// An intake, and its worker.
    pub(crate) fn idle_intake(&self) -> (Intake, IntakeWorker) {
        Intake::new(IntakeParts {
            school: self.id.clone(),
            store: self.store.clone(),
            vault: self.vault.clone(),
            groups: AccountGroups::default(),
            triage: Arc::clone(&self.wake),
        })
    }

    /// The high-water mark of a lane of [`DEVICE`].
    pub(crate) async fn through(&self, epoch: Epoch, level: Level) -> Seq {
        let mut tx = self.store.begin().await.unwrap();
        let lane = Lane { device: DEVICE, epoch, level };
        captures::marks(&mut tx, &self.id, &[lane]).await.unwrap().remove(&lane).unwrap_or(Seq::NONE)
    }

    /// Adds a person who can sign in and has an account of that name.
    pub(crate) async fn person(&self, account: &str, kind: Kind, roles: &[Role]) -> PersonId {
        let person = PersonId::random().unwrap();
        let mut tx = self.store.begin().await.unwrap();
        sqlx::query(
            "INSERT INTO persons (school_id, person_id, name, kind, band, class) VALUES ($1, $2, $3, $4, 'ks3', '')",
        )
        .bind(self.id.as_str())
        .bind(person.as_bytes().as_slice())
        .bind(format!("Name of {account}"))
        .bind(kind.as_str())
        .execute(tx.connection())
        .await
        .unwrap();
        sqlx::query("INSERT INTO accounts (school_id, account, person_id) VALUES ($1, $2, $3)")
            .bind(self.id.as_str())
            .bind(account)
            .bind(person.as_bytes().as_slice())
            .execute(tx.connection())
            .await
            .unwrap();
        for role in roles {
            sqlx::query("INSERT INTO person_roles (school_id, person_id, role) VALUES ($1, $2, $3)")
                .bind(self.id.as_str())
                .bind(person.as_bytes().as_slice())
                .bind(role.as_str())
                .execute(tx.connection())
                .await
                .unwrap();
        }
        if !roles.is_empty() {
            let insert =
                "INSERT INTO sign_ins (school_id, login, person_id, mail, password) VALUES ($1, $2, $3, $4, '')";
            sqlx::query(insert)
                .bind(self.id.as_str())
                .bind(account)
                .bind(person.as_bytes().as_slice())
                .bind(format!("{account}@hill.example"))
                .execute(tx.connection())
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
        person
    }

    /// Lets triage take everything that waits.
    pub(crate) async fn triage_all(&self) {
        let (events, _listener) = broadcast::channel(64);
        let clock = Arc::new(ManualClock::at(NINE_US));
        let mail = Arc::new(Notify::new());
        let worker = Triage::new(self.id.clone(), self.store.clone(), clock, Arc::clone(&self.wake), mail, events);
        while worker.step().await.unwrap().is_some() {}
    }

    /// Signed in as `person`.
    pub(crate) fn actor(&self, person: PersonId, roles: &[Role]) -> Actor {
        Actor::Person { school: self.id.clone(), person, roles: roles.iter().copied().collect() }
    }

    /// Makes `person` the subject of everything.
    pub(crate) async fn make_subject(&self, person: PersonId) {
        let mut tx = self.store.begin().await.unwrap();
        sqlx::query("UPDATE subjects SET person_id = $1")
            .bind(person.as_bytes().as_slice())
            .execute(tx.connection())
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// From now on nothing can be added to the audit log.
    pub(crate) async fn break_audit(&self) {
        let mut tx = self.store.begin().await.unwrap();
        sqlx::query("DROP TABLE audit_acts").execute(tx.connection()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Changes rows as no part of the collector would.
    pub(crate) async fn write(&self, sql: &str) {
        let mut tx = self.store.begin().await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(tx.connection()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// How the database would carry a statement out, step by step.
    pub(crate) async fn plan(&self, sql: &str) -> Vec<String> {
        let plan = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let steps = sqlx::query(plan).fetch_all(self.store.reader()).await.unwrap();
        steps.iter().map(|row| sqlx::Row::get(row, 3)).collect()
    }

    /// Nobody has a mail address any more.
    pub(crate) async fn forget_addresses(&self) {
        let mut tx = self.store.begin().await.unwrap();
        sqlx::query("UPDATE sign_ins SET mail = ''").execute(tx.connection()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// The folder of database and keys.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A file beside the database.
    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// A column of bytes.
    pub(crate) async fn bytes(&self, sql: &'static str) -> Vec<Vec<u8>> {
        sqlx::query_scalar(sql).fetch_all(self.store.reader()).await.unwrap()
    }

    /// A column of texts.
    pub(crate) async fn texts(&self, sql: &'static str) -> Vec<String> {
        sqlx::query_scalar(sql).fetch_all(self.store.reader()).await.unwrap()
    }

    /// Every concern, oldest first.
    pub(crate) async fn concerns(&self) -> Vec<ConcernId> {
        let ids = self.bytes("SELECT concern_id FROM concerns ORDER BY rowid").await;
        ids.iter().map(|id| ConcernId::try_from(id.as_slice()).unwrap()).collect()
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
        held: Held::default(),
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
        account: Account {
            name: account.to_owned(),
            session: "3".to_owned(),
            groups: vec!["users".to_owned(), "pupils".to_owned()],
        },
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
