//! Whether the other side said that a certificate has run out.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Dialling, Wire, failure, says_expired};

/// Whether the other side refused the certificate that was shown since it has run out. By TLS 1.3 that arrives after the
/// handshake, when what reads from the connection no longer tells one error from another.
#[derive(Clone, Debug, Default)]
pub(in crate::uplink) struct Expiry(Arc<AtomicBool>);

impl Expiry {
    /// Whether it did so since the last time it was asked.
    pub(in crate::uplink) fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }

    /// The connection that is being made, taking note.
    pub(super) async fn noting(self, dialling: Dialling) -> io::Result<Noting> {
        match dialling.await {
            Ok(wire) => Ok(Noting { wire, expiry: self }),
            Err(error) => {
                self.note(&error);
                Err(error)
            }
        }
    }

    fn note(&self, error: &io::Error) {
        if failure(error).is_some_and(says_expired) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}

/// A connection that takes note of that.
pub(super) struct Noting {
    wire: Box<dyn Wire>,
    expiry: Expiry,
}

impl Noting {
    fn note<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &polled {
            self.expiry.note(error);
        }
        polled
    }
}

impl AsyncRead for Noting {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.wire).poll_read(cx, into);
        self.note(polled)
    }
}

impl AsyncWrite for Noting {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.wire).poll_write(cx, bytes);
        self.note(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.wire).poll_flush(cx);
        self.note(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.wire).poll_shutdown(cx);
        self.note(polled)
    }
}
