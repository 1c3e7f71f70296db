//! What was issued against what the collector keeps.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use lapwing_collector::ids::KeyId;
use lapwing_collector::seal::{Place, Vault};
use lapwing_proto::{DeviceId, Epoch, Seq, wire};
use lapwing_rules::Level;
use prost::Message as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteRow};
use sqlx::{Row as _, SqlitePool};
use tokio_stream::StreamExt as _;

use crate::fleet::{Fleet, LaneAccount, Writer};

/// What the oracle found wrong; all zero when all is well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Captures issued and stored nowhere.
    pub(super) lost: u64,
    /// Captures stored more than once.
    pub(super) doubled: u64,
    /// Captures stored that nobody issued.
    pub(super) foreign: u64,
    /// Captures whose content is not what was issued.
    pub(super) altered: u64,
    /// Lanes whose high-water mark is not the last sequence issued, or that the device does not know as acknowledged.
    pub(super) off_mark: u64,
    /// Captures in no concern, or counted otherwise than once.
    pub(super) unfiled: u64,
}

/// The collector's database, read beside it.
pub(super) struct Oracle {
    pool: SqlitePool,
    vault: Vault,
}

type Places = BTreeMap<(DeviceId, Epoch, Level), BTreeMap<Seq, u64>>;

impl Findings {
    pub(super) fn all_well(&self) -> bool {
        *self == Self::default()
    }
}

impl Oracle {
    pub(super) async fn open(database: &Path, keys: &Path) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new().filename(database).read_only(true);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        Ok(Self { pool, vault: Vault::open(keys, "sample".parse()?).await? })
    }

    pub(super) async fn close(self) {
        self.vault.close().await;
        self.pool.close().await;
    }

    /// Captures that triage has not taken.
    pub(super) async fn untriaged(&self) -> anyhow::Result<u64> {
        self.number("SELECT COUNT(*) FROM captures WHERE triaged_us IS NULL").await
    }

    /// How many captures were committed in each second, from the first to the last, by the collector's clock.
    pub(super) async fn arrivals(&self) -> anyhow::Result<Vec<u64>> {
        let sql = "SELECT (received_us - (SELECT MIN(received_us) FROM captures)) / 1000000 AS second, COUNT(*) \
                   FROM captures GROUP BY second ORDER BY second";
        let mut seconds = Vec::new();
        for (second, count) in sqlx::query_as::<_, (i64, i64)>(sql).fetch_all(&self.pool).await? {
            seconds.resize(usize::try_from(second)?, 0);
            seconds.push(count.unsigned_abs());
        }
        Ok(seconds)
    }

    /// Holds everything the collector keeps against what the devices of `fleet` issued.
    pub(super) async fn judge(&self, fleet: &Fleet, account: &[LaneAccount]) -> anyhow::Result<Findings> {
        let mut findings = Findings::default();
        let stored = self.read_captures(fleet, &mut findings).await?;
        let issued: u64 = account.iter().map(|lane| lane.issued.number()).sum();
        for lane in account {
            let empty = BTreeMap::new();
            let kept = stored.get(&(lane.device, lane.epoch, lane.lane)).unwrap_or(&empty);
            let known = kept.range(Seq::NONE.next()..=lane.issued).count() as u64;
            findings.lost += lane.issued.number() - known;
            findings.off_mark += u64::from(lane.acknowledged != lane.issued);
        }
        let last: BTreeMap<_, _> =
            account.iter().map(|lane| ((lane.device, lane.epoch, lane.lane), lane.issued)).collect();
        for (place, kept) in &stored {
            let issued = last.get(place).copied().unwrap_or(Seq::NONE);
            findings.foreign += kept.keys().filter(|seq| **seq > issued).count() as u64;
            findings.doubled += kept.values().map(|times| times - 1).sum::<u64>();
        }
        findings.off_mark += self.off_mark(&last).await?;
        let filed = self.number("SELECT COUNT(*) FROM concern_captures").await?;
        let counted = self.number("SELECT COALESCE(SUM(captures), 0) FROM concerns").await?;
        findings.unfiled = issued.abs_diff(filed).max(issued.abs_diff(counted));
        Ok(findings)
    }

    /// Reads all captures once; each key as often as one of its captures is the first.
    async fn read_captures(&self, fleet: &Fleet, findings: &mut Findings) -> anyhow::Result<Places> {
        let writers: BTreeMap<_, _> = fleet.devices().iter().map(|device| (device.id, device.writer)).collect();
        let mut places = Places::new();
        let mut keys = BTreeMap::new();
        let sql = "SELECT capture_id, device_id, epoch, lane, seq, sealed, key_id FROM captures";
        let mut rows = sqlx::query(sql).fetch(&self.pool);
        while let Some(row) = rows.next().await {
            let row = row?;
            let (device, lane, seq) = place(&row)?;
            let epoch = Epoch::try_from(row.get::<&[u8], _>(2))?;
            *places.entry((device, epoch, lane)).or_default().entry(seq).or_default() += 1;
            let id = KeyId::try_from(row.get::<&[u8], _>(6))?;
            if let Entry::Vacant(unread) = keys.entry(id) {
                unread.insert(self.vault.key(id).await?);
            }
            let here = Place { table: "captures", row: row.get(0) };
            let key = keys.get(&id).and_then(Option::as_ref);
            let opened = key.and_then(|key| self.vault.open_with(key, here, row.get(5)).ok());
            let is_issued = opened.is_some_and(|opened| is_issued(&opened, writers.get(&device), lane, seq));
            findings.altered += u64::from(!is_issued);
        }
        Ok(places)
    }

    /// Lanes whose high-water row is not the last sequence issued.
    async fn off_mark(&self, last: &BTreeMap<(DeviceId, Epoch, Level), Seq>) -> anyhow::Result<u64> {
        let rows =
            sqlx::query("SELECT NULL, device_id, epoch, lane, through FROM high_water").fetch_all(&self.pool).await?;
        let mut marks = BTreeMap::new();
        for row in rows {
            let (device, lane, through) = place(&row)?;
            marks.insert((device, Epoch::try_from(row.get::<&[u8], _>(2))?, lane), through);
        }
        let wrong = marks.iter().filter(|(place, through)| last.get(place) != Some(through)).count();
        let missing = last.iter().filter(|(place, issued)| **issued > Seq::NONE && !marks.contains_key(place)).count();
        Ok((wrong + missing) as u64)
    }

    async fn number(&self, sql: &'static str) -> anyhow::Result<u64> {
        Ok(sqlx::query_scalar::<_, i64>(sql).fetch_one(&self.pool).await?.unsigned_abs())
    }
}

/// Device, lane and sequence from columns 1, 3 and 4.
fn place(row: &SqliteRow) -> anyhow::Result<(DeviceId, Level, Seq)> {
    let device = DeviceId::try_from(row.get::<&[u8], _>(1))?;
    let lane = Level::try_from(row.get::<u8, _>(3)).map_err(|_| anyhow::anyhow!("a lane is 1 to 5"))?;
    Ok((device, lane, Seq::new(row.get::<i64, _>(4).unsigned_abs())))
}

fn is_issued(opened: &[u8], writer: Option<&Writer>, lane: Level, seq: Seq) -> bool {
    let (Ok(capture), Some(writer)) = (wire::Capture::decode(opened), writer) else { return false };
    writer.kept(lane, seq).is_ok_and(|kept| kept == capture)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{Load, Pace, Site, Until};
    use crate::{School, eventually};

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_lost_doubled_or_altered_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let mut school = School::open(folder.path(), &[]).await.unwrap();
        let fleet = Fleet::enrol(Site::of(&school, 3).unwrap(), 3, 1).await.unwrap();
        let mut crew = fleet.crew(0..3).await.unwrap();
        let until = Until::Batches(1);
        let load = Load { lane: Level::Moderate, batch: 4, in_flight: 4, pace: Pace::FlatOut, until };
        crew.deliver(load).await.unwrap();
        let oracle = Oracle::open(&school.database(), &school.keys()).await.unwrap();
        let triaged = async || (oracle.untriaged().await.ok()? == 0).then_some(());
        eventually("triage to take all", triaged).await.unwrap();
        assert!(oracle.judge(&fleet, &crew.account()).await.unwrap().all_well());

        school.kill_collector().unwrap();
        let options = SqliteConnectOptions::new().filename(school.database());
        let pool = SqlitePoolOptions::new().connect_with(options).await.unwrap();
        for sql in [
            "UPDATE captures SET seq = 9 WHERE seq = 4 AND device_id = (SELECT MIN(device_id) FROM captures)",
            "UPDATE captures SET seq = 1 WHERE seq = 2 AND device_id = (SELECT MAX(device_id) FROM captures)",
            "UPDATE high_water SET through = 5 WHERE device_id = (SELECT MIN(device_id) FROM captures)",
            "DELETE FROM concern_captures WHERE capture_id = (SELECT MIN(capture_id) FROM captures)",
        ] {
            sqlx::query(sql).execute(&pool).await.unwrap();
        }
        pool.close().await;

        let found = oracle.judge(&fleet, &crew.account()).await.unwrap();

        let expected = Findings { lost: 2, doubled: 1, foreign: 1, altered: 2, off_mark: 1, unfiled: 1 };
        assert_eq!(found, expected);
    }
}
