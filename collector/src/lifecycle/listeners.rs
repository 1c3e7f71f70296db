//! The listeners, open.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::{Addresses, StartError};
use crate::config::Config;
use crate::proof::filter::Syslog;

/// Open, and not yet accepting.
pub(super) struct Listeners {
    pub(super) enrol: TcpListener,
    pub(super) uplink: TcpListener,
    pub(super) console: TcpListener,
    pub(super) filter_syslog: Option<Syslog>,
    pub(super) addresses: Addresses,
}

impl Listeners {
    /// Opens all of them, or none.
    pub(super) async fn bind(config: &Config) -> Result<Self, StartError> {
        let listen = &config.listen;
        let (enrol, enrol_at) = bind(listen.enrol).await?;
        let (uplink, uplink_at) = bind(listen.uplink).await?;
        let (console, console_at) = bind(listen.console).await?;
        let filter_syslog = match config.filter_syslog.clone() {
            Some(wanted) => {
                let address = wanted.listen;
                Some(Syslog::bind(wanted).await.map_err(|source| StartError::Listen { address, source })?)
            }
            None => None,
        };
        let addresses = Addresses {
            enrol: enrol_at,
            uplink: uplink_at,
            console: console_at,
            filter_syslog: filter_syslog.as_ref().map(Syslog::address),
        };
        Ok(Self { enrol, uplink, console, filter_syslog, addresses })
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let bound = TcpListener::bind(address).await.and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(|source| StartError::Listen { address, source })
}
