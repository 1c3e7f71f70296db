//! What the service manager tells the service, and what it is told.

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::platform::Order;

/// The orders a running service takes: SIGTERM and SIGINT stop it, SIGHUP makes it read its configuration again.
#[derive(Debug)]
pub(crate) struct Orders {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Orders {
    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// When the handlers cannot be installed.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next order.
    pub(crate) async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.terminate.recv() => Order::Stop,
            _ = self.interrupt.recv() => Order::Stop,
            _ = self.hang_up.recv() => Order::Reload,
        }
    }
}

/// Tells the service manager that the service works.
pub(crate) fn tell_ready() {
    tell(NotifyState::Ready);
}

/// Tells the service manager that the service is stopping.
pub(crate) fn tell_stopping() {
    tell(NotifyState::Stopping);
}

/// Tells the service manager that the service is alive.
pub(crate) fn tell_alive() {
    tell(NotifyState::Watchdog);
}

/// How often the service manager wants to hear that the service is alive, where it does.
pub(crate) fn alive_within() -> Option<Duration> {
    let mut micros = 0;
    sd_notify::watchdog_enabled(false, &mut micros).then(|| Duration::from_micros(micros))
}

/// Without a service manager there is nobody to tell, which is no error.
fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(false, &[state]) {
        tracing::debug!(error = %error, "the service manager could not be told");
    }
}
