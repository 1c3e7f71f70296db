//! Other programs that acknowledge what is durable, under the same load.

mod client;
mod programs;

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::{AHEAD, Row};
use crate::titles::{Program, absent};
use client::{Client, Wire};

pub(super) const REDIS: &str = "redis, AOF always, TLS";
pub(super) const NATS: &str = "NATS JetStream, sync always";
pub(super) const RSYSLOG: &str = "rsyslog, RELP, synced queue";

/// A running peer, and who delivers to it.
pub(super) struct Peer {
    name: &'static str,
    wire: Wire,
    /// What it is given at a time at most: some seconds of its work. More only waits, and makes it no quicker.
    most_in_flight: usize,
    clients: Vec<Client>,
    _program: Program,
}

impl Peer {
    /// Starts those that are installed; the others are named.
    pub(super) fn start_all(folder: &Path) -> Vec<Self> {
        let peers = [
            (REDIS, usize::MAX, programs::redis(&folder.join("redis"))),
            (NATS, 8192, programs::nats(&folder.join("nats"))),
            (RSYSLOG, 256, programs::rsyslog(&folder.join("rsyslog"))),
        ];
        let start = |(name, most_in_flight, peer): (&'static str, usize, anyhow::Result<programs::Prepared>)| {
            let started = peer.and_then(|mut peer| Ok((Program::start(&mut peer.command)?.that_stays()?, peer.wire)));
            let (program, wire) = absent(name, started)?;
            Some(Self { name, wire, most_in_flight, clients: Vec::new(), _program: program })
        };
        peers.into_iter().filter_map(start).collect()
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    /// Entries acknowledged a second, with always something on its way.
    pub(super) async fn flat_out(&mut self, row: Row, lasting: Duration) -> anyhow::Result<f64> {
        let connections = (self.most_in_flight / (row.batch * AHEAD)).clamp(1, row.connections);
        self.clients.truncate(connections);
        while self.clients.len() < connections {
            self.clients.push(self.wire.connect().await.context(self.name)?);
        }
        client::deliver(&mut self.clients, row.batch, lasting).await.context(self.name)
    }
}
