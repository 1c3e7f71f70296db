//! Posting to an address over HTTPS: one connection, one request, one answer, of which only the status counts.
//!
//! The name is resolved once, and the address that was checked is the one connected to: a name that changes its mind in
//! between leads nowhere. A redirect is an answer like any other that is no success.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::address;
use super::failure::Failure;
use crate::config::Private;

/// Longest head of an answer, in bytes. Its body is not read.
const MAX_HEAD_BYTES: usize = 16 * 1024;
const AGENT: &str = concat!("lapwing-collector/", env!("CARGO_PKG_VERSION"));

/// One address to post to.
pub(super) struct Poster {
    uri: Uri,
    host: String,
    port: u16,
    /// `None` for http, to this machine.
    tls: Option<TlsConnector>,
    private: Private,
}

/// What a request goes over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Poster {
    /// A way to `uri`, which is https, or http to this machine; trusts `roots`. `None` where it names no host.
    pub(super) fn new(uri: Uri, roots: RootCertStore, private: Private) -> Result<Option<Self>, rustls::Error> {
        let Some(host) = uri.host().map(|host| host.trim_matches(['[', ']']).to_owned()) else { return Ok(None) };
        let is_plain = uri.scheme_str() == Some("http");
        let port = uri.port_u16().unwrap_or(if is_plain { 80 } else { 443 });
        let tls = if is_plain { None } else { Some(connector(roots)?) };
        Ok(Some(Self { uri, host, port, tls, private }))
    }

    /// Posts `body`, which is JSON.
    pub(super) async fn post(&self, headers: &[(&'static str, String)], body: String) -> Result<(), Failure> {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder().method(Method::POST).uri(path);
        let authority = self.uri.authority().map_or(self.host.as_str(), |authority| authority.as_str());
        request = request.header(HOST, authority).header(USER_AGENT, AGENT).header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|_| Failure::refused("bad_message"))?;
        let status = exchange(self.connect().await?, request).await?;
        if status.is_success() { Ok(()) } else { Err(Failure::of_status(status)) }
    }

    /// Sees whether there is somebody to post to, and says nothing.
    pub(super) async fn probe(&self) -> Result<(), Failure> {
        self.connect().await.map(drop)
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, Failure> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let mut allowed = address::allowed(found.map_err(|_| Failure::not_now("name"))?, self.private);
        if self.tls.is_none() {
            allowed.retain(|address| address.ip().is_loopback());
        }
        if allowed.is_empty() {
            return Err(Failure::not_now("private_address"));
        }
        let stream = open(&allowed).await.map_err(|_| Failure::not_now("connection"))?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(self.host.clone()).map_err(|_| Failure::refused("bad_address"))?;
        let stream = tls.connect(name, stream).await.map_err(|error| Failure::not_now(handshake_code(&error)))?;
        Ok(Box::new(stream))
    }
}

/// Whether TLS itself refused, or the connection ended.
fn handshake_code(error: &io::Error) -> &'static str {
    let is_tls = error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
    if is_tls { "tls" } else { "connection" }
}

async fn open(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    TcpStream::connect(addresses).await
}

async fn exchange(stream: Box<dyn Stream>, request: Request<Full<Bytes>>) -> Result<StatusCode, Failure> {
    let broken = |_| Failure::not_now("protocol");
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD_BYTES);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let answer = pin!(sender.send_request(request));
    let connection = pin!(connection);
    let answer = match select(answer, connection).await {
        Either::Left((answer, _)) => answer,
        // What came before the connection ended may still be an answer.
        Either::Right((_, answer)) => answer.await,
    };
    Ok(answer.map_err(broken)?.status())
}

fn connector(roots: RootCertStore) -> Result<TlsConnector, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
