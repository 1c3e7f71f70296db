//! A PC of its own in this process: the agent's identity, spool and uplink, on a state folder, hardware facts and clocks
//! that a story chooses. Nothing is watched on it: a story says what it captures.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use anyhow::Context as _;
use lapwing_agent::clock::{Clock, SystemClock};
use lapwing_agent::counters::Counters;
use lapwing_agent::diagnostic::{Code, Diagnostics};
use lapwing_agent::identity::{HardwareHash, IdentityStore};
use lapwing_agent::shutdown::Shutdown;
use lapwing_agent::spool::{KeySource, Spool, SpoolLimits};
use lapwing_agent::status::StatusFacts;
use lapwing_agent::uplink::{ArtefactKind, Backlog, FetchedArtefact, LinkState, Uplink, UplinkConfig, UplinkParts};
use lapwing_proto::{BootId, DeviceId, wire};
use lapwing_rules::{Level, RuleSet, TrustedKeys};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::School;

/// Clocks that follow the machine's, set off by as much as a story says.
#[derive(Debug)]
pub struct PcClock {
    machine: SystemClock,
    boot: BootId,
    /// What the wall clock is ahead, microseconds.
    ahead_us: AtomicI64,
    /// What passed besides since the PC was started, microseconds.
    passed_us: AtomicU64,
}

/// Where a PC's collector is, and what its firmware says.
#[derive(Clone, Debug)]
pub struct Setup {
    /// As the agent's configuration says.
    pub uplink: UplinkConfig,
    /// What the firmware names the PC by.
    pub hardware: HardwareHash,
    /// By which keys it takes rule sets; without them it says that it has release 1.
    pub rules: Option<TrustedKeys>,
}

/// A PC that is on.
pub struct Pc {
    /// Its state folder.
    pub folder: PathBuf,
    /// Its clocks.
    pub clock: Arc<PcClock>,
    identity: Arc<IdentityStore>,
    spool: Arc<Spool>,
    state: watch::Receiver<LinkState>,
    diagnostics: Diagnostics,
    status: watch::Sender<StatusFacts>,
    shutdown: Shutdown,
    running: JoinHandle<()>,
    tasks: TaskTracker,
    _goodbye: watch::Sender<wire::GoodbyeReason>,
}

impl Setup {
    /// A PC of `school` that has no token yet.
    ///
    /// # Errors
    ///
    /// When the collector's authority cannot be asked for.
    pub fn of(school: &School, host_name: &str, hardware: HardwareHash) -> anyhow::Result<Self> {
        let uplink = UplinkConfig {
            enrol: format!("https://localhost:{}", school.enrol().port()).parse()?,
            uplink: format!("https://localhost:{}", school.uplink().port()).parse()?,
            ca_fingerprint: Some(school.fingerprint()?.parse()?),
            token_file: None,
            room: String::new(),
            host_name: host_name.to_owned(),
            serial_hash: None,
        };
        Ok(Self { uplink, hardware, rules: None })
    }
}

impl PcClock {
    /// A start of a PC whose wall clock is `ahead_us` microseconds ahead of the machine's.
    ///
    /// # Errors
    ///
    /// When the machine tells no boot id, or has no randomness.
    pub fn started(ahead_us: i64) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            machine: SystemClock::new()?,
            boot: BootId::random().map_err(|error| anyhow::anyhow!("no randomness: {error}"))?,
            ahead_us: AtomicI64::new(ahead_us),
            passed_us: AtomicU64::new(0),
        }))
    }

    /// Time goes by, `us` microseconds of it.
    pub fn pass(&self, us: u64) {
        self.passed_us.fetch_add(us, Ordering::SeqCst);
        self.ahead_us.fetch_add(i64::try_from(us).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for PcClock {
    fn wall_us(&self) -> i64 {
        self.machine.wall_us().saturating_add(self.ahead_us.load(Ordering::SeqCst))
    }

    fn boot_us(&self) -> u64 {
        self.machine.boot_us().saturating_add(self.passed_us.load(Ordering::SeqCst))
    }

    fn boot_id(&self) -> BootId {
        self.boot
    }
}

impl Pc {
    /// Starts a PC on what `folder` holds, or on nothing.
    ///
    /// # Errors
    ///
    /// When its state cannot be opened.
    pub fn start(folder: &Path, setup: Setup, clock: Arc<PcClock>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let clocks: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
        let key = KeySource::File(folder.join("spool.key"));
        let limits = SpoolLimits::default();
        let (spool, _) = Spool::open(&folder.join("spool"), key, setup.hardware, limits, Arc::clone(&clocks))?;
        let spool = Arc::new(spool);
        let identity = Arc::new(IdentityStore::open(folder)?);
        // Without keys it has what the sample school published.
        let rule_set_release = u64::from(setup.rules.is_none());
        let facts = StatusFacts { rule_set_release, policy_release: 1, ..StatusFacts::default() };
        let (status, goodbye) = (watch::Sender::new(facts), watch::Sender::new(wire::GoodbyeReason::Shutdown));
        let (artefacts, fetched) = mpsc::channel(1);
        let (shutdown, tasks, diagnostics) = (Shutdown::new(), TaskTracker::new(), Diagnostics::new());
        let uplink = Uplink::new(UplinkParts {
            spool: Arc::clone(&spool) as Arc<dyn Backlog>,
            identity: Arc::clone(&identity),
            config: setup.uplink,
            hardware: setup.hardware,
            status: status.subscribe(),
            counters: Counters::new(),
            diagnostics: diagnostics.clone(),
            artefacts,
            goodbye: goodbye.subscribe(),
            clock: clocks,
            tasks: tasks.clone(),
            shutdown: shutdown.clone(),
        });
        let state = uplink.state();
        if let Some(keys) = setup.rules {
            tasks.spawn(take_rules(fetched, keys, status.clone()));
        }
        #[expect(clippy::disallowed_methods, reason = "a PC runs beside the story, until it is switched off")]
        let running = tokio::spawn(uplink.run());
        let folder = folder.to_owned();
        let _goodbye = goodbye;
        Ok(Self { folder, clock, identity, spool, state, diagnostics, status, shutdown, running, tasks, _goodbye })
    }

    /// Who it is, once it has joined.
    #[must_use]
    pub fn device(&self) -> Option<DeviceId> {
        self.identity.device()
    }

    /// When its certificate ends, microseconds of UTC.
    #[must_use]
    pub fn certificate_ends_us(&self) -> Option<i64> {
        self.identity.current().map(|identity| identity.not_after_us())
    }

    /// How many authorities it knows its collector by.
    #[must_use]
    pub fn authorities(&self) -> usize {
        self.identity.current().map_or(0, |identity| identity.authorities().len())
    }

    /// Captures something that `rule` fired on. Durable when it returns.
    ///
    /// # Errors
    ///
    /// When the spool refuses.
    pub async fn capture(&self, rule: String) -> anyhow::Result<()> {
        let (spool, clock) = (Arc::clone(&self.spool), Arc::clone(&self.clock));
        let appended = tokio::task::spawn_blocking(move || spool.append(Level::High, &capture(&rule, clock.as_ref())));
        appended.await.context("a capture panicked")??;
        Ok(())
    }

    /// Whether the collector answers it.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        *self.state.borrow() == LinkState::Connected
    }

    /// How its uplink is, in words.
    #[must_use]
    pub fn state(&self) -> String {
        format!("{:?}", *self.state.borrow())
    }

    /// Whether all that it captured was acknowledged.
    #[must_use]
    pub fn has_delivered(&self) -> bool {
        self.spool.lane_states().iter().all(|lane| lane.first.is_none())
    }

    /// Whether it says that this is wrong.
    #[must_use]
    pub fn says(&self, code: Code) -> bool {
        self.diagnostics.snapshot().contains_key(&code)
    }

    /// Release of the rule set that it has.
    #[must_use]
    pub fn rule_set(&self) -> u64 {
        self.status.borrow().rule_set_release
    }

    /// Something is wrong with it from now on, or nothing.
    pub fn suffers(&self, code: Option<Code>) {
        self.status.send_modify(|facts| facts.diagnostics = code.into_iter().map(diagnostic).collect());
    }

    /// Tells its collector something new of itself.
    pub fn tell(&self) {
        self.status.send_modify(|facts| facts.scoped_out = !facts.scoped_out);
    }

    /// Switches it off: it says goodbye. Its folder may be used by another then.
    ///
    /// # Errors
    ///
    /// When something of it panicked.
    pub async fn off(self) -> anyhow::Result<()> {
        self.shutdown.request();
        self.running.await.context("an uplink panicked")?;
        self.tasks.close();
        self.tasks.wait().await;
        drop(self.spool);
        Ok(())
    }
}

fn diagnostic(code: Code) -> wire::Diagnostic {
    wire::Diagnostic { code: code.as_str().to_owned(), detail: String::new() }
}

/// Takes what is fetched as an agent does: verified, loaded, and never an older one.
async fn take_rules(
    mut fetched: mpsc::Receiver<FetchedArtefact>,
    keys: TrustedKeys,
    status: watch::Sender<StatusFacts>,
) {
    while let Some(artefact) = fetched.recv().await {
        if artefact.kind != ArtefactKind::RuleSet {
            continue;
        }
        let keys = keys.clone();
        let loaded = tokio::task::spawn_blocking(move || RuleSet::load(&artefact.bytes, &keys)).await;
        status.send_modify(|facts| match loaded {
            Ok(Ok(rules)) if rules.release().number() > facts.rule_set_release => {
                facts.rule_set_release = rules.release().number();
            }
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => facts.diagnostics = vec![diagnostic(Code::RuleSetRefused)],
        });
    }
}

fn capture(rule: &str, clock: &PcClock) -> wire::Capture {
    let title = format!("a title of {rule}");
    let end = u32::try_from(title.len()).unwrap_or(u32::MAX);
    let span = wire::Span { excerpt: 0, start: 0, end, mark: wire::Mark::Topic.into(), weight: 0 };
    let hit = wire::Hit {
        rule: rule.to_owned(),
        category: "drugs".to_owned(),
        level: Level::High.number().into(),
        spans: vec![span],
        exceptions: Vec::new(),
        weight: 0,
    };
    wire::Capture {
        signal: wire::Signal::Title.into(),
        wall_us: clock.wall_us(),
        boot_us: clock.boot_us(),
        boot_id: clock.boot_id().as_bytes().to_vec(),
        account: Some(wire::Account { name: "pupil".to_owned(), session: "c1".to_owned(), groups: Vec::new() }),
        app: "chromium".to_owned(),
        excerpts: vec![wire::Excerpt { scope: wire::Scope::Title.into(), text: title }],
        verdict: Some(wire::Verdict {
            release: 1,
            rule_set_digest: vec![2; 32],
            band: wire::Band::Ks3.into(),
            hits: vec![hit],
        }),
        burst: 1,
        ..wire::Capture::default()
    }
}
