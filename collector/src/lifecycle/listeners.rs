//! The three listeners, open.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::{Addresses, StartError};
use crate::config::Listen;

/// Open, and not yet accepting.
pub(super) struct Listeners {
    pub(super) enrol: TcpListener,
    pub(super) uplink: TcpListener,
    pub(super) console: TcpListener,
    pub(super) addresses: Addresses,
}

impl Listeners {
    /// Opens all three, or none.
    pub(super) async fn bind(listen: &Listen) -> Result<Self, StartError> {
        let (enrol, enrol_at) = bind(listen.enrol).await?;
        let (uplink, uplink_at) = bind(listen.uplink).await?;
        let (console, console_at) = bind(listen.console).await?;
        let addresses = Addresses { enrol: enrol_at, uplink: uplink_at, console: console_at };
        Ok(Self { enrol, uplink, console, addresses })
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let bound = TcpListener::bind(address).await.and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(|source| StartError::Listen { address, source })
}
