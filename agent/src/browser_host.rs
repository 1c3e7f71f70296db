//! The browser-host role: carries what the extension says from standard input to the service. Started by the browser.
//!
//! A message of the browser is a 4-byte length in the machine's byte order and JSON, at most 64 KiB. The process ends
//! when the service cannot be reached or goes away: the extension then starts it again, with back-off, and tells what
//! is open, which a connection mended here could not know.

use std::io;
use std::path::Path;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_util::bytes::{Buf, BytesMut};
use tokio_util::codec::{Decoder, Framed, FramedRead};

use crate::entering::enter;
use crate::frame::{FrameCodec, Lost, MAX_PAYLOAD_BYTES, Message, Received, Role, Tab, TabKind};
use crate::platform::LocalStream;

const LENGTH_BYTES: usize = 4;
const VERSION: u32 = 1;

/// Carries messages until the browser closes its end.
///
/// # Errors
///
/// When the service cannot be reached or goes away.
pub async fn run(
    socket: &Path,
    browser: impl AsyncRead + Unpin,
    mut answers: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let mut service = enter(socket, Role::BrowserHost).await?;
    answer(&mut answers).await?;
    let mut browser = FramedRead::new(browser, NativeCodec::default());
    loop {
        tokio::select! {
            said = browser.next() => match said {
                None => return Ok(()),
                Some(said) => carry(said?, &mut service).await?,
            },
            heard = service.next() => match heard {
                None => return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the service went away")),
                // The extension asks only that something comes back.
                Some(heard) => match heard? {
                    Received::Message(Message::Pong) => answer(&mut answers).await?,
                    Received::Message(_) | Received::Oversize | Received::Malformed => {}
                },
            },
        }
    }
}

async fn carry(said: Said, service: &mut Framed<LocalStream, FrameCodec>) -> io::Result<()> {
    match said {
        Said::Message(message) => service.send(&message).await,
        Said::Nothing => Ok(()),
        Said::Oversize => service.send(&Message::Dropped(Lost { oversize: 1, malformed: 0 })).await,
        Said::Malformed => service.send(&Message::Dropped(Lost { oversize: 0, malformed: 1 })).await,
    }
}

async fn answer(answers: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let body = br#"{"v":1,"kind":"alive"}"#;
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    answers.write_all(&length.to_ne_bytes()).await?;
    answers.write_all(body).await?;
    answers.flush().await
}

/// What the browser said.
pub enum Said {
    /// Something for the service.
    Message(Message),
    /// Something that asks for nothing: a tab that was open behind others.
    Nothing,
    /// A message over the bound, skipped.
    Oversize,
    /// A message that cannot be read.
    Malformed,
}

/// What the extension writes; other fields are ignored.
#[derive(Deserialize)]
struct Native {
    v: u32,
    kind: NativeKind,
    tab: u64,
    url: String,
    private: bool,
    browser: String,
    #[serde(default)]
    active: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NativeKind {
    Committed,
    SameDocument,
    Activated,
    Closed,
    Snapshot,
    Ping,
}

/// The browser's framing. Holds at most one message.
#[derive(Default)]
pub struct NativeCodec {
    /// Bytes of a message over the bound that are still to be thrown away.
    skip: usize,
}

impl Decoder for NativeCodec {
    type Item = Said;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Said>> {
        let now = self.skip.min(buffer.len());
        buffer.advance(now);
        self.skip -= now;
        let Some(length) = buffer.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = usize::try_from(u32::from_ne_bytes(*length)).unwrap_or(usize::MAX);
        if length > MAX_PAYLOAD_BYTES {
            buffer.advance(LENGTH_BYTES);
            self.skip = length;
            return Ok(Some(Said::Oversize));
        }
        if buffer.len() < LENGTH_BYTES + length {
            buffer.reserve(LENGTH_BYTES + length - buffer.len());
            return Ok(None);
        }
        buffer.advance(LENGTH_BYTES);
        Ok(Some(read(&buffer.split_to(length))))
    }

    /// A browser that ends in the middle of a message ended.
    fn decode_eof(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Said>> {
        let said = self.decode(buffer)?;
        if said.is_none() {
            buffer.clear();
        }
        Ok(said)
    }
}

fn read(json: &[u8]) -> Said {
    let Ok(native) = serde_json::from_slice::<Native>(json) else { return Said::Malformed };
    if native.v != VERSION {
        return Said::Malformed;
    }
    let event = match native.kind {
        NativeKind::Committed => TabKind::Committed,
        NativeKind::SameDocument => TabKind::SameDocument,
        NativeKind::Activated => TabKind::Activated,
        NativeKind::Closed => TabKind::Closed,
        // What was open in front is looked at as if it came to the front; what was behind, when it does.
        NativeKind::Snapshot if native.active => TabKind::Activated,
        NativeKind::Snapshot => return Said::Nothing,
        NativeKind::Ping => return Said::Message(Message::Ping),
    };
    let Native { tab, url, private, browser, .. } = native;
    Said::Message(Message::Tab(Tab { browser, tab, event, url, private }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Hello, Ready};
    use crate::platform::LocalListener;

    fn native(json: &str) -> Vec<u8> {
        [&u32::try_from(json.len()).unwrap().to_ne_bytes()[..], json.as_bytes()].concat()
    }

    fn news(kind: &str, more: &str) -> Vec<u8> {
        native(&format!(
            r#"{{"v":1,"seq":1,"kind":"{kind}","tab":5,"url":"https://a.example/","private":false,"browser":"chromium"{more}}}"#
        ))
    }

    /// What the service hears of what a browser says before it closes.
    async fn heard(browser: Vec<u8>) -> Vec<Message> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let listener = LocalListener::bind(&path).unwrap();
        let service = async {
            let mut frames = Framed::new(listener.accept().await.unwrap(), FrameCodec::default());
            let mut heard = Vec::new();
            while let Some(Ok(received)) = frames.next().await {
                let Received::Message(message) = received else { panic!("unreadable") };
                if matches!(message, Message::Hello(_)) {
                    frames.send(&Message::Ready(Ready { notice: 1 })).await.unwrap();
                }
                heard.push(message);
            }
            heard
        };
        let (carried, heard) = tokio::join!(run(&path, browser.as_slice(), tokio::io::sink()), service);
        carried.unwrap();
        heard
    }

    #[tokio::test]
    async fn what_the_extension_says_reaches_the_service_in_order() {
        let said = [news("committed", ""), news("ping", ""), news("closed", "")].concat();
        let heard = heard(said).await;
        assert!(matches!(heard[0], Message::Hello(Hello { role: Role::BrowserHost })));
        assert!(matches!(&heard[1], Message::Tab(tab) if tab.event == TabKind::Committed && tab.tab == 5));
        assert!(matches!(heard[2], Message::Ping));
        assert!(matches!(&heard[3], Message::Tab(tab) if tab.event == TabKind::Closed));
    }

    #[tokio::test]
    async fn of_the_tabs_that_were_open_the_one_in_front_counts() {
        let said = [news("snapshot", r#","active":false"#), news("snapshot", r#","active":true"#)].concat();
        let heard = heard(said).await;
        assert_eq!(heard.len(), 2);
        assert!(matches!(&heard[1], Message::Tab(tab) if tab.event == TabKind::Activated));
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_counted_and_the_rest_is_carried() {
        let huge = native(&"x".repeat(MAX_PAYLOAD_BYTES + 1));
        let said = [huge, native("{}"), native("not json"), news("committed", "")].concat();
        let heard = heard(said).await;
        assert!(heard[1] == Message::Dropped(Lost { oversize: 1, malformed: 0 }));
        assert!(heard[2] == Message::Dropped(Lost { oversize: 0, malformed: 1 }));
        assert!(heard[3] == Message::Dropped(Lost { oversize: 0, malformed: 1 }));
        assert!(matches!(heard[4], Message::Tab(_)));
    }

    #[tokio::test]
    async fn a_service_that_is_not_there_ends_the_host() {
        let folder = tempfile::tempdir().unwrap();
        assert!(run(&folder.path().join("agent.sock"), tokio::io::empty(), tokio::io::sink()).await.is_err());
    }
}
