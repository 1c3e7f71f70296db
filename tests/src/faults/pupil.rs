//! A pupil's desktop as the service hears it: real frames over the session's socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use lapwing_agent::frame::{FrameCodec, Hello, Message, Role, Title};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::Encoder as _;

use super::words::Phrase;

/// A service that takes no frame for so long hangs.
const TAKEN_WITHIN: Duration = Duration::from_secs(20);

/// Somebody who opens one window after the other.
#[derive(Debug)]
pub(super) struct Pupil {
    socket: PathBuf,
    stream: Option<UnixStream>,
    window: u64,
}

impl Pupil {
    pub(super) fn at(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), stream: None, window: 0 }
    }

    /// Opens a window with the phrase in its title, and leaves the one before, which the agent then looks at. Whether
    /// the service took it from the socket is not known: it may end at any moment.
    pub(super) async fn shows(&mut self, phrase: Phrase) -> anyhow::Result<()> {
        self.window += 1;
        let title = format!("Homework {} draft", phrase.text());
        let title = Title { window: self.window, title, app: "editor".to_owned(), pid: 0 };
        self.says(&Message::Title(title)).await
    }

    /// Leaves the last window.
    pub(super) async fn leaves(&mut self) -> anyhow::Result<()> {
        self.says(&Message::Unfocused).await
    }

    async fn says(&mut self, message: &Message) -> anyhow::Result<()> {
        let said = timeout(TAKEN_WITHIN, self.write(message)).await.context("the service takes no frame")?;
        if said.is_err() {
            self.stream = None;
        }
        said
    }

    async fn write(&mut self, message: &Message) -> anyhow::Result<()> {
        let mut frames = BytesMut::new();
        let mut codec = FrameCodec::default();
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                codec.encode(&Message::Hello(Hello { role: Role::Session }), &mut frames)?;
                self.stream.insert(UnixStream::connect(&self.socket).await?)
            }
        };
        codec.encode(message, &mut frames)?;
        stream.write_all(&frames).await?;
        Ok(())
    }
}
