//! The frames between the service and the programs of a session.
//!
//! ```text
//! "LW"  version u8 = 1  kind u8  length u32 little-endian, at most 65536  payload, JSON
//! ```
//!
//! Everything that arrives is hostile. A payload over the bound is skipped without being held, an unknown kind and a
//! payload that cannot be read are dropped, unknown fields are ignored; each is counted. What does not begin like a
//! frame ends the connection, because nothing says where the next one would begin.

use std::{fmt, io};

use serde::{Deserialize, Serialize};
use tokio_util::bytes::{Buf, BufMut, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::sensor::SensorHealth;

/// Largest payload, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

const MAGIC: [u8; 2] = *b"LW";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 8;

/// What the two sides tell each other. Who speaks is never part of it: the service asks the kernel. `Debug` shows
/// nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// First of a connection.
    Hello(Hello),
    /// The window with the focus now has this title.
    Title(Title),
    /// No window has the focus.
    Unfocused,
    /// Something happened to a browser tab.
    Tab(Tab),
    /// How a sensor of this session is.
    Health(Health),
    /// The sender lives.
    Ping,
    /// Messages of the browser that never became a frame.
    Dropped(Lost),
    /// A question; needs no hello.
    Ask(Ask),
    /// Answer to a hello.
    Ready(Ready),
    /// Answer to a ping.
    Pong,
    /// Answer to a question for the status.
    Report(Report),
    /// Answer to a question for the notice.
    Notice(Told),
}

/// Which role connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The role.
    pub role: Role,
}

/// The programs of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Tells window titles.
    Session,
    /// Started by a browser; tells tabs.
    BrowserHost,
}

/// A title.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Title {
    /// The window's number.
    pub window: u64,
    /// The title.
    pub title: String,
    /// Program name.
    pub app: String,
    /// Process; 0 where unknown.
    #[serde(default)]
    pub pid: u32,
}

/// A tab's news.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tab {
    /// The browser's name for itself.
    pub browser: String,
    /// The tab's number.
    pub tab: u64,
    /// What happened.
    pub event: TabKind,
    /// The URL it shows; empty when closed.
    #[serde(default)]
    pub url: String,
    /// In a private window.
    #[serde(default)]
    pub private: bool,
}

/// What can happen to a tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TabKind {
    /// A document was committed.
    Committed,
    /// The document changed its own URL.
    SameDocument,
    /// It came to the front.
    Activated,
    /// It closed.
    Closed,
}

/// A sensor's health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The sensor's name.
    pub sensor: String,
    /// How it is.
    pub health: HealthKind,
    /// Stable code; empty when working.
    #[serde(default)]
    pub reason: String,
    /// No personal data; empty where there is none.
    #[serde(default)]
    pub detail: String,
}

/// The three states of a sensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthKind {
    /// Sees.
    Working,
    /// Runs, but cannot see now.
    Blind,
    /// Cannot run here.
    Unavailable,
}

/// How many messages of the browser were lost, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Over their bound.
    #[serde(default)]
    pub oversize: u32,
    /// Not what they should be.
    #[serde(default)]
    pub malformed: u32,
}

/// What a program of the same computer may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Ask {
    /// How the service is; answered to the service's own account and root alone.
    Status,
    /// What is looked at; answered to everyone.
    Notice,
}

/// How the service is. No personal data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Every sensor.
    pub sensors: Vec<SensorReport>,
    /// Release of the rule set in force; 0: none.
    pub rule_set_release: u64,
    /// Release of the policy in force; 0: none.
    pub policy_release: u64,
    /// Codes of what is wrong, and details.
    pub diagnostics: Vec<(String, String)>,
    /// Nothing is looked at now.
    pub scoped_out: bool,
    /// Signals looked at since the start.
    pub seen: u64,
    /// Signals that matched since the start.
    pub matched: u64,
    /// How far the daily checks came since the start.
    pub canaries: Vec<CanaryReport>,
}

/// How far the daily checks of one sensor came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryReport {
    /// The sensor's name.
    pub sensor: String,
    /// Seen and spooled.
    pub spooled: u64,
    /// Acknowledged by the collector.
    pub delivered: u64,
}

/// How a sensor is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SensorReport {
    /// The session it belongs to; empty where to none.
    pub session: String,
    /// How it is.
    #[serde(flatten)]
    pub health: Health,
}

/// The notice in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its version; 0 before there is a policy.
    pub version: u32,
    /// Its text.
    pub text: String,
}

/// What the service answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Version of the notice in force; 0 before there is a policy.
    pub notice: u32,
}

/// What came out of the stream.
#[derive(Clone, PartialEq, Eq)]
pub enum Received {
    /// A message.
    Message(Message),
    /// A payload over the bound, skipped.
    Oversize,
    /// An unknown kind, or a payload that cannot be read; dropped.
    Malformed,
}

/// The codec. Holds at most one frame.
#[derive(Debug, Default)]
pub struct FrameCodec {
    /// Bytes of a payload over the bound that are still to be thrown away.
    skip: usize,
}

impl Decoder for FrameCodec {
    type Item = Received;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Received>> {
        if self.skip > 0 {
            let now = self.skip.min(buffer.len());
            buffer.advance(now);
            self.skip -= now;
        }
        let Some(header) = buffer.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let (kind, length) = read_header(*header)?;
        if length > MAX_PAYLOAD_BYTES {
            buffer.advance(HEADER_BYTES);
            self.skip = length;
            return Ok(Some(Received::Oversize));
        }
        if buffer.len() < HEADER_BYTES + length {
            buffer.reserve(HEADER_BYTES + length - buffer.len());
            return Ok(None);
        }
        buffer.advance(HEADER_BYTES);
        let payload = buffer.split_to(length);
        Ok(Some(Message::read(kind, &payload).map_or(Received::Malformed, Received::Message)))
    }
}

impl Encoder<&Message> for FrameCodec {
    type Error = io::Error;

    fn encode(&mut self, message: &Message, buffer: &mut BytesMut) -> io::Result<()> {
        let (kind, payload) = message.write()?;
        let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= MAX_PAYLOAD_BYTES);
        let Some(length) = length else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "message exceeds its frame"));
        };
        buffer.reserve(HEADER_BYTES + payload.len());
        buffer.put_slice(&MAGIC);
        buffer.put_u8(VERSION);
        buffer.put_u8(kind);
        buffer.put_u32_le(length);
        buffer.put_slice(&payload);
        Ok(())
    }
}

impl Message {
    /// Reads a payload; `None` for an unknown kind or one that cannot be read.
    fn read(kind: u8, payload: &[u8]) -> Option<Self> {
        match kind {
            1 => serde_json::from_slice(payload).ok().map(Self::Hello),
            2 => serde_json::from_slice(payload).ok().map(Self::Title),
            3 => Some(Self::Unfocused),
            4 => serde_json::from_slice(payload).ok().map(Self::Tab),
            5 => serde_json::from_slice(payload).ok().map(Self::Health),
            6 => Some(Self::Ping),
            7 => serde_json::from_slice(payload).ok().map(Self::Dropped),
            8 => serde_json::from_slice(payload).ok().map(Self::Ask),
            128 => serde_json::from_slice(payload).ok().map(Self::Ready),
            129 => Some(Self::Pong),
            130 => serde_json::from_slice(payload).ok().map(Self::Report),
            131 => serde_json::from_slice(payload).ok().map(Self::Notice),
            _ => None,
        }
    }

    fn write(&self) -> io::Result<(u8, Vec<u8>)> {
        let (kind, payload) = match self {
            Self::Hello(hello) => (1, serde_json::to_vec(hello)),
            Self::Title(title) => (2, serde_json::to_vec(title)),
            Self::Unfocused => (3, Ok(b"{}".to_vec())),
            Self::Tab(tab) => (4, serde_json::to_vec(tab)),
            Self::Health(health) => (5, serde_json::to_vec(health)),
            Self::Ping => (6, Ok(b"{}".to_vec())),
            Self::Dropped(lost) => (7, serde_json::to_vec(lost)),
            Self::Ask(ask) => (8, serde_json::to_vec(ask)),
            Self::Ready(ready) => (128, serde_json::to_vec(ready)),
            Self::Pong => (129, Ok(b"{}".to_vec())),
            Self::Report(report) => (130, serde_json::to_vec(report)),
            Self::Notice(told) => (131, serde_json::to_vec(told)),
        };
        Ok((kind, payload.map_err(io::Error::other)?))
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Message(<redacted>)")
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Message(_) => "Message(<redacted>)",
            Self::Oversize => "Oversize",
            Self::Malformed => "Malformed",
        })
    }
}

impl Health {
    /// A sensor's health as it travels.
    #[must_use]
    pub fn of(sensor: crate::sensor::SensorName, state: &SensorHealth) -> Self {
        let health = match state {
            SensorHealth::Working => HealthKind::Working,
            SensorHealth::Blind(..) => HealthKind::Blind,
            SensorHealth::Unavailable(..) => HealthKind::Unavailable,
        };
        let (reason, detail) = state.trouble().map_or(("", None), |(reason, detail)| (reason.as_code(), detail));
        Self {
            sensor: sensor.as_str().to_owned(),
            health,
            reason: reason.to_owned(),
            detail: detail.unwrap_or_default().to_owned(),
        }
    }

    /// The sensor's health; `None` where the reason is none this build knows.
    #[must_use]
    pub fn state(&self) -> Option<SensorHealth> {
        let detail = Some(self.detail.clone()).filter(|detail| !detail.is_empty());
        match self.health {
            HealthKind::Working => Some(SensorHealth::Working),
            HealthKind::Blind => Some(SensorHealth::Blind(self.reason.parse().ok()?, detail)),
            HealthKind::Unavailable => Some(SensorHealth::Unavailable(self.reason.parse().ok()?, detail)),
        }
    }
}

fn read_header(header: [u8; HEADER_BYTES]) -> io::Result<(u8, usize)> {
    let [m0, m1, version, kind, l0, l1, l2, l3] = header;
    if [m0, m1] != MAGIC || version != VERSION {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a frame of version 1"));
    }
    Ok((kind, usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests;
