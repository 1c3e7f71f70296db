//! The socket of the sessions' programs, tried again where it cannot be opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::diagnostic::{Code, Diagnostics};
use crate::local::{self, Ears};
use crate::platform::LocalListener;
use crate::shutdown::Shutdown;

/// Between attempts: twice as long each time. The programs of the sessions come back within as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Where the service is to be heard from.
pub(super) struct Hearing {
    pub(super) socket: PathBuf,
    pub(super) ears: Ears,
    pub(super) diagnostics: Diagnostics,
}

impl Hearing {
    /// Opens the socket, or says why not.
    pub(super) fn open(&self) -> Option<LocalListener> {
        open(&self.socket, &self.diagnostics)
    }

    /// Hears until `shutdown`, from when the socket can be opened. A service that cannot hear the sessions meanwhile
    /// sees files and media.
    pub(super) async fn run(self, mut listener: Option<LocalListener>, shutdown: Shutdown) {
        let mut wait = FIRST_WAIT;
        let listener = loop {
            if let Some(listener) = listener {
                break listener;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.requested() => return,
            }
            wait = (wait * 2).min(LONGEST_WAIT);
            listener = self.open();
        };
        local::serve(listener, self.ears, shutdown).await;
    }
}

fn open(socket: &Path, diagnostics: &Diagnostics) -> Option<LocalListener> {
    match LocalListener::bind(socket) {
        Ok(listener) => {
            diagnostics.clear(Code::SocketFailed);
            Some(listener)
        }
        Err(error) => {
            diagnostics.raise(Code::SocketFailed, error.to_string());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::{SinkExt, StreamExt};
    use tokio::sync::{mpsc, watch};
    use tokio_util::codec::Framed;

    use super::*;
    use crate::canary::Canaries;
    use crate::clock::ManualClock;
    use crate::counters::Counters;
    use crate::frame::{FrameCodec, Hello, Message, Received, Role};
    use crate::notice::Notice;
    use crate::platform;
    use crate::sensor::HealthBoard;
    use crate::status::StatusFacts;

    fn hearing(socket: &Path, diagnostics: &Diagnostics) -> Hearing {
        let ears = Ears {
            out: mpsc::channel(1).0,
            health: HealthBoard::new(),
            counters: Counters::new(),
            notice: watch::channel(Notice::without_policy()).1,
            status: watch::channel(StatusFacts::default()).1,
            canaries: Canaries::default(),
            clock: Arc::new(ManualClock::at(0)),
        };
        Hearing { socket: socket.to_owned(), ears, diagnostics: diagnostics.clone() }
    }

    async fn is_told(diagnostics: &Diagnostics, told: bool) {
        diagnostics.changed().wait_for(|board| board.contains_key(&Code::SocketFailed) == told).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_stands_in_the_socket_s_place_is_told_and_the_service_heard_once_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, diagnostics) = (folder.path().join("agent.sock"), Diagnostics::new());
        std::fs::write(&socket, "in the way").unwrap();
        let hearing = hearing(&socket, &diagnostics);
        let listener = hearing.open();
        assert!(listener.is_none());
        let story = async {
            is_told(&diagnostics, true).await;
            // Long enough for the longest wait between two attempts.
            tokio::time::advance(Duration::from_hours(1)).await;
            std::fs::remove_file(&socket).unwrap();
            is_told(&diagnostics, false).await;
            let mut program = Framed::new(platform::connect(&socket).await.unwrap(), FrameCodec::default());
            program.send(&Message::Hello(Hello { role: Role::Session })).await.unwrap();
            assert!(matches!(program.next().await, Some(Ok(Received::Message(Message::Ready(_))))));
        };
        tokio::select! {
            () = hearing.run(listener, Shutdown::new()) => panic!("the service ended"),
            () = story => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_cannot_be_heard_still_stops() {
        let folder = tempfile::tempdir().unwrap();
        let (diagnostics, shutdown) = (Diagnostics::new(), Shutdown::new());
        let hearing = hearing(folder.path(), &diagnostics);
        let listener = hearing.open();
        shutdown.request();
        hearing.run(listener, shutdown).await;
    }
}
