//! The way of a session's program into the service: hello, until it is let in.
//!
//! An account has a bounded number of places, and another program of it may hold them all: it is asked again soon, for one
//! that floods loses its place to whoever comes.

use std::io;
use std::path::Path;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio_util::codec::Framed;

use crate::frame::{FrameCodec, Hello, Message, Received, Role};
use crate::platform::{self, LocalStream};

/// How long a service may take to look up whose program it is; a directory may be slow.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_millis(100);
const ATTEMPTS: usize = 50;

/// Connects to the service at `socket` as `role`, and waits until it is ready to hear.
///
/// # Errors
///
/// When nobody listens there, nobody answers, or there is no place for [`ATTEMPTS`] times.
pub(crate) async fn enter(socket: &Path, role: Role) -> io::Result<Framed<LocalStream, FrameCodec>> {
    for _ in 0..ATTEMPTS {
        let mut frames = Framed::new(platform::connect(socket).await?, FrameCodec::default());
        match says_hello(&mut frames, role).await? {
            Answer::Ready => return Ok(frames),
            Answer::NoPlace => tokio::time::sleep(AGAIN).await,
        }
    }
    Err(io::Error::new(
        io::ErrorKind::ConnectionRefused,
        "the service has no place for another program of this account",
    ))
}

/// What the service makes of a hello.
enum Answer {
    Ready,
    /// It closed the connection.
    NoPlace,
}

async fn says_hello(frames: &mut Framed<LocalStream, FrameCodec>, role: Role) -> io::Result<Answer> {
    if frames.send(&Message::Hello(Hello { role })).await.is_err() {
        return Ok(Answer::NoPlace);
    }
    match tokio::time::timeout(ANSWER_WITHIN, frames.next()).await {
        Ok(Some(Ok(Received::Message(Message::Ready(_))))) => Ok(Answer::Ready),
        Ok(Some(Ok(_))) => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "what listens there does not answer a hello"))
        }
        Ok(Some(Err(_)) | None) => Ok(Answer::NoPlace),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the service does not answer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Ready;
    use crate::platform::LocalListener;

    #[tokio::test(start_paused = true)]
    async fn whoever_is_turned_away_asks_again_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        assert_eq!(enter(&path, Role::Session).await.unwrap_err().kind(), io::ErrorKind::NotFound);
        let listener = LocalListener::bind(&path).unwrap();
        let letting_in = async {
            for _ in 0..7 {
                drop(listener.accept().await.unwrap());
            }
            let mut frames = Framed::new(listener.accept().await.unwrap(), FrameCodec::default());
            frames.send(&Message::Ready(Ready { notice: 1 })).await.unwrap();
            assert!(matches!(frames.next().await, Some(Ok(Received::Message(Message::Hello(_))))));
        };
        let (entered, ()) = tokio::join!(enter(&path, Role::BrowserHost), letting_in);
        entered.unwrap();
        let turning_away = async {
            loop {
                drop(listener.accept().await.unwrap());
            }
        };
        let refused = tokio::select! {
            refused = enter(&path, Role::BrowserHost) => refused,
            () = turning_away => unreachable!("it turns away for ever"),
        };
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}
