//! Certificates through a school year: every drill on one collector, whose clock and whose PCs' clocks a run turns on by
//! days.
//!
//! The collector runs in this process, by a clock that stands still until it is turned; commands are the real program's.
//! PCs are the agent's own identity, spool and uplink ([`Pc`]).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use lapwing_agent::diagnostic::Code;
use lapwing_agent::identity::HardwareHash;
use lapwing_collector::clock::{Clock as _, ManualClock, SystemClock};
use lapwing_collector::config::Config;
use lapwing_collector::lifecycle::Collector;
use lapwing_proto::DeviceId;
use lapwing_rules::Digest;
use rcgen::{CertificateParams, KeyPair};
use time::OffsetDateTime;

use crate::drill::DrillReport;
use crate::evidence::counted;
use crate::pc::{Pc, PcClock, Setup};
use crate::{School, eventually_within};

/// How long anything may take in real time.
const PATIENCE: Duration = Duration::from_secs(45);
const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;
const YEAR_US: i64 = 365 * DAY_US;

/// A school whose time is turned on by hand.
struct Year {
    school: School,
    collector: Collector,
    clock: Arc<ManualClock>,
    began_us: i64,
    folder: PathBuf,
    fingerprint: String,
    report: DrillReport,
}

/// Runs every drill in `folder`.
///
/// # Errors
///
/// When a program does not start.
pub async fn certificates(folder: &Path) -> anyhow::Result<DrillReport> {
    let mut year = Year::begin(folder).await?;
    let outcome = year.drills().await;
    year.collector.stop().await;
    outcome?;
    Ok(year.report)
}

impl Year {
    async fn begin(folder: &Path) -> anyhow::Result<Self> {
        let mut school = School::open(folder, &[]).await?;
        school.stop_collector().await?;
        let began_us = SystemClock.wall_us();
        let clock = Arc::new(ManualClock::at(began_us));
        let collector = Collector::start(Config::load(&school.config())?, clock.clone()).await?;
        let fingerprint = school.fingerprint()?;
        let report = DrillReport::default();
        Ok(Self { school, collector, clock, began_us, folder: folder.to_owned(), fingerprint, report })
    }

    async fn drills(&mut self) -> anyhow::Result<()> {
        let [always, two_months, away] = ["always", "two-months", "away"];
        let [summer, too_long] = ["summer", "too-long"];
        for name in [always, two_months, away, summer, too_long] {
            let pc = self.enrols(name).await?;
            pc.off().await?;
        }
        let of = |pc: &Pc| pc.device().context("it has joined");
        let first = self.starts(always, 0)?;
        let device = of(&first)?;
        first.off().await?;
        self.renewal(always, device).await?;
        self.until_day(62, always).await?;
        self.away(two_months, "two months away: renewed by its key, and nothing lost").await?;
        self.roll_over(always, device).await?;
        self.away(summer, "summer: knows the old authority alone, and is told of the new one").await?;
        self.until_day(122, always).await?;
        self.away(two_months, "two months away again: comes over to the new authority").await?;
        self.too_long(too_long).await?;
        self.retirement(always, away, device).await?;
        self.clocks(always, device).await?;
        self.denial(always, device).await?;
        self.alarms().await
    }

    /// From the tenth day on, with a new key.
    async fn renewal(&mut self, name: &str, device: DeviceId) -> anyhow::Result<()> {
        let pc = self.starts(name, 0)?;
        let before = pc.certificate_ends_us();
        pc.off().await?;
        self.turn_to(11);
        let pc = self.starts(name, 0)?;
        let renewed = async || (pc.certificate_ends_us() > before && pc.device() == Some(device)).then_some(());
        let outcome = self.within("its renewal", renewed).await;
        self.drill("day 11: renewed with a new key, the same device", outcome.map(|()| "renewed".to_owned()));
        pc.off().await
    }

    /// Somebody switches it on every eleventh day: server certificates have to be renewed meanwhile.
    async fn until_day(&mut self, day: i64, name: &str) -> anyhow::Result<()> {
        let mut on = 0;
        let mut outcome = Ok(());
        while outcome.is_ok() && self.day() + 11 <= day {
            self.turn_to(self.day() + 11);
            let pc = self.starts(name, 0)?;
            let (now_us, clock) = (self.clock.wall_us(), &pc);
            let fresh = async || {
                let fresh = clock.certificate_ends_us().is_some_and(|ends_us| ends_us - now_us > 25 * DAY_US);
                (clock.is_connected() && fresh).then_some(())
            };
            outcome = self.within("a connection and a renewal", fresh).await;
            on += 1;
            pc.off().await?;
        }
        self.turn_to(day);
        self.drill("switched on every 11 days: the collector renews its own", outcome.map(|()| format!("{on} times")));
        Ok(())
    }

    /// Comes back long after its certificate has run out, with captures of meanwhile.
    async fn away(&mut self, name: &str, drill: &'static str) -> anyhow::Result<()> {
        let before = self.stored().await?;
        let pc = self.starts(name, 0)?;
        let device = pc.device();
        for capture in 0..3 {
            pc.capture(format!("{name}.c{capture}")).await?;
        }
        let back = async || (pc.is_connected() && pc.has_delivered() && pc.device() == device).then_some(());
        let outcome = self.within("its return", back).await;
        let stored = self.stored().await? - before;
        let trusts = pc.authorities();
        let outcome = outcome.and_then(|()| match stored {
            3 => Ok(format!("3 of 3 captures, knows {trusts} authorities")),
            _ => Err(format!("{stored} of 3 captures")),
        });
        self.drill(drill, outcome);
        pc.off().await
    }

    /// While the collector runs; whoever renews afterwards knows both.
    async fn roll_over(&mut self, name: &str, device: DeviceId) -> anyhow::Result<()> {
        self.school.collect(&["ca", "roll-over"], &[])?;
        let before = self.fingerprint.clone();
        self.fingerprint = self.school.fingerprint()?;
        let by_the_new = self.joins("new-by-new", &self.fingerprint.clone()).await?;
        let by_the_earlier = self.joins("new-by-earlier", &before).await?;
        let both = by_the_earlier.and(by_the_new);
        self.drill("roll-over: new PCs join by either fingerprint", both.map(|()| "2 of 2".to_owned()));
        self.turn_to(self.day() + 11);
        let pc = self.starts(name, 0)?;
        let knows = async || (pc.is_connected() && pc.authorities() == 2 && pc.device() == Some(device)).then_some(());
        let outcome = self.within("a renewal under the new authority", knows).await;
        pc.off().await?;
        let rolled = outcome.and_then(|()| match before == self.fingerprint {
            true => Err("the fingerprint is the same".to_owned()),
            false => Ok("knows both".to_owned()),
        });
        self.drill("roll-over without a restart: the same device", rolled);
        Ok(())
    }

    /// After 90 days its key does no more; a token makes it the same asset.
    async fn too_long(&mut self, name: &str) -> anyhow::Result<()> {
        let pc = self.starts(name, 0)?;
        let device = pc.device();
        let refused = async || pc.state().contains("new campaign token").then_some(());
        let outcome = self.within("a word on what to do", refused).await;
        pc.off().await?;
        let state = self.folder.join(name);
        std::fs::write(state.join("token"), self.token()?)?;
        let pc = self.starts(name, 0)?;
        let joined = async || (pc.is_connected() && pc.device() != device).then_some(());
        let outcome = outcome.and(self.within("joining by the token", joined).await);
        pc.off().await?;
        let replaced =
            counted(&self.school.database(), "SELECT COUNT(*) FROM devices WHERE replaced_us IS NOT NULL").await?;
        let outcome = outcome.and_then(|()| match (replaced, state.join("token").exists()) {
            (1, false) => Ok("the same asset, and the token is gone".to_owned()),
            (replaced, left) => Err(format!("{replaced} replaced, token left: {left}")),
        });
        self.drill("away for 122 days: says what to do, and a token does it", outcome);
        Ok(())
    }

    /// Not while somebody would be locked out.
    async fn retirement(&mut self, name: &str, away: &str, device: DeviceId) -> anyhow::Result<()> {
        let locked_out = self.starts(away, 0)?.device().context("it has joined")?;
        let refused = self.school.collect(&["ca", "retire"], &[]);
        let refused = refused.err().map(|error| format!("{error:#}")).unwrap_or_default();
        self.school.collect(&["device", "revoke", &locked_out.to_string()], &[])?;
        let retired = self.school.collect(&["ca", "retire"], &[]);
        let pc = self.starts(name, 0)?;
        let connected = async || (pc.is_connected() && pc.device() == Some(device)).then_some(());
        let outcome = self.within("a connection under the new authority alone", connected).await;
        pc.off().await?;
        let outcome = outcome.and_then(|()| match (refused.contains("may still come until"), retired) {
            (true, Ok(_)) => Ok("refused while somebody would be locked out, then retired".to_owned()),
            (told, retired) => Err(format!("told why: {told}; {retired:?}")),
        });
        self.drill("the authority before is retired", outcome);
        Ok(())
    }

    /// Years ahead and behind, at a start without a network before.
    async fn clocks(&mut self, name: &str, device: DeviceId) -> anyhow::Result<()> {
        for (skew_us, drill) in [
            (5 * YEAR_US, "clock five years ahead: goes on, and says so"),
            (-10 * YEAR_US, "clock ten years behind: goes on, and says so"),
            (3 * 60 * 60 * 1_000_000, "clock three hours ahead: goes on, and says so"),
        ] {
            let issued = counted(&self.school.database(), "SELECT COUNT(*) FROM device_certificates").await?;
            let before = self.stored().await?;
            let pc = self.starts(name, skew_us)?;
            pc.capture("clock.wrong".to_owned()).await?;
            let goes_on = async || (pc.is_connected() && pc.has_delivered() && pc.says(Code::ClockOff)).then_some(());
            let outcome = self.within("delivery, and a word on the clock", goes_on).await;
            let same = pc.device() == Some(device);
            pc.off().await?;
            let again = counted(&self.school.database(), "SELECT COUNT(*) FROM device_certificates").await? - issued;
            let stored = self.stored().await? - before;
            let outcome = outcome.and_then(|()| match (same, again <= 1, stored) {
                (true, true, 1) => Ok(format!("delivered, {again} certificates issued")),
                _ => Err(format!("same {same}, {again} certificates, {stored} captures")),
            });
            self.drill(drill, outcome);
        }
        let state = self.folder.join("clockless");
        std::fs::create_dir(&state)?;
        std::fs::write(state.join("token"), self.token()?)?;
        let pc = self.starts("clockless", -10 * YEAR_US)?;
        let told = async || pc.state().contains("set the clock").then_some(());
        let outcome = self.within("a word on the clock", told).await;
        pc.clock.pass(u64::try_from(10 * YEAR_US)?);
        let joined = async || pc.is_connected().then_some(());
        let outcome = outcome.and(self.within("joining once the clock is set", joined).await);
        self.drill(
            "a new PC ten years behind: an error of its own",
            outcome.map(|()| "joined once it was set".to_owned()),
        );
        pc.off().await
    }

    /// In the open stream, and at the next start.
    async fn denial(&mut self, name: &str, device: DeviceId) -> anyhow::Result<()> {
        let pc = self.starts(name, 0)?;
        let connected = async || pc.is_connected().then_some(());
        let outcome = self.within("a connection", connected).await;
        self.school.collect(&["device", "revoke", &device.to_string()], &[])?;
        let denied = async || {
            pc.tell();
            pc.state().contains("denies this device").then_some(())
        };
        let outcome = outcome.and(self.within("the denial in the open stream", denied).await);
        pc.off().await?;
        let before = self.stored().await?;
        let pc = self.starts(name, 0)?;
        pc.capture("denied.c0".to_owned()).await?;
        let denied = async || pc.state().contains("denies this device").then_some(());
        let outcome = outcome.and(self.within("the denial at the next start", denied).await);
        pc.off().await?;
        let stored = self.stored().await? - before;
        let outcome = outcome.and_then(|()| match stored {
            0 => Ok("nothing of it is taken".to_owned()),
            _ => Err(format!("{stored} captures were taken")),
        });
        self.drill("denied: in its open stream, and at its next start", outcome);
        Ok(())
    }

    /// The console's own certificate, 61 days before its end and on.
    async fn alarms(&mut self) -> anyhow::Result<()> {
        let (certificate, key) = (self.folder.join("console.pem"), self.folder.join("console.key"));
        let pair = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
        let ends_us = self.clock.wall_us() + 61 * DAY_US;
        params.not_after = OffsetDateTime::from_unix_timestamp(ends_us / 1_000_000)?;
        std::fs::write(&certificate, params.self_signed(&pair)?.pem())?;
        std::fs::write(&key, pair.serialize_pem())?;
        let config = self.school.config();
        let written = std::fs::read_to_string(&config)?;
        let console =
            format!("{written}\n[console]\ncertificate = \"{}\"\nkey = \"{}\"\n", certificate.display(), key.display());
        std::fs::write(&config, console)?;
        self.collector.reload(Config::load(&config)?).await?;
        const TOLD: &str = "SELECT COUNT(*) FROM outbox WHERE kind = 'certificate' AND reference = 'CERT-CONSOLE'";
        let mut outcome = Ok(());
        let began = self.day();
        for (number, left) in [61, 59, 29, 13, 6, -1].into_iter().enumerate() {
            self.turn_to(began + 61 - left);
            let wanted = i64::try_from(number)?;
            let told = async || (counted(&self.school.database(), TOLD).await.ok()? == wanted).then_some(());
            outcome = outcome.and(self.within("the word on the certificate", told).await);
        }
        let told = counted(&self.school.database(), TOLD).await?;
        self.drill(
            "a certificate ends: told 60, 30, 14, 7 days before, and then",
            outcome.map(|()| format!("{told} times")),
        );
        Ok(())
    }

    /// A new PC, once it is connected.
    async fn enrols(&self, name: &str) -> anyhow::Result<Pc> {
        let state = self.folder.join(name);
        std::fs::create_dir(&state)?;
        std::fs::write(state.join("token"), self.token()?)?;
        let pc = self.starts(name, 0)?;
        let connected = async || pc.is_connected().then_some(());
        eventually_within(PATIENCE, "a PC to join", connected).await?;
        Ok(pc)
    }

    /// Whether a new PC joins by `fingerprint`.
    async fn joins(&self, name: &str, fingerprint: &str) -> anyhow::Result<Result<(), String>> {
        let state = self.folder.join(name);
        std::fs::create_dir(&state)?;
        std::fs::write(state.join("token"), self.token()?)?;
        let pc = Pc::start(&state, self.setup(name, fingerprint)?, self.pc_clock(0)?)?;
        let connected = async || pc.is_connected().then_some(());
        let outcome = self.within("a PC to join", connected).await;
        pc.off().await?;
        Ok(outcome)
    }

    /// Switches a PC on, its wall clock off by `skew_us`.
    fn starts(&self, name: &str, skew_us: i64) -> anyhow::Result<Pc> {
        Pc::start(&self.folder.join(name), self.setup(name, &self.fingerprint)?, self.pc_clock(skew_us)?)
    }

    fn pc_clock(&self, skew_us: i64) -> anyhow::Result<Arc<PcClock>> {
        PcClock::started(self.clock.wall_us() - SystemClock.wall_us() + skew_us)
    }

    fn setup(&self, name: &str, fingerprint: &str) -> anyhow::Result<Setup> {
        let mut setup = Setup::of(&self.school, name, HardwareHash::new(Some(Digest::of(name.as_bytes()))))?;
        setup.uplink.ca_fingerprint = Some(fingerprint.parse()?);
        setup.uplink.token_file = Some(self.folder.join(name).join("token"));
        Ok(setup)
    }

    fn token(&self) -> anyhow::Result<String> {
        let token = self.school.collect(&["token", "create", "--group", "drill", "--expires", "365d"], &[])?;
        Ok(token.trim().to_owned())
    }

    fn day(&self) -> i64 {
        (self.clock.wall_us() - self.began_us) / DAY_US
    }

    fn turn_to(&self, day: i64) {
        self.clock.advance_us((day - self.day()).max(0) * DAY_US);
    }

    async fn within(&self, awaited: &str, look: impl AsyncFnMut() -> Option<()>) -> Result<(), String> {
        eventually_within(PATIENCE, awaited, look).await.map_err(|error| format!("{error:#}"))
    }

    async fn stored(&self) -> anyhow::Result<i64> {
        counted(&self.school.database(), "SELECT COUNT(*) FROM captures").await
    }

    fn drill(&mut self, name: &'static str, outcome: Result<String, String>) {
        self.report.add(name, outcome);
    }
}
