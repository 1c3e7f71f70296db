//! As much of each peer's protocol as a load generator needs. All of them answer in lines.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::super::{AHEAD, ENTRY_BYTES};
use crate::report::now;

/// How long a peer may take to start, and to acknowledge.
const WITHIN: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_millis(50);
const STREAM: &str = "bench";
/// Longest line that is looked at.
const MAX_LINE_BYTES: usize = 4096;

/// How a peer is spoken to.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) address: SocketAddr,
    pub(super) protocol: Protocol,
    pub(super) tls: Option<Arc<ClientConfig>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// `XADD`, pipelined.
    Redis,
    /// `PUB` to a stream, each with a place to answer to.
    JetStream,
    /// Numbered `syslog` transactions.
    Relp,
}

/// What a line of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Acknowledged,
    Ping,
    Refused,
    Nothing,
}

/// A connection that delivers.
pub(super) struct Client {
    protocol: Protocol,
    inbox: String,
    stream: Box<dyn Stream>,
    /// What came and is no whole line yet.
    held: Vec<u8>,
    /// Entries sent and acknowledged so far.
    sent: u64,
    acknowledged: u64,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Wire {
    /// A connection that is ready to deliver, as soon as the peer listens.
    pub(super) async fn connect(&self) -> anyhow::Result<Client> {
        let connected = async {
            loop {
                match TcpStream::connect(self.address).await {
                    Ok(stream) => break stream,
                    Err(_) => tokio::time::sleep(RETRY).await,
                }
            }
        };
        let stream = timeout(WITHIN, connected).await.context("it does not listen")?;
        stream.set_nodelay(true)?;
        // Answers go to whoever listens at the place they are sent to: each connection has its own.
        let inbox = format!("_INBOX.{}", stream.local_addr()?.port());
        let stream: Box<dyn Stream> = match &self.tls {
            Some(tls) => {
                let name = ServerName::try_from("localhost")?;
                Box::new(TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?)
            }
            None => Box::new(stream),
        };
        let protocol = self.protocol;
        let mut client = Client { protocol, inbox, stream, held: Vec::new(), sent: 0, acknowledged: 0 };
        client.greet().await?;
        Ok(client)
    }
}

/// Delivers over every connection at once: entries acknowledged a second.
pub(super) async fn deliver(clients: &mut Vec<Client>, batch: usize, lasting: Duration) -> anyhow::Result<f64> {
    let started = now();
    let mut running = JoinSet::new();
    for client in clients.drain(..) {
        running.spawn(client.deliver(batch, started, lasting));
    }
    let mut entries = 0;
    while let Some(done) = running.join_next().await {
        let (client, acknowledged) = done.context("a client panicked")??;
        entries += acknowledged;
        clients.push(client);
    }
    #[expect(clippy::cast_precision_loss, reason = "some millions")]
    let entries = entries as f64;
    Ok(entries / started.elapsed().as_secs_f64())
}

impl Client {
    async fn greet(&mut self) -> anyhow::Result<()> {
        let hello = match self.protocol {
            Protocol::Redis => return Ok(()),
            Protocol::JetStream => {
                let stream = format!(r#"{{"name":"{STREAM}","subjects":["{STREAM}"],"storage":"file"}}"#);
                format!(
                    "CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\nSUB {} 1\r\n\
                     PUB $JS.API.STREAM.CREATE.{STREAM} _INBOX.none {}\r\n{stream}\r\n",
                    self.inbox,
                    stream.len()
                )
            }
            Protocol::Relp => {
                let offer = "relp_version=0\nrelp_software=bench\ncommands=syslog";
                format!("1 open {} {offer}\n", offer.len())
            }
        };
        self.stream.write_all(hello.as_bytes()).await?;
        // One entry at a time until one is kept: the stream may not be made yet.
        for _ in 0..100 {
            self.send(1).await?;
            match timeout(Duration::from_secs(1), self.until_acknowledged(self.sent)).await {
                Ok(done) => return done,
                Err(_) => self.acknowledged = self.sent,
            }
        }
        bail!("it acknowledges nothing")
    }

    async fn deliver(mut self, batch: usize, started: Instant, lasting: Duration) -> anyhow::Result<(Self, u64)> {
        let before = self.acknowledged;
        let ahead = u64::try_from(batch * AHEAD)?;
        while started.elapsed() < lasting {
            while self.sent - self.acknowledged + u64::try_from(batch)? <= ahead {
                self.send(batch).await?;
            }
            self.until_acknowledged(self.acknowledged + 1).await?;
        }
        self.until_acknowledged(self.sent).await?;
        let acknowledged = self.acknowledged - before;
        Ok((self, acknowledged))
    }

    async fn send(&mut self, entries: usize) -> anyhow::Result<()> {
        let mut bytes = Vec::with_capacity(entries * (ENTRY_BYTES + 64));
        for _ in 0..entries {
            self.sent += 1;
            self.protocol.entry(self.sent, &self.inbox, &mut bytes);
        }
        Ok(self.stream.write_all(&bytes).await?)
    }

    async fn until_acknowledged(&mut self, entries: u64) -> anyhow::Result<()> {
        while self.acknowledged < entries {
            let read = timeout(WITHIN, self.stream.read_buf(&mut self.held)).await.context("no answer in time")??;
            ensure!(read > 0, "it closed the connection");
            let whole = self.held.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
            ensure!(self.held.len() - whole <= MAX_LINE_BYTES, "an answer does not end");
            let lines: Vec<u8> = self.held.drain(..whole).collect();
            for line in lines.split(|byte| *byte == b'\n') {
                match self.protocol.read(line) {
                    Says::Acknowledged => self.acknowledged += 1,
                    Says::Ping => self.stream.write_all(b"PONG\r\n").await?,
                    Says::Refused => bail!("it refused: {}", String::from_utf8_lossy(line)),
                    Says::Nothing => {}
                }
            }
        }
        Ok(())
    }
}

impl Protocol {
    /// Adds the `number`-th entry of a connection.
    fn entry(self, number: u64, inbox: &str, to: &mut Vec<u8>) {
        const ENTRY: [u8; ENTRY_BYTES] = [b'e'; ENTRY_BYTES];
        let (head, tail) = match self {
            Self::Redis => (
                format!("*5\r\n$4\r\nXADD\r\n$5\r\n{STREAM}\r\n$1\r\n*\r\n$1\r\nc\r\n${ENTRY_BYTES}\r\n"),
                b"\r\n".as_slice(),
            ),
            Self::JetStream => (format!("PUB {STREAM} {inbox} {ENTRY_BYTES}\r\n"), b"\r\n".as_slice()),
            Self::Relp => (format!("{} syslog {ENTRY_BYTES} ", number + 1), b"\n".as_slice()),
        };
        to.extend_from_slice(head.as_bytes());
        to.extend_from_slice(&ENTRY);
        to.extend_from_slice(tail);
    }

    fn read(self, line: &[u8]) -> Says {
        let has = |what: &[u8]| line.windows(what.len()).any(|part| part == what);
        match (self, line.first()) {
            (_, Some(b'-')) => Says::Refused,
            (Self::Redis, Some(b'0'..=b'9')) => Says::Acknowledged,
            (Self::JetStream, Some(b'P')) if line.starts_with(b"PING") => Says::Ping,
            (Self::JetStream, Some(b'{')) if has(b"\"seq\"") => Says::Acknowledged,
            (Self::JetStream, Some(b'{')) if has(b"\"error\"") => Says::Refused,
            (Self::Relp, Some(b'0'..=b'9')) if has(b" rsp 6 200 OK") => Says::Acknowledged,
            (Self::Relp, Some(b'0'..=b'9')) if has(b" rsp ") && !has(b" 200 OK") => Says::Refused,
            (Self::Redis | Self::JetStream | Self::Relp, _) => Says::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        for (protocol, line, says) in [
            (Protocol::Redis, "$15", Says::Nothing),
            (Protocol::Redis, "1526919030474-55", Says::Acknowledged),
            (Protocol::Redis, "-OOM command not allowed", Says::Refused),
            (Protocol::JetStream, "MSG _INBOX.bench 1 28", Says::Nothing),
            (Protocol::JetStream, r#"{"stream":"bench", "seq":1}"#, Says::Acknowledged),
            (Protocol::JetStream, r#"{"error":{"code":503}}"#, Says::Refused),
            (Protocol::JetStream, "PING", Says::Ping),
            (Protocol::Relp, "1 rsp 92 200 OK", Says::Nothing),
            (Protocol::Relp, "7 rsp 6 200 OK", Says::Acknowledged),
            (Protocol::Relp, "7 rsp 9 500 ERROR", Says::Refused),
            (Protocol::Relp, "relp_version=0", Says::Nothing),
        ] {
            assert_eq!(protocol.read(line.as_bytes()), says, "{line}");
        }
    }
}
