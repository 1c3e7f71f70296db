//! One connection through the proxy.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;

use super::plan::{Fate, Fault, Way};
use super::{Counts, Rules};

/// Read at once, each way.
const PIECE_BYTES: usize = 16 * 1024;
/// A slow line writes this often.
const TICKS_PER_SECOND: u32 = 20;
/// What a line holds back at most; more is lost, as it is in a network.
const MAX_HELD_BYTES: usize = 1 << 20;

/// Passes bytes on until the connection is over.
pub(super) struct Line {
    number: u64,
    rules: watch::Receiver<Rules>,
    counts: Arc<Counts>,
    fate: Fate,
    struck: bool,
    /// What goes up is swallowed.
    lost_up: bool,
    /// What comes down is swallowed.
    lost_down: bool,
    /// What goes up waits.
    held: Option<Vec<u8>>,
}

/// Why a line ended before both ends did.
#[derive(Debug)]
enum Broken {
    Cut,
    Reset,
    Io,
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Io
    }
}

/// The two ends.
struct Ends {
    device: TcpStream,
    collector: TcpStream,
}

impl Line {
    pub(super) fn new(number: u64, mut rules: watch::Receiver<Rules>, counts: Arc<Counts>) -> Self {
        let fate = rules.borrow_and_update().fate(number);
        Self { number, rules, counts, fate, struck: false, lost_up: false, lost_down: false, held: None }
    }

    /// Runs until both ends have ended theirs, or a fault or an error ends it.
    pub(super) async fn run(mut self, device: TcpStream, collector: TcpStream) -> io::Result<()> {
        device.set_nodelay(true)?;
        collector.set_nodelay(true)?;
        let mut ends = Ends { device, collector };
        if let Err(Broken::Reset) = self.pass_all(&mut ends).await {
            ends.device.set_zero_linger()?;
            ends.collector.set_zero_linger()?;
        }
        Ok(())
    }

    async fn pass_all(&mut self, ends: &mut Ends) -> Result<(), Broken> {
        let (mut up, mut down) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
        let (mut up_open, mut down_open) = (true, true);
        self.strike_if_due()?;
        while up_open || down_open || self.held.is_some() {
            tokio::select! {
                changed = self.rules.changed() => {
                    changed.map_err(|_| Broken::Cut)?;
                    self.turn(ends).await?;
                }
                read = ends.device.read(&mut up), if up_open => {
                    let length = self.length(read, Way::Up)?;
                    up_open = self.pass(ends, Way::Up, up.get(..length).unwrap_or_default()).await?;
                }
                read = ends.collector.read(&mut down), if down_open => {
                    let length = self.length(read, Way::Down)?;
                    down_open = self.pass(ends, Way::Down, down.get(..length).unwrap_or_default()).await?;
                }
            }
        }
        Ok(())
    }

    /// Bytes read; an end that broke has ended, where the other end is not to know.
    fn length(&self, read: io::Result<usize>, way: Way) -> io::Result<usize> {
        if self.hides(way) { Ok(read.unwrap_or(0)) } else { read }
    }

    /// Whether nothing that comes this way is seen at the other end now.
    const fn hides(&self, way: Way) -> bool {
        match way {
            Way::Up => self.lost_up || self.held.is_some(),
            Way::Down => self.lost_down,
        }
    }

    /// Takes up a new plan.
    async fn turn(&mut self, ends: &mut Ends) -> Result<(), Broken> {
        self.fate = self.rules.borrow_and_update().fate(self.number);
        self.struck = false;
        if let Some(held) = self.held.take() {
            ends.collector.write_all(&held).await?;
        }
        self.strike_if_due()
    }

    /// Passes a piece on as the fate allows. `false`: that way has ended.
    async fn pass(&mut self, ends: &mut Ends, way: Way, piece: &[u8]) -> Result<bool, Broken> {
        if piece.is_empty() {
            self.end(ends, way).await?;
            return Ok(false);
        }
        let mut rest = piece;
        while !rest.is_empty() {
            if self.rules.has_changed().unwrap_or(false) {
                self.turn(ends).await?;
            }
            self.strike_if_due()?;
            let (length, wait) = self.next_write(rest.len());
            if !wait.is_zero() {
                sleep(wait).await;
            }
            let (now, later) = rest.split_at(length.min(rest.len()));
            self.write(ends, way, now).await?;
            self.fate.after = self.fate.after.saturating_sub(u64::try_from(now.len()).unwrap_or(u64::MAX));
            rest = later;
        }
        self.strike_if_due()?;
        Ok(true)
    }

    /// One end has nothing more to say.
    async fn end(&mut self, ends: &mut Ends, way: Way) -> Result<(), Broken> {
        match way {
            Way::Up | Way::Down if self.hides(way) => Ok(()),
            Way::Up => Ok(ends.collector.shutdown().await?),
            Way::Down => Ok(ends.device.shutdown().await?),
        }
    }

    fn strike_if_due(&mut self) -> Result<(), Broken> {
        let Some(fault) = self.fate.fault.filter(|_| !self.struck && self.fate.after == 0) else { return Ok(()) };
        self.struck = true;
        self.counts.struck.fetch_add(1, Ordering::SeqCst);
        match fault {
            Fault::Cut => return Err(Broken::Cut),
            Fault::Reset => return Err(Broken::Reset),
            Fault::HalfOpen => (self.lost_up, self.lost_down) = (true, true),
            Fault::OneWay(Way::Up) => self.lost_up = true,
            Fault::OneWay(Way::Down) => self.lost_down = true,
            Fault::Held => self.held = Some(Vec::new()),
            Fault::Slow { .. } | Fault::Sliced { .. } | Fault::Delayed { .. } => {}
        }
        Ok(())
    }

    /// How many of `length` bytes are written next, and how long they wait.
    fn next_write(&mut self, length: usize) -> (usize, Duration) {
        let Some(fault) = self.fate.fault.filter(|_| self.struck) else {
            // A fault strikes between two bytes.
            let unharmed = usize::try_from(self.fate.after).unwrap_or(usize::MAX);
            let most = if self.fate.fault.is_some() { unharmed.min(length) } else { length };
            return (most, Duration::ZERO);
        };
        match fault {
            Fault::Slow { bytes_per_second } => {
                let most = usize::try_from(bytes_per_second / TICKS_PER_SECOND).unwrap_or(usize::MAX).max(1);
                (most.min(length), Duration::from_secs(1) / TICKS_PER_SECOND)
            }
            Fault::Sliced { at_most } => {
                let drawn = self.fate.draw.below(u64::try_from(at_most).unwrap_or(u64::MAX));
                (usize::try_from(drawn).unwrap_or(usize::MAX).saturating_add(1).min(length), Duration::ZERO)
            }
            Fault::Delayed { at_most } => {
                let drawn = self.fate.draw.below(u64::try_from(at_most.as_micros()).unwrap_or(u64::MAX));
                (length, Duration::from_micros(drawn))
            }
            Fault::Cut | Fault::Reset | Fault::HalfOpen | Fault::OneWay(_) | Fault::Held => (length, Duration::ZERO),
        }
    }

    async fn write(&mut self, ends: &mut Ends, way: Way, piece: &[u8]) -> Result<(), Broken> {
        match (way, &mut self.held) {
            (Way::Up, _) if self.lost_up => Ok(()),
            (Way::Down, _) if self.lost_down => Ok(()),
            (Way::Up, Some(held)) if held.len().saturating_add(piece.len()) <= MAX_HELD_BYTES => {
                held.extend_from_slice(piece);
                Ok(())
            }
            (Way::Up, Some(_)) => Ok(()),
            (Way::Up, None) => Ok(ends.collector.write_all(piece).await?),
            // A device that has gone does not hear; what it said is still on its way.
            (Way::Down, Some(_)) => {
                drop(ends.device.write_all(piece).await);
                Ok(())
            }
            (Way::Down, None) => Ok(ends.device.write_all(piece).await?),
        }
    }
}
