//! Rows of roll-outs: how far each release may go, and how the devices are that have it.

use std::collections::BTreeSet;

use lapwing_proto::{DiagnosticCode, SchoolId};
use lapwing_rules::Level;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use super::artefacts::ArtefactKind;
use super::devices::is_replaced;
use super::{Store, StoreError, Tx, device_health, id};
use crate::roll_out::{EVERYBODY, Patient, RollOut, Stage};

/// A roll-out as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) out: RollOut,
    /// When the newest was published, or its roll-out began; 0 where there is none.
    pub(crate) started_us: i64,
    /// Why it is halted, or was before somebody let it go on; empty where it never was.
    pub(crate) halted_why: String,
}

/// Diagnostics that a release may cause.
const OF_RELEASES: [DiagnosticCode; 9] = [
    DiagnosticCode::RuleSetRefused,
    DiagnosticCode::NoRuleSet,
    DiagnosticCode::PolicyRefused,
    DiagnosticCode::NoPolicy,
    DiagnosticCode::Overrun,
    DiagnosticCode::MemoryLimit,
    DiagnosticCode::CpuLimit,
    DiagnosticCode::SpoolLimit,
    DiagnosticCode::SpoolFull,
];

/// Lets a release go as far as `stage`, and go on where it was halted.
pub(crate) async fn set_stage(
    tx: &mut Tx,
    school: &SchoolId,
    (kind, release): (ArtefactKind, u64),
    stage: &Stage,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO roll_outs (school_id, kind, release, percent, device_groups, started_us)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (school_id, kind, release) DO UPDATE SET
         percent = excluded.percent, device_groups = excluded.device_groups, halted_us = NULL",
    )
    .bind(school.as_str())
    .bind(kind.as_str())
    .bind(release.cast_signed())
    .bind(i64::from(stage.percent))
    .bind(groups_to_text(&stage.groups))
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Halts a release. Says whether it went on until now.
pub(crate) async fn halt(
    tx: &mut Tx,
    school: &SchoolId,
    (kind, release): (ArtefactKind, u64),
    why: &str,
    now_us: i64,
) -> Result<bool, StoreError> {
    let halted = sqlx::query(
        "INSERT INTO roll_outs (school_id, kind, release, percent, device_groups, started_us, halted_us, halted_why)
         VALUES ($1, $2, $3, $6, '[]', $4, $4, $5) ON CONFLICT (school_id, kind, release) DO UPDATE SET
         halted_us = excluded.halted_us, halted_why = excluded.halted_why WHERE halted_us IS NULL",
    )
    .bind(school.as_str())
    .bind(kind.as_str())
    .bind(release.cast_signed())
    .bind(now_us)
    .bind(why)
    .bind(i64::from(EVERYBODY))
    .execute(tx.connection())
    .await?;
    Ok(halted.rows_affected() > 0)
}

/// How the newest release of a kind stands. Cheap enough to be asked every second.
pub(crate) async fn standing(store: &Store, school: &SchoolId, kind: ArtefactKind) -> Result<Standing, StoreError> {
    let row = sqlx::query(
        "SELECT a.release, a.published_us, r.percent, r.device_groups, r.started_us, r.halted_us IS NOT NULL,
         r.halted_why,
         (SELECT MAX(b.release) FROM artefacts AS b LEFT JOIN roll_outs AS o
          ON o.school_id = b.school_id AND o.kind = b.kind AND o.release = b.release
          WHERE b.school_id = a.school_id AND b.kind = a.kind AND (o.release IS NULL
          OR (o.percent >= $3 AND o.halted_us IS NULL)))
         FROM artefacts AS a LEFT JOIN roll_outs AS r
         ON r.school_id = a.school_id AND r.kind = a.kind AND r.release = a.release
         WHERE a.school_id = $1 AND a.kind = $2 ORDER BY a.release DESC LIMIT 1",
    )
    .bind(school.as_str())
    .bind(kind.as_str())
    .bind(i64::from(EVERYBODY))
    .fetch_optional(store.reader())
    .await?;
    row.as_ref().map_or_else(
        || Ok(Standing { out: RollOut::default(), started_us: 0, halted_why: String::new() }),
        read_standing,
    )
}

/// How every device is that counts, in a roll-out that began at `started_us`.
pub(crate) async fn patients(
    store: &Store,
    school: &SchoolId,
    (kind, newest, started_us): (ArtefactKind, u64, i64),
) -> Result<Vec<Patient>, StoreError> {
    let (release, since, refusal) = match kind {
        ArtefactKind::RuleSet => ("d.rule_set_release", "d.rule_set_since_us", DiagnosticCode::RuleSetRefused),
        ArtefactKind::Policy => ("d.policy_release", "d.policy_since_us", DiagnosticCode::PolicyRefused),
    };
    let from = format!("(CASE WHEN {release} = $2 THEN COALESCE({since}, $3) ELSE $3 END)");
    let of_releases = device_health::literals(OF_RELEASES);
    let of_device = "school_id = d.school_id AND device_id = d.device_id";
    let sql = format!(
        "SELECT d.device_id, d.device_group, {release},
         EXISTS (SELECT 1 FROM device_diagnostics WHERE {of_device} AND code = '{refusal}' AND since_us >= $3),
         EXISTS (SELECT 1 FROM device_diagnostics WHERE {of_device} AND code IN ({of_releases}) AND since_us >= {from})
         OR EXISTS (SELECT 1 FROM device_sensors WHERE {of_device} AND health <> 1 AND reason <> 'session_ended'
          AND since_us >= {from})
         OR EXISTS (SELECT 1 FROM silent_devices WHERE {of_device} AND ended_us IS NULL AND since_us >= {from}),
         EXISTS (SELECT 1 FROM high_water WHERE {of_device} AND lane >= $4 AND moved_us >= {from}),
         d.heard_us >= $3
         FROM devices AS d WHERE d.school_id = $1 AND d.revoked_us IS NULL AND d.heard_us IS NOT NULL
         AND d.os <> 'filter' AND NOT {}",
        is_replaced!("d")
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(school.as_str())
        .bind(newest.cast_signed())
        .bind(started_us)
        .bind(i64::from(Level::Low.number()))
        .fetch_all(store.reader())
        .await?;
    rows.iter().map(read_patient).collect()
}

fn read_patient(row: &SqliteRow) -> Result<Patient, StoreError> {
    Ok(Patient {
        device: id(row, 0)?,
        group: row.try_get(1)?,
        release: row.try_get::<i64, _>(2)?.unsigned_abs(),
        has_refused: row.try_get(3)?,
        is_unwell: row.try_get(4)?,
        captured: row.try_get(5)?,
        is_in_use: row.try_get(6)?,
    })
}

fn read_standing(row: &SqliteRow) -> Result<Standing, StoreError> {
    let newest = row.try_get::<i64, _>(0)?.unsigned_abs();
    let stage = match row.try_get::<Option<i64>, _>(2)? {
        Some(percent) => Stage {
            percent: u8::try_from(percent).map_err(|_| StoreError::Corrupt { what: "share of a roll-out" })?,
            groups: groups_from_text(row.try_get(3)?)?,
        },
        None => Stage::everybody(),
    };
    let is_halted = row.try_get::<Option<bool>, _>(5)?.unwrap_or(false);
    let base = row.try_get::<Option<i64>, _>(7)?.map_or(0, i64::unsigned_abs);
    Ok(Standing {
        out: RollOut { newest, base, stage, is_halted },
        started_us: row.try_get::<Option<i64>, _>(4)?.map_or_else(|| row.try_get(1), Ok)?,
        halted_why: row.try_get::<Option<String>, _>(6)?.unwrap_or_default(),
    })
}

fn groups_to_text(groups: &BTreeSet<String>) -> String {
    serde_json::Value::from_iter(groups.iter().cloned()).to_string()
}

fn groups_from_text(text: &str) -> Result<BTreeSet<String>, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt { what: "groups of a roll-out" })
}

#[cfg(test)]
mod tests {
    use lapwing_proto::{DeviceId, Epoch, Seq};
    use lapwing_rules::{Digest, Release};

    use super::*;
    use crate::store::artefacts::{self, Stored};
    use crate::store::captures::{self, Lane};
    use crate::store::device_health::{self, Health};
    use crate::store::fixture::School;
    use crate::store::{devices, seeded};

    const KIND: ArtefactKind = ArtefactKind::RuleSet;

    async fn publish(school: &School, release: u64, stage: Option<Stage>) {
        let mut tx = school.store.begin().await.unwrap();
        let stored = Stored { release: Release::new(release), digest: Digest::of(b"x"), bytes: vec![1] };
        artefacts::insert(&mut tx, &school.id, KIND, &stored, 5).await.unwrap();
        if let Some(stage) = stage {
            set_stage(&mut tx, &school.id, (KIND, release), &stage, 10).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    fn stage(percent: u8, group: &str) -> Stage {
        Stage { percent, groups: [group.to_owned()].into() }
    }

    async fn standing_of(school: &School) -> RollOut {
        standing(&school.store, &school.id, KIND).await.unwrap().out
    }

    #[tokio::test]
    async fn the_last_release_that_is_everybodys_stays_the_base_until_the_newest_is_too() {
        let school = School::open().await;
        assert_eq!(standing_of(&school).await, RollOut::default());
        publish(&school, 3, None).await;
        assert_eq!((standing_of(&school).await.base, standing_of(&school).await.newest), (3, 3));
        publish(&school, 4, Some(stage(10, "pi lot"))).await;
        let out = standing_of(&school).await;
        assert_eq!((out.base, out.newest, out.stage.clone()), (3, 4, stage(10, "pi lot")));
        publish(&school, 5, Some(stage(0, "a"))).await;
        assert_eq!(standing_of(&school).await.base, 3, "4 never was everybody's");
        let mut tx = school.store.begin().await.unwrap();
        set_stage(&mut tx, &school.id, (KIND, 5), &Stage::everybody(), 20).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(standing_of(&school).await.base, 5);
        let mut tx = school.store.begin().await.unwrap();
        assert!(halt(&mut tx, &school.id, (KIND, 5), "person", 30).await.unwrap());
        assert!(!halt(&mut tx, &school.id, (KIND, 5), "person", 30).await.unwrap());
        tx.commit().await.unwrap();
        let out = standing_of(&school).await;
        assert_eq!((out.base, out.newest, out.is_halted), (3, 5, true));
    }

    #[tokio::test]
    async fn a_release_that_never_had_a_stage_can_be_halted_as_well() {
        let school = School::open().await;
        publish(&school, 3, None).await;
        publish(&school, 4, None).await;
        let mut tx = school.store.begin().await.unwrap();
        assert!(halt(&mut tx, &school.id, (KIND, 4), "unwell", 30).await.unwrap());
        tx.commit().await.unwrap();
        let found = standing(&school.store, &school.id, KIND).await.unwrap();
        assert_eq!((found.out.base, found.halted_why.as_str()), (3, "unwell"));
    }

    #[tokio::test]
    async fn a_device_is_unwell_by_what_happened_since_it_took_the_release() {
        let school = School::open().await;
        publish(&school, 3, None).await;
        publish(&school, 4, Some(stage(0, "pupils"))).await;
        let device = |number| DeviceId::from_bytes([number; 16]);
        for number in 1..=4 {
            let new = seeded::Enrolling { device: device(number), hostname: "pc", room: "", enrolled_us: 1 };
            seeded::enrol(&school, &new).await;
        }
        let tells = async |number, release, code: &str, at_us| {
            let diagnostics = Some((code.to_owned(), String::new())).into_iter().filter(|(code, _)| !code.is_empty());
            let health = Health { rule_set_release: release, diagnostics: diagnostics.collect(), ..Health::default() };
            let mut tx = school.store.begin().await.unwrap();
            device_health::replace(&mut tx, &school.id, device(number), &health, at_us).await.unwrap();
            tx.commit().await.unwrap();
        };
        tells(1, 3, "LW-OVERRUN", 8).await;
        tells(1, 4, "LW-OVERRUN", 20).await;
        tells(2, 4, "", 20).await;
        tells(2, 4, "LW-OVERRUN", 30).await;
        tells(3, 3, "LW-RULES-BAD", 25).await;
        let found = patients(&school.store, &school.id, (KIND, 4, 10)).await.unwrap();
        let of = |number| found.iter().find(|one| one.device == device(number)).unwrap();
        assert_eq!(found.len(), 3, "who was never heard does not count");
        assert!(!of(1).is_unwell, "it was so before");
        assert!(of(2).is_unwell && of(2).release == 4);
        assert!(of(3).has_refused && of(3).is_unwell);
        assert!(found.iter().all(|one| !one.captured));
        let mut tx = school.store.begin().await.unwrap();
        let moves = [(1, Level::High, 19), (2, Level::Low, 21), (2, Level::Info, 22), (3, Level::Info, 23)];
        for (number, level, at_us) in moves {
            let lane = Lane { device: device(number), epoch: Epoch::from_bytes([1; 16]), level };
            captures::set_marks(&mut tx, &school.id, &[(lane, Seq::new(4))].into(), at_us).await.unwrap();
        }
        tx.commit().await.unwrap();
        let found = patients(&school.store, &school.id, (KIND, 4, 10)).await.unwrap();
        let captured = |number| found.iter().any(|one| one.device == device(number) && one.captured);
        assert_eq!(
            [1, 2, 3].map(captured),
            [false, true, false],
            "before it took the release, since, and a daily check"
        );
        let mut tx = school.store.begin().await.unwrap();
        devices::revoke(&mut tx, &school.id, device(3), 40).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(patients(&school.store, &school.id, (KIND, 4, 10)).await.unwrap().len(), 2);
    }
}
