//! One run: a fresh school, a fault, what follows, and the verdict.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use lapwing_rules::Level;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::calls::{self, Calls};
use super::fault::{Fault, Outcome as Called, Program};
use super::oracle::{Gaps, Look, Post, Told, Verdict, acknowledged, judge};
use super::pupil::Pupil;
use super::rig::{Rig, Terms, was_killed};
use super::scene::{Scene, set_up_school};
use super::template::Template;
use super::twin::Twin;
use super::words::Phrase;
use crate::chaos::{self, Chaos, Draw, Plan};
use crate::eventually_within;

mod aftermath;
mod copied;
mod struck;

/// What a lesson may take while something goes wrong; after that whatever still runs is taken for stuck, and killed.
const LESSON: Duration = Duration::from_secs(20);
/// What everything may take to arrive once both programs run again: beyond it, it is lost.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(15);
const BOTH: [Program; 2] = [Program::Collector, Program::Agent];
/// Bytes after which a connection suffers: somewhere between its handshake and its last acknowledgement.
const SOMEWHERE: std::ops::RangeInclusive<u64> = 0..=7_000;
/// What connections can suffer, by name.
pub(super) const LINKS: [(&str, chaos::Fault); 7] = [
    ("cut", chaos::Fault::Cut),
    ("reset", chaos::Fault::Reset),
    ("half-open", chaos::Fault::HalfOpen),
    ("deaf", chaos::Fault::OneWay(chaos::Way::Down)),
    ("slow", chaos::Fault::Slow { bytes_per_second: 4_000 }),
    ("sliced", chaos::Fault::Sliced { at_most: 7 }),
    ("held", chaos::Fault::Held),
];

/// What every run uses.
pub(super) struct Stage {
    pub(super) template: Template,
    pub(super) post: Mutex<Post>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Played {
    /// What was to go wrong.
    pub fault: Fault,
    /// Everything else that was drawn.
    pub seed: u64,
    /// Whether it did go wrong.
    pub has_struck: bool,
    /// What is wrong afterwards.
    pub verdict: Verdict,
    /// From the restart until everything had arrived.
    pub recovery: Duration,
    /// Mails that came again under the same id.
    pub mails_again: usize,
    /// Where the files of a run that went wrong are.
    pub kept: Option<PathBuf>,
}

impl fmt::Display for Played {
    /// One line, and one for each thing that is wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let struck = if self.has_struck { "" } else { ", did not strike" };
        let recovery = self.recovery.as_secs_f64();
        write!(f, "{} seed {}: {recovery:.1} s{struck}", self.fault, self.seed)?;
        let Verdict { lost, doubled, broken } = &self.verdict;
        for (what, list) in [("lost", lost), ("doubled", doubled), ("broken", broken)] {
            list.iter().try_for_each(|one| write!(f, "\n    {what}: {one}"))?;
        }
        self.kept.iter().try_for_each(|kept| write!(f, "\n    files: {}", kept.display()))
    }
}

/// Records the system calls of a run in which nothing goes wrong.
pub(super) async fn record(stage: &Stage) -> anyhow::Result<Calls> {
    let rig = Rig::copied(&stage.template)?;
    let files = BOTH.map(|program| (program, rig.path().join(format!("{program}.calls"))));
    let mut play = Play::new(stage, &Fault::Suspend, 0, rig);
    for (program, file) in &files {
        play.rig.start(*program, &Terms { record: Some(file.clone()), ..Terms::default() })?;
    }
    play.issue(20).await?;
    play.until_struck().await?;
    for program in [Program::Agent, Program::Collector] {
        play.rig.stop(program).await?;
    }
    let mut calls = Calls::new();
    for (program, file) in &files {
        calls::read(*program, file, &mut calls)?;
    }
    Ok(calls)
}

struct Play<'a> {
    stage: &'a Stage,
    fault: &'a Fault,
    scene: Scene,
    draw: Draw,
    rig: Rig,
    pupil: Pupil,
    link: Option<Chaos>,
    twin: Option<Twin>,
    told: Told,
    has_struck: bool,
}

/// Plays a run to its end.
pub(super) async fn play(stage: &Stage, fault: &Fault, seed: u64) -> Played {
    let mut outcome = Played {
        fault: fault.clone(),
        seed,
        has_struck: false,
        verdict: Verdict::default(),
        recovery: Duration::ZERO,
        mails_again: 0,
        kept: None,
    };
    let rig = match Rig::copied(&stage.template) {
        Ok(rig) => rig,
        Err(error) => {
            outcome.verdict.broken.push(format!("{error:#}"));
            return outcome;
        }
    };
    let mut play = Play::new(stage, fault, seed, rig);
    if let Err(error) = play.story(&mut outcome).await {
        outcome.verdict.broken.push(format!("{error:#}"));
    }
    outcome.has_struck = play.has_struck;
    outcome.kept = (!outcome.verdict.is_sound()).then(|| play.rig.keep());
    outcome
}

impl<'a> Play<'a> {
    fn new(stage: &'a Stage, fault: &'a Fault, seed: u64, rig: Rig) -> Self {
        let mut draw = Draw::of([seed, 0, 0]);
        let pupil = Pupil::at(&rig.socket());
        let scene = Scene::of(fault, draw.below(5));
        Self { stage, fault, scene, draw, rig, pupil, link: None, twin: None, told: Told::default(), has_struck: false }
    }

    async fn story(&mut self, outcome: &mut Played) -> anyhow::Result<()> {
        self.scene.set(&mut self.rig, &self.stage.template).await?;
        self.begin().await?;
        self.lesson().await?;
        self.has_struck |= self.rig.was_injected();
        self.scene.mend(&self.rig)?;
        outcome.recovery = self.recover().await?;
        for program in BOTH {
            self.rig.kill(program).await?;
        }
        let collector = &self.stage.template.programs.collector;
        // A full disk makes the spool drop what it holds, lowest first, and say so.
        let may_drop = matches!(self.fault, Fault::Call(Program::Agent, _, Called::Enospc, _));
        let gaps = if may_drop { Gaps::Allowed } else { self.scene.gaps() };
        let verdict = judge(&self.rig, collector, &self.told, gaps).await?;
        outcome.verdict = verdict;
        outcome.mails_again = self.stage.post.lock().await.check(&self.rig, &mut outcome.verdict).await?;
        Ok(())
    }

    /// Starts both programs, the struck one under its terms.
    async fn begin(&mut self) -> anyhow::Result<()> {
        match self.fault {
            Fault::Clock(program, _) => self.rig.turn_clock(*program, 0)?,
            Fault::Link(name) => self.break_link(name).await?,
            Fault::Place(..) | Fault::Call(..) | Fault::Kill(_) | Fault::Suspend | Fault::Copied => {}
        }
        if self.scene == Scene::Opening {
            return self.open_school().await;
        }
        if self.scene == Scene::Copied {
            return self.copy_pc().await;
        }
        if self.scene.waits() {
            self.rig.start(Program::Agent, &Terms::default())?;
            self.issue(10).await?;
            self.all_spooled().await?;
            self.rig.stop(Program::Agent).await?;
            self.scene.pass_time(&mut self.rig)?;
        }
        self.rig.start(Program::Collector, &self.terms(Program::Collector))?;
        if self.scene == Scene::Late {
            let open = async || self.rig.is_open().then_some(());
            eventually_within(PATIENCE, "the collector to be open", open).await?;
        }
        self.rig.start(Program::Agent, &self.terms(Program::Agent))
    }

    /// Puts a proxy between the two that breaks what passes.
    async fn break_link(&mut self, name: &str) -> anyhow::Result<()> {
        let (_, fault) = LINKS.iter().find(|(known, _)| *known == name).with_context(|| format!("no link `{name}`"))?;
        let seed = self.draw.below(u64::MAX);
        let link = Chaos::between(self.rig.uplink(), seed, Plan::of(*fault).after(SOMEWHERE)).await?;
        self.rig.deliver_to(link.address())?;
        self.link = Some(link);
        Ok(())
    }

    /// A collector that begins with nothing may be ended while it makes its keys; started again, it goes on.
    async fn open_school(&mut self) -> anyhow::Result<()> {
        self.rig.start(Program::Collector, &self.terms(Program::Collector))?;
        let mut struck = false;
        eventually_within(PATIENCE, "the collector to be open or to end", async || {
            struck = self.rig.ended(Program::Collector).is_some();
            (struck || self.rig.is_open()).then_some(())
        })
        .await?;
        if struck {
            self.has_struck = true;
            self.rig.start(Program::Collector, &Terms::default())?;
            let open = async || self.rig.is_open().then_some(());
            eventually_within(PATIENCE, "the collector to be open", open).await?;
        }
        set_up_school(&self.rig, &self.stage.template)?;
        self.rig.start(Program::Agent, &self.terms(Program::Agent))
    }

    fn terms(&self, program: Program) -> Terms {
        match self.fault {
            Fault::Place(of, name, time) if *of == program => {
                Terms { place: Some((name.clone(), *time)), ..Terms::default() }
            }
            Fault::Call(of, name, outcome, time) if *of == program => {
                Terms { call: Some((name.clone(), *outcome, *time)), ..Terms::default() }
            }
            Fault::Place(..)
            | Fault::Call(..)
            | Fault::Kill(_)
            | Fault::Suspend
            | Fault::Copied
            | Fault::Clock(..)
            | Fault::Link(_) => Terms::default(),
        }
    }

    /// Captures are made and delivered while the fault strikes.
    async fn lesson(&mut self) -> anyhow::Result<()> {
        let count = 6 + self.draw.below(14);
        let mut strikes_after = self.draw.below(count);
        if self.scene == Scene::Worsening {
            self.issue(2).await?;
            drop(
                eventually_within(LESSON, "the first to arrive", async || {
                    self.is_settled().await.unwrap_or(false).then_some(())
                })
                .await,
            );
        }
        if matches!(self.scene, Scene::Joining | Scene::Opening) {
            // What is shown before there are rules is no capture.
            strikes_after = 0;
            self.strike().await?;
            let began = now();
            while began.elapsed() < LESSON && !self.rig.is_watching() {
                for program in BOTH {
                    if self.has_ended(program)? || self.rig.process(program).is_none() {
                        return Ok(());
                    }
                }
                sleep(PAUSE).await;
            }
        }
        if self.issue(strikes_after).await? == Issued::All {
            if !self.has_struck {
                self.strike().await?;
            }
            self.issue(count - strikes_after).await?;
        }
        self.until_struck().await
    }

    /// Issues captures until the agent is found to have ended.
    async fn issue(&mut self, count: u64) -> anyhow::Result<Issued> {
        for _ in 0..count {
            let phrase = self.next_phrase();
            if !self.show(phrase).await? {
                return Ok(Issued::Some);
            }
            if self.draw.below(3) == 0 {
                sleep(Duration::from_millis(self.draw.below(25))).await;
            }
        }
        Ok(if count == 0 || self.pupil.leaves().await.is_ok() { Issued::All } else { Issued::Some })
    }

    fn next_phrase(&mut self) -> Phrase {
        let drawn = Level::ALL.get(usize::try_from(self.draw.below(5)).unwrap_or(0)).copied().unwrap_or(Level::High);
        let level = match (self.scene, self.told.issued.len()) {
            (Scene::Worsening, 0..=1) => Level::Low,
            // Both categories have worse to come.
            (Scene::Worsening, 2..=3) | (Scene::NoPost, 0..=1) => Level::Critical,
            (_, _) => drawn,
        };
        let phrase = Phrase::nth(u64::try_from(self.told.issued.len()).unwrap_or(0), level);
        self.told.issued.push(phrase);
        phrase
    }

    /// Shows a phrase once; waits where the agent has only just been started. Whether it was taken.
    async fn show(&mut self, phrase: Phrase) -> anyhow::Result<bool> {
        let started = now();
        loop {
            if self.pupil.shows(phrase).await.is_ok() {
                return Ok(true);
            }
            if self.has_ended(Program::Agent)? || self.rig.agent.is_none() {
                return Ok(false);
            }
            anyhow::ensure!(started.elapsed() < LESSON, "the agent hears nobody");
            sleep(PAUSE).await;
        }
    }
}

/// How many of the captures were issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Issued {
    All,
    Some,
}

#[expect(clippy::disallowed_methods, reason = "a run is measured in real time")]
fn now() -> Instant {
    Instant::now()
}
