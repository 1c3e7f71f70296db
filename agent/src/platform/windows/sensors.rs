//! The sensors, which cannot see here yet and say so.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::limits::Effort;
use crate::observation::SessionFacts;
use crate::sensor::{HealthBoard, Observations, Reason, Sensor, SensorHealth, SensorName};
use crate::shutdown::Shutdown;

/// Where a session's windows are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Display {
    /// Not looked for yet.
    None,
}

impl Display {
    /// What the environment of a session's process says.
    #[must_use]
    pub const fn from_environment() -> Self {
        Self::None
    }
}

/// The titles sensor of one session.
#[derive(Clone, Debug)]
pub struct Titles {
    session: SessionFacts,
}

impl Titles {
    /// A sensor for the windows of `session`.
    #[must_use]
    pub fn new(session: SessionFacts, _display: Display) -> Self {
        Self { session }
    }
}

impl Sensor for Titles {
    fn name(&self) -> SensorName {
        SensorName::Titles
    }

    async fn run(self, _out: Observations, health: HealthBoard, _shutdown: Shutdown) {
        health.set(self.name(), Some(self.session.id.clone()), UNSERVED);
    }
}

/// The sensor for file drops.
#[derive(Clone, Copy, Debug)]
pub struct Files {}

impl Files {
    /// A sensor for the folders of people and for `folders`.
    #[must_use]
    pub fn new(_least_uid: Option<u32>, _folders: Vec<PathBuf>, _clock: Arc<dyn Clock>) -> Self {
        Self {}
    }

    /// The same, doing as much as `effort` says.
    #[must_use]
    pub fn easing(self, _effort: watch::Receiver<Effort>) -> Self {
        self
    }
}

impl Sensor for Files {
    fn name(&self) -> SensorName {
        SensorName::Files
    }

    async fn run(self, _out: Observations, health: HealthBoard, _shutdown: Shutdown) {
        health.set(self.name(), None, UNSERVED);
    }
}

/// The sensor for removable media.
#[derive(Clone, Copy, Debug, Default)]
pub struct Media {}

impl Media {
    /// A sensor for the drives of this machine.
    #[must_use]
    pub const fn new() -> Self {
        Self {}
    }
}

impl Sensor for Media {
    fn name(&self) -> SensorName {
        SensorName::Media
    }

    async fn run(self, _out: Observations, health: HealthBoard, _shutdown: Shutdown) {
        health.set(self.name(), None, UNSERVED);
    }
}

const UNSERVED: SensorHealth = SensorHealth::Unavailable(Reason::NotSupportedHere, None);
