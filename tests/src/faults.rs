//! Whether anything is lost, whatever goes wrong.
//!
//! # A run
//!
//! ```text
//! a copy of the template: an enrolled PC and its collector, in a folder and at addresses of their own
//!   lesson    a pupil opens windows, by real frames over the session's socket, while the fault strikes;
//!             where it strikes nobody, the DSL takes a concern and both programs stop in peace
//!   recovery  whatever ended is started again; fresh windows; until all that was acknowledged has arrived
//!   verdict   both are killed, and the files they leave are judged
//! ```
//!
//! The programs are the real ones in profile `fault`. What the spool acknowledged is read from the agent's log, which
//! is written after the spool has answered. Each window's title holds a phrase that is issued once in a run, so that
//! each capture can be told from every other: see [`Verdict`] for what must hold. Everything in a run is drawn from
//! its seed; only the scheduler is not, so that a seed is likely, not certain, to go the same way again.
//!
//! # The faults
//!
//! [`Fault`] says them in words. A place of the programs' own code ends them by SIGKILL before or after a call to disk,
//! store or link: the list is read from the sources ([`places`]). Calls inside libraries are the system calls that a
//! recording run makes: `strace` kills the process as a thread enters its Nth, or has the call fail. Besides: SIGKILL at
//! any moment, SIGSTOP of both, wall clocks that jump while the programs run (libfaketime), a PC that slept for weeks (a
//! time namespace), a PC whose whole state is started on another as well (firmware of its own in a mount namespace), and
//! connections broken by [`crate::Chaos`].
//!
//! A round begins with the runs that once went wrong (`tests/faults.seeds`), tries each place and each call once, and
//! goes on at random. A place or call that was tried three times and never struck fails the round.
//!
//! # What it cannot see
//!
//! A killed process loses nothing that it had written: whether data was synced shows only in a power cut. Mails may come
//! again under the same id after a crash between sending and noting; they are counted beside.

mod calls;
mod fault;
mod oracle;
mod places;
mod play;
mod pupil;
mod report;
mod rig;
mod round;
mod scene;
mod template;
mod twin;
mod words;

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use fault::{Fault, Outcome, Program, Struck};
pub use oracle::Verdict;
pub use places::places;
pub use play::Played;
pub use report::Report;

use oracle::Post;
use play::{Stage, play, record};
use round::Run;
use template::Template;

/// How often what has to be struck is tried.
const TRIES: u64 = 3;

/// How a round goes.
#[derive(Clone, Debug)]
pub struct Options {
    /// Runs besides those that once went wrong.
    pub runs: usize,
    /// What everything is drawn from.
    pub seed: u64,
    /// Runs at the same time: a run mostly waits.
    pub at_once: usize,
    /// This fault alone, with this seed, instead.
    pub only: Option<(Fault, u64)>,
}

/// Plays a round; `tell` hears each run as it ends.
///
/// # Errors
///
/// When the programs do not build, or no run can begin.
pub async fn round(options: &Options, mut tell: impl FnMut(&Played)) -> anyhow::Result<Report> {
    let template = Template::make().await?;
    let post = Post::of(template.folder().join("mail"));
    let stage = Arc::new(Stage { template, post: Mutex::new(post) });
    let (runs, targets) = match &options.only {
        Some(only) => (vec![only.clone()], Vec::new()),
        None => plan(&stage, options).await?,
    };
    let queue: Arc<Mutex<VecDeque<Run>>> = Arc::new(Mutex::new(runs.into()));
    // Whoever drops the round ends its players, and they what they started.
    let stopped = CancellationToken::new();
    let _stops = stopped.clone().drop_guard();
    let (out, mut played) = mpsc::channel(options.at_once.max(1));
    let mut players = JoinSet::new();
    for _ in 0..options.at_once.max(1) {
        let (stage, queue, out, stopped) = (Arc::clone(&stage), Arc::clone(&queue), out.clone(), stopped.clone());
        // A thread each: a player runs commands to their end.
        players.spawn_blocking(move || {
            let playing = async {
                loop {
                    let next = queue.lock().await.pop_front();
                    let Some((fault, seed)) = next else { return };
                    // What has to be struck is tried with other days where one did not come to it.
                    for again in 0..TRIES {
                        let played = play(&stage, &fault, seed.wrapping_add(again)).await;
                        let is_done = played.has_struck || fault.target().is_none();
                        if out.send(played).await.is_err() {
                            return;
                        }
                        if is_done {
                            break;
                        }
                    }
                }
            };
            // `None` where it was stopped.
            let _ = tokio::runtime::Handle::current().block_on(stopped.run_until_cancelled(playing));
        });
    }
    drop(out);
    let mut report = Report::of(targets);
    while let Some(one) = played.recv().await {
        tell(&one);
        report.add(one);
    }
    while let Some(player) = players.join_next().await {
        player.context("a player broke")?;
    }
    Ok(report)
}

/// The runs of a round, and the places and calls that it has to strike.
async fn plan(stage: &Stage, options: &Options) -> anyhow::Result<(Vec<Run>, Vec<String>)> {
    let calls = record(stage).await?;
    let each = round::each_once(&calls, options.seed)?;
    let targets = each.iter().take(options.runs).filter_map(|(fault, _)| fault.target()).collect();
    let rest = options.runs.saturating_sub(each.len());
    let mut runs = round::kept()?;
    runs.extend(each.into_iter().take(options.runs));
    runs.extend(round::at_random(&calls, options.seed, rest)?);
    Ok((runs, targets))
}
