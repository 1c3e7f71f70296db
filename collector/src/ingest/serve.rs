//! gRPC over connections that TLS has accepted.
//!
//! The connections arrive as `TlsStream<TcpStream>`, whose connect info carries the peer's certificates to the
//! handlers.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::Server;

use super::Ingest;

/// A peer that does not answer a ping within this is gone.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
const PING_EVERY: Duration = Duration::from_secs(60);
/// Enrolment is one call.
const ENROL_AGE: Duration = Duration::from_secs(60);
/// A device reconnects with its newest certificate at least this often.
const UPLINK_AGE: Duration = Duration::from_secs(12 * 60 * 60);
/// What a connection past its age gets to finish its calls.
const AGE_GRACE: Duration = Duration::from_secs(30);
/// Calls a device has open: delivery, control, and a few short ones.
const MAX_STREAMS: u32 = 16;
/// A call at enrolment.
const ENROL_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_HEADER_BYTES: u32 = 8 * 1024;

/// Connections past their handshake, from an accept loop.
pub type Connections = mpsc::Receiver<TlsStream<TcpStream>>;

/// gRPC cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve gRPC")]
pub struct ServeError(#[from] tonic::transport::Error);

impl Ingest {
    /// Serves enrolment until shutdown, then until the last call has ended.
    ///
    /// # Errors
    ///
    /// When the transport fails as a whole; a failing connection ends alone.
    pub async fn serve_enrol(self: Arc<Self>, connections: Connections) -> Result<(), ServeError> {
        let server = bounded().max_connection_age(ENROL_AGE).timeout(ENROL_TIMEOUT);
        let service = self.enrol_service();
        let stop = self.shutdown.requested();
        Ok(server.serve_with_incoming_shutdown(service, incoming(connections), stop).await?)
    }

    /// Serves enrolled devices until shutdown, then until their streams have ended.
    ///
    /// # Errors
    ///
    /// As [`Ingest::serve_enrol`].
    pub async fn serve_uplink(self: Arc<Self>, connections: Connections) -> Result<(), ServeError> {
        let server = bounded().max_connection_age(UPLINK_AGE);
        let service = self.uplink_service();
        let stop = self.shutdown.requested();
        Ok(server.serve_with_incoming_shutdown(service, incoming(connections), stop).await?)
    }
}

fn incoming(connections: Connections) -> impl Stream<Item = std::io::Result<TlsStream<TcpStream>>> {
    ReceiverStream::new(connections).map(Ok)
}

fn bounded() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PING_TIMEOUT))
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .max_concurrent_streams(MAX_STREAMS)
        .max_connection_age_grace(AGE_GRACE)
}
