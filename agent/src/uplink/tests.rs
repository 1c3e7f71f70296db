//! The uplink against a collector of the tests' own, over real TLS.

use std::future::Future;
use std::time::Duration;

use lapwing_proto::{Seq, wire};
use lapwing_rules::{Digest, Level, Release};

use super::*;
use crate::clock::SystemClock;
use crate::spool::{Spool, SpoolKey, SpoolLimits};

mod book;
mod delivering;
mod directing;
mod enrolling;
mod fake;
mod lanes;
mod rejoining;
mod simulation;

use fake::{Collector, Script};

/// How long anything in these tests may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A device with folders of its own, and a collector to talk to.
struct Rig {
    folder: tempfile::TempDir,
    collector: Collector,
    clock: Arc<dyn Clock>,
    spool: Arc<Spool>,
    identity: Arc<IdentityStore>,
    status: watch::Sender<StatusFacts>,
    goodbye: watch::Sender<wire::GoodbyeReason>,
    counters: Counters,
    diagnostics: Diagnostics,
}

impl Rig {
    async fn new(script: Script) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let collector = Collector::start(script).await;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new().unwrap());
        let key = SpoolKey::from_bytes([1; 32]);
        let spool = Spool::open(
            &folder.path().join("spool"),
            &key,
            HardwareHash::default(),
            SpoolLimits::default(),
            Arc::clone(&clock),
        );
        let identity = Arc::new(IdentityStore::open(folder.path()).unwrap());
        std::fs::write(folder.path().join("token"), fake::TOKEN).unwrap();
        Self {
            collector,
            clock,
            spool: Arc::new(spool.unwrap().0),
            identity,
            folder,
            status: watch::Sender::new(StatusFacts::default()),
            goodbye: watch::Sender::new(wire::GoodbyeReason::Stop),
            counters: Counters::new(),
            diagnostics: Diagnostics::new(),
        }
    }

    fn config(&self) -> UplinkConfig {
        UplinkConfig {
            enrol: self.collector.enrol_url(),
            uplink: self.collector.uplink_url(),
            ca_fingerprint: Some(self.collector.fingerprint()),
            token_file: Some(self.folder.path().join("token")),
            room: "B12".into(),
            host_name: "pc-1".into(),
            serial_hash: None,
        }
    }

    /// An uplink that never waits before it tries again, and where its artefacts arrive.
    fn uplink(&self, shutdown: &Shutdown) -> (Uplink, mpsc::Receiver<FetchedArtefact>) {
        self.uplink_of(self.config(), shutdown)
    }

    fn uplink_of(&self, config: UplinkConfig, shutdown: &Shutdown) -> (Uplink, mpsc::Receiver<FetchedArtefact>) {
        let (artefacts, fetched) = mpsc::channel(4);
        let parts = UplinkParts {
            spool: Arc::clone(&self.spool) as Arc<dyn Backlog>,
            identity: Arc::clone(&self.identity),
            config,
            hardware: HardwareHash::default(),
            status: self.status.subscribe(),
            counters: self.counters.clone(),
            diagnostics: self.diagnostics.clone(),
            artefacts,
            goodbye: self.goodbye.subscribe(),
            clock: Arc::clone(&self.clock),
            tasks: TaskTracker::new(),
            shutdown: shutdown.clone(),
        };
        (Uplink::with_dice(parts, || 0), fetched)
    }

    /// Runs the uplink until `done` completes, then shuts it down and waits for its end.
    async fn until<T>(&self, done: impl Future<Output = T>) -> T {
        let shutdown = Shutdown::new();
        let (uplink, _fetched) = self.uplink(&shutdown);
        let story = async {
            let result = done.await;
            shutdown.request();
            result
        };
        let (result, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(story, uplink.run()) }).await.unwrap();
        result
    }

    fn append(&self, level: Level, tag: u64) {
        let hit = wire::Hit { rule: "t.x".into(), level: level.number().into(), ..wire::Hit::default() };
        let verdict = Some(wire::Verdict { hits: vec![hit], ..wire::Verdict::default() });
        let capture = wire::Capture { boot_us: tag, verdict, ..wire::Capture::default() };
        self.spool.append(level, &capture).unwrap();
    }

    async fn until_empty(&self) {
        self.collector.eventually(|_| self.spool.live_bytes() == 0).await;
    }
}

fn fake_now_us() -> i64 {
    SystemClock::new().unwrap().wall_us()
}
