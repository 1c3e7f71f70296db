//! The session role: runs the titles sensor of one signed-in user and forwards what it sees to the service. It holds
//! no rules, no network and no secret; what could not be forwarded is forgotten, save the title in front.

use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Sleep, sleep};
use tokio_util::codec::Framed;

use crate::entering::enter;
use crate::frame::{FrameCodec, Health, Message, Role, Title};
use crate::observation::{Observation, SessionFacts};
use crate::platform::{Display, LocalStream, Titles};
use crate::sensor::{HealthBoard, HealthSnapshot, Sensor};
use crate::shutdown::Shutdown;

/// Titles on their way. More than a person causes between two polls; when full the sensor waits, and reads the title
/// that is in front when there is room again.
const TITLES: usize = 16;
/// How often the service hears that the program lives.
const PING: Duration = Duration::from_secs(20);
/// Between two titles of the same window: a page or a game that changes its own all the time is no flood.
const SPACING: Duration = Duration::from_millis(50);
/// Between attempts to reach a service that is not there.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Watches `display` and forwards to the service at `socket` until the display ends or `shutdown`.
pub async fn run(socket: &Path, display: Display, shutdown: Shutdown) {
    let (out, seen) = mpsc::channel(TITLES);
    let health = HealthBoard::new();
    let forward = Forward { seen, health: health.changed(), front: Message::Unfocused };
    let sensor = Titles::new(unstamped(), display);
    tokio::join!(sensor.run(out, health, shutdown.clone()), forward.run(socket, &shutdown));
}

/// Who is signed in is the service's to say; what stands here never travels.
fn unstamped() -> SessionFacts {
    SessionFacts { id: crate::observation::SessionId::own(), account: String::new(), uid: 0, groups: Vec::new() }
}

/// Between the sensor and the service.
struct Forward {
    seen: mpsc::Receiver<Observation>,
    health: watch::Receiver<HealthSnapshot>,
    /// What is in front now: told again to a service that came back.
    front: Message,
}

/// Why a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// The service went away.
    Service,
    /// The sensor did, or the process is to.
    Here,
}

impl Forward {
    async fn run(mut self, socket: &Path, shutdown: &Shutdown) {
        loop {
            let Some(frames) = self.reach(socket, shutdown).await else { return };
            if self.converse(frames, shutdown).await == Ended::Here {
                return;
            }
        }
    }

    /// Connects, trying again for as long as there is something to tell. Keeps only what is in front meanwhile.
    async fn reach(&mut self, socket: &Path, shutdown: &Shutdown) -> Option<Framed<LocalStream, FrameCodec>> {
        let mut wait = FIRST_WAIT;
        loop {
            let entered = tokio::select! {
                entered = enter(socket, Role::Session) => entered,
                () = shutdown.requested() => return None,
            };
            match entered {
                Ok(frames) => return Some(frames),
                Err(error) => tracing::info!(error = %error, "the service cannot be reached; trying again"),
            }
            let again = sleep(wait);
            tokio::pin!(again);
            loop {
                tokio::select! {
                    () = &mut again => break,
                    () = shutdown.requested() => return None,
                    seen = self.seen.recv() => self.front = message(seen?)?,
                }
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn converse(&mut self, mut frames: Framed<LocalStream, FrameCodec>, shutdown: &Shutdown) -> Ended {
        let mut ping = tokio::time::interval(PING);
        let mut paced = Paced::new();
        self.health.mark_changed();
        if frames.send(&self.front).await.is_err() {
            return Ended::Service;
        }
        loop {
            let told = tokio::select! {
                () = shutdown.requested() => return Ended::Here,
                due = paced.due() => frames.send(&due).await,
                seen = self.seen.recv() => match seen.and_then(message) {
                    Some(front) => {
                        let before = std::mem::replace(&mut self.front, front.clone());
                        tell(&mut frames, paced.take(&before, front)).await
                    }
                    None => {
                        // The last word of the sensor is how it ended; the service may be gone already.
                        let _ = self.tell_health(&mut frames).await;
                        return Ended::Here;
                    }
                },
                Ok(()) = self.health.changed() => self.tell_health(&mut frames).await,
                _ = ping.tick() => frames.send(&Message::Ping).await,
                heard = frames.next() => match heard {
                    Some(Ok(_)) => Ok(()),
                    Some(Err(_)) | None => return Ended::Service,
                },
            };
            if told.is_err() {
                return Ended::Service;
            }
        }
    }

    async fn tell_health(&mut self, frames: &mut Framed<LocalStream, FrameCodec>) -> std::io::Result<()> {
        let states = self.health.borrow_and_update().clone();
        for ((sensor, _), state) in &states {
            frames.send(&Message::Health(Health::of(*sensor, state))).await?;
        }
        Ok(())
    }
}

async fn tell(frames: &mut Framed<LocalStream, FrameCodec>, messages: Vec<Message>) -> std::io::Result<()> {
    for message in messages {
        frames.send(&message).await?;
    }
    Ok(())
}

/// Tells the titles of one window no closer together than [`SPACING`], the newest always.
struct Paced {
    /// Newer than what was told last.
    held: Option<Message>,
    pause: Pin<Box<Sleep>>,
}

impl Paced {
    fn new() -> Self {
        Self { held: None, pause: Box::pin(sleep(Duration::ZERO)) }
    }

    /// What is to be told now that `front` is in the place of `before`.
    fn take(&mut self, before: &Message, front: Message) -> Vec<Message> {
        if is_same_window(&front, before) && !self.pause.is_elapsed() {
            self.held = Some(front);
            return Vec::new();
        }
        self.pause = Box::pin(sleep(SPACING));
        self.held.take().into_iter().chain([front]).collect()
    }

    /// What was held, once it may be told; never while nothing is.
    async fn due(&mut self) -> Message {
        if self.held.is_some() {
            self.pause.as_mut().await;
        }
        match self.held.take() {
            Some(held) => {
                self.pause = Box::pin(sleep(SPACING));
                held
            }
            None => std::future::pending().await,
        }
    }
}

/// Whether both are titles of the same window.
fn is_same_window(one: &Message, other: &Message) -> bool {
    matches!((one, other), (Message::Title(one), Message::Title(other)) if one.window == other.window)
}

/// An observation as it is told; `None` for what a session's program does not see.
fn message(observation: Observation) -> Option<Message> {
    match observation {
        Observation::Title { window, title, app, pid, .. } => Some(Message::Title(Title { window, title, app, pid })),
        Observation::Unfocused { .. } => Some(Message::Unfocused),
        Observation::SessionOver { .. }
        | Observation::Tab { .. }
        | Observation::BrowserGone { .. }
        | Observation::Flood { .. }
        | Observation::File { .. }
        | Observation::Media { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Hello, Ready, Received};
    use crate::platform::LocalListener;
    use crate::sensor::{Reason, SensorHealth, SensorName};

    fn title(text: &str) -> Observation {
        Observation::Title { session: unstamped(), window: 1, title: text.to_owned(), app: "editor".to_owned(), pid: 1 }
    }

    async fn hears(frames: &mut Framed<LocalStream, FrameCodec>) -> Message {
        match frames.next().await.unwrap().unwrap() {
            Received::Message(Message::Ping) => Box::pin(hears(frames)).await,
            Received::Message(hello @ Message::Hello(_)) => {
                frames.send(&Message::Ready(Ready { notice: 1 })).await.unwrap();
                hello
            }
            Received::Message(message) => message,
            Received::Oversize | Received::Malformed => panic!("unreadable"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_listens_late_is_told_what_is_in_front_by_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let (out, seen) = mpsc::channel(TITLES);
        let forward = Forward { seen, health: HealthBoard::new().changed(), front: Message::Unfocused };
        let shutdown = Shutdown::new();
        let story = async {
            out.send(title("older")).await.unwrap();
            out.send(title("in front")).await.unwrap();
            // Both were taken.
            drop(out.reserve_many(TITLES).await.unwrap());
            tokio::time::advance(Duration::from_hours(1)).await;
            let listener = LocalListener::bind(&path).unwrap();
            let mut heard = Framed::new(listener.accept().await.unwrap(), FrameCodec::default());
            assert!(matches!(hears(&mut heard).await, Message::Hello(Hello { role: Role::Session })));
            assert!(matches!(hears(&mut heard).await, Message::Title(title) if title.title == "in front"));
            shutdown.request();
        };
        tokio::join!(forward.run(&path, &shutdown), story);
    }

    #[tokio::test]
    async fn a_service_that_comes_back_is_told_what_is_in_front_and_nothing_older() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let (out, seen) = mpsc::channel(TITLES);
        let health = HealthBoard::new();
        health.set(SensorName::Titles, None, SensorHealth::Blind(Reason::NoWindowManager, None));
        let forward = Forward { seen, health: health.changed(), front: Message::Unfocused };
        let shutdown = Shutdown::new();
        let listener = LocalListener::bind(&path).unwrap();
        let story = async {
            let mut first = Framed::new(listener.accept().await.unwrap(), FrameCodec::default());
            assert!(matches!(hears(&mut first).await, Message::Hello(Hello { role: Role::Session })));
            assert!(hears(&mut first).await == Message::Unfocused);
            assert!(matches!(hears(&mut first).await, Message::Health(health) if health.reason == "no_window_manager"));
            out.send(title("older")).await.unwrap();
            out.send(title("in front")).await.unwrap();
            hears(&mut first).await;
            hears(&mut first).await;
            drop(first);
            let mut second = Framed::new(listener.accept().await.unwrap(), FrameCodec::default());
            assert!(matches!(hears(&mut second).await, Message::Hello(_)));
            assert!(matches!(hears(&mut second).await, Message::Title(title) if title.title == "in front"));
            shutdown.request();
        };
        tokio::join!(forward.run(&path, &shutdown), story);
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_that_changes_its_title_all_the_time_is_told_now_and_then_and_its_last_title_always() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let (out, seen) = mpsc::channel(TITLES);
        let forward = Forward { seen, health: HealthBoard::new().changed(), front: Message::Unfocused };
        let shutdown = Shutdown::new();
        let listener = LocalListener::bind(&path).unwrap();
        let story = async {
            let mut heard = Framed::new(listener.accept().await.unwrap(), FrameCodec::default());
            hears(&mut heard).await;
            assert!(hears(&mut heard).await == Message::Unfocused);
            let game = async {
                for frame in 0..200 {
                    out.send(title(&format!("frame {frame}"))).await.unwrap();
                    sleep(Duration::from_millis(5)).await;
                }
                let other = Observation::Title {
                    session: unstamped(),
                    window: 2,
                    title: "another window".to_owned(),
                    app: "editor".to_owned(),
                    pid: 1,
                };
                out.send(other).await.unwrap();
            };
            let listening = async {
                let mut titles = Vec::new();
                while titles.last().is_none_or(|title| title != "another window") {
                    let Message::Title(title) = hears(&mut heard).await else { continue };
                    titles.push(title.title);
                }
                titles
            };
            let ((), titles) = tokio::join!(game, listening);
            assert!((10..=30).contains(&titles.len()), "{} of 201", titles.len());
            assert_eq!(titles.first().unwrap(), "frame 0");
            assert_eq!(titles[titles.len() - 2], "frame 199", "what it showed when it was left");
            shutdown.request();
        };
        tokio::join!(forward.run(&path, &shutdown), story);
    }
}
