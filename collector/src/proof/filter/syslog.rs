//! Alerts that the filter sends by syslog, as datagrams or over TCP, from addresses that the configuration names.
//!
//! ```text
//! datagram, or line of a connection -> alert -> queue -> some hundred at a time, as an import of a file
//! ```
//!
//! Syslog knows no acknowledgement: what is sent while nobody listens is lost, and an export brings it later. What is
//! queued and not yet brought in is lost with the process; what is beyond the queue is dropped and told in the log, in
//! numbers.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::tz::TimeZone;
use lapwing_rules::RuleSet;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Notify, Semaphore, mpsc};

use super::message::MAX_MESSAGE_BYTES;
use super::{Alert, BringIn, Source, heard};
use crate::actor::Actor;
use crate::clock::Clock;
use crate::config::{Config, FilterSyslog};
use crate::in_force;
use crate::seal::Vault;
use crate::shutdown::Shutdown;
use crate::store::{Store, artefacts};

/// Alerts that wait to be brought in at most.
const QUEUE: usize = 10_000;
/// Brought in together at most, and how long the first of them waits for others.
const AT_ONCE: usize = 256;
const GATHER: Duration = Duration::from_secs(2);
/// How long to wait after an import that failed.
const AGAIN: Duration = Duration::from_secs(5);
/// Connections at a time, and how long one may say nothing.
const CONNECTIONS: usize = 8;
const SILENT: Duration = Duration::from_secs(3600);
/// Digits of a message's length and the space behind them.
const MAX_DIGITS: u64 = 7;
/// Longest message of a connection that is read to its end, in bytes.
const MAX_FRAME_BYTES: u64 = 64 * 1024;
/// Between two words in the log on what was dropped.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// A receiver that listens, and does not receive yet.
pub(crate) struct Syslog {
    wanted: FilterSyslog,
    datagrams: UdpSocket,
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
    /// No alert, or one that says too little.
    unread: AtomicU64,
    /// Beyond the queue.
    dropped: AtomicU64,
}

/// Turns messages into alerts, and queues them.
#[derive(Clone)]
struct Ear {
    wanted: Arc<FilterSyslog>,
    zone: TimeZone,
    clock: Arc<dyn Clock>,
    queue: mpsc::Sender<Alert>,
    lost: Arc<Lost>,
}

impl Syslog {
    /// Listens for datagrams and connections at the same port.
    ///
    /// # Errors
    ///
    /// When the address is taken.
    pub(crate) async fn bind(wanted: FilterSyslog) -> io::Result<Self> {
        let connections = TcpListener::bind(wanted.listen).await?;
        let address = connections.local_addr()?;
        let datagrams = UdpSocket::bind(address).await?;
        Ok(Self { wanted, datagrams, connections, address })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Receives until the shutdown is requested.
    pub(crate) async fn run(self, parts: SyslogParts) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let lost = Arc::new(Lost::default());
        let ear = Ear {
            wanted: Arc::new(self.wanted),
            zone: TimeZone::get(&parts.config.load().school.zone).unwrap_or(TimeZone::UTC),
            clock: Arc::clone(&parts.clock),
            queue,
            lost: Arc::clone(&lost),
        };
        tokio::select! {
            () = parts.shutdown.requested() => {}
            () = hear_datagrams(&self.datagrams, &ear) => {}
            () = hear_connections(&self.connections, &ear) => {}
            () = bring_in(&parts, ear.wanted.format, waiting) => {}
            () = tell(&lost) => {}
        }
    }
}

impl Ear {
    fn knows(&self, from: IpAddr) -> bool {
        self.wanted.from.contains(&from.to_canonical())
    }

    fn hear(&self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        match heard(self.wanted.format, &text, &self.zone, self.clock.wall_us()) {
            Ok(Some(alert)) => {
                if self.queue.try_send(alert).is_err() {
                    self.lost.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(None) => {}
            Err(_) => drop(self.lost.unread.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

async fn hear_datagrams(socket: &UdpSocket, ear: &Ear) {
    let mut bytes = vec![0; MAX_MESSAGE_BYTES];
    loop {
        match socket.recv_from(&mut bytes).await {
            Ok((length, from)) if ear.knows(from.ip()) => ear.hear(bytes.get(..length).unwrap_or_default()),
            Ok(_) => {}
            // An answer to nothing that was sent: the next datagram may be fine.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn hear_connections(listener: &TcpListener, ear: &Ear) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut heard = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        while heard.try_join_next().is_some() {}
        // Others are closed at once: a stranger holds nothing.
        let Some(place) = Arc::clone(&places).try_acquire_owned().ok().filter(|_| ear.knows(from.ip())) else {
            continue;
        };
        let ear = ear.clone();
        heard.spawn(async move {
            hear_connection(stream, &ear).await;
            drop(place);
        });
    }
}

/// Messages one after the other: each a line, or preceded by its length (RFC 6587).
async fn hear_connection(stream: TcpStream, ear: &Ear) {
    let mut stream = BufReader::with_capacity(MAX_MESSAGE_BYTES, stream);
    let mut message = Vec::new();
    while let Ok(Ok(true)) = tokio::time::timeout(SILENT, next(&mut stream, &mut message)).await {
        ear.hear(&message);
    }
}

/// Reads the next message; `false` at the end. What is longer than a message may be is cut.
async fn next(stream: &mut (impl AsyncBufRead + Unpin), message: &mut Vec<u8>) -> io::Result<bool> {
    message.clear();
    match stream.fill_buf().await?.first() {
        None => return Ok(false),
        Some(first) if first.is_ascii_digit() => {
            let mut digits = Vec::new();
            let _ = (&mut *stream).take(MAX_DIGITS).read_until(b' ', &mut digits).await?;
            let length = std::str::from_utf8(&digits).ok().and_then(|digits| digits.trim().parse::<u64>().ok());
            let Some(length) = length.filter(|length| *length <= MAX_FRAME_BYTES) else { return Ok(false) };
            let _ = (&mut *stream).take(length).read_to_end(message).await?;
        }
        Some(_) => {
            let most = u64::try_from(MAX_MESSAGE_BYTES).unwrap_or(0);
            let _ = (&mut *stream).take(most).read_until(b'\n', message).await?;
        }
    }
    message.truncate(MAX_MESSAGE_BYTES);
    Ok(true)
}

/// Brings in what is queued; what cannot be stored now is tried again.
async fn bring_in(parts: &SyslogParts, format: Source, mut waiting: mpsc::Receiver<Alert>) {
    let actor = Actor::Product { school: parts.config.load().school.id.clone() };
    let (mut alerts, mut rules) = (Vec::new(), None);
    while waiting.recv_many(&mut alerts, AT_ONCE).await > 0 {
        tokio::time::sleep(GATHER).await;
        while alerts.len() < AT_ONCE
            && let Ok(alert) = waiting.try_recv()
        {
            alerts.push(alert);
        }
        while let Err(error) = parts.store_all(&actor, format, &alerts, &mut rules).await {
            tracing::error!(error = format!("{error:#}"), "alerts of the filter wait to be stored");
            tokio::time::sleep(AGAIN).await;
        }
        parts.triage.notify_one();
        alerts.clear();
    }
}

impl SyslogParts {
    /// Brings `alerts` in by the rules in force, which are read anew where there are newer ones.
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
            *rules = in_force::rule_set(&self.store, &config).await?.map(Arc::new);
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

/// Says in the log how much was not taken, never what.
async fn tell(lost: &Lost) {
    loop {
        tokio::time::sleep(TELL_EVERY).await;
        let (unread, dropped) = (lost.unread.swap(0, Ordering::Relaxed), lost.dropped.swap(0, Ordering::Relaxed));
        if unread > 0 || dropped > 0 {
            tracing::warn!(syslog.unread = unread, syslog.dropped = dropped, "messages of the filter were not taken");
        }
    }
}

#[cfg(test)]
mod tests;
