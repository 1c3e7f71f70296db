//! Accepting TLS: a bounded number of handshakes at a time, each with a bound on its time.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Collector;
use crate::ingest::{Connections, ServeError};
use crate::shutdown::Shutdown;

/// Handshakes at a time; further connections wait in the kernel's backlog.
const MAX_HANDSHAKES: usize = 256;
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// Connections past their handshake that wait to be served. When it is full they wait with their handshake's place,
/// and so does whoever comes after them.
const ACCEPTED: usize = 64;
/// After a failed accept, usually for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

impl Collector {
    /// Accepts at `listener` until shutdown; the connections arrive at what it answers.
    pub(super) fn accept(
        &self,
        name: &'static str,
        listener: TcpListener,
        tls: &Arc<ArcSwap<ServerConfig>>,
    ) -> Connections {
        let (accepted, connections) = mpsc::channel(ACCEPTED);
        let (tasks, tls, shutdown) = (self.tasks.clone(), Arc::clone(tls), self.shutdown.clone());
        let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
        self.tasks.spawn(async move {
            while let Some((tcp, place)) = next(name, &listener, &handshakes, &shutdown).await {
                let acceptor = TlsAcceptor::from(tls.load_full());
                tasks.spawn(shake_hands(name, tcp, place, acceptor, accepted.clone(), shutdown.clone()));
            }
        });
        connections
    }

    /// Serves gRPC to its end.
    pub(super) fn spawn_grpc(
        &self,
        name: &'static str,
        serving: impl Future<Output = Result<(), ServeError>> + Send + 'static,
    ) {
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(listener = name, error = &error as &dyn std::error::Error, "a listener failed");
                shutdown.request();
            }
        });
    }
}

/// The next connection with a place for its handshake; none at shutdown.
async fn next(
    name: &'static str,
    listener: &TcpListener,
    handshakes: &Arc<Semaphore>,
    shutdown: &Shutdown,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let accept = async {
        let place = Arc::clone(handshakes).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((tcp, _)) => return Some((tcp, place)),
                Err(error) => {
                    tracing::warn!(listener = name, error = &error as &dyn std::error::Error, "cannot accept");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = shutdown.requested() => None,
        accepted = accept => accepted,
    }
}

async fn shake_hands(
    name: &'static str,
    tcp: TcpStream,
    place: OwnedSemaphorePermit,
    acceptor: TlsAcceptor,
    accepted: mpsc::Sender<TlsStream<TcpStream>>,
    shutdown: Shutdown,
) {
    let handshake = async {
        tcp.set_nodelay(true)?;
        acceptor.accept(tcp).await
    };
    let tls = tokio::select! {
        () = shutdown.requested() => return,
        tls = tokio::time::timeout(HANDSHAKE_WITHIN, handshake) => tls,
    };
    match tls {
        // A closed channel is a listener that stops.
        Ok(Ok(tls)) => drop(accepted.send(tls).await),
        Ok(Err(error)) => {
            tracing::debug!(listener = name, error = &error as &dyn std::error::Error, "handshake failed");
        }
        Err(_) => tracing::debug!(listener = name, "handshake took too long"),
    }
    drop(place);
}
