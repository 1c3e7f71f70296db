//! Roll-outs: a rule set goes to a pilot, to a share, to everybody; one that makes PCs unwell, or capture far more than others,
//! is halted by itself.
//!
//! The collector runs in this process, by a clock that is turned on; commands are the real program's, rule sets are compiled
//! and signed by the real tool. PCs are the agent's own identity, spool and uplink ([`Pc`]): they fetch, verify and load
//! what they are offered.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use clap::builder::TypedValueParser as _;
use lapwing_agent::diagnostic::Code;
use lapwing_agent::identity::HardwareHash;
use lapwing_agent::uplink::UplinkConfig;
use lapwing_collector::clock::{Clock as _, ManualClock, SystemClock};
use lapwing_collector::config::Config;
use lapwing_collector::lifecycle::Collector;

use crate::drill::DrillReport;
use crate::evidence::counted;
use crate::fleet::now;
use crate::pc::{Pc, PcClock, Setup};
use crate::{School, eventually_within};

const PATIENCE: Duration = Duration::from_secs(45);
const MINUTE_US: i64 = 60 * 1_000_000;
/// A first share of the PCs, in hundredths, and by how much it grows.
const SHARE: usize = 30;
const EVERYBODY: usize = 100;
const PILOT: &str = "pilot";
const PUPILS: &str = "pupils";
/// Every other PC that is not of the pilot.
const HALF: &str = "half";

/// How many PCs there are.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// How many PCs; one in five is of the pilot.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(14..=100).map(usize::from))]
    pub pcs: usize,
}

struct Stages {
    school: School,
    collector: Collector,
    clock: Arc<ManualClock>,
    folder: PathBuf,
    setup: Setup,
    pilot: Vec<Pc>,
    others: Vec<Pc>,
    report: DrillReport,
}

impl Rollout {
    /// Runs it in `folder`.
    ///
    /// # Errors
    ///
    /// When a program does not start.
    pub async fn run(self, folder: &Path) -> anyhow::Result<DrillReport> {
        let mut stages = Stages::begin(folder, self.pcs).await?;
        let outcome = stages.all().await;
        for pc in stages.pilot.drain(..).chain(stages.others.drain(..)) {
            pc.off().await?;
        }
        stages.collector.stop().await;
        outcome?;
        Ok(stages.report)
    }
}

impl Stages {
    async fn begin(folder: &Path, pcs: usize) -> anyhow::Result<Self> {
        let mut school = School::open(folder, &[]).await?;
        school.stop_collector().await?;
        let clock = Arc::new(ManualClock::at(SystemClock.wall_us()));
        let collector = Collector::start(Config::load(&school.config())?, clock.clone()).await?;
        let rules = Some(school.signing().trusted_rules()?);
        let setup = Setup { rules, ..Setup::of(&school, "", HardwareHash::default())? };
        let (pilot, others) = (Vec::new(), Vec::new());
        let folder = folder.to_owned();
        let mut stages =
            Self { school, collector, clock, folder, setup, pilot, others, report: DrillReport::default() };
        for number in 0..pcs {
            let group = match number {
                number if number % 5 == 0 => PILOT,
                number if number % 2 == 0 => HALF,
                _ => PUPILS,
            };
            let pc = stages.joins(&format!("pc-{number}"), group)?;
            if group == PILOT { stages.pilot.push(pc) } else { stages.others.push(pc) }
        }
        let first = async || stages.all_have(1).then_some(());
        eventually_within(PATIENCE, "all to have release 1", first).await?;
        Ok(stages)
    }

    async fn all(&mut self) -> anyhow::Result<()> {
        let all = self.pilot.len() + self.others.len();
        self.publish(2, &["--group", PILOT])?;
        let pilot_alone = async || (self.have(2) == self.pilot.len()).then_some(());
        let outcome = self.within("the pilot to have release 2", pilot_alone).await;
        let strangers = self.others.iter().filter(|pc| pc.rule_set() == 2).count();
        let outcome =
            outcome.and_then(|()| if strangers == 0 { Ok(()) } else { Err(format!("{strangers} others too")) });
        self.stage("to a group: the group alone", outcome.map(|()| format!("{} of {all}", self.pilot.len())));

        // Few PCs are drawn by chance: the share grows until there is one more.
        let mut offered = self.pilot.len();
        for percent in (SHARE..EVERYBODY).step_by(SHARE) {
            self.school.collect(&["rules", "rollout", "--percent", &percent.to_string()], &[])?;
            offered = self.offered()?;
            if offered > self.pilot.len() {
                break;
            }
        }
        let share = async || (self.have(2) == offered).then_some(());
        let outcome = self.within("the share to have release 2", share).await;
        let grew = offered > self.pilot.len() && offered < all && self.pilot.iter().all(|pc| pc.rule_set() == 2);
        let outcome = outcome.and_then(|()| if grew { Ok(()) } else { Err(format!("{offered} offered")) });
        self.stage("to a share besides: as many as are drawn", outcome.map(|()| format!("{offered} of {all}")));

        let began = now();
        self.school.collect(&["rules", "rollout", "--everybody"], &[])?;
        let everybody = async || self.all_have(2).then_some(());
        let outcome = self.within("all to have release 2", everybody).await;
        let took = began.elapsed().as_secs_f64();
        self.stage(
            "to everybody, while they are connected",
            outcome.map(|()| format!("{all} of {all} in {took:.1} s")),
        );

        self.regression().await?;
        self.newcomer().await?;
        self.recovery().await?;
        self.noise().await
    }

    /// Whoever takes the next one is unwell: nobody else is offered it.
    async fn regression(&mut self) -> anyhow::Result<()> {
        self.publish(3, &["--group", PILOT])?;
        let taken = async || (self.have(3) == self.pilot.len()).then_some(());
        let outcome = self.within("the pilot to have release 3", taken).await;
        self.clock.advance_us(MINUTE_US);
        for pc in &self.pilot {
            pc.suffers(Some(Code::Overrun));
        }
        let outcome = match outcome {
            Ok(()) => self.is_halted(3, 1).await,
            Err(error) => Err(error),
        };
        self.stage("PCs that took it are unwell: halted by itself", outcome);
        Ok(())
    }

    /// Whoever takes the next one captures what everybody does.
    async fn noise(&mut self) -> anyhow::Result<()> {
        self.publish(6, &["--group", PILOT, "--group", HALF])?;
        let offered = self.offered()?;
        let taken = async || (self.have(6) == offered).then_some(());
        let outcome = self.within("both groups to have release 6", taken).await;
        self.clock.advance_us(MINUTE_US);
        for pc in self.pilot.iter().chain(&self.others).filter(|pc| pc.rule_set() == 6) {
            pc.capture("sample.noisy".to_owned()).await?;
        }
        let outcome = match outcome {
            Ok(()) => self.is_halted(6, 2).await,
            Err(error) => Err(error),
        };
        self.stage("PCs that took it capture, and no others: halted by itself", outcome);
        Ok(())
    }

    /// Waits until the newest release, `release`, is halted and `words` halts in all are told of; nobody else takes it.
    async fn is_halted(&self, release: u64, words: i64) -> Result<String, String> {
        let before = self.have(release);
        let mut turned = 0;
        let told = async || {
            // Upkeep looks once a minute of the collector's clock.
            self.clock.advance_us(MINUTE_US);
            turned += 1;
            tokio::time::sleep(Duration::from_millis(1200)).await;
            let told = "SELECT COUNT(*) FROM outbox WHERE kind = 'roll_out'";
            (counted(&self.school.database(), told).await.ok()? == words).then_some(())
        };
        self.within("the halt, and a word on it", told).await?;
        let status = self.school.collect(&["rules", "status"], &[]);
        let halted = status.err().map(|error| format!("{error:#}")).unwrap_or_default();
        match (halted.contains("HALTED"), self.have(release) - before) {
            (true, 0) => Ok(format!("halted within {turned} minutes, told once, 0 others took it")),
            (told, others) => Err(format!("status says so: {told}, {others} others took it")),
        }
    }

    /// A PC that joins, or comes back, while a roll-out is halted.
    async fn newcomer(&mut self) -> anyhow::Result<()> {
        let pc = self.joins("newcomer", PILOT)?;
        let base = async || (pc.rule_set() == 2).then_some(());
        let outcome = self.within("the release that is everybody's", base).await;
        let outcome = outcome.map_err(|error| format!("{error}: {}, release {}", pc.state(), pc.rule_set()));
        // It is off from now on: nobody waits for it.
        let device = pc.device().context("it has joined")?.to_string();
        pc.off().await?;
        self.school.collect(&["device", "revoke", &device], &[])?;
        self.stage("a PC that joins meanwhile gets the one before", outcome.map(|()| "release 2".to_owned()));
        Ok(())
    }

    /// The next release is for everybody again.
    async fn recovery(&mut self) -> anyhow::Result<()> {
        for pc in &self.pilot {
            pc.suffers(None);
        }
        self.publish(4, &[])?;
        let all = async || self.all_have(4).then_some(());
        let outcome = self.within("all to have release 4", all).await;
        self.stage("the next release, of a higher number, mends it", outcome.map(|()| "all".to_owned()));
        let rolled_back = self.school.collect(&["rules", "rollback"], &[]);
        let words = rolled_back.map_err(|error| format!("{error:#}")).and_then(|said| {
            let says_what_to_do = said.contains("offered release 2") && said.contains("rules export --release 2");
            if says_what_to_do { Ok("says what to sign".to_owned()) } else { Err(said) }
        });
        self.stage("roll-back: nobody else has it, and it says what to do", words);
        let (before, again) = (self.folder.join("before.lwrs"), self.folder.join("again.lwrs"));
        self.school.collect(&["rules", "export", "--out"], &[&before])?;
        self.school.signing().reissue(5, &before, &again)?;
        self.school.collect(&["rules", "publish"], &[&again])?;
        let all = async || self.all_have(5).then_some(());
        let outcome = self.within("all to have what was before it", all).await;
        self.stage("done so: PCs that took it have the rules of before", outcome.map(|()| "all".to_owned()));
        Ok(())
    }

    fn publish(&self, release: u64, reach: &[&str]) -> anyhow::Result<()> {
        let set = self.school.compile_rules(release)?;
        self.school.collect(&[&["rules", "publish"], reach].concat(), &[&set])?;
        Ok(())
    }

    /// Devices that `rules status` says are offered the newest release.
    fn offered(&self) -> anyhow::Result<usize> {
        let status = self.school.collect(&["rules", "status"], &[])?;
        let line = status.lines().find_map(|line| line.strip_prefix("offered to "));
        Ok(line.and_then(|line| line.split(' ').next()).unwrap_or_default().parse()?)
    }

    fn joins(&self, name: &str, group: &str) -> anyhow::Result<Pc> {
        let state = self.folder.join(name);
        std::fs::create_dir(&state)?;
        let token = self.school.collect(&["token", "create", "--group", group], &[])?;
        std::fs::write(state.join("token"), token.trim())?;
        let uplink = UplinkConfig {
            token_file: Some(state.join("token")),
            host_name: name.to_owned(),
            ..self.setup.uplink.clone()
        };
        Pc::start(&state, Setup { uplink, ..self.setup.clone() }, PcClock::started(0)?)
    }

    fn have(&self, release: u64) -> usize {
        self.pilot.iter().chain(&self.others).filter(|pc| pc.rule_set() == release).count()
    }

    fn all_have(&self, release: u64) -> bool {
        let releases: BTreeSet<_> = self.pilot.iter().chain(&self.others).map(Pc::rule_set).collect();
        releases == [release].into()
    }

    async fn within(&self, awaited: &str, look: impl AsyncFnMut() -> Option<()>) -> Result<(), String> {
        eventually_within(PATIENCE, awaited, look).await.map_err(|error| format!("{error:#}"))
    }

    fn stage(&mut self, name: &'static str, outcome: Result<String, String>) {
        self.report.add(name, outcome);
    }
}
