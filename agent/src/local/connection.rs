//! One connection of a session's program.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use lapwing_proto::bounds::MAX_NAME_BYTES;
use lapwing_rules::{MAX_URL_BYTES, Text};
use tokio_util::codec::Framed;

use super::Ears;
use super::allowance::{Allowances, PAUSE, Place, Teller};
use crate::counters::Dropped;
use crate::frame::{Ask, FrameCodec, Health, Message, Ready, Received, Report, Role, Tab, TabKind, Title, Told};
use crate::observation::{Observation, SessionFacts, TabEvent, cut};
use crate::platform::{self, LocalStream};
use crate::sensor::{Reason, SensorHealth, SensorName};

/// A program that says nothing for so long, not even that it lives, is gone. They ping every 20 s.
const IDLE: Duration = Duration::from_secs(60);
/// How many lost messages one report may count.
const MAX_LOST: u32 = 1_000;

/// Hears one connection to its end.
pub(super) async fn hear(stream: LocalStream, ears: Ears, allowances: Allowances) {
    // Before the account is looked up: one account's flood must not hold every connection while a directory is slow.
    let Ok(ids) = platform::peer_ids(&stream) else { return };
    let Some(place) = allowances.enter(ids) else {
        ears.counters.count_dropped(Dropped::Rate, 1);
        if allowances.refuses(ids)
            && let Some((session, _)) = whose(stream).await
        {
            // The pipeline ends before its ears only when the service does.
            let _ = ears.out.send(Observation::Flood { session }).await;
        }
        return;
    };
    let Some((session, stream)) = whose(stream).await else { return };
    let gone = place.gone();
    let mut peer = Peer { session, ears, allowances, place, speaks_as: None };
    // Whatever it waits for, one that floods goes when another takes its place.
    tokio::select! {
        () = peer.converse(Framed::new(stream, FrameCodec::default())) => {}
        () = gone.requested() => peer.ears.counters.count_dropped(Dropped::Rate, 1),
    }
    peer.leave().await;
}

/// Whose program it is. The user database may be a directory service, which is no place to wait in for the others.
async fn whose(stream: LocalStream) -> Option<(SessionFacts, LocalStream)> {
    let asked = tokio::task::spawn_blocking(move || (platform::peer(&stream), stream)).await;
    let Ok((Ok(session), stream)) = asked else { return None };
    Some((session, stream))
}

/// A session's program.
struct Peer {
    session: SessionFacts,
    ears: Ears,
    allowances: Allowances,
    place: Place,
    speaks_as: Option<SpeaksAs>,
}

/// The role a program took by its hello.
enum SpeaksAs {
    Titles(Teller),
    /// The browser's name for itself, once it told one.
    Browser(Option<String>),
}

/// What follows from a message.
enum Taken {
    Observed(Observation),
    Answer(Message),
    Nothing,
    Dropped(Dropped),
    TooFast,
}

impl Peer {
    async fn converse(&mut self, mut frames: Framed<LocalStream, FrameCodec>) {
        loop {
            // Silence, the end, and what is no frame all end it.
            let Ok(Some(Ok(received))) = tokio::time::timeout(IDLE, frames.next()).await else { return };
            match self.take(received) {
                Taken::Observed(observation) => {
                    if self.ears.out.send(observation).await.is_err() {
                        return;
                    }
                }
                Taken::Answer(answer) => {
                    // Whoever asks and does not read is gone, too.
                    if !matches!(tokio::time::timeout(IDLE, frames.send(&answer)).await, Ok(Ok(()))) {
                        return;
                    }
                }
                Taken::Nothing => {}
                Taken::Dropped(why) => self.ears.counters.count_dropped(why, 1),
                Taken::TooFast => {
                    self.ears.counters.count_dropped(Dropped::Rate, 1);
                    if self.place.loses() {
                        let flood = Observation::Flood { session: self.session.clone() };
                        if self.ears.out.send(flood).await.is_err() {
                            return;
                        }
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn take(&mut self, received: Received) -> Taken {
        if !self.place.allows() {
            return Taken::TooFast;
        }
        let message = match received {
            Received::Message(message) => message,
            Received::Oversize => return Taken::Dropped(Dropped::Oversize),
            Received::Malformed => return Taken::Dropped(Dropped::Malformed),
        };
        match (message, &mut self.speaks_as) {
            (Message::Hello(hello), None) => self.hello(hello.role),
            (Message::Ping, _) => Taken::Answer(Message::Pong),
            (Message::Ask(ask), _) => self.answer(ask),
            (Message::Title(title), Some(SpeaksAs::Titles(_))) => Taken::Observed(self.title(title)),
            (Message::Unfocused, Some(SpeaksAs::Titles(_))) => {
                Taken::Observed(Observation::Unfocused { session: self.session.clone() })
            }
            (Message::Health(health), Some(SpeaksAs::Titles(_))) => self.health(&health),
            (Message::Tab(tab), Some(SpeaksAs::Browser(name))) => {
                let browser = cut(tab.browser.clone(), MAX_NAME_BYTES);
                *name = Some(browser.clone());
                tab_observation(&self.session, browser, tab)
            }
            (Message::Dropped(lost), Some(SpeaksAs::Browser(_))) => {
                self.ears.counters.count_dropped(Dropped::Oversize, lost.oversize.min(MAX_LOST));
                self.ears.counters.count_dropped(Dropped::Malformed, lost.malformed.min(MAX_LOST));
                Taken::Nothing
            }
            // What its role does not say, what comes before the hello, and what only the service says.
            (
                Message::Hello(_)
                | Message::Title(_)
                | Message::Unfocused
                | Message::Tab(_)
                | Message::Health(_)
                | Message::Dropped(_)
                | Message::Ready(_)
                | Message::Pong
                | Message::Report(_)
                | Message::Notice(_),
                _,
            ) => Taken::Dropped(Dropped::Malformed),
        }
    }

    fn hello(&mut self, role: Role) -> Taken {
        self.speaks_as = Some(match role {
            Role::Session => SpeaksAs::Titles(self.allowances.tell(&self.session.id)),
            Role::BrowserHost => SpeaksAs::Browser(None),
        });
        tracing::info!(session.id = %self.session.id, role = ?role, "a program of a session connected");
        Taken::Answer(Message::Ready(Ready { notice: self.ears.notice.borrow().version }))
    }

    fn answer(&self, ask: Ask) -> Taken {
        match ask {
            Ask::Notice => {
                let notice = self.ears.notice.borrow();
                Taken::Answer(Message::Notice(Told { version: notice.version, text: notice.text.clone() }))
            }
            Ask::Status if self.session.uid == 0 || self.session.uid == platform::own_uid() => Taken::Answer(
                Message::Report(self.ears.status.borrow().to_report(&self.ears.counters, &self.ears.canaries)),
            ),
            // Which sensor is blind is nothing for those it watches.
            Ask::Status => Taken::Answer(Message::Report(Report::default())),
        }
    }

    fn title(&self, title: Title) -> Observation {
        Observation::Title {
            session: self.session.clone(),
            window: title.window,
            title: cut(title.title, Text::MAX_BYTES),
            app: cut(title.app, MAX_NAME_BYTES),
            pid: title.pid,
        }
    }

    fn health(&self, health: &Health) -> Taken {
        // Whether URLs are seen shows in what the browsers tell; a session's program speaks for titles alone.
        match (health.sensor.parse(), health.state()) {
            (Ok(SensorName::Titles), Some(state)) => {
                self.ears.health.set(SensorName::Titles, Some(self.session.id.clone()), state);
                Taken::Nothing
            }
            (Ok(_) | Err(_), _) => Taken::Dropped(Dropped::Malformed),
        }
    }

    /// What the program watched is watched no more.
    async fn leave(self) {
        let session = self.session;
        let observation = match self.speaks_as {
            Some(SpeaksAs::Titles(teller)) if teller.is_last() => {
                self.ears.health.forget_session(&session.id);
                let ended = SensorHealth::Unavailable(Reason::SessionEnded, None);
                self.ears.health.set(SensorName::Titles, Some(session.id.clone()), ended);
                Observation::SessionOver { session }
            }
            Some(SpeaksAs::Browser(Some(browser))) => Observation::BrowserGone { session, browser },
            Some(SpeaksAs::Titles(_) | SpeaksAs::Browser(None)) | None => return,
        };
        // The pipeline ends before its ears only when the service does.
        let _ = self.ears.out.send(observation).await;
    }
}

fn tab_observation(session: &SessionFacts, browser: String, tab: Tab) -> Taken {
    let Tab { url, .. } = tab;
    if url.len() > MAX_URL_BYTES {
        return Taken::Dropped(Dropped::Oversize);
    }
    let event = match tab.event {
        TabKind::Committed => TabEvent::Committed { url },
        TabKind::SameDocument => TabEvent::SameDocument { url },
        TabKind::Activated => TabEvent::Activated { url },
        TabKind::Closed => TabEvent::Closed,
    };
    Taken::Observed(Observation::Tab { session: session.clone(), browser, tab: tab.tab, event, private: tab.private })
}
