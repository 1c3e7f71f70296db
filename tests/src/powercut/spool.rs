//! The spool: everything that it said to keep is there after a cut, once and as it was given.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use lapwing_agent::clock::ManualClock;
use lapwing_agent::identity::HardwareHash;
use lapwing_agent::spool::{Appended, KeySource, Spool, SpoolLimits};
use lapwing_proto::{Seq, wire};
use lapwing_rules::Level;
use serde::{Deserialize, Serialize};

use super::dice::Dice;
use super::{Verdict, print, timed};

/// How often the writer opens the spool.
const OPENINGS: u64 = 3;
/// Appending threads: the second one's captures wait for the first one's commit and share the next.
const THREADS: u64 = 2;
const NOW_US: i64 = 1_790_000_000_000_000;

/// What the writer says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    /// The spool answered that it holds capture `tag`.
    Kept { lane: u8, seq: u64, tag: u64 },
    /// From now on the spool may forget a lane up to here: the collector has it.
    LetGo { lane: u8, through: u64 },
}

/// Opens a spool below `root`, has threads append to it and forget what was delivered, and says what it holds.
pub(super) fn write(root: &Path, captures: u64, seed: u64) -> anyhow::Result<()> {
    let tags = AtomicU64::new(0);
    for opening in 1..=OPENINGS {
        let (spool, _) = open(root)?;
        let last = captures * opening / OPENINGS;
        let outcome: anyhow::Result<()> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let (spool, tags) = (&spool, &tags);
                    let mut dice = Dice::new(seed ^ (opening << 8) ^ thread);
                    scope.spawn(move || append_until(spool, tags, last, &mut dice))
                })
                .collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().map_err(|_| anyhow::anyhow!("an appending thread panicked"))?)
        });
        outcome?;
    }
    Ok(())
}

fn append_until(spool: &Spool, tags: &AtomicU64, last: u64, dice: &mut Dice) -> anyhow::Result<()> {
    loop {
        let next = |tag| (tag < last).then_some(tag + 1);
        let Ok(tag) = tags.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next) else { return Ok(()) };
        let lane = lane_of(tag)?;
        let Appended::Stored(seq) = spool.append(lane, &capture(tag))? else {
            anyhow::bail!("a spool with room did not store capture {tag}");
        };
        print(&Said::Kept { lane: lane.number(), seq: seq.number(), tag })?;
        if dice.chance(1) {
            deliver(spool, dice.pick(&Level::ALL, Level::Info))?;
        }
    }
}

/// As the uplink does: reads a few, and forgets them.
fn deliver(spool: &Spool, lane: Level) -> anyhow::Result<()> {
    let Some((through, _)) = spool.read(lane, Seq::NONE, 6)?.pop() else { return Ok(()) };
    print(&Said::LetGo { lane: lane.number(), through: through.number() })?;
    Ok(spool.acknowledge(lane, through)?)
}

/// Judges the files below `root` against what was said before the cut.
pub(super) fn judge<'a>(root: &Path, told: impl Iterator<Item = &'a str>) -> anyhow::Result<Verdict> {
    let (mut kept, mut let_go) = (BTreeMap::new(), BTreeMap::<u8, u64>::new());
    for line in told {
        match serde_json::from_str(line)? {
            Said::Kept { lane, seq, tag } => drop(kept.insert((lane, seq), tag)),
            Said::LetGo { lane, through } => {
                let mark = let_go.entry(lane).or_default();
                *mark = through.max(*mark);
            }
        }
    }
    kept.retain(|(lane, seq), _| let_go.get(lane).is_none_or(|through| seq > through));
    let mut verdict = Verdict::default();
    let (opened, took) = timed(|| open(root));
    verdict.recovery = took;
    let (spool, _) = opened?;
    let held = held(&spool)?;
    for (place, tag) in &kept {
        match held.get(place) {
            None => verdict.lost += 1,
            Some(capture) if *capture != self::capture(*tag) => verdict.wrong(format!("capture {tag} is another")),
            Some(_) => {}
        }
    }
    let mut tags = BTreeSet::new();
    for ((lane, seq), found) in &held {
        if *found != capture(found.boot_us) {
            verdict.wrong(format!("lane {lane} holds at {seq} what was never given"));
        }
        verdict.doubled += usize::from(!tags.insert(found.boot_us));
    }
    check_next(root, spool, held.len(), &mut verdict)?;
    Ok(verdict)
}

/// The next capture is taken and outlives the process.
fn check_next(root: &Path, spool: Spool, before: usize, verdict: &mut Verdict) -> anyhow::Result<()> {
    let next = capture(u64::MAX);
    let Appended::Stored(seq) = spool.append(Level::Moderate, &next)? else {
        verdict.wrong("the next capture was not stored".to_owned());
        return Ok(());
    };
    drop(spool);
    let held = held(&open(root)?.0)?;
    if held.len() != before + 1 || held.get(&(Level::Moderate.number(), seq.number())) != Some(&next) {
        verdict.wrong(format!("{before} captures and the next became {}", held.len()));
    }
    Ok(())
}

fn held(spool: &Spool) -> anyhow::Result<BTreeMap<(u8, u64), wire::Capture>> {
    let mut held = BTreeMap::new();
    for lane in Level::ALL {
        let mut from = Seq::NONE;
        loop {
            let run = spool.read(lane, from, 64)?;
            let Some((last, _)) = run.last() else { break };
            from = last.next();
            held.extend(run.into_iter().map(|(seq, capture)| ((lane.number(), seq.number()), capture)));
        }
    }
    Ok(held)
}

fn open(root: &Path) -> anyhow::Result<(Spool, lapwing_agent::spool::OpenReport)> {
    let state = root.join("state");
    lapwing_agent::platform::create_private_folder(&state).context("failed to make the state folder")?;
    let key = KeySource::File(state.join("spool.key"));
    let clock = Arc::new(ManualClock::at(NOW_US));
    Ok(Spool::open(&state.join("spool"), key, HardwareHash::default(), SpoolLimits::default(), clock)?)
}

fn lane_of(tag: u64) -> anyhow::Result<Level> {
    let number = 1 + Dice::new(tag).below(5);
    Level::try_from(u8::try_from(number)?).map_err(|_| anyhow::anyhow!("no level {number}"))
}

/// The capture that `tag` stands for: between 200 bytes and 6 KiB.
fn capture(tag: u64) -> wire::Capture {
    let mut dice = Dice::new(tag ^ 0x5EED);
    let excerpts = (0..1 + dice.below(6)).map(|_| wire::Excerpt {
        scope: wire::Scope::Title as i32,
        text: format!("{:016x}", dice.next()).repeat(usize::try_from(1 + dice.below(60)).unwrap_or(1)),
    });
    wire::Capture {
        signal: wire::Signal::Title as i32,
        wall_us: NOW_US,
        boot_us: tag,
        boot_id: vec![1; 16],
        account: Some(wire::Account { name: "pupil".into(), session: "2".into(), groups: vec!["pupils".into()] }),
        app: "editor".into(),
        excerpts: excerpts.collect(),
        verdict: Some(wire::Verdict { release: 1, rule_set_digest: vec![2; 32], ..wire::Verdict::default() }),
        ..wire::Capture::default()
    }
}
