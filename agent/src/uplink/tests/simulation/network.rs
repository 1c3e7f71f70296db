//! A network in memory: connections that are slow, cut, half open, one way or overtaken, at a wink.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex, split};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::draw::Draw;
use super::spawn;
use crate::uplink::tls::{Dial, Wire};

const PIPE_BYTES: usize = 64 * 1024;

/// What happens to the connections that are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strike {
    /// Nothing; what was held back arrives.
    Nothing,
    /// Both ends see them end.
    Cut,
    /// What goes up is swallowed for ever, or what comes down.
    Swallow { up: bool, down: bool },
    /// What goes up waits for the next strike, and is overtaken by other connections.
    Hold,
}

#[derive(Clone, Copy)]
struct Weather {
    strike: Strike,
    reachable: bool,
    delay_ms: u64,
}

/// The only way to the collector.
pub(super) struct Network {
    weather: watch::Sender<Weather>,
    draw: Mutex<Draw>,
    arrivals: mpsc::UnboundedSender<DuplexStream>,
}

impl Network {
    pub(super) fn new(seed: u64, arrivals: mpsc::UnboundedSender<DuplexStream>) -> Arc<Self> {
        let weather = watch::Sender::new(Weather { strike: Strike::Nothing, reachable: true, delay_ms: 1 });
        Arc::new(Self { weather, draw: Mutex::new(Draw::of(seed)), arrivals })
    }

    pub(super) fn strike(&self, strike: Strike) {
        self.weather.send_modify(|weather| weather.strike = strike);
    }

    /// Whether new connections are made, and how long anything may take. Open ones are as they were.
    pub(super) fn becomes(&self, reachable: bool, delay_ms: u64) {
        self.weather.send_modify(|weather| {
            *weather = Weather { strike: Strike::Nothing, reachable, delay_ms };
        });
    }

    pub(super) fn dial(self: &Arc<Self>) -> Dial {
        let network = Arc::clone(self);
        Arc::new(move |_, _| {
            let network = Arc::clone(&network);
            Box::pin(async move { network.connect().await })
        })
    }

    async fn connect(&self) -> io::Result<Box<dyn Wire>> {
        let (wait, seed) = {
            let mut draw = self.draw.lock().unwrap();
            (draw.millis(self.weather.borrow().delay_ms), draw.next())
        };
        sleep(wait).await;
        if !self.weather.borrow().reachable {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (device, near) = duplex(PIPE_BYTES);
        let (far, collector) = duplex(PIPE_BYTES);
        spawn(Line::new(self.weather.subscribe(), Draw::of(seed)).run(near, far));
        self.arrivals.send(collector).map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(Box::new(device))
    }
}

struct Line {
    weather: watch::Receiver<Weather>,
    draw: Draw,
    lost_up: bool,
    lost_down: bool,
    held: Option<Vec<u8>>,
}

impl Line {
    fn new(mut weather: watch::Receiver<Weather>, draw: Draw) -> Self {
        weather.mark_unchanged();
        Self { weather, draw, lost_up: false, lost_down: false, held: None }
    }

    /// Passes bytes until both ends have ended or a strike ends it.
    async fn run(mut self, near: DuplexStream, far: DuplexStream) -> io::Result<()> {
        let ((mut from_device, mut to_device), (mut from_collector, mut to_collector)) = (split(near), split(far));
        let (mut up, mut down) = (vec![0; 4096], vec![0; 4096]);
        let (mut up_open, mut down_open) = (true, true);
        while up_open || down_open || self.held.is_some() {
            tokio::select! {
                changed = self.weather.changed() => {
                    changed.map_err(|_| io::ErrorKind::BrokenPipe)?;
                    let strike = self.weather.borrow_and_update().strike;
                    match strike {
                        Strike::Cut => return Ok(()),
                        Strike::Swallow { up, down } => {
                            self.lost_up |= up;
                            self.lost_down |= down;
                        }
                        Strike::Hold => self.held = Some(self.held.take().unwrap_or_default()),
                        Strike::Nothing => {
                            let held = self.held.take().unwrap_or_default();
                            to_collector.write_all(&held).await?;
                            if !up_open && !self.lost_up {
                                to_collector.shutdown().await?;
                            }
                        }
                    }
                }
                read = from_device.read(&mut up), if up_open => {
                    let length = read.unwrap_or(0);
                    up_open = length > 0;
                    sleep(self.delay()).await;
                    match &mut self.held {
                        _ if self.lost_up => {}
                        Some(held) => held.extend_from_slice(&up[..length]),
                        None if up_open => to_collector.write_all(&up[..length]).await?,
                        None => to_collector.shutdown().await?,
                    }
                }
                read = from_collector.read(&mut down), if down_open => {
                    let length = read.unwrap_or(0);
                    down_open = length > 0;
                    sleep(self.delay()).await;
                    if !self.lost_down && down_open {
                        // A device that has gone does not hear.
                        drop(to_device.write_all(&down[..length]).await);
                    } else if !self.lost_down {
                        to_device.shutdown().await?;
                    }
                }
            }
        }
        Ok(())
    }

    fn delay(&mut self) -> Duration {
        let at_most = self.weather.borrow().delay_ms;
        self.draw.millis(at_most)
    }
}
