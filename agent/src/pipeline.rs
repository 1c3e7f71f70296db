//! The service from end to end, and the one place that spawns.
//!
//! ```text
//! sensors, local ─observations─▶ settle ▶ scope ▶ detect ▶ minimise ─captures─▶ spool ─▶ uplink
//!                                           ▲ rule set, policy, exemptions ◀─ keeper ◀─artefacts─ uplink
//! ```

mod accounts;
mod addresses;
mod crew;
mod ears;
pub(crate) mod force;
mod gauge;
mod judge;
mod looks;
mod spooling;
mod status;
mod upkeep;
mod watch;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use lapwing_proto::{Capture, wire};
use tokio::sync::{mpsc, watch as watching};
use tokio_util::task::TaskTracker;

use crate::canary::Canaries;
use crate::clock::Clock;
use crate::config::{Config, LoadedFrom, Watched};
use crate::counters::Counters;
use crate::diagnostic::{Code, Diagnostics};
use crate::identity::{HardwareHash, IdentityStore};
use crate::integrity::{self, Integrity};
use crate::limits::Limits;
use crate::local::Ears;
use crate::notice::Notice;
use crate::observation::Observation;
use crate::platform::{self, Order, Orders};
use crate::sensor::{HealthBoard, Observations, Reason, Sensor, SensorHealth, SensorName};
use crate::settle::Settle;
use crate::shutdown::Shutdown;
use crate::spool::{Spool, SpoolError};
use crate::status::StatusFacts;
use crate::uplink::{ArtefactKind, Backlog, FetchedArtefact, TrustedTime, Uplink, UplinkConfig, UplinkParts};
use accounts::Accounts;
use crew::{Crew, Ended, How};
use ears::Hearing;
use force::{Force, Keeper};
use judge::{Bands, Judge};
pub(crate) use spooling::open as open_spool;
use status::Reporting;
use upkeep::keep_config;
use watch::Watching;

/// Observations on their way: a second of the busiest desk. When it is full the sensors and the programs of the
/// sessions wait, and what they see meanwhile is read as it is then.
const OBSERVATIONS: usize = 256;
/// Captures on their way to the disk: some seconds of the slowest. When it is full judging waits.
const CAPTURES: usize = 64;
/// Artefacts that arrived. When it is full fetching waits.
const ARTEFACTS: usize = 3;
/// Between looks at the configuration file, the age of the spool, and what the agent uses.
const UPKEEP: Duration = Duration::from_secs(10);
/// How long a stopping service finishes what it has begun.
const DRAIN: Duration = Duration::from_secs(10);
/// Accounts of people begin here.
const LEAST_UID: u32 = 1_000;

/// Why the service cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The spool refuses.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The collector named in the configuration cannot be addressed.
    #[error("the configuration's collector cannot be used: {0}")]
    Collector(String),
    /// The operating system's orders cannot be heard.
    #[error("cannot hear the service manager: {0}")]
    Orders(io::Error),
    /// A part that the service cannot do without ended.
    #[error("the {0} ended unexpectedly")]
    Broken(&'static str),
}

/// The parts that outlive the start.
struct Service {
    config: Watched,
    crew: Crew,
    keeper: Keeper,
    bands: Arc<ArcSwap<Bands>>,
    diagnostics: Diagnostics,
    /// Whose authorities sign exemptions.
    identity: Arc<IdentityStore>,
    health: HealthBoard,
    spool: Arc<Spool>,
    limits: Limits,
    integrity: Arc<Mutex<Integrity>>,
    clock: Arc<dyn Clock>,
    artefacts: mpsc::Receiver<FetchedArtefact>,
    goodbye: watching::Sender<wire::GoodbyeReason>,
    /// Stops what sees.
    eyes: Shutdown,
    /// Stops what delivers, once everything seen is in the spool.
    lines: Shutdown,
    tasks: TaskTracker,
}

/// What is made once and shared by the parts.
struct Shared {
    clock: Arc<dyn Clock>,
    counters: Counters,
    health: HealthBoard,
    diagnostics: Diagnostics,
    force: Force,
    status: watching::Receiver<StatusFacts>,
    notice: watching::Receiver<Notice>,
    canaries: Canaries,
}

/// Runs the service until it is told to stop.
///
/// # Errors
///
/// When it cannot start, or a part that it cannot do without ended.
pub async fn run(config: Watched, from: LoadedFrom, clock: Arc<dyn Clock>) -> Result<(), ServiceError> {
    let orders = Orders::listen().map_err(ServiceError::Orders)?;
    let mut service = start(config, from, clock)?;
    platform::tell_ready();
    tracing::info!("the service watches");
    let outcome = service.serve(orders).await;
    platform::tell_stopping();
    if outcome.is_ok() {
        service.keeper.stop();
    }
    service.goodbye.send_replace(goodbye(platform::machine_stops().await));
    service.stop().await;
    outcome
}

fn start(config: Watched, from: LoadedFrom, clock: Arc<dyn Clock>) -> Result<Service, ServiceError> {
    let (effective, diagnostics) = (config.current().clone(), Diagnostics::new());
    let path = config.path().to_owned();
    if let LoadedFrom::LastGood(error) = &from {
        diagnostics.raise(Code::ConfigKept, error.to_string());
    } else {
        keep_config(&config, &diagnostics);
    }
    let identity = Arc::new(IdentityStore::open_or_wait(&effective.state_dir));
    let spool = spooling::open(&effective, Arc::clone(&clock), &diagnostics)?;
    let (notice_in, notice) = watching::channel(Notice::without_policy());
    let mut keeper = Keeper::new(&effective, Arc::clone(&clock), diagnostics.clone(), notice_in);
    keeper.take_kept();
    let (status_in, status) = watching::channel(StatusFacts::default());
    let shared = Shared {
        clock,
        counters: Counters::new(),
        health: HealthBoard::new(),
        diagnostics: diagnostics.clone(),
        force: keeper.force(),
        status,
        notice,
        canaries: Canaries::of(Arc::clone(&spool) as Arc<dyn Backlog>),
    };
    let (artefacts_in, artefacts) = mpsc::channel(ARTEFACTS);
    let mut service = Service {
        bands: Arc::new(ArcSwap::from_pointee(Bands::of_config(&effective))),
        config,
        crew: Crew::default(),
        keeper,
        diagnostics,
        identity: Arc::clone(&identity),
        health: shared.health.clone(),
        limits: gauge::limits(&effective, &spool, &shared),
        integrity: Arc::new(Mutex::new(Integrity::new(
            &effective.state_dir,
            env!("CARGO_PKG_VERSION"),
            integrity::made_of(&path),
        ))),
        clock: Arc::clone(&shared.clock),
        spool,
        artefacts,
        goodbye: watching::Sender::new(wire::GoodbyeReason::Stop),
        eyes: Shutdown::new(),
        lines: Shutdown::new(),
        tasks: TaskTracker::new(),
    };
    let (accounts, time) = service.start_uplink(&shared, identity, artefacts_in)?;
    service.start_reporting(&shared, Arc::clone(&time), status_in);
    service.start_watching(&shared, accounts, time);
    Ok(service)
}

impl Service {
    fn start_reporting(&mut self, shared: &Shared, time: Arc<TrustedTime>, status: watching::Sender<StatusFacts>) {
        let reporting = Reporting {
            time,
            health: shared.health.clone(),
            diagnostics: shared.diagnostics.clone(),
            force: shared.force.clone(),
            status,
        };
        self.crew.start("status", reporting.run(self.lines.clone()));
    }

    /// Without a collector everything stays in the spool.
    fn start_uplink(
        &mut self,
        shared: &Shared,
        identity: Arc<IdentityStore>,
        artefacts: mpsc::Sender<FetchedArtefact>,
    ) -> Result<(Accounts, Arc<TrustedTime>), ServiceError> {
        let (accounts, asking) = accounts::accounts();
        let Some(config) = uplink_config(self.config.current())? else {
            return Ok((accounts, Arc::new(TrustedTime::new(Arc::clone(&shared.clock)))));
        };
        let uplink = Uplink::new(UplinkParts {
            spool: Arc::clone(&self.spool) as Arc<dyn Backlog>,
            identity,
            config,
            hardware: HardwareHash::new(platform::hardware_hash()),
            status: shared.status.clone(),
            counters: shared.counters.clone(),
            diagnostics: self.diagnostics.clone(),
            artefacts,
            goodbye: self.goodbye.subscribe(),
            clock: Arc::clone(&shared.clock),
            tasks: self.tasks.clone(),
            shutdown: self.lines.clone(),
        });
        self.crew.start("accounts", asking.run(uplink.resolver(), self.lines.clone()));
        let time = uplink.time();
        self.crew.start("uplink", uplink.run());
        Ok((accounts, time))
    }

    fn start_watching(&mut self, shared: &Shared, accounts: Accounts, time: Arc<TrustedTime>) {
        let (observed, observations) = mpsc::channel::<Observation>(OBSERVATIONS);
        let (captures, captured) = mpsc::channel::<Capture>(CAPTURES);
        let judge = Judge::new(
            shared.force.clone(),
            Arc::clone(&self.bands),
            accounts,
            shared.counters.clone(),
            shared.clock.boot_id(),
            time,
        );
        let watching = Watching {
            clock: Arc::clone(&shared.clock),
            settle: Settle::new(platform::account),
            judge: judge.easing(self.limits.effort()),
            health: shared.health.clone(),
            counters: shared.counters.clone(),
            diagnostics: shared.diagnostics.clone(),
            captures,
        };
        self.crew.start("judging", watching.run(observations));
        let spool = Arc::clone(&self.spool);
        let told = spooling::Told { diagnostics: self.diagnostics.clone(), canaries: shared.canaries.clone() };
        self.crew.start("spooling", spooling::run(captured, spool, told, self.eyes.clone()));
        let folders = self.config.current().folders.to_vec();
        let files = platform::Files::new(Some(LEAST_UID), folders, Arc::clone(&shared.clock));
        let files = files.easing(self.limits.effort());
        self.start_sensor(files, &observed);
        self.start_sensor(platform::Media::new(), &observed);
        self.start_ears(shared, observed);
    }

    fn start_sensor(&mut self, sensor: impl Sensor, observed: &Observations) {
        let name = sensor.name().as_str();
        self.crew.start(name, sensor.run(observed.clone(), self.health.clone(), self.eyes.clone()));
    }

    fn start_ears(&mut self, shared: &Shared, out: Observations) {
        let ears = Ears {
            out,
            health: shared.health.clone(),
            counters: shared.counters.clone(),
            notice: shared.notice.clone(),
            status: shared.status.clone(),
            canaries: shared.canaries.clone(),
            clock: Arc::clone(&shared.clock),
        };
        let socket = self.config.current().socket.to_path_buf();
        let hearing = Hearing { socket, ears, diagnostics: self.diagnostics.clone() };
        // Whoever waits for the service to be ready may connect from then on.
        let listener = hearing.open();
        self.crew.start("local", hearing.run(listener, self.eyes.clone()));
    }

    async fn serve(&mut self, mut orders: Orders) -> Result<(), ServiceError> {
        let mut upkeep = tokio::time::interval(UPKEEP);
        // Twice as often as the service manager asks, so that one late beat is no death.
        let mut alive = platform::alive_within().map(|within| tokio::time::interval(within / 2));
        loop {
            tokio::select! {
                order = orders.next() => match order {
                    Order::Stop => return Ok(()),
                    Order::Reload => {
                        let change = self.config.reload();
                        self.changed(change);
                    }
                },
                Some(artefact) = self.artefacts.recv() => self.take(&artefact),
                ended = self.crew.ended() => self.ended(ended)?,
                _ = upkeep.tick() => self.keep_up().await,
                () = beat(&mut alive) => platform::tell_alive(),
            }
        }
    }

    fn take(&mut self, artefact: &FetchedArtefact) {
        match artefact.kind {
            ArtefactKind::RuleSet => self.keeper.take_rule_set(&artefact.bytes),
            ArtefactKind::Policy => self.keeper.take_policy(&artefact.bytes),
            ArtefactKind::Exemptions => {
                let identity = self.identity.current();
                let authorities = identity.as_ref().map_or(&[][..], |identity| identity.authorities());
                self.keeper.take_exemptions(&artefact.bytes, authorities, self.clock.boot_us());
            }
        }
    }

    /// A sensor that ends has said why, unless it broke; without the other parts there is no service.
    fn ended(&self, ended: Ended) -> Result<(), ServiceError> {
        let Ok(sensor) = ended.name.parse::<SensorName>() else { return Err(ServiceError::Broken(ended.name)) };
        if ended.how == How::Panicked {
            self.health.set(sensor, None, SensorHealth::Unavailable(Reason::Failed, None));
        }
        tracing::warn!(sensor = ended.name, how = ?ended.how, "a sensor ended");
        Ok(())
    }

    /// What was seen goes to the spool, then the uplink says goodbye.
    async fn stop(&mut self) {
        self.eyes.request();
        let drained = tokio::time::timeout(DRAIN, async {
            while self.crew.running().iter().any(|name| !matches!(*name, "uplink" | "accounts" | "status")) {
                self.crew.ended().await;
            }
            self.lines.request();
            self.crew.all_ended().await;
            self.tasks.close();
            self.tasks.wait().await;
        });
        if drained.await.is_err() {
            tracing::warn!(running = ?self.crew.running(), "the service stops before everything ended");
        }
    }
}

/// Why the device will be silent.
const fn goodbye(machine_stops: bool) -> wire::GoodbyeReason {
    if machine_stops { wire::GoodbyeReason::Shutdown } else { wire::GoodbyeReason::Stop }
}

/// Where the uplink connects; `None` where the configuration names no collector.
///
/// # Errors
///
/// When an address cannot be used.
pub fn uplink_config(config: &Config) -> Result<Option<UplinkConfig>, ServiceError> {
    let Some(collector) = &config.collector else { return Ok(None) };
    let refused = |error: &dyn std::fmt::Display| ServiceError::Collector(error.to_string());
    let fingerprint = collector.ca_fingerprint.as_ref().map(|text| text.parse()).transpose();
    Ok(Some(UplinkConfig {
        enrol: collector.enrol.parse().map_err(|error: crate::uplink::InvalidUrl| refused(&error))?,
        uplink: collector.uplink.parse().map_err(|error: crate::uplink::InvalidUrl| refused(&error))?,
        ca_fingerprint: fingerprint.map_err(|error: crate::uplink::InvalidFingerprint| refused(&error))?,
        token_file: config.token_file.as_deref().cloned(),
        room: config.room.as_deref().cloned().unwrap_or_default(),
        host_name: platform::host_name(),
        serial_hash: platform::serial_hash(),
    }))
}

async fn beat(alive: &mut Option<tokio::time::Interval>) {
    match alive {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}
