//! The console over its accepted connections.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use crate::shutdown::Shutdown;

/// A browser sends its request's head within this.
const HEAD_WITHIN: Duration = Duration::from_secs(15);
const MAX_HEAD_BYTES: usize = 16 * 1024;
const PING_EVERY: Duration = Duration::from_secs(60);
const MAX_STREAMS: u32 = 64;

/// Serves `router` on one connection; the remote address is in a request's extensions.
pub(super) async fn serve(tls: TlsStream<TcpStream>, router: Router, shutdown: Shutdown) {
    let Ok(remote) = tls.get_ref().0.peer_addr() else { return };
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(remote));
        router.clone().oneshot(request.map(Body::new))
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(MAX_HEAD_BYTES);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(PING_EVERY).max_concurrent_streams(MAX_STREAMS);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(tls), service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = shutdown.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(error = error.as_ref() as &dyn std::error::Error, "a console connection ended early");
    }
}
