//! Alerts that the filter sends by syslog over TCP, and as datagrams where they are asked for, from addresses that the
//! configuration names.
//!
//! ```text
//! line of a connection, or datagram -> alert -> queue, a grave one before others -> some hundred at a time, as an import
//! ```
//!
//! An address is no proof: the filter must neither relay what pupils send to this port nor put its own address on it, and a
//! datagram's may be forged by anybody nearby. What begins with no priority is no message, and ends its connection.
//!
//! Syslog knows no acknowledgement: what is sent while nobody listens is lost, and an export brings it later. Further
//! requests of one account for one host and topic add nothing for ten minutes. Connections wait where the queue is full,
//! datagrams are dropped then and told in the log, in numbers.

mod frames;
mod queue;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::tz::TimeZone;
use lapwing_rules::RuleSet;
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

use super::alert::Topic;
use super::message::{MAX_MESSAGE_BYTES, Message};
use super::{Alert, BringIn, Source, heard};
use crate::actor::Actor;
use crate::clock::Clock;
use crate::config::{Config, FilterSyslog};
use crate::in_force;
use crate::seal::Vault;
use crate::shutdown::Shutdown;
use crate::store::{Store, artefacts};
use frames::{Frame, Frames};
use queue::{Sender, Waiting};

/// How long the first of some alerts waits for others.
const GATHER: Duration = Duration::from_secs(2);
/// How long to wait after an import that failed, or a connection that could not be taken.
const AGAIN: Duration = Duration::from_secs(5);
/// Connections of one address: one that died and nobody was told, and the one after it.
const CONNECTIONS: usize = 2;
/// How long a connection may say nothing.
const SILENT: Duration = Duration::from_secs(3600);
/// How long repeats of a topic add nothing, in microseconds, and of how many that is known.
const COOLS_US: i64 = 10 * 60 * 1_000_000;
const MAX_TOPICS: usize = 20_000;
/// Between two words in the log on what was not taken.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// A receiver that listens, and does not receive yet.
pub(crate) struct Syslog {
    wanted: FilterSyslog,
    datagrams: Option<UdpSocket>,
    connections: TcpListener,
    address: SocketAddr,
}

/// What a receiver stands on.
pub(crate) struct SyslogParts {
    pub(crate) config: Arc<ArcSwap<Config>>,
    pub(crate) store: Store,
    pub(crate) vault: Vault,
    pub(crate) clock: Arc<dyn Clock>,
    /// Told when something was brought in.
    pub(crate) triage: Arc<Notify>,
    pub(crate) shutdown: Shutdown,
}

/// What was not taken, since it was last told.
#[derive(Default)]
struct Lost {
    /// No message, or an alert that says too little.
    unread: AtomicU64,
    /// Of categories that are no concern: many where the format is another.
    left_out: AtomicU64,
    /// Beyond the queue.
    dropped: AtomicU64,
    /// Of strangers, or one too many.
    refused: AtomicU64,
}

/// Turns messages into alerts.
#[derive(Clone)]
struct Ear {
    wanted: Arc<FilterSyslog>,
    config: Arc<ArcSwap<Config>>,
    clock: Arc<dyn Clock>,
    queue: Sender,
    /// When each was heard last, microseconds of UTC.
    lately: Arc<Mutex<HashMap<Topic, i64>>>,
    lost: Arc<Lost>,
}

/// What a text was.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Alert(Box<Alert>),
    Nothing,
    NoMessage,
}

impl Syslog {
    /// Listens for connections, and for datagrams at the same port where they are asked for.
    ///
    /// # Errors
    ///
    /// When the address is taken.
    pub(crate) async fn bind(wanted: FilterSyslog) -> io::Result<Self> {
        let connections = TcpListener::bind(wanted.listen).await?;
        let address = connections.local_addr()?;
        let datagrams = if wanted.datagrams { Some(UdpSocket::bind(address).await?) } else { None };
        Ok(Self { wanted, datagrams, connections, address })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Receives until the shutdown is requested, and brings in what was heard by then.
    pub(crate) async fn run(self, parts: SyslogParts) {
        let (queue, waiting) = queue::queue();
        let ear = Ear {
            wanted: Arc::new(self.wanted.clone()),
            config: Arc::clone(&parts.config),
            clock: Arc::clone(&parts.clock),
            queue,
            lately: Arc::default(),
            lost: Arc::default(),
        };
        tokio::join!(self.hear(ear, &parts.shutdown), bring_in(&parts, self.wanted.format, waiting));
    }

    async fn hear(&self, ear: Ear, shutdown: &Shutdown) {
        tokio::select! {
            () = shutdown.requested() => {}
            () = hear_datagrams(self.datagrams.as_ref(), &ear) => {}
            () = hear_connections(&self.connections, &ear) => {}
            () = tell(&ear.lost) => {}
        }
        ear.lost.say();
    }
}

impl Ear {
    fn knows(&self, from: IpAddr) -> bool {
        self.wanted.from.contains(&from.to_canonical())
    }

    fn hear(&self, bytes: &[u8]) -> Heard {
        let Some(message) = Message::parse(&String::from_utf8_lossy(bytes)) else {
            self.lost.unread.fetch_add(1, Ordering::Relaxed);
            return Heard::NoMessage;
        };
        let now_us = self.clock.wall_us();
        let zone = TimeZone::get(&self.config.load().school.zone).unwrap_or(TimeZone::UTC);
        match heard(self.wanted.format, &message, &zone, now_us) {
            Ok(Some(alert)) if self.is_new(&alert, now_us) => return Heard::Alert(Box::new(alert)),
            Ok(Some(_)) => {}
            Ok(None) => drop(self.lost.left_out.fetch_add(1, Ordering::Relaxed)),
            Err(_) => drop(self.lost.unread.fetch_add(1, Ordering::Relaxed)),
        }
        Heard::Nothing
    }

    /// Whether nothing of the kind was heard lately.
    fn is_new(&self, alert: &Alert, now_us: i64) -> bool {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        if lately.len() >= MAX_TOPICS {
            lately.clear();
        }
        let heard_us = lately.entry(alert.topic()).or_insert(i64::MIN);
        let is_new = now_us.abs_diff(*heard_us) >= COOLS_US.unsigned_abs();
        if is_new {
            *heard_us = now_us;
        }
        is_new
    }
}

async fn hear_datagrams(socket: Option<&UdpSocket>, ear: &Ear) {
    let Some(socket) = socket else { return std::future::pending().await };
    // One byte more than a message has: what fills it was cut.
    let mut bytes = vec![0; MAX_MESSAGE_BYTES + 1];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut bytes).await else {
            // The next datagram may be fine.
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        if !ear.knows(from.ip()) {
            ear.lost.refused.fetch_add(1, Ordering::Relaxed);
        } else if let Heard::Alert(alert) = ear.hear(bytes.get(..length).unwrap_or_default())
            && !ear.queue.try_send(*alert)
        {
            ear.lost.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn hear_connections(listener: &TcpListener, ear: &Ear) {
    let mut heard = JoinSet::new();
    let mut open: HashMap<IpAddr, Vec<AbortHandle>> = HashMap::new();
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        while heard.try_join_next().is_some() {}
        // Others are closed at once: a stranger holds nothing.
        if !ear.knows(from.ip()) {
            ear.lost.refused.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let theirs = open.entry(from.ip().to_canonical()).or_default();
        theirs.retain(|one| !one.is_finished());
        if theirs.len() >= CONNECTIONS {
            // The oldest may have died long ago: its filter has a newer one.
            theirs.remove(0).abort();
        }
        let ear = ear.clone();
        theirs.push(heard.spawn(async move { hear_connection(stream, &ear).await }));
    }
}

async fn hear_connection(stream: TcpStream, ear: &Ear) {
    let mut frames = Frames::new(BufReader::with_capacity(MAX_MESSAGE_BYTES, stream));
    loop {
        match tokio::time::timeout(SILENT, frames.next()).await {
            Ok(Ok(Frame::Whole(message))) => match ear.hear(message) {
                // The sender waits while the queue is full.
                Heard::Alert(alert) => ear.queue.send(*alert).await,
                Heard::Nothing => {}
                Heard::NoMessage => return,
            },
            Ok(Ok(Frame::Cut)) => drop(ear.lost.unread.fetch_add(1, Ordering::Relaxed)),
            Ok(Ok(Frame::End) | Err(_)) | Err(_) => return,
        }
    }
}

/// Brings in what is queued; what cannot be stored now is tried again, until the collector ends.
async fn bring_in(parts: &SyslogParts, format: Source, mut waiting: Waiting) {
    let actor = Actor::Product { school: parts.config.load().school.id.clone() };
    let mut rules = None;
    while let Some(first) = waiting.next().await {
        let mut alerts = vec![first];
        waiting.gather(&mut alerts);
        if !queue::is_full(&alerts) {
            tokio::select! {
                () = tokio::time::sleep(GATHER) => {}
                () = parts.shutdown.requested() => {}
            }
            waiting.gather(&mut alerts);
        }
        while let Err(error) = parts.store_all(&actor, format, &alerts, &mut rules).await {
            tracing::error!(error = format!("{error:#}"), "alerts of the filter wait to be stored");
            if parts.shutdown.is_requested() {
                tracing::error!(syslog.lost = alerts.len(), "alerts of the filter were not stored: import its export");
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
        parts.triage.notify_one();
    }
}

impl SyslogParts {
    /// Brings `alerts` in by the rules in force, which are read anew where there are newer ones. Where those cannot be read,
    /// the ones held go on.
    async fn store_all(
        &self,
        actor: &Actor,
        format: Source,
        alerts: &[Alert],
        rules: &mut Option<Arc<RuleSet>>,
    ) -> anyhow::Result<()> {
        let config = self.config.load_full();
        let newest = artefacts::releases(&self.store, &config.school.id).await?.rule_set;
        if rules.as_ref().map_or(0, |held| held.release().number()) != newest {
            match in_force::rule_set(&self.store, &config).await {
                Ok(found) => *rules = found.map(Arc::new),
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the filter's alerts go by older rules");
                }
            }
        }
        let bring_in = BringIn {
            school: config.school.id.clone(),
            store: self.store.clone(),
            vault: self.vault.clone(),
            rules: rules.clone(),
            data_dir: config.data_dir.clone(),
        };
        bring_in.run(actor, format, alerts, self.clock.wall_us()).await?;
        Ok(())
    }
}

impl Lost {
    /// Says in the log how much was not taken, never what.
    fn say(&self) {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        let (unread, left_out) = (take(&self.unread), take(&self.left_out));
        let (dropped, refused) = (take(&self.dropped), take(&self.refused));
        if unread + dropped + refused > 0 {
            tracing::warn!(
                syslog.unread = unread,
                syslog.left_out = left_out,
                syslog.dropped = dropped,
                syslog.refused = refused,
                "messages of the filter were not taken"
            );
        }
    }
}

async fn tell(lost: &Lost) {
    loop {
        tokio::time::sleep(TELL_EVERY).await;
        lost.say();
    }
}

#[cfg(test)]
mod tests;
