//! Clones: the state folder of an enrolled PC is copied to many, which start together, each with captures of its own.
//!
//! ```text
//! one PC joins, delivers, holds undelivered ──copied──▶ all start ──▶ each captures ──▶ all delivered ──▶ judged
//! ```
//!
//! Every copy has a start of its own, and the firmware that a run gives it: none that names it (placeholders), one of its
//! own, or the one that all of them share. One of them remains the device that the image held; what it held is delivered
//! once, whoever that is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use clap::builder::TypedValueParser as _;
use lapwing_agent::identity::HardwareHash;
use lapwing_agent::uplink::UplinkConfig;
use lapwing_proto::DeviceId;
use lapwing_rules::Digest;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use crate::evidence::counted;
use crate::fleet::now;
use crate::pc::{Pc, PcClock, Setup};
use crate::{School, eventually_within};

/// How long all of them may take to be devices of their own, with everything delivered.
const WITHIN: Duration = Duration::from_mins(2);
/// Captures that the image holds, and that each PC makes before and after it is told apart.
const HELD: usize = 3;
const OWN: usize = 4;

/// How many copies there are.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clones {
    /// How many PCs start on the image.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(2..=60).map(usize::from))]
    pub copies: usize,
}

/// What the firmware of the copies says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Firmware {
    /// Placeholders: nothing names a PC.
    Placeholders,
    /// Each names its own PC; one of them is the one that the image was made of.
    OwnFacts,
    /// All name the same, as boards of one maker may.
    SharedFacts,
}

/// What came of the copies of one image.
#[derive(Clone, Debug)]
struct Outcome {
    firmware: Firmware,
    took: Option<Duration>,
    devices: usize,
    wanted: usize,
    lost: usize,
    doubled: usize,
    /// Captures that stand under another PC's device.
    mixed: usize,
    gaps: i64,
    notices: i64,
}

/// What came of all of them.
#[derive(Clone, Debug)]
pub struct ClonesReport(Vec<Outcome>);

impl Clones {
    /// Runs it in `folder`, once for each kind of firmware.
    ///
    /// # Errors
    ///
    /// When a program does not start.
    pub async fn run(self, folder: &Path) -> anyhow::Result<ClonesReport> {
        let mut outcomes = Vec::new();
        for firmware in [Firmware::Placeholders, Firmware::OwnFacts, Firmware::SharedFacts] {
            let folder = folder.join(format!("{firmware:?}"));
            std::fs::create_dir(&folder)?;
            outcomes.push(self.with(firmware, &folder).await?);
        }
        Ok(ClonesReport(outcomes))
    }

    async fn with(self, firmware: Firmware, folder: &Path) -> anyhow::Result<Outcome> {
        let school = School::open(folder, &[]).await?;
        let image = image(&school, firmware, folder).await?;
        let mut off = Vec::new();
        for number in 0..self.copies {
            let state = folder.join(format!("pc-{number}"));
            copy(&image, &state)?;
            off.push((state, setup(&school, firmware, number)?));
        }
        let started = now();
        let mut pcs = Vec::new();
        for (state, setup) in off {
            pcs.push(Pc::start(&state, setup, PcClock::started(0)?)?);
        }
        for (number, pc) in pcs.iter().enumerate() {
            for capture in 0..OWN / 2 {
                pc.capture(format!("own.p{number}.c{capture}")).await?;
            }
        }
        let all = async || {
            let devices: BTreeSet<_> = pcs.iter().filter_map(Pc::device).collect();
            let settled = pcs.iter().all(|pc| pc.is_connected() && pc.has_delivered());
            (settled && devices.len() == pcs.len()).then_some(())
        };
        let told_apart = eventually_within(WITHIN, "all to be devices of their own", all).await;
        let took = told_apart.is_ok().then(|| started.elapsed());
        for (number, pc) in pcs.iter().enumerate() {
            for capture in OWN / 2..OWN {
                pc.capture(format!("own.p{number}.c{capture}")).await?;
            }
        }
        let delivered = async || pcs.iter().all(Pc::has_delivered).then_some(());
        // What was not delivered by then is lost, as far as anybody can tell.
        let _ = eventually_within(WITHIN, "all to be delivered", delivered).await;
        let owners: Vec<_> = pcs.iter().map(Pc::device).collect();
        for pc in pcs {
            pc.off().await?;
        }
        judge(&school, firmware, took, &owners).await
    }
}

/// The state folder of a PC that joined, delivered something, and holds [`HELD`] captures that it did not deliver.
async fn image(school: &School, firmware: Firmware, folder: &Path) -> anyhow::Result<std::path::PathBuf> {
    let state = folder.join("image");
    std::fs::create_dir(&state)?;
    let token = school.collect(&["token", "create", "--group", "image"], &[])?;
    std::fs::write(state.join("token"), token.trim())?;
    let setup = setup(school, firmware, 0)?;
    let token_file = Some(state.join("token"));
    let joining = Setup { uplink: UplinkConfig { token_file, ..setup.uplink.clone() }, ..setup.clone() };
    let pc = Pc::start(&state, joining, PcClock::started(0)?)?;
    pc.capture("image.before".to_owned()).await?;
    let delivered = async || (pc.is_connected() && pc.has_delivered()).then_some(());
    eventually_within(WITHIN, "the PC of the image to have delivered", delivered).await?;
    pc.off().await?;
    let nowhere = UplinkConfig { uplink: "https://localhost:1".parse()?, ..setup.uplink.clone() };
    let pc = Pc::start(&state, Setup { uplink: nowhere, ..setup }, PcClock::started(0)?)?;
    for capture in 0..HELD {
        pc.capture(format!("image.held{capture}")).await?;
    }
    pc.off().await?;
    Ok(state)
}

fn setup(school: &School, firmware: Firmware, number: usize) -> anyhow::Result<Setup> {
    let named = |name: String| HardwareHash::new(Some(Digest::of(name.as_bytes())));
    let hardware = match firmware {
        Firmware::Placeholders => HardwareHash::default(),
        Firmware::OwnFacts => named(format!("pc {number}")),
        Firmware::SharedFacts => named("every pc".to_owned()),
    };
    Setup::of(school, &format!("pc-{number:02}"), hardware)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

async fn judge(
    school: &School,
    firmware: Firmware,
    took: Option<Duration>,
    owners: &[Option<DeviceId>],
) -> anyhow::Result<Outcome> {
    let options = SqliteConnectOptions::new().filename(school.database()).read_only(true);
    let mut database: SqliteConnection = options.connect().await?;
    let mut stored: BTreeMap<String, Vec<DeviceId>> = BTreeMap::new();
    let sql = "SELECT rule, device_id FROM captures";
    for (rule, device) in sqlx::query_as::<_, (String, Vec<u8>)>(sql).fetch_all(&mut database).await? {
        stored.entry(rule).or_default().push(DeviceId::try_from(device.as_slice())?);
    }
    database.close().await?;
    let count = async |sql| counted(&school.database(), sql).await;
    let held = (0..HELD).map(|capture| format!("image.held{capture}")).chain(["image.before".to_owned()]);
    let own = (0..owners.len()).flat_map(|pc| (0..OWN).map(move |capture| format!("own.p{pc}.c{capture}")));
    let times = |rule: &String| stored.get(rule).map_or(0, Vec::len);
    let wanted: Vec<_> = held.chain(own).collect();
    let mixed = owners.iter().enumerate().map(|(pc, owner)| {
        let of_pc = (0..OWN).filter_map(|capture| stored.get(&format!("own.p{pc}.c{capture}"))).flatten();
        of_pc.filter(|device| Some(**device) != *owner).count()
    });
    let outcome = Outcome {
        firmware,
        took,
        devices: usize::try_from(count("SELECT COUNT(*) FROM devices").await?)?,
        wanted: owners.len(),
        lost: wanted.iter().filter(|rule| times(rule) == 0).count(),
        doubled: wanted.iter().map(|rule| times(rule).saturating_sub(1)).sum(),
        mixed: mixed.sum(),
        gaps: count("SELECT COUNT(*) FROM gaps WHERE reason <> 4").await?,
        notices: count("SELECT COUNT(*) FROM outbox WHERE kind = 'image'").await?,
    };
    Ok(outcome)
}

impl Outcome {
    fn is_well(&self) -> bool {
        let nothing = self.lost + self.doubled + self.mixed;
        self.took.is_some() && self.devices == self.wanted && nothing == 0 && self.gaps == 0 && self.notices == 1
    }
}

impl ClonesReport {
    /// Whether each copy became one device, and nothing was lost, doubled or mixed up.
    #[must_use]
    pub fn all_well(&self) -> bool {
        self.0.iter().all(Outcome::is_well)
    }
}

impl fmt::Display for ClonesReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<14} {:>7} {:>8} {:>6} {:>8} {:>6} {:>6} {:>8}  well",
            "firmware", "devices", "told (s)", "lost", "doubled", "mixed", "gaps", "notices"
        )?;
        for one in &self.0 {
            let took = one.took.map_or_else(|| "never".to_owned(), |took| format!("{:.1}", took.as_secs_f64()));
            let devices = format!("{}/{}", one.devices, one.wanted);
            let well = if one.is_well() { "yes" } else { "NO" };
            writeln!(
                f,
                "{:<14} {devices:>7} {took:>8} {:>6} {:>8} {:>6} {:>6} {:>8}  {well}",
                format!("{:?}", one.firmware),
                one.lost,
                one.doubled,
                one.mixed,
                one.gaps,
                one.notices
            )?;
        }
        Ok(())
    }
}
