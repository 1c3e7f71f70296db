//! A collector in a folder of its own, with the program's own commands beside it.

use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use lapwing_collector::clock::{Clock, ManualClock, SystemClock};
use lapwing_collector::config::Config;
use lapwing_collector::lifecycle::{Collector, Limits};
use lapwing_rules::key_text;
use tokio::process::Command;

/// What waiting for something takes at most.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running collector.
pub(crate) struct School {
    folder: tempfile::TempDir,
    /// Its clock; begins at the machine's time, so that certificates hold on both sides.
    pub(crate) clock: Arc<ManualClock>,
    limits: Limits,
    collector: Option<Collector>,
}

impl School {
    pub(crate) async fn open() -> Self {
        Self::open_within(Limits::default()).await
    }

    pub(crate) async fn open_within(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(SystemClock.wall_us()));
        let mut school = Self { folder, clock, limits, collector: None };
        std::fs::write(school.config(), school.written()).unwrap();
        school.start().await;
        school
    }

    pub(crate) async fn start(&mut self) {
        let config = Config::load(&self.config()).unwrap();
        self.collector = Some(Collector::start_within(self.limits, config, self.clock.clone()).await.unwrap());
    }

    pub(crate) async fn stop(&mut self) {
        self.collector.take().unwrap().stop().await;
    }

    pub(crate) fn collector(&self) -> &Collector {
        self.collector.as_ref().unwrap()
    }

    /// Signs this school's rule sets and policies.
    pub(crate) fn key() -> SigningKey {
        SigningKey::from_bytes(&[9; 32])
    }

    /// A third person's, for rule sets.
    pub(crate) fn third_key() -> SigningKey {
        SigningKey::from_bytes(&[11; 32])
    }

    /// Signs the illegal base.
    pub(crate) fn project_key() -> SigningKey {
        SigningKey::from_bytes(&[10; 32])
    }

    /// The second person's.
    pub(crate) fn second_key() -> SigningKey {
        SigningKey::from_bytes(&[8; 32])
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("collector.toml")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A token for `uses` devices, as the command prints it.
    pub(crate) async fn token(&self, uses: u32) -> String {
        self.command(&["token", "create", "--group", "ict-suite", "--uses", &uses.to_string()]).await
    }

    /// What a command prints; it has to succeed. The collector of the same test works on meanwhile.
    pub(crate) async fn command(&self, words: &[&str]) -> String {
        let output = self.run(words).await;
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(crate) async fn run(&self, words: &[&str]) -> Output {
        program().args(words).arg("--config").arg(self.config()).output().await.unwrap()
    }

    /// PEM of the authority.
    pub(crate) async fn authority(&self) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.command(&["ca", "export", "--json"]).await).unwrap();
        json["pem"].as_str().unwrap().to_owned()
    }

    /// One number out of the database.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        let file = sqlx::sqlite::SqliteConnectOptions::new().filename(self.path("data/lapwing.db")).read_only(true);
        let database = sqlx::SqlitePool::connect_with(file).await.unwrap();
        let count = sqlx::query_scalar(sql).fetch_one(&database).await.unwrap();
        database.close().await;
        count
    }

    /// Changes rows as no command does.
    pub(crate) async fn write(&self, query: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>) {
        let file = sqlx::sqlite::SqliteConnectOptions::new().filename(self.path("data/lapwing.db"));
        let database = sqlx::SqlitePool::connect_with(file).await.unwrap();
        query.execute(&database).await.unwrap();
        database.close().await;
    }

    fn written(&self) -> String {
        let key = key_text(&Self::key().verifying_key());
        let second = key_text(&Self::second_key().verifying_key());
        let third = key_text(&Self::third_key().verifying_key());
        let project = key_text(&Self::project_key().verifying_key());
        format!(
            "data_dir = \"data\"\nhost_names = [\"localhost\", \"127.0.0.1\"]\n\n\
             [school]\nid = \"sample-school\"\nname = \"Sample School\"\nzone = \"Europe/London\"\n\n\
             [listen]\nenrol = \"127.0.0.1:0\"\nuplink = \"127.0.0.1:0\"\nconsole = \"127.0.0.1:0\"\n\n\
             [trust]\nrule_keys = [\"{key}\", \"{second}\", \"{third}\"]\npolicy_keys = [\"{key}\", \"{second}\"]\n\
             base_keys = [\"{project}\"]\n"
        )
    }
}

/// The program under test.
pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lapwing-collector"))
}

/// Asks until the answer is something.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(answer) => answer,
        Err(_) => panic!("{what} did not happen"),
    }
}
