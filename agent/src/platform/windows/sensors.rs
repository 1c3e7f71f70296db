//! The sensors, which cannot see here yet and say so.

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
