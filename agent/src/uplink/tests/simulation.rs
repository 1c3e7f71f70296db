//! The uplink as it is, on a network and against a collector that fail by a seed, on a clock that waits for nobody.
//!
//! A seed fixes what goes wrong and when; which of two things that are ready at one moment goes first is left open, as
//! it is in life. A seed that failed once is kept in `simulation/seeds.txt`. More of them:
//! `LAPWING_SEEDS=10000 cargo nextest run -p lapwing-agent any_seed`.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::OnceLock;

use lapwing_proto::wire;
use lapwing_rules::Level;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::fake;
use super::*;
use crate::clock::ManualClock;

mod backlog;
mod collector;
mod draw;
mod network;

pub(super) use backlog::Held;
use collector::POISON;
use draw::Draw;
use network::{Network, Strike};

/// Seeds that failed once.
const KEPT: &str = include_str!("simulation/seeds.txt");
/// How many are played where nobody asks for more.
const SEEDS: u64 = 150;
/// How long, on the simulated clock, anything may take once all is well again.
const RECOVERY: Duration = Duration::from_mins(3);
/// How long the uplink may take to stop, whatever the network does.
const STOP: Duration = Duration::from_secs(5);

#[expect(clippy::disallowed_methods, reason = "ends with the simulation's runtime")]
fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(task)
}

/// A device, its only way to the collector, and the collector.
struct World {
    folder: tempfile::TempDir,
    network: Arc<Network>,
    collector: collector::Collector,
    backlog: Arc<Held>,
    status: watch::Sender<StatusFacts>,
    goodbye: watch::Sender<wire::GoodbyeReason>,
    running: Option<(Shutdown, JoinHandle<()>)>,
    /// Everything the spool took, by its tag.
    issued: BTreeMap<u64, (Level, wire::Capture)>,
}

impl World {
    fn new(draw: &mut Draw) -> Self {
        let folder = scratch();
        std::fs::write(folder.path().join("identity.json"), identity()).unwrap();
        let (arrivals, arriving) = mpsc::unbounded_channel();
        Self {
            folder,
            network: Network::new(draw.next(), arrivals),
            collector: collector::Collector::start(draw.next(), arriving),
            backlog: Arc::new(Held::new()),
            status: watch::Sender::new(StatusFacts::default()),
            goodbye: watch::Sender::new(wire::GoodbyeReason::Stop),
            running: None,
            issued: BTreeMap::new(),
        }
    }

    fn start(&mut self) {
        let url: CollectorUrl = "https://localhost:1".parse().unwrap();
        let shutdown = Shutdown::new();
        let parts = UplinkParts {
            spool: Arc::clone(&self.backlog) as Arc<dyn Backlog>,
            identity: Arc::new(IdentityStore::open(self.folder.path()).unwrap()),
            config: UplinkConfig {
                enrol: url.clone(),
                uplink: url,
                ca_fingerprint: None,
                token_file: None,
                room: String::new(),
                host_name: String::new(),
                serial_hash: None,
            },
            hardware: HardwareHash::default(),
            status: self.status.subscribe(),
            counters: Counters::new(),
            diagnostics: Diagnostics::new(),
            artefacts: mpsc::channel(1).0,
            goodbye: self.goodbye.subscribe(),
            clock: Arc::new(ManualClock::at(1)),
            tasks: TaskTracker::new(),
            shutdown: shutdown.clone(),
        };
        let uplink = Uplink::with_network(parts, backoff::system_dice, self.network.dial());
        self.running = Some((shutdown, spawn(uplink.run())));
    }

    async fn crash(&mut self) {
        if let Some((_, running)) = self.running.take() {
            running.abort();
            drop(running.await);
        }
    }

    async fn stop(&mut self) -> Result<(), String> {
        let Some((shutdown, running)) = self.running.take() else { return Ok(()) };
        shutdown.request();
        timeout(STOP, running).await.map_err(|_| "the uplink does not stop".to_owned())?.map_err(|e| e.to_string())
    }

    fn append(&mut self, level: Level, app: &str) {
        let tag = self.issued.len() as u64 + 1;
        let capture = wire::Capture { boot_us: tag, app: app.to_owned(), ..wire::Capture::default() };
        self.backlog.append(level, capture.clone());
        self.issued.insert(tag, (level, capture));
    }

    /// One thing that happens.
    async fn act(&mut self, draw: &mut Draw) -> Result<(), String> {
        match draw.below(14) {
            0..=3 => {
                for _ in 0..=draw.below(30) {
                    let level = Level::ALL[usize::try_from(draw.below(5)).unwrap()];
                    let app = if draw.percent(3) { POISON } else { "app" };
                    self.append(level, app);
                }
            }
            4 => self.network.strike(Strike::Cut),
            5 => {
                let (up, down) = [(true, true), (true, false), (false, true)][usize::try_from(draw.below(3)).unwrap()];
                self.network.strike(Strike::Swallow { up, down });
            }
            6 => self.network.strike(Strike::Hold),
            7 => self.network.becomes(draw.percent(50), draw.below(2_000)),
            8 => self.network.becomes(true, 20),
            9 => self.collector.makes_trouble(draw.below(60)),
            10 => {
                self.collector.goes_away();
                sleep(draw.millis(60_000)).await;
                self.collector.comes_back();
            }
            11 => {
                self.crash().await;
                self.backlog.lose_power(draw);
                self.start();
            }
            12 => {
                self.stop().await?;
                self.start();
            }
            _ if draw.percent(70) => self.collector.is_copied(),
            _ => {
                self.collector.goes_away();
                self.collector.is_restored();
                self.collector.comes_back();
            }
        }
        Ok(())
    }

    /// All is well from now on: everything arrives, and what is new does.
    async fn recovers(&mut self) -> Result<(), String> {
        self.network.becomes(true, 1);
        self.collector.makes_trouble(0);
        for level in Level::ALL {
            self.append(level, "fresh");
        }
        let backlog = Arc::clone(&self.backlog);
        let drained = async {
            while !backlog.is_empty() {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(RECOVERY, drained).await.map_err(|_| "what is spooled does not arrive".to_owned())?;
        self.stop().await
    }

    /// The five properties: what was spooled is there or told to be missing, what is there was spooled, as it was, once,
    /// and what is fresh came through.
    fn judge(&self) -> Result<(), String> {
        let (book, lost, broken) = self.collector.outcome();
        if let Some(broken) = broken.first() {
            return Err(broken.clone());
        }
        let mut seen = BTreeSet::new();
        for (lane, seq, capture) in &book.captures {
            let issued = self.issued.get(&capture.boot_us).ok_or("what arrived was never spooled")?;
            if (u32::from(issued.0.number()), &issued.1) != (*lane, capture) {
                return Err(format!("{lane}/{seq} is not what was spooled"));
            }
            if !seen.insert(capture.boot_us) {
                return Err(format!("{lane}/{seq} arrived twice"));
            }
        }
        for (tag, (level, capture)) in self.issued.iter().filter(|(tag, _)| !seen.contains(tag)) {
            let lane = u32::from(level.number());
            let seq = self.sequence(*tag, *level);
            let told = book.gaps.iter().any(|gap| gap.lane == lane && (gap.from..=gap.to).contains(&seq));
            if !told || (capture.app != POISON && !lost.contains(&(lane, seq))) {
                return Err(format!("{lane}/{seq} is lost; told: {told}"));
            }
        }
        Ok(())
    }

    fn sequence(&self, tag: u64, level: Level) -> u64 {
        self.issued.range(..=tag).filter(|(_, (of, _))| *of == level).count() as u64
    }
}

/// A folder where a sync costs nothing, if there is one.
fn scratch() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let builder = tempfile::Builder::new();
    if memory.is_dir() { builder.tempdir_in(memory).unwrap() } else { builder.tempdir().unwrap() }
}

/// An identity file, the same for all.
fn identity() -> &'static [u8] {
    static MADE: OnceLock<Vec<u8>> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        IdentityStore::open(folder.path()).unwrap().replace(fake::identity()).unwrap();
        std::fs::read(folder.path().join("identity.json")).unwrap()
    })
}

async fn play(seed: u64) -> Result<(), String> {
    let mut draw = Draw::of(seed);
    let mut world = World::new(&mut draw);
    world.start();
    for _ in 0..10 + draw.below(30) {
        world.act(&mut draw).await?;
        sleep(draw.millis(15_000)).await;
    }
    world.recovers().await?;
    world.judge()
}

/// A world in which all is well, on a simulated clock.
fn calmly(story: impl AsyncFnOnce(&mut World)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(&mut Draw::of(0));
        story(&mut world).await;
        world.recovers().await.unwrap();
        world.judge().unwrap();
    });
}

#[test]
fn a_delay_that_a_refusal_asks_for_is_waited_and_little_more() {
    for code in [wire::ErrorCode::Busy, wire::ErrorCode::Store, wire::ErrorCode::Clock, wire::ErrorCode::Unspecified] {
        calmly(async |world| {
            let delay = Duration::from_secs(40);
            world.collector.refuses([(code, delay), (code, delay)]);
            world.append(Level::Critical, "urgent");
            world.start();
            sleep(3 * delay).await;
            let hellos = world.collector.hellos();
            for pair in hellos.windows(2) {
                let waited = pair[1] - pair[0];
                assert!((delay..delay + Duration::from_secs(6)).contains(&waited), "{code:?}: {waited:?}");
            }
            assert_eq!(hellos.len(), 3, "{code:?}");
        });
    }
}

#[test]
fn a_pause_that_an_acknowledgement_asks_for_is_kept_whatever_is_spooled_meanwhile() {
    calmly(async |world| {
        let pause = Duration::from_secs(20);
        world.collector.pauses([pause]);
        world.append(Level::Low, "first");
        world.start();
        for _ in 0..100 {
            sleep(Duration::from_millis(500)).await;
            world.append(Level::Critical, "meanwhile");
        }
        let batches = world.collector.batches();
        let waited = batches[1].0 - batches[0].0;
        assert!((pause..pause + Duration::from_secs(1)).contains(&waited), "{waited:?}");
    });
}

#[test]
fn an_urgent_capture_waits_seconds_for_a_collector_that_comes_back_after_hours() {
    calmly(async |world| {
        world.network.becomes(false, 1);
        world.start();
        sleep(Duration::from_hours(3)).await;
        world.append(Level::Critical, "urgent");
        sleep(Duration::from_secs(30)).await;
        world.network.becomes(true, 1);
        sleep(Duration::from_secs(6)).await;
        assert!(world.backlog.is_empty(), "what is urgent is delivered within six seconds");
    });
}

#[test]
fn a_device_refused_for_good_looks_again_after_a_quarter_of_an_hour() {
    for code in [wire::ErrorCode::Clone, wire::ErrorCode::Revoked, wire::ErrorCode::Version] {
        calmly(async |world| {
            world.collector.refuses([(code, Duration::ZERO)]);
            world.append(Level::Critical, "urgent");
            world.start();
            sleep(Duration::from_mins(14)).await;
            assert_eq!(world.collector.hellos().len(), 1, "{code:?}");
            sleep(Duration::from_mins(2)).await;
            assert!(world.backlog.is_empty(), "{code:?}");
        });
    }
}

#[test]
fn a_half_open_line_is_given_up_within_a_minute() {
    calmly(async |world| {
        world.start();
        sleep(Duration::from_secs(10)).await;
        world.network.strike(Strike::Swallow { up: true, down: true });
        world.append(Level::Critical, "urgent");
        sleep(Duration::from_mins(1)).await;
        assert!(world.backlog.is_empty());
    });
}

#[test]
fn the_uplink_stops_at_once_whatever_it_waits_for() {
    let strikes = [(true, Strike::Swallow { up: true, down: true }), (false, Strike::Cut), (true, Strike::Hold)];
    for (reachable, strike) in strikes {
        calmly(async |world| {
            world.append(Level::Low, "waits");
            world.network.becomes(reachable, 1);
            world.start();
            sleep(Duration::from_millis(2)).await;
            world.network.strike(strike);
            sleep(Duration::from_secs(100)).await;
            world.stop().await.unwrap();
            world.start();
        });
    }
}

fn simulate(seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let outcome = runtime.block_on(play(seed));
    assert!(outcome.is_ok(), "seed {seed}: {outcome:?}: keep it in simulation/seeds.txt");
}

#[test]
fn seeds_that_failed_once_lose_nothing_and_double_nothing() {
    for seed in KEPT.lines().filter(|line| !line.starts_with('#')) {
        simulate(seed.parse().unwrap());
    }
}

#[test]
fn under_any_seed_nothing_is_lost_or_doubled_and_what_is_fresh_arrives() {
    let seeds = std::env::var("LAPWING_SEEDS").ok().map_or(SEEDS, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        simulate(seed);
    }
}
