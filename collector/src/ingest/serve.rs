//! gRPC over one connection that TLS has accepted, from its first call to its end.
//!
//! ```text
//! connection -> a place of its device -> calls, each with the peer's certificates and the order to retire
//! ends       when it is idle, when its age is reached or the collector stops: streams finish the message they are
//!            in, the peer is told to come back on a new connection, and after a grace it is cut
//! ```

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::server::TlsStream;
use tonic::body::Body;
use tonic::transport::server::Connected as _;
use tower::ServiceExt;

use super::Ingest;
use super::deliver::{self, Delivering};
use super::metered::Metered;
use super::room::Share;
use crate::shutdown::Shutdown;
use crate::tls::peer_of;

/// A peer that does not answer a ping within this is gone.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
const PING_EVERY: Duration = Duration::from_secs(60);
/// A connection without a call ends after this, or twice this.
const IDLE: Duration = Duration::from_secs(120);
/// Enrolment is one call.
const ENROL_AGE: Duration = Duration::from_secs(60);
/// A call at enrolment.
const ENROL_WITHIN: Duration = Duration::from_secs(30);
/// Calls a device has open: delivery, control, and a few short ones.
const MAX_STREAMS: u32 = 16;
const MAX_HEADER_BYTES: u32 = 8 * 1024;
/// What a device may send before it is read: the worst that a connection costs while the collector is behind. At 50 ms
/// of round trip still a thousand captures a second.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024 - 1;
/// What is written for a device that does not read: then it is not read either.
const MAX_SEND_BYTES: usize = 64 * 1024;

/// What ingest bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of messages received in part, and of whole ones that are not committed, over all devices; each.
    pub received_bytes: usize,
    /// Of the latter, bytes of those that are built, in memory some five times as much; a larger one is built alone. What
    /// a few commits hold: then each is sealed and stored while the processor has it at hand.
    pub built_bytes: usize,
    /// A message is whole this long after its first byte.
    pub message_within: Duration,
    /// A device reconnects, with its newest certificate, at this age or at down to half of it: the fleet does not
    /// come back at once.
    pub uplink_age: Duration,
    /// What a connection past its age gets to finish its calls.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            received_bytes: 64 * 1024 * 1024,
            built_bytes: 1024 * 1024,
            message_within: Duration::from_secs(30),
            uplink_age: Duration::from_secs(12 * 60 * 60),
            grace: Duration::from_secs(30),
        }
    }
}

/// The order to end, as it travels with each request.
#[derive(Clone)]
pub(super) struct Retire(pub(super) Shutdown);

/// What the device's whole messages take up at most, as it travels with each request.
#[derive(Clone)]
pub(super) struct Whole(pub(super) Share);

/// Calls of one connection, in all and at an end.
#[derive(Debug, Default)]
struct Calls {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// A call that is under way.
struct Call(Arc<Calls>);

impl Ingest {
    /// Serves enrolment on one connection.
    pub async fn serve_enrol(self: Arc<Self>, tls: TlsStream<TcpStream>) {
        let info = tls.connect_info();
        let service = self.enrol_service();
        let call = move |mut request: Request<Body>| {
            request.extensions_mut().insert(info.clone());
            let answer = service.clone().oneshot(request);
            async move {
                match tokio::time::timeout(ENROL_WITHIN, answer).await {
                    Ok(answer) => answer,
                    Err(_) => Ok(tonic::Status::deadline_exceeded("enrolment took too long").into_http()),
                }
            }
        };
        let budgets = vec![Arc::clone(&self.receiving_bytes)];
        self.serve(tls, (ENROL_AGE, self.shutdown.child()), budgets, call).await;
    }

    /// Serves an enrolled device on one connection.
    pub async fn serve_uplink(self: Arc<Self>, tls: TlsStream<TcpStream>) {
        let info = tls.connect_info();
        let certificates = info.peer_certs();
        let certificate = certificates.as_ref().and_then(|chain| chain.first());
        let Some(peer) = certificate.and_then(|certificate| peer_of(certificate).ok()) else { return };
        let Some(place) = self.connected.enter(peer.device) else {
            tracing::debug!(device.id = %peer.device, "more connections than a device needs");
            return;
        };
        let retire = self.shutdown.child();
        let (uplink, delivering) = (self.uplink_service(), Delivering(Arc::clone(&self)));
        let (retiring, share) = (Retire(retire.clone()), Whole(Arc::clone(&place.whole)));
        let call = move |mut request: Request<Body>| {
            request.extensions_mut().insert(info.clone());
            request.extensions_mut().insert(retiring.clone());
            request.extensions_mut().insert(share.clone());
            let (uplink, delivering) = (uplink.clone(), delivering.clone());
            async move {
                if request.uri().path() == deliver::PATH {
                    return Ok(delivering.call(request).await);
                }
                uplink.oneshot(request).await
            }
        };
        let age = jittered(self.limits.uplink_age);
        let budgets = vec![Arc::clone(&place.received), Arc::clone(&self.receiving_bytes)];
        self.serve(tls, (age, retire), budgets, call).await;
    }

    async fn serve<C, F>(
        &self,
        tls: TlsStream<TcpStream>,
        (age, retire): (Duration, Shutdown),
        budgets: Vec<Arc<Semaphore>>,
        call: C,
    ) where
        C: Fn(Request<Body>) -> F,
        F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
    {
        let calls = Arc::new(Calls::default());
        let within = self.limits.message_within;
        let service = service_fn(|request: Request<Incoming>| {
            let under_way = calls.begin();
            let metered = |body| Body::new(Metered::new(body, budgets.clone(), within));
            let answer = call(request.map(metered));
            async move {
                let answer = answer.await?;
                // Kept by the body, so that a call lasts until its last byte.
                Ok::<_, Infallible>(answer.map(|body| Body::new(body.map_frame(move |frame| under_way.pass(frame)))))
            }
        });
        let mut connection = pin!(builder().serve_connection(TokioIo::new(tls), service));
        let served = tokio::select! {
            served = connection.as_mut() => Some(served),
            () = retire.requested() => None,
            () = tokio::time::sleep(age) => None,
            () = calls.idle() => None,
        };
        let served = match served {
            Some(served) => served,
            None => {
                retire.request();
                connection.as_mut().graceful_shutdown();
                let Ok(served) = tokio::time::timeout(self.limits.grace, connection).await else { return };
                served
            }
        };
        if let Err(error) = served {
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
        }
    }
}

impl Calls {
    fn begin(self: &Arc<Self>) -> Call {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Call(Arc::clone(self))
    }

    /// Returns when no call was open or begun for a while.
    async fn idle(&self) {
        let mut begun = u64::MAX;
        loop {
            tokio::time::sleep(IDLE).await;
            let now = self.begun.load(Ordering::Relaxed);
            if now == begun && self.ended.load(Ordering::Relaxed) == now {
                return;
            }
            begun = now;
        }
    }
}

impl Call {
    fn pass<T>(&self, frame: T) -> T {
        let Self(_calls) = self;
        frame
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

fn builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(STREAM_WINDOW_BYTES)
        .max_send_buf_size(MAX_SEND_BYTES);
    builder
}

/// From half of `age` to all of it; all of it where there is no randomness.
fn jittered(age: Duration) -> Duration {
    let mut bytes = [0; 4];
    if getrandom::fill(&mut bytes).is_err() {
        return age;
    }
    let half = age / 2;
    half.saturating_add(half.mul_f64(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_spread_over_their_second_half() {
        let age = Duration::from_secs(1000);
        let ages: Vec<_> = (0..200).map(|_| jittered(age)).collect();
        assert!(ages.iter().all(|one| (age / 2..=age).contains(one)));
        let early = ages.iter().filter(|one| **one < age * 3 / 4).count();
        assert!((50..150).contains(&early), "{early}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_when_nothing_was_called_for_a_while() {
        let calls = Arc::new(Calls::default());
        let call = calls.begin();
        assert!(tokio::time::timeout(IDLE * 10, calls.idle()).await.is_err());
        drop(call);
        assert!(tokio::time::timeout(IDLE * 3, calls.idle()).await.is_ok());
    }
}
