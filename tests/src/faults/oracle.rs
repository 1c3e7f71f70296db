//! What must be true after a run, whatever went wrong in it.
//!
//! 1. Each capture that the spool acknowledged is stored and triaged, or a gap that the run allows stands for it.
//! 2. Each stored capture was issued.
//! 3. Its payload is what was issued: phrase, rule, lane, and the order of its lane.
//! 4. It is stored once, counted in one concern once, and each recipient is told once of each level.
//! 5. What one spool holds comes from one device: a copy of a PC becomes a device of its own, and tells what it set aside.
//! 6. Nothing else is broken: database, audit log and mails.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use data_encoding::HEXLOWER;
use lapwing_collector::ids::{KeyId, MessageId};
use lapwing_collector::seal::{Place, Vault};
use lapwing_proto::{Epoch, wire};
use prost::Message as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

use super::rig::Rig;
use super::words::Phrase;

/// Epoch, lane and sequence of a capture.
pub(super) type Mark = (Vec<u8>, i64, i64);

/// What is wrong after a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Captures that the spool acknowledged and nobody will ever see.
    pub lost: Vec<String>,
    /// Captures, counts or messages that took effect more than once.
    pub doubled: Vec<String>,
    /// The rest.
    pub broken: Vec<String>,
}

impl Verdict {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty() && self.broken.is_empty()
    }
}

/// What the agent's log says the spool acknowledged, in order. The log is written after the spool has answered, and
/// what is written survives the process.
pub(super) fn acknowledged(log: &str) -> Vec<Mark> {
    let mut epoch = Vec::new();
    let mut marks = Vec::new();
    for line in log.lines() {
        let field = |name: &str| line.split(&format!("{name}=")).nth(1)?.split_whitespace().next();
        if line.contains("the spool is open") {
            let opened = field("spool.epoch").and_then(|text| text.parse::<Epoch>().ok());
            epoch = opened.map(|epoch| epoch.as_bytes().to_vec()).unwrap_or_default();
        } else if line.contains("a capture is spooled") {
            let number = |name: &str| field(name).and_then(|text| text.parse().ok());
            let both = number("capture.lane").zip(number("capture.seq"));
            marks.extend(both.map(|(lane, seq)| (epoch.clone(), lane, seq)));
        }
    }
    marks
}

/// A look into the collector's database while it runs.
#[derive(Debug)]
pub(super) struct Look(SqlitePool);

impl Look {
    pub(super) async fn into(database: &Path) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new().filename(database).read_only(true);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
        Ok(Self(pool.context("failed to open the collector's database")?))
    }

    pub(super) async fn close(self) {
        self.0.close().await;
    }

    /// The marks that are not stored and triaged, and that no gap stands for.
    pub(super) async fn missing(&self, marks: &[Mark]) -> anyhow::Result<Vec<Mark>> {
        let stored: Vec<Mark> = sqlx::query_as("SELECT epoch, lane, seq FROM captures WHERE triaged_us IS NOT NULL")
            .fetch_all(&self.0)
            .await?;
        let stored: BTreeSet<_> = stored.into_iter().collect();
        let gaps = self.gaps().await?;
        let is_gone = |(epoch, lane, seq): &Mark| {
            gaps.iter().any(|(of, in_lane, from, to)| of == epoch && in_lane == lane && (from..=to).contains(&seq))
        };
        Ok(marks.iter().filter(|mark| !stored.contains(*mark) && !is_gone(mark)).cloned().collect())
    }

    /// A copy's stand for nothing: what it set aside is the original's to deliver.
    async fn gaps(&self) -> anyhow::Result<Vec<(Vec<u8>, i64, i64, i64)>> {
        let sql = "SELECT epoch, lane, from_seq, to_seq FROM gaps WHERE reason <> $1";
        let foreign = i32::from(wire::GapReason::Foreign);
        Ok(sqlx::query_as(sql).bind(foreign).fetch_all(&self.0).await?)
    }

    /// Captures that copies of PCs say to have set aside.
    pub(super) async fn set_aside(&self) -> anyhow::Result<i64> {
        let sql = "SELECT COALESCE(SUM(to_seq - from_seq + 1), 0) FROM gaps WHERE reason = $1";
        Ok(sqlx::query_scalar(sql).bind(i32::from(wire::GapReason::Foreign)).fetch_one(&self.0).await?)
    }

    /// Messages that wait, and whether one of them waits for a claim to run out.
    pub(super) async fn waiting(&self) -> anyhow::Result<(i64, bool)> {
        let (waiting, held): (i64, i64) = sqlx::query_as(
            "SELECT COUNT(*), COALESCE(SUM(attempts > 0), 0) FROM outbox WHERE sent_us IS NULL AND dead_us IS NULL",
        )
        .fetch_one(&self.0)
        .await?;
        Ok((waiting, held > 0))
    }

    /// References of every concern and the captures it counts.
    pub(super) async fn concerns(&self) -> anyhow::Result<BTreeMap<String, i64>> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT reference, captures FROM concerns").fetch_all(&self.0).await?;
        Ok(rows.into_iter().collect())
    }

    async fn count(&self, sql: &'static str) -> anyhow::Result<i64> {
        Ok(sqlx::query_scalar(sql).fetch_one(&self.0).await?)
    }
}

/// What a run may have done to the captures besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gaps {
    /// Nothing was too old, too much or unreadable: no gap may stand.
    None,
    /// A copy of the PC says what it did not send, and nothing else may stand.
    Foreign,
    /// Gaps may stand for captures.
    Allowed,
}

/// What a run told the programs.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Every phrase, in order.
    pub(super) issued: Vec<Phrase>,
    /// Those of them issued when all was well again.
    pub(super) fresh: Vec<Phrase>,
    /// What was shown at a copy of the PC; it arrives as well, once the copy has joined on its own.
    pub(super) elsewhere: Vec<Phrase>,
    /// What the copy's log says that its spool acknowledged under its own epoch.
    pub(super) acknowledged_elsewhere: Vec<Mark>,
    /// References of concerns whose acknowledgement the console confirmed.
    pub(super) acknowledged: Vec<String>,
}

/// Judges what the dead programs left in `rig`, given what was issued in order.
pub(super) async fn judge(rig: &Rig, collector: &Path, told: &Told, gaps: Gaps) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let look = Look::into(&rig.database()).await?;
    let marks = [acknowledged(&rig.agent_log()), told.acknowledged_elsewhere.clone()].concat();
    for (epoch, lane, seq) in look.missing(&marks).await? {
        verdict.lost.push(format!("lane {lane} sequence {seq} of epoch {}", HEXLOWER.encode(&epoch)));
    }
    if gaps != Gaps::Allowed {
        verdict.broken.extend(look.gaps().await?.iter().map(|(_, lane, from, to)| format!("gap {lane}: {from}-{to}")));
    }
    compare_payloads(rig, &look, (told, gaps), &mut verdict).await?;
    count_effects(&look, &mut verdict).await?;
    let states: BTreeMap<String, String> =
        sqlx::query_as("SELECT reference, state FROM concerns").fetch_all(&look.0).await?.into_iter().collect();
    let undone = told.acknowledged.iter().filter(|reference| states.get(*reference).is_none_or(|state| state == "new"));
    verdict.lost.extend(undone.map(|reference| format!("that {reference} was acknowledged")));
    look.close().await;
    audit(rig, collector, &mut verdict)?;
    Ok(verdict)
}

async fn compare_payloads(
    rig: &Rig,
    look: &Look,
    (told, gaps): (&Told, Gaps),
    verdict: &mut Verdict,
) -> anyhow::Result<()> {
    type Row = (Vec<u8>, Vec<u8>, i64, i64, String, Vec<u8>, Vec<u8>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT device_id, epoch, lane, seq, rule, capture_id, sealed FROM captures ORDER BY device_id, epoch, lane, seq",
    )
    .fetch_all(&look.0)
    .await?;
    let keys: BTreeMap<Vec<u8>, Vec<u8>> =
        sqlx::query_as("SELECT capture_id, key_id FROM captures").fetch_all(&look.0).await?.into_iter().collect();
    let vault = Vault::open(&rig.keys(), "sample".parse()?).await?;
    let places: BTreeMap<String, (usize, Phrase)> = told
        .issued
        .iter()
        .chain(&told.elsewhere)
        .enumerate()
        .map(|(place, phrase)| (phrase.text(), (place, *phrase)))
        .collect();
    let (mut seen, mut marks) = (BTreeSet::new(), BTreeSet::new());
    let mut last: BTreeMap<(Vec<u8>, i64), usize> = BTreeMap::new();
    for (device, epoch, lane, seq, rule, id, sealed) in rows {
        let key = KeyId::try_from(keys.get(&id).context("a capture has a key")?.as_slice())?;
        let plain = vault.unseal(key, Place { table: "captures", row: &id }, &sealed).await?;
        let capture = wire::Capture::decode(plain.as_slice())?;
        let text = capture.excerpts.iter().map(|excerpt| excerpt.text.as_str()).collect::<Vec<_>>().join("|");
        if !marks.insert((device.clone(), epoch, lane, seq)) {
            verdict.doubled.push(format!("lane {lane} sequence {seq} is stored twice"));
        }
        if !seen.insert(text.clone()) {
            verdict.doubled.push(format!("`{text}` is stored twice"));
        }
        let Some((place, phrase)) = places.get(&text).copied() else {
            verdict.broken.push(format!("`{text}` was never issued"));
            continue;
        };
        // Where there is no room for a critical capture it is counted into another.
        let repeats = if gaps == Gaps::Allowed { 0 } else { capture.repeats };
        let fields = (capture.app.as_str(), rule.as_str(), lane, repeats);
        if fields != ("editor", phrase.rule().as_str(), i64::from(phrase.level.number()), 0) {
            verdict.broken.push(format!("`{text}` is stored as {fields:?}"));
        }
        if last.insert((device, lane), place).is_some_and(|before| before > place) && verdict.is_sound() {
            verdict.broken.push(format!("`{text}` is out of the order of its lane"));
        }
    }
    let missing =
        told.fresh.iter().chain(&told.elsewhere).map(|phrase| phrase.text()).filter(|text| !seen.contains(text));
    verdict.lost.extend(missing.map(|text| format!("`{text}`, issued when all was well again")));
    vault.close().await;
    Ok(())
}

async fn count_effects(look: &Look, verdict: &mut Verdict) -> anyhow::Result<()> {
    let twice = [
        (
            "spools that two devices delivered",
            "SELECT COUNT(*) FROM (SELECT epoch FROM captures GROUP BY epoch HAVING COUNT(DISTINCT device_id) > 1)",
        ),
        ("captures linked to two concerns", "SELECT COUNT(*) - COUNT(DISTINCT capture_id) FROM concern_captures"),
        (
            "messages to one person about one level of one concern",
            "SELECT COUNT(*) - (SELECT COUNT(*) FROM (SELECT DISTINCT person_id, reference, level FROM outbox)) FROM outbox",
        ),
    ];
    for (what, sql) in twice {
        let count = look.count(sql).await?;
        if count != 0 {
            verdict.doubled.push(format!("{count} {what}"));
        }
    }
    let wrong = [
        (
            "concerns that count other captures than they hold",
            "SELECT COUNT(*) FROM concerns AS c WHERE c.captures <> (SELECT SUM(1 + k.repeats) FROM concern_captures AS l
             JOIN captures AS k ON k.capture_id = l.capture_id WHERE l.concern_id = c.concern_id)",
        ),
        (
            "triaged captures in no concern",
            "SELECT COUNT(*) FROM captures AS k WHERE triaged_us IS NOT NULL AND NOT EXISTS
             (SELECT 1 FROM concern_captures AS l WHERE l.capture_id = k.capture_id)",
        ),
        (
            "concerns that nobody may see",
            "SELECT COUNT(*) FROM concerns AS c WHERE NOT EXISTS
             (SELECT 1 FROM concern_recipients AS r WHERE r.concern_id = c.concern_id)",
        ),
        ("messages given up", "SELECT COUNT(*) FROM outbox WHERE dead_us IS NOT NULL"),
        (
            "captures above their lane's high-water mark",
            "SELECT COUNT(*) FROM captures AS k WHERE NOT EXISTS
             (SELECT 1 FROM high_water AS h WHERE h.device_id = k.device_id AND h.epoch = k.epoch AND h.lane = k.lane
              AND h.through >= k.seq)",
        ),
    ];
    for (what, sql) in wrong {
        let count = look.count(sql).await?;
        if count != 0 {
            verdict.broken.push(format!("{count} {what}"));
        }
    }
    let integrity: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&look.0).await?;
    if integrity != "ok" {
        verdict.broken.push(format!("the database: {integrity}"));
    }
    Ok(())
}

fn audit(rig: &Rig, collector: &Path, verdict: &mut Verdict) -> anyhow::Result<()> {
    let mut command = Command::new(collector);
    command.args(["audit", "verify", "--config"]).arg(rig.path().join("collector.toml"));
    let output = command.output().context("failed to run audit verify")?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        verdict.broken.push(format!("the audit log: {}", String::from_utf8_lossy(&said).trim()));
    }
    Ok(())
}

/// The mails that went out, by message id.
#[derive(Debug, Default)]
pub(super) struct Post {
    folder: PathBuf,
    read: BTreeSet<PathBuf>,
    mails: BTreeMap<String, usize>,
}

impl Post {
    pub(super) fn of(folder: PathBuf) -> Self {
        Self { folder, ..Self::default() }
    }

    /// How often each message of the rig arrived: more than once is allowed, under the same id; never is not.
    pub(super) async fn check(&mut self, rig: &Rig, verdict: &mut Verdict) -> anyhow::Result<usize> {
        self.read_on()?;
        let look = Look::into(&rig.database()).await?;
        let ids: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT message_id FROM outbox WHERE sent_us IS NOT NULL").fetch_all(&look.0).await?;
        look.close().await;
        let mut again = 0;
        for id in ids {
            let id = MessageId::try_from(id.as_slice())?;
            match self.mails.get(&id.to_string()).copied().unwrap_or(0) {
                0 => verdict.lost.push(format!("the mail {id} never arrived")),
                times => again += times - 1,
            }
        }
        Ok(again)
    }

    fn read_on(&mut self) -> anyhow::Result<()> {
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "eml") || !self.read.insert(path.clone()) {
                continue;
            }
            let mail = std::fs::read(&path)?;
            let mail = String::from_utf8_lossy(&mail).into_owned();
            let id = mail.lines().find_map(|line| line.strip_prefix("Message-ID: <")).unwrap_or_default();
            let id = id.split('@').next().unwrap_or_default();
            *self.mails.entry(id.to_owned()).or_default() += 1;
        }
        Ok(())
    }
}
