//! Window titles under X11, from property events: nothing is polled.
//!
//! Wayland desktops do not tell titles, and are reported so. What no program asked for is never read: only the title
//! of the window with the focus.

mod screen;

use std::time::Duration;

use tokio::io::Interest;
use tokio::time::{sleep, timeout};

use super::readiness::register;
use crate::observation::{Observation, SessionFacts};
use crate::sensor::{HealthBoard, Observations, Reason, Sensor, SensorHealth, SensorName};
use crate::shutdown::Shutdown;
use screen::{Changed, Lost, Screen, Window};

/// Between attempts to reach a display that is not there yet.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long a display may be gone, as while its server starts anew, before its session is over.
const ABSENCE: Duration = Duration::from_secs(15);

/// Where a session's windows are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Display {
    /// An X11 display, as `DISPLAY` names it.
    X11(String),
    /// A Wayland compositor; what it runs for X11 programs shows only those.
    Wayland,
    /// Nowhere.
    None,
}

impl Display {
    /// What the environment of a session's process says.
    #[must_use]
    pub fn from_environment() -> Self {
        let named = |variable: &str| std::env::var(variable).ok().filter(|value| !value.is_empty());
        let is_wayland =
            named("WAYLAND_DISPLAY").is_some() || named("XDG_SESSION_TYPE").is_some_and(|t| t == "wayland");
        match (is_wayland, named("DISPLAY")) {
            (true, _) => Self::Wayland,
            (false, Some(name)) => Self::X11(name),
            (false, None) => Self::None,
        }
    }
}

/// The titles sensor of one session.
#[derive(Clone, Debug)]
pub struct Titles {
    session: SessionFacts,
    display: Display,
    absence: Duration,
}

impl Titles {
    /// A sensor for the windows of `session` on `display`.
    #[must_use]
    pub const fn new(session: SessionFacts, display: Display) -> Self {
        Self { session, display, absence: ABSENCE }
    }

    /// The same, waiting for so long for a display that ended to come back.
    #[must_use]
    pub fn waiting(self, absence: Duration) -> Self {
        Self { absence, ..self }
    }
}

impl Sensor for Titles {
    fn name(&self) -> SensorName {
        SensorName::Titles
    }

    /// Ends when the display does and does not come back: a session does not outlive it. Where the desktop tells no titles it
    /// lasts as the session does, so that the service goes on knowing why there are none.
    async fn run(self, out: Observations, health: HealthBoard, shutdown: Shutdown) {
        let report = Report { session: self.session, out, health };
        let display = match self.display {
            Display::X11(name) => name,
            Display::Wayland => {
                report.health(unavailable(Reason::WaylandWithoutTitles));
                return shutdown.requested().await;
            }
            Display::None => return report.health(unavailable(Reason::NoDisplay)),
        };
        tokio::select! {
            () = shutdown.requested() => {}
            () = watch(&display, self.absence, &report) => {}
        }
    }
}

/// Where findings go.
struct Report {
    session: SessionFacts,
    out: Observations,
    health: HealthBoard,
}

impl Report {
    fn health(&self, health: SensorHealth) {
        self.health.set(SensorName::Titles, Some(self.session.id.clone()), health);
    }

    /// Waits while the pipeline is full: titles that change meanwhile are read once, as they are then.
    async fn seen(&self, front: Option<&Window>) -> Result<(), Lost> {
        let session = self.session.clone();
        let observation = match front {
            None => Observation::Unfocused { session },
            Some(window) => Observation::Title {
                session,
                window: window.id.into(),
                title: window.title.clone(),
                app: window.app.clone(),
                pid: window.pid,
            },
        };
        self.out.send(observation).await.map_err(|_| Lost::Listener)
    }
}

async fn watch(display: &str, absence: Duration, report: &Report) {
    let mut screen = reach(display, report).await;
    while follow(&mut screen, report).await == Lost::Display {
        report.health(SensorHealth::Blind(Reason::NoDisplay, None));
        // Nothing is in front on a display that is gone.
        if report.seen(None).await.is_err() {
            return;
        }
        let back = async {
            sleep(FIRST_WAIT).await;
            reach(display, report).await
        };
        let Ok(again) = timeout(absence, back).await else {
            return report.health(SensorHealth::Blind(Reason::SessionEnded, None));
        };
        screen = again;
    }
}

/// Connects, however long the display takes to appear.
async fn reach(display: &str, report: &Report) -> Screen {
    let mut wait = FIRST_WAIT;
    loop {
        match Screen::connect(display) {
            Ok(screen) => return screen,
            Err(reason) => report.health(SensorHealth::Blind(reason, None)),
        }
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

async fn follow(screen: &mut Screen, report: &Report) -> Lost {
    let socket = match screen.socket().and_then(|socket| register(socket, Interest::READABLE)) {
        Ok(socket) => socket,
        Err(error) => {
            report.health(SensorHealth::Blind(Reason::Failed, Some(error.to_string())));
            return Lost::Listener;
        }
    };
    let mut changed = Changed::everything();
    loop {
        if let Err(lost) = settle_changes(screen, changed, report).await {
            return lost;
        }
        changed = match screen.changes() {
            Ok(changed) => changed,
            Err(lost) => return lost,
        };
        if changed.is_nothing() {
            match socket.readable().await {
                Ok(mut guard) => guard.clear_ready(),
                Err(_) => return Lost::Display,
            }
        }
    }
}

/// Looks at what changed, in the order in which one depends on the other.
async fn settle_changes(screen: &mut Screen, changed: Changed, report: &Report) -> Result<(), Lost> {
    if changed.manager {
        report.health(if screen.find_manager()? {
            SensorHealth::Working
        } else {
            SensorHealth::Blind(Reason::NoWindowManager, None)
        });
    }
    // A manager may go on naming a window that closed, and then name another that has its number.
    if changed.ended && screen.end_front() {
        report.seen(None).await?;
    }
    if (changed.manager || changed.front) && screen.find_front()? {
        return report.seen(screen.front()).await;
    }
    if changed.title && screen.read_title()? {
        report.seen(screen.front()).await?;
    }
    Ok(())
}

const fn unavailable(reason: Reason) -> SensorHealth {
    SensorHealth::Unavailable(reason, None)
}
