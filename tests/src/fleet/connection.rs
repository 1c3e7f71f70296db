//! gRPC over one HTTP/2 connection, as little of it as a device needs.
//!
//! A message is a byte 0, its length in four bytes, and its protobuf. What was encoded once is sent as it is: no codec
//! stands between a load generator and the wire.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, StatusCode};
use hyper::body::Bytes;
use prost::Message;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpSocket;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

/// How long connecting, and each answer that is waited for, may take.
const WITHIN: Duration = Duration::from_secs(60);
/// Answers are small.
const WINDOW: u32 = 64 * 1024;
/// Bytes before a message: not compressed, and its length.
const PREFIX: usize = 5;
/// Largest answer a device takes.
const MAX_ANSWER: usize = 64 * 1024;

/// A connection to a collector.
pub(super) struct Connection {
    requests: SendRequest<Bytes>,
    _driver: AbortOnDropHandle<()>,
}

/// An open call: messages up, answers down.
pub(super) struct Call {
    pub(super) up: Up,
    pub(super) down: Down,
}

/// The way up.
pub(super) struct Up(SendStream<Bytes>);

/// The way down.
pub(super) struct Down {
    stream: RecvStream,
    /// What came and is no whole message yet.
    held: Vec<u8>,
}

impl Connection {
    /// Connects to `to`, from the address `from` where one is given.
    pub(super) async fn open(to: SocketAddr, from: Option<IpAddr>, tls: Arc<ClientConfig>) -> anyhow::Result<Self> {
        let opening = async {
            let socket = TcpSocket::new_v4()?;
            if let Some(from) = from {
                socket.bind(SocketAddr::new(from, 0)).with_context(|| format!("failed to use the address {from}"))?;
            }
            let stream = socket.connect(to).await.context("failed to connect")?;
            stream.set_nodelay(true)?;
            let name = ServerName::try_from("localhost")?;
            let stream = TlsConnector::from(tls).connect(name, stream).await.context("the handshake failed")?;
            let mut builder = h2::client::Builder::new();
            builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW).enable_push(false);
            Ok(builder.handshake::<_, Bytes>(stream).await?)
        };
        let opened: anyhow::Result<_> = timeout(WITHIN, opening).await.context("connecting took too long")?;
        let (requests, driver) = opened?;
        let driver = async move {
            // Whoever waits for an answer hears of the end there.
            drop(driver.await);
        };
        #[expect(clippy::disallowed_methods, reason = "the handle ends it with the connection")]
        let driver = AbortOnDropHandle::new(tokio::spawn(driver));
        Ok(Self { requests, _driver: driver })
    }

    /// Opens a call of `method`, such as `/lapwing.v1.Uplink/Deliver`, with its first message.
    pub(super) async fn call(&self, method: &str, first: &impl Message) -> anyhow::Result<Call> {
        let (response, stream) = self.request(method).await?;
        let mut up = Up(stream);
        up.send(framed(first))?;
        Ok(Call { up, down: Down::of(response).await? })
    }

    /// Asks `method` for its one answer.
    pub(super) async fn ask<M: Message + Default>(&self, method: &str, question: &impl Message) -> anyhow::Result<M> {
        let (response, mut stream) = self.request(method).await?;
        stream.send_data(framed(question), true).context("the connection broke")?;
        Down::of(response).await?.expect().await
    }

    async fn request(&self, method: &str) -> anyhow::Result<(ResponseFuture, SendStream<Bytes>)> {
        let request = Request::post(format!("https://localhost{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())?;
        Ok(self.requests.clone().ready().await?.send_request(request, false)?)
    }
}

impl Up {
    /// Sends a framed message. Never waits: what the collector has no room for yet is kept.
    pub(super) fn send(&mut self, framed: Bytes) -> anyhow::Result<()> {
        self.0.send_data(framed, false).context("the connection broke")
    }
}

impl Down {
    async fn of(response: ResponseFuture) -> anyhow::Result<Self> {
        let response = timeout(WITHIN, response).await.context("no answer in time")??;
        ensure!(response.status() == StatusCode::OK, "the collector answered {}", response.status());
        check(response.headers())?;
        Ok(Self { stream: response.into_body(), held: Vec::new() })
    }

    /// The next answer; none at the end of a call that ended well. Safe to drop while it waits.
    pub(super) async fn next<M: Message + Default>(&mut self) -> anyhow::Result<Option<M>> {
        loop {
            if let Some(message) = self.take()? {
                return Ok(Some(M::decode(message.as_slice())?));
            }
            let Some(data) = self.stream.data().await else { break };
            let data = data.context("the connection broke")?;
            self.stream.flow_control().release_capacity(data.len())?;
            self.held.extend_from_slice(&data);
        }
        ensure!(self.held.is_empty(), "an answer was cut off");
        if let Some(trailers) = self.stream.trailers().await? {
            check(&trailers)?;
        }
        Ok(None)
    }

    /// As [`Down::next`], for at most a minute, and there has to be one.
    pub(super) async fn expect<M: Message + Default>(&mut self) -> anyhow::Result<M> {
        timeout(WITHIN, self.next()).await.context("no answer in time")??.context("the call ended")
    }

    fn take(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let Some((prefix, rest)) = self.held.split_first_chunk::<PREFIX>() else { return Ok(None) };
        let [compressed, length @ ..] = *prefix;
        let length = usize::try_from(u32::from_be_bytes(length))?;
        ensure!(compressed == 0 && length <= MAX_ANSWER, "an answer is compressed or {length} bytes long");
        let Some(message) = rest.get(..length) else { return Ok(None) };
        let message = message.to_vec();
        self.held.drain(..PREFIX + length);
        Ok(Some(message))
    }
}

/// A message as it goes onto the wire.
pub(super) fn framed(message: &impl Message) -> Bytes {
    let mut bytes = Vec::with_capacity(PREFIX + message.encoded_len());
    bytes.extend_from_slice(&prefix(message.encoded_len()));
    bytes.extend_from_slice(&message.encode_to_vec());
    bytes.into()
}

/// What stands before a message of `length` bytes.
pub(super) fn prefix(length: usize) -> [u8; PREFIX] {
    // Messages are at most 4 MiB.
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [0, a, b, c, d]
}

fn check(headers: &HeaderMap) -> anyhow::Result<()> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status") {
        None | Some("0") => Ok(()),
        Some(status) => bail!("the collector refused: status {status}, {}", text("grpc-message").unwrap_or_default()),
    }
}
