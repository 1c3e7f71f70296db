//! Starting and stopping: the one place that spawns, and that knows every part.
//!
//! ```text
//! start   store, vault, authority -> intake, welcomer, ingest -> three listeners, console, triage, notifier -> ready
//! run     accept loops | gRPC | console | upkeep (who is denied, what is published, certificates, last heard,
//!         who is silent); a part that ends before it is told to ends all
//! stop    no new connections, streams end after the message they are in, at most 10 s; what was taken is committed;
//!         then the store closes
//! ```

mod accept;
mod listeners;
mod reload;
mod rule_words;
mod slots;
mod upkeep;
mod web;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use lapwing_proto::failpoint;
use rustls::ServerConfig;
use serde::Serialize;
use tokio::sync::{Notify, broadcast};
use tokio_util::task::TaskTracker;

use crate::authority::{Authority, AuthorityError};
use crate::clock::Clock;
use crate::config::Config;
use crate::console::{self, ConsoleState, RuleBook};
use crate::durable;
use crate::ingest::{self, Ingest, IngestParts, Welcomer};
use crate::intake::{Intake, IntakeParts, IntakeWorker};
use crate::notify::{ChannelError, Channels, Notifier};
use crate::proof::Lookout;
use crate::proof::certificates::Ends;
use crate::proof::filter::SyslogParts;
use crate::seal::{SealError, Vault};
use crate::shutdown::Shutdown;
use crate::store::{Store, StoreError, schools};
use crate::subject::AccountGroups;
use crate::tls::{TlsConfigs, TlsError};
use crate::triage::{Climber, ConcernChanged, Triage};
use accept::Door;
use listeners::Listeners;
use upkeep::Upkeep;

pub use reload::{ReloadError, Reloaded};
pub use slots::Limits as ListenerLimits;

/// What stopping waits for at most.
pub const DRAIN: Duration = Duration::from_secs(10);
/// What closing the database gets after it, where something still uses it.
const CLOSE: Duration = Duration::from_secs(2);
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// Changes of concerns kept for a live page that is slow to read.
const CHANGES: usize = 256;

/// A collector at work.
pub struct Collector {
    config: Arc<ArcSwap<Config>>,
    addresses: Addresses,
    authority: Arc<ArcSwap<Authority>>,
    tls: TlsConfigs,
    clock: Arc<dyn Clock>,
    ingest: Arc<Ingest>,
    store: Store,
    vault: Vault,
    rules: Arc<ArcSwap<RuleBook>>,
    channels: Arc<ArcSwap<Channels>>,
    waking: Waking,
    certificates: Arc<ArcSwapOption<Ends>>,
    tasks: TaskTracker,
    writing: Writing,
    shutdown: Shutdown,
}

/// What streams wait for, and what therefore ends after them.
#[derive(Default)]
struct Writing {
    tasks: TaskTracker,
    stop: Shutdown,
}

/// Who is woken when something is to be done.
struct Waking {
    triage: Arc<Notify>,
    mail: Arc<Notify>,
    /// Live pages. A page that lags behind loses events and reads the queue anew.
    changed: broadcast::Sender<ConcernChanged>,
}

/// Where a collector listens; as JSON, the line it prints when it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Addresses {
    /// Enrolment.
    pub enrol: SocketAddr,
    /// Enrolled devices.
    pub uplink: SocketAddr,
    /// People.
    pub console: SocketAddr,
    /// Messages of the web filter, where they are heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_syslog: Option<SocketAddr>,
}

/// What a collector bears: fixed in the program, a parameter for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Enrolment.
    pub enrol: ListenerLimits,
    /// Enrolled devices.
    pub uplink: ListenerLimits,
    /// People.
    pub console: ListenerLimits,
    /// What devices send.
    pub ingest: ingest::Limits,
}

impl Default for Limits {
    /// 5,000 devices with room to spare, all behind one address where a network hides them; an address that only
    /// begins handshakes holds half of those at a time.
    fn default() -> Self {
        let uplink = ListenerLimits {
            connections: 8192,
            per_address: 6144,
            handshakes: 256,
            handshakes_per_address: 128,
            handshake_within: HANDSHAKE_WITHIN,
        };
        let few = ListenerLimits {
            connections: 1024,
            per_address: 512,
            handshakes: 64,
            handshakes_per_address: 32,
            ..uplink
        };
        Self { enrol: few, uplink, console: few, ingest: ingest::Limits::default() }
    }
}

/// Why a collector does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A folder cannot be made.
    #[error("cannot make folder `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys of evidence.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The ways for messages.
    #[error(transparent)]
    Channels(#[from] ChannelError),
    /// An address cannot be listened at.
    #[error("cannot listen at {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// Opens the database of `config`, making it at the first start, and stores the school.
///
/// # Errors
///
/// When the folder or the database cannot be made or opened.
pub async fn open_store(config: &Config, clock: &dyn Clock) -> Result<Store, StartError> {
    durable::make_folder(&config.data_dir)
        .map_err(|source| StartError::Folder { path: config.data_dir.clone(), source })?;
    let store = Store::open(&config.database()).await?;
    let mut tx = store.begin().await?;
    schools::ensure(&mut tx, &config.school, clock.wall_us()).await?;
    failpoint!("store.school", tx.commit().await?);
    Ok(store)
}

impl Collector {
    /// Starts everything; when it returns, all three listeners are open.
    ///
    /// # Errors
    ///
    /// When a file, key or certificate cannot be used or an address is taken.
    pub async fn start(config: Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        Self::start_within(Limits::default(), config, clock).await
    }

    /// As [`Collector::start`], with limits of its own.
    ///
    /// # Errors
    ///
    /// As [`Collector::start`].
    pub async fn start_within(limits: Limits, config: Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let authority = Authority::open_or_create(&config.keys_dir, &config.school.id, clock.as_ref())?;
        let store = open_store(&config, clock.as_ref()).await?;
        let vault = Vault::open(&config.keys_dir, config.school.id.clone()).await?;
        let tls = TlsConfigs::new(&config, &authority, &clock)?;
        let authority = Arc::new(ArcSwap::from_pointee(authority));
        let (waking, shutdown) = (Waking::new(), Shutdown::new());
        let (intake, intake_worker) = Intake::new(IntakeParts {
            school: config.school.id.clone(),
            store: store.clone(),
            vault: vault.clone(),
            groups: AccountGroups::default(),
            triage: Arc::clone(&waking.triage),
        });
        let (ingest, welcomer) = Ingest::new(IngestParts {
            school: config.school.id.clone(),
            store: store.clone(),
            intake,
            authority: Arc::clone(&authority),
            clock: Arc::clone(&clock),
            shutdown: shutdown.clone(),
            limits: limits.ingest,
        });
        ingest.refresh().await?;
        let listeners = Listeners::bind(&config).await?;
        let addresses = listeners.addresses;
        let channels = Channels::new(&config, addresses.console.port())?;
        let mut tx = store.begin().await?;
        channels.list(&mut tx, &config.school.id).await?;
        tx.commit().await?;
        let collector = Self {
            config: Arc::new(ArcSwap::from_pointee(config)),
            addresses,
            authority,
            tls,
            clock,
            ingest,
            store,
            vault,
            rules: Arc::default(),
            channels: Arc::new(ArcSwap::from_pointee(channels)),
            waking,
            certificates: Arc::default(),
            tasks: TaskTracker::new(),
            writing: Writing::default(),
            shutdown,
        };
        collector.spawn_writing(intake_worker, welcomer);
        collector.spawn_all(listeners, limits);
        collector.tasks.close();
        Ok(collector)
    }

    /// Where it listens.
    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Returns when a part failed that the rest cannot do without.
    pub async fn failed(&self) {
        self.shutdown.requested().await;
    }

    /// Whether such a part failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.shutdown.is_requested()
    }

    /// Stops: no new connections, 10 s for what is open, then the store closes.
    pub async fn stop(self) {
        self.shutdown.request();
        if tokio::time::timeout(DRAIN, self.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.tasks.len(), "not everything ended in time");
        }
        self.writing.stop.request();
        if tokio::time::timeout(CLOSE, self.writing.tasks.wait()).await.is_err() {
            tracing::warn!("not every batch was committed in time");
        }
        if let Err(error) = self.ingest.write_heard().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "times of last hearing are not written");
        }
        let close = async { tokio::join!(self.vault.close(), self.store.close()) };
        if tokio::time::timeout(CLOSE, close).await.is_err() {
            tracing::warn!("the database is still in use");
        }
    }

    fn spawn_all(&self, listeners: Listeners, limits: Limits) {
        let tls = &self.tls;
        let door = |name, listener, tls: &Arc<ArcSwap<ServerConfig>>, limits| Door {
            name,
            listener,
            tls: Arc::clone(tls),
            limits,
        };
        let ingest = Arc::clone(&self.ingest);
        self.accept(door("enrol", listeners.enrol, &tls.enrol, limits.enrol), move |tls| {
            Arc::clone(&ingest).serve_enrol(tls)
        });
        let ingest = Arc::clone(&self.ingest);
        self.accept(door("uplink", listeners.uplink, &tls.uplink, limits.uplink), move |tls| {
            Arc::clone(&ingest).serve_uplink(tls)
        });
        let (router, shutdown) = (console::router(self.console_state()), self.shutdown.clone());
        self.accept(door("console", listeners.console, &tls.console, limits.console), move |tls| {
            web::serve(tls, router.clone(), shutdown.clone())
        });
        let upkeep = Upkeep {
            config: Arc::clone(&self.config),
            authority: Arc::clone(&self.authority),
            tls: tls.clone(),
            clock: Arc::clone(&self.clock),
            ingest: Arc::clone(&self.ingest),
            store: self.store.clone(),
            rules: Arc::clone(&self.rules),
            lookout: Lookout::new(self.config.load().school.id.clone(), self.store.clone()),
            mail: Arc::clone(&self.waking.mail),
            triage: Arc::clone(&self.waking.triage),
            certificates: Arc::clone(&self.certificates),
            shutdown: self.shutdown.clone(),
        };
        self.spawn_part("upkeep", &self.tasks, upkeep.run());
        self.spawn_part("log", &self.tasks, self.store.clone().keep_written_back(self.shutdown.clone()));
        self.spawn_part("triage", &self.tasks, self.triage().run(self.shutdown.clone()));
        self.spawn_part("climber", &self.tasks, self.climber().run(self.shutdown.clone()));
        self.spawn_part("notifier", &self.tasks, self.notifier().run(self.shutdown.clone()));
        if let Some(syslog) = listeners.filter_syslog {
            self.spawn_part("filter", &self.tasks, syslog.run(self.syslog_parts()));
        }
    }

    fn syslog_parts(&self) -> SyslogParts {
        SyslogParts {
            config: Arc::clone(&self.config),
            store: self.store.clone(),
            vault: self.vault.clone(),
            clock: Arc::clone(&self.clock),
            triage: Arc::clone(&self.waking.triage),
            shutdown: self.shutdown.clone(),
        }
    }

    fn spawn_writing(&self, intake: IntakeWorker, welcomer: Welcomer) {
        self.spawn_part("intake", &self.writing.tasks, intake.run(self.writing.stop.clone()));
        self.spawn_part("welcomer", &self.writing.tasks, welcomer.run(self.writing.stop.clone()));
        self.writing.tasks.close();
    }

    /// Spawns what the rest cannot do without: when it ends before it is told to, be it by a panic, everything does. A
    /// collector that takes captures and shows them to nobody would be worse than none.
    fn spawn_part(&self, name: &'static str, tasks: &TaskTracker, part: impl Future<Output = ()> + Send + 'static) {
        let (shutdown, ended) = (self.shutdown.clone(), self.shutdown.clone().when_dropped());
        tasks.spawn(async move {
            part.await;
            if !shutdown.is_requested() {
                tracing::error!(part = name, "a part ended before it was told to");
            }
            drop(ended);
        });
    }

    fn triage(&self) -> Triage {
        Triage::new(
            self.config.load().school.id.clone(),
            self.store.clone(),
            Arc::clone(&self.clock),
            Arc::clone(&self.waking.triage),
            Arc::clone(&self.waking.mail),
            self.waking.changed.clone(),
        )
    }

    fn climber(&self) -> Climber {
        Climber::new(
            self.config.load().school.id.clone(),
            self.store.clone(),
            Arc::clone(&self.clock),
            Arc::clone(&self.waking.mail),
            self.waking.changed.clone(),
        )
    }

    fn notifier(&self) -> Notifier {
        Notifier::new(
            self.config.load().school.id.clone(),
            self.store.clone(),
            Arc::clone(&self.clock),
            Arc::clone(&self.waking.mail),
            Arc::clone(&self.channels),
        )
    }

    fn console_state(&self) -> ConsoleState {
        ConsoleState {
            store: self.store.clone(),
            vault: self.vault.clone(),
            clock: Arc::clone(&self.clock),
            school: self.config.load().school.id.clone(),
            rules: Arc::clone(&self.rules),
            events: self.waking.changed.clone(),
            mail: Arc::clone(&self.waking.mail),
            shutdown: self.shutdown.clone(),
            gate: Arc::default(),
            certificates: Arc::clone(&self.certificates),
        }
    }
}

impl Waking {
    fn new() -> Self {
        Self { triage: Arc::default(), mail: Arc::default(), changed: broadcast::Sender::new(CHANGES) }
    }
}
