//! The agent's own uplink, once for each device: its back-off, its pacing and its window, over a spool in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use data_encoding::BASE64;
use lapwing_agent::clock::{Clock, SystemClock};
use lapwing_agent::counters::Counters;
use lapwing_agent::diagnostic::Diagnostics;
use lapwing_agent::identity::{HardwareHash, IdentityStore};
use lapwing_agent::shutdown::Shutdown;
use lapwing_agent::status::StatusFacts;
use lapwing_agent::uplink::{Backlog, CollectorUrl, LinkState, Uplink, UplinkConfig, UplinkParts};
use lapwing_proto::wire;
use lapwing_rules::Level;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::backlog::Memory;
use super::{Device, Fleet, LaneAccount};

/// Identities and incarnations are files: in memory, so that thousands of agents do not sync the collector's disk.
const IN_MEMORY: &str = "/dev/shm";

/// Running agents, one a device.
pub struct Agents {
    agents: Vec<Agent>,
    running: JoinSet<()>,
    shutdown: Shutdown,
    tasks: TaskTracker,
    _folders: TempDir,
}

/// One of them, from outside.
struct Agent {
    backlog: Arc<Memory>,
    state: watch::Receiver<LinkState>,
    /// Open for as long as the uplink runs: their ends are what the rest of an agent would hold.
    _status: watch::Sender<StatusFacts>,
    _goodbye: watch::Sender<wire::GoodbyeReason>,
}

/// What all agents share.
struct Common {
    url: CollectorUrl,
    enrol: CollectorUrl,
    authority: Vec<u8>,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
    shutdown: Shutdown,
}

impl Agents {
    /// Starts an agent for each device of `fleet`.
    ///
    /// # Errors
    ///
    /// When its state folder cannot be written.
    pub fn start(fleet: &Fleet) -> anyhow::Result<Self> {
        let memory = Path::new(IN_MEMORY);
        let folders = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
        let folders = folders.context("failed to make a folder for identities")?;
        let common = Common {
            url: format!("https://localhost:{}", fleet.site.uplink.port()).parse()?,
            enrol: format!("https://localhost:{}", fleet.site.enrol.port()).parse()?,
            authority: fleet.site.authority.to_vec(),
            clock: Arc::new(SystemClock::new()?),
            tasks: TaskTracker::new(),
            shutdown: Shutdown::new(),
        };
        let mut running = JoinSet::new();
        let mut agents = Vec::with_capacity(fleet.devices.len());
        for device in &fleet.devices {
            let folder = folders.path().join(device.index.to_string());
            let (agent, uplink) = common.agent(device, folder)?;
            running.spawn(uplink);
            agents.push(agent);
        }
        Ok(Self { agents, running, shutdown: common.shutdown, tasks: common.tasks, _folders: folders })
    }

    /// The `index`-th device captures `count` more of `lane`.
    pub fn capture(&self, index: usize, lane: Level, count: u64) {
        if let Some(agent) = self.agents.get(index) {
            agent.backlog.capture(lane, count);
        }
    }

    /// How many the collector answers now.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.agents.iter().filter(|agent| *agent.state.borrow() == LinkState::Connected).count()
    }

    /// How many hold captures that were not acknowledged.
    #[must_use]
    pub fn holding(&self) -> usize {
        self.agents.iter().filter(|agent| !agent.backlog.is_empty()).count()
    }

    /// When devices were welcomed, in order.
    #[must_use]
    pub fn welcomes(&self) -> Vec<Instant> {
        let mut welcomes: Vec<_> = self.agents.iter().flat_map(|agent| agent.backlog.welcomes()).collect();
        welcomes.sort_unstable();
        welcomes
    }

    /// Captures that agents gave up since the collector called them malformed.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.agents.iter().map(|agent| agent.backlog.given_up()).sum()
    }

    /// How far each lane came.
    #[must_use]
    pub fn account(&self) -> Vec<LaneAccount> {
        self.agents.iter().flat_map(|agent| agent.backlog.account()).collect()
    }

    /// Stops them: each says goodbye.
    pub async fn stop(mut self) {
        self.shutdown.request();
        while self.running.join_next().await.is_some() {}
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Common {
    fn agent(
        &self,
        device: &Arc<Device>,
        folder: PathBuf,
    ) -> anyhow::Result<(Agent, impl Future<Output = ()> + use<>)> {
        std::fs::create_dir(&folder)?;
        std::fs::write(folder.join("identity.json"), self.identity(device))?;
        let backlog = Arc::new(Memory::new(Arc::clone(device)));
        // They have what the sample school published.
        let facts = StatusFacts { rule_set_release: 1, policy_release: 1, ..StatusFacts::default() };
        let (status, goodbye) = (watch::Sender::new(facts), watch::Sender::new(wire::GoodbyeReason::Stop));
        let (artefacts, _) = mpsc::channel(1);
        let uplink = Uplink::new(UplinkParts {
            spool: Arc::clone(&backlog) as Arc<dyn Backlog>,
            identity: Arc::new(IdentityStore::open(&folder)?),
            config: UplinkConfig {
                enrol: self.enrol.clone(),
                uplink: self.url.clone(),
                ca_fingerprint: None,
                token_file: None,
                room: String::new(),
                host_name: String::new(),
                serial_hash: None,
            },
            hardware: HardwareHash::from_bytes(&device.hardware).context("32 bytes are a hardware hash")?,
            status: status.subscribe(),
            counters: Counters::new(),
            diagnostics: Diagnostics::new(),
            artefacts,
            goodbye: goodbye.subscribe(),
            clock: Arc::clone(&self.clock),
            tasks: self.tasks.clone(),
            shutdown: self.shutdown.clone(),
        });
        let agent = Agent { backlog, state: uplink.state(), _status: status, _goodbye: goodbye };
        Ok((agent, uplink.run()))
    }

    /// As the agent keeps it.
    fn identity(&self, device: &Device) -> String {
        let identity = json!({
            "format": 1,
            "device_id": device.id.to_string(),
            "key": BASE64.encode(&device.key),
            "certificate": BASE64.encode(&device.certificate),
            "authorities": [BASE64.encode(&self.authority)],
            "server_time_us": device.enrolled_us,
        });
        identity.to_string()
    }
}
