//! A relay that ends TLS on both sides with the test's own keys, and keeps what passed.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::task::AbortOnDropHandle;

/// Stands between an agent and its collector.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    passed: Passed,
    _server: AbortOnDropHandle<()>,
}

/// The bytes that passed, both ways, in the order of their arrival at the relay.
type Passed = Arc<Mutex<Vec<u8>>>;

impl Relay {
    /// Listens on a free port of loopback and passes everything on to `upstream`.
    ///
    /// # Errors
    ///
    /// When there is no port.
    pub async fn start(server: ServerConfig, client: ClientConfig, upstream: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("failed to listen")?;
        let address = listener.local_addr()?;
        let passed = Passed::default();
        let line = Line {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
            upstream,
            passed: Arc::clone(&passed),
        };
        #[expect(clippy::disallowed_methods, reason = "the handle ends it with the story")]
        let server = AbortOnDropHandle::new(tokio::spawn(line.serve(listener)));
        Ok(Self { address, passed, _server: server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What passed so far, decrypted.
    #[must_use]
    pub fn passed(&self) -> Vec<u8> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Clone)]
struct Line {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    upstream: SocketAddr,
    passed: Passed,
}

impl Line {
    async fn serve(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let line = self.clone();
            #[expect(clippy::disallowed_methods, reason = "ends with its connection")]
            tokio::spawn(async move {
                // A connection that breaks is the programs' to mend.
                drop(line.pass(stream).await);
            });
        }
    }

    async fn pass(&self, stream: TcpStream) -> anyhow::Result<()> {
        let (from_agent, to_agent) = split(self.acceptor.accept(stream).await?);
        let upstream = TcpStream::connect(self.upstream).await?;
        let (from_collector, to_collector) =
            split(self.connector.connect(ServerName::try_from("localhost")?, upstream).await?);
        tokio::try_join!(self.copy(from_agent, to_collector), self.copy(from_collector, to_agent))?;
        Ok(())
    }

    async fn copy(&self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> anyhow::Result<()> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = from.read(&mut buffer).await?;
            let piece = buffer.get(..read).unwrap_or_default();
            if piece.is_empty() {
                to.shutdown().await?;
                return Ok(());
            }
            self.passed.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(piece);
            to.write_all(piece).await?;
            to.flush().await?;
        }
    }
}
