//! Descriptors that wake a task.

#![expect(unsafe_code, reason = "the runtime asks for a promise about the descriptor")]

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers `descriptor` with the runtime, to wake for `interest`.
///
/// # Errors
///
/// When the descriptor cannot be waited for.
pub(super) fn register(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is one open descriptor, the same for as long as it lives, and AsyncFd owns it from here on.
    unsafe { AsyncFd::register_with_interest(descriptor, interest) }.map_err(io::Error::from)
}
