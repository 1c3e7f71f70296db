//! The collector under ingest: everything acknowledged to a device is in the database once, opens with its subject's
//! key, and the device delivers on from where it was.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use data_encoding::HEXLOWER;
use lapwing_collector::authority::Authority;
use lapwing_collector::clock::SystemClock;
use lapwing_collector::lifecycle::Collector;
use lapwing_proto::wire;
use lapwing_rules::Level;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::device::{Delivery, Device, pem};
use super::dice::Dice;
use super::first_start::{self, config, data};
use super::{Verdict, print};
use crate::Programs;

/// Captures of one batch, at most.
const BATCH: u64 = 12;
/// Batches of one stream.
const STREAM: u64 = 8;
/// Accounts, each a subject with a key of its own.
const ACCOUNTS: u64 = 24;
const DEVICE: &str = "device";
const TOKEN: &str = "token";

/// What the device says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    /// It has a certificate.
    Enrolled,
    /// It holds an incarnation.
    Welcome { incarnation: String },
    /// A lane is acknowledged up to here.
    Kept { lane: u8, through: u64 },
}

/// Sets a collector up below `root`; a token for the device goes to `scratch`.
pub(super) fn prepare(root: &Path, scratch: &Path) -> anyhow::Result<()> {
    finish(&mut first_start::command(root)?)?;
    let mut command = Command::new(&Programs::built()?.collector);
    command.args(["token", "create", "--group", "ict-suite", "--config"]).arg(data(root).join("collector.toml"));
    std::fs::write(scratch.join(TOKEN), finish(&mut command)?.trim())?;
    std::fs::create_dir(scratch.join(DEVICE))?;
    Ok(())
}

/// Runs a collector below `root` and a device that delivers `captures` to it.
pub(super) async fn write(root: &Path, captures: u64, seed: u64) -> anyhow::Result<()> {
    let scratch = root.parent().context("the root stands in a folder")?;
    let collector = start(root).await?;
    let addresses = collector.addresses();
    let authority = authority(root)?;
    let token = std::fs::read_to_string(scratch.join(TOKEN))?;
    let device = Device::enrol(addresses.enrol, authority, &token).await?;
    device.save(&scratch.join(DEVICE))?;
    print(&Said::Enrolled)?;
    let (mut dice, mut next, mut incarnation) = (Dice::new(seed), BTreeMap::<u8, u64>::new(), Vec::new());
    let mut left = captures;
    while left > 0 {
        let mut delivery = device.deliver(addresses.uplink, incarnation).await?;
        incarnation = delivery.welcome.incarnation.clone();
        print(&Said::Welcome { incarnation: HEXLOWER.encode(&incarnation) })?;
        for _ in 0..STREAM {
            let lane = dice.pick(&Level::ALL, Level::Info).number();
            let count = (1 + dice.below(BATCH)).min(left);
            let first = next.get(&lane).copied().unwrap_or(1);
            if count == 0 {
                break;
            }
            let through = delivery.send(batch(lane, first, count)).await?;
            ensure!(through == first + count - 1, "lane {lane} is acknowledged through {through}");
            print(&Said::Kept { lane, through })?;
            next.insert(lane, first + count);
            left -= count;
        }
    }
    collector.stop().await;
    Ok(())
}

/// Judges the files below `root`; `scratch` holds the device.
pub(super) async fn judge<'a>(
    root: &Path,
    scratch: &Path,
    told: impl Iterator<Item = &'a str>,
) -> anyhow::Result<Verdict> {
    let (mut enrolled, mut incarnation, mut kept) = (false, Vec::new(), BTreeMap::<u8, u64>::new());
    for line in told {
        match serde_json::from_str(line)? {
            Said::Enrolled => enrolled = true,
            Said::Welcome { incarnation: told } => incarnation = HEXLOWER.decode(told.as_bytes())?,
            Said::Kept { lane, through } => drop(kept.insert(lane, through)),
        }
    }
    let mut verdict = Verdict::default();
    #[expect(clippy::disallowed_methods, reason = "recovery is told in real time")]
    let began = std::time::Instant::now();
    let collector = start(root).await.context("the collector does not start")?;
    verdict.recovery = began.elapsed();
    let expected = if enrolled {
        let device = Device::load(&scratch.join(DEVICE))?;
        let delivery = device.deliver(collector.addresses().uplink, incarnation).await?;
        deliver_on(delivery, &kept, &mut verdict).await?
    } else {
        BTreeMap::new()
    };
    collector.stop().await;
    compare(root, &expected, &mut verdict).await?;
    Ok(verdict)
}

/// Delivers each lane on from the collector's mark. Answers how many captures each lane has now.
async fn deliver_on(
    mut delivery: Delivery,
    kept: &BTreeMap<u8, u64>,
    verdict: &mut Verdict,
) -> anyhow::Result<BTreeMap<u8, u64>> {
    let marks = delivery.welcome.high_water.clone();
    let mut expected = BTreeMap::new();
    for lane in Level::ALL.map(Level::number) {
        let mark = marks.iter().find(|mark| mark.lane == u32::from(lane)).map_or(0, |mark| mark.through);
        let kept = kept.get(&lane).copied().unwrap_or(0);
        verdict.lost += usize::try_from(kept.saturating_sub(mark))?;
        let through = delivery.send(batch(lane, mark + 1, 2)).await.context("the next captures")?;
        ensure!(through == mark + 2, "lane {lane} is acknowledged through {through} after {mark}");
        expected.insert(lane, through);
    }
    Ok(expected)
}

/// Every sequence of every lane is in the database once, and opens to what was sent; both databases are sound.
async fn compare(root: &Path, expected: &BTreeMap<u8, u64>, verdict: &mut Verdict) -> anyhow::Result<()> {
    let keys = config(root)?.keys_dir;
    let database = data(root).join("lapwing.db");
    for file in [&database, &keys.join("keys.db")] {
        let mut connection = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await?;
        let found: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await?;
        ensure!(found == "ok", "`{}`: {found}", file.display());
        connection.close().await?;
    }
    let mut found = BTreeMap::<(u8, u64), usize>::new();
    for stored in crate::stored(&database, &keys, "sample").await.context("a capture does not open")? {
        let stored = wire::Capture::decode(stored.as_slice())?;
        let (lane, seq) = (u8::try_from(stored.boot_us >> 32)?, stored.boot_us & 0xFFFF_FFFF);
        if stored != capture(lane, seq) {
            verdict.wrong(format!("lane {lane} holds at {seq} what was never sent"));
        }
        *found.entry((lane, seq)).or_default() += 1;
    }
    verdict.doubled += found.values().filter(|count| **count > 1).count();
    let wanted = expected.iter().flat_map(|(lane, through)| (1..=*through).map(|seq| (*lane, seq)));
    let missing = wanted.filter(|place| found.remove(place).is_none()).count();
    verdict.lost += missing;
    if !found.is_empty() {
        verdict.wrong(format!("{} captures were never sent", found.len()));
    }
    Ok(())
}

async fn start(root: &Path) -> anyhow::Result<Collector> {
    Ok(Collector::start(config(root)?, Arc::new(SystemClock)).await?)
}

/// PEM of the collector's authority, as devices are given it.
fn authority(root: &Path) -> anyhow::Result<String> {
    let config = config(root)?;
    Ok(pem(Authority::open_or_create(&config.keys_dir, &config.school.id, &SystemClock)?.certificate()))
}

fn finish(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("failed to run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn batch(lane: u8, first: u64, count: u64) -> wire::Batch {
    let captures = (first..first + count).map(|seq| capture(lane, seq)).collect();
    wire::Batch { lane: u32::from(lane), first_seq: first, captures, gaps: Vec::new() }
}

/// The capture at `seq` of `lane`.
fn capture(lane: u8, seq: u64) -> wire::Capture {
    let tag = (u64::from(lane) << 32) | seq;
    let mut dice = Dice::new(tag);
    let account = format!("pupil{}", dice.below(ACCOUNTS));
    let span = wire::Span { excerpt: 0, start: 0, end: 4, mark: wire::Mark::Topic as i32, weight: 0 };
    let hit = wire::Hit {
        rule: "drugs.sample".into(),
        category: "drugs".into(),
        level: u32::from(lane),
        spans: vec![span],
        ..wire::Hit::default()
    };
    let verdict =
        wire::Verdict { release: 1, rule_set_digest: vec![2; 32], band: wire::Band::Ks3 as i32, hits: vec![hit] };
    let text = format!("{:016x}", dice.next()).repeat(usize::try_from(1 + dice.below(20)).unwrap_or(1));
    wire::Capture {
        signal: wire::Signal::Title as i32,
        wall_us: 1_790_586_000_000_000,
        boot_us: tag,
        boot_id: vec![1; 16],
        account: Some(wire::Account { name: account, session: "2".into(), groups: vec!["pupils".into()] }),
        app: "editor".into(),
        excerpts: vec![wire::Excerpt { scope: wire::Scope::Title as i32, text }],
        verdict: Some(verdict),
        burst: 1,
        ..wire::Capture::default()
    }
}
