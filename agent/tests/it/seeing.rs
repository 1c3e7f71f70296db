//! Runs a sensor and takes what it sees.

use std::time::Duration;

use lapwing_agent::observation::{Observation, SessionFacts};
use lapwing_agent::sensor::{HealthBoard, Sensor, SensorHealth, SensorName};
use lapwing_agent::shutdown::Shutdown;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A test that waits longer has failed; nothing is measured.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running sensor.
pub(crate) struct Seeing {
    observations: mpsc::Receiver<Observation>,
    health: HealthBoard,
    shutdown: Shutdown,
    sensor: SensorName,
    task: JoinSet<()>,
}

impl Seeing {
    pub(crate) fn with(sensor: impl Sensor) -> Self {
        let (out, observations) = mpsc::channel(64);
        let (health, shutdown) = (HealthBoard::new(), Shutdown::new());
        let name = sensor.name();
        let mut task = JoinSet::new();
        task.spawn(sensor.run(out, health.clone(), shutdown.clone()));
        Self { observations, health, shutdown, sensor: name, task }
    }

    /// The next observation.
    pub(crate) async fn next(&mut self) -> Observation {
        timeout(PATIENCE, self.observations.recv()).await.expect("an observation").expect("a sensor that runs")
    }

    /// Waits until the sensor says this of itself.
    pub(crate) async fn is(&self, expected: SensorHealth) {
        let mut changed = self.health.changed();
        let seen = changed
            .wait_for(|board| board.iter().any(|((sensor, _), health)| *sensor == self.sensor && *health == expected));
        timeout(PATIENCE, seen).await.expect("a change of health").expect("a board");
    }

    /// Stops the sensor; what it saw and nobody took.
    pub(crate) async fn stop(mut self) -> Vec<Observation> {
        self.shutdown.request();
        timeout(PATIENCE, self.task.join_next()).await.expect("a sensor that stops");
        let mut rest = Vec::new();
        while let Some(observation) = self.observations.recv().await {
            rest.push(observation);
        }
        rest
    }
}

/// A session that no test depends on.
pub(crate) fn session() -> SessionFacts {
    SessionFacts { id: "t1".parse().expect("an id"), account: "pupil".to_owned(), uid: 1001, groups: Vec::new() }
}
