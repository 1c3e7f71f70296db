//! Accepting TLS: a bounded number of connections and handshakes, each with a bound on its time, one task each.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Collector;
use super::slots::{Limits, Slot, Slots};
use crate::shutdown::Shutdown;

/// After a failed accept, usually for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Where connections come from, and by which certificate they are met.
pub(super) struct Door {
    pub(super) name: &'static str,
    pub(super) listener: TcpListener,
    pub(super) tls: Arc<ArcSwap<ServerConfig>>,
    pub(super) limits: Limits,
}

impl Collector {
    /// Accepts at `door` until shutdown; each connection is handed to `serve` after its handshake.
    pub(super) fn accept<S, F>(&self, door: Door, serve: S)
    where
        S: Fn(TlsStream<TcpStream>) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send,
    {
        let (tasks, shutdown) = (self.tasks.clone(), self.shutdown.clone());
        self.spawn_part(door.name, &self.tasks, async move {
            let slots = Slots::new(door.limits);
            while let Some((tcp, address)) = next(door.name, &door.listener, &shutdown).await {
                match slots.take(address) {
                    Ok(slot) => {
                        let greeting = greet(door.name, tcp, slot, door.tls.load_full());
                        let (serve, shutdown) = (serve.clone(), shutdown.clone());
                        tasks.spawn(async move {
                            let greeted = tokio::select! {
                                () = shutdown.requested() => None,
                                greeted = greeting => greeted,
                            };
                            if let Some((tls, _slot)) = greeted {
                                serve(tls).await;
                            }
                        });
                    }
                    // Closed at once. Told for the 1st, 2nd, 4th, 8th ...: a flood does not fill the log.
                    Err(refused) if refused.is_power_of_two() => {
                        tracing::warn!(listener = door.name, refused, "more connections than there are places");
                    }
                    Err(_) => {}
                }
            }
        });
    }
}

/// The next connection; none at shutdown.
async fn next(name: &'static str, listener: &TcpListener, shutdown: &Shutdown) -> Option<(TcpStream, IpAddr)> {
    loop {
        let accepted = tokio::select! {
            () = shutdown.requested() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, address)) => return Some((tcp, address.ip())),
            Err(error) => {
                tracing::warn!(listener = name, error = &error as &dyn std::error::Error, "cannot accept");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Shakes hands when it is the connection's turn; none when that came to nothing.
async fn greet(
    name: &'static str,
    tcp: TcpStream,
    slot: Slot,
    tls: Arc<ServerConfig>,
) -> Option<(TlsStream<TcpStream>, Slot)> {
    let _turn = slot.turn().await?;
    let handshake = async {
        tcp.set_nodelay(true)?;
        TlsAcceptor::from(tls).accept(tcp).await
    };
    match tokio::time::timeout(slot.limits().handshake_within, handshake).await {
        Ok(Ok(tls)) => Some((tls, slot)),
        Ok(Err(error)) => {
            tracing::debug!(listener = name, error = &error as &dyn std::error::Error, "handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!(listener = name, "handshake took too long");
            None
        }
    }
}
