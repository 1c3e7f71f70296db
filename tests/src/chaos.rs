//! A TCP proxy that stands between a device and its collector and breaks what passes: by a plan, drawn by a seed.
//!
//! ```text
//! agent ──▶ Chaos ──▶ collector        each connection has a fate of its own, drawn from (seed, plan, number)
//! ```
//!
//! What a connection suffers, and after how many bytes, is the same in each run of a seed; when it happens is up to the
//! programs on both sides. TLS passes through unread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

mod line;
mod plan;

pub(crate) use plan::Draw;
pub use plan::{Fault, Plan, Way};

use line::Line;
use plan::Fate;

/// A running proxy; its connections end with it.
#[derive(Debug)]
pub struct Chaos {
    address: SocketAddr,
    rules: watch::Sender<Rules>,
    counts: Arc<Counts>,
    _server: AbortOnDropHandle<()>,
}

/// The plan that holds now.
#[derive(Clone, Debug)]
struct Rules {
    seed: u64,
    plan: Plan,
    /// Plans set before this one.
    turn: u64,
    /// The number of the first connection that is accepted under this plan.
    from: u64,
}

/// What happened so far.
#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    struck: AtomicU64,
}

impl Rules {
    fn fate(&self, number: u64) -> Fate {
        self.plan.fate(Draw::of([self.seed, self.turn, number]), number < self.from)
    }
}

impl Chaos {
    /// Listens on a free port of loopback and passes everything on to `upstream`, broken as `plan` and `seed` say.
    ///
    /// # Errors
    ///
    /// When there is no port.
    pub async fn between(upstream: SocketAddr, seed: u64, plan: Plan) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("failed to listen")?;
        let address = listener.local_addr()?;
        let rules = watch::Sender::new(Rules { seed, plan, turn: 0, from: 0 });
        let counts = Arc::<Counts>::default();
        let serving = serve(listener, upstream, rules.subscribe(), Arc::clone(&counts));
        #[expect(clippy::disallowed_methods, reason = "the handle ends it with the story")]
        let server = AbortOnDropHandle::new(tokio::spawn(serving));
        Ok(Self { address, rules, counts, _server: server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Another plan, for the connections that are open, each with a new fate, and for those to come. What a connection
    /// has lost stays lost; what was held back goes on.
    pub fn set(&self, plan: Plan) {
        let from = self.connections();
        self.rules.send_modify(|rules| {
            *rules = Rules { seed: rules.seed, plan, turn: rules.turn.wrapping_add(1), from };
        });
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.counts.accepted.load(Ordering::SeqCst)
    }

    /// Connections that a fault has struck so far, once for each plan.
    #[must_use]
    pub fn struck(&self) -> u64 {
        self.counts.struck.load(Ordering::SeqCst)
    }
}

async fn serve(listener: TcpListener, upstream: SocketAddr, rules: watch::Receiver<Rules>, counts: Arc<Counts>) {
    let mut lines = JoinSet::new();
    while let Ok((down, _)) = listener.accept().await {
        let (rules, counts) = (rules.clone(), Arc::clone(&counts));
        let number = counts.accepted.fetch_add(1, Ordering::SeqCst);
        lines.spawn(async move {
            // Nobody at the other end: the device sees its connection end.
            let Ok(up) = TcpStream::connect(upstream).await else { return };
            // A line that breaks is what this is for.
            drop(Line::new(number, rules, counts).run(down, up).await);
        });
        while lines.try_join_next().is_some() {}
    }
}

#[cfg(test)]
mod tests;
