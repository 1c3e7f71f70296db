//! Published rule sets and policies: whole, signed, never changed.

use lapwing_proto::SchoolId;
use lapwing_rules::{Digest, Release};
use sqlx::Row;

use super::{Store, StoreError, Tx};

/// What devices fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArtefactKind {
    /// A compiled rule set.
    RuleSet,
    /// A policy.
    Policy,
}

/// A published artefact.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) release: Release,
    pub(crate) digest: Digest,
    pub(crate) bytes: Vec<u8>,
}

/// The newest release of each kind, 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Releases {
    pub(crate) rule_set: u64,
    pub(crate) policy: u64,
}

impl ArtefactKind {
    /// The one text form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RuleSet => "rule_set",
            Self::Policy => "policy",
        }
    }
}

/// Stores an artefact that was verified before.
pub(crate) async fn insert(
    tx: &mut Tx,
    school: &SchoolId,
    kind: ArtefactKind,
    artefact: &Stored,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO artefacts (school_id, kind, release, digest, bytes, published_us)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(school.as_str())
    .bind(kind.as_str())
    .bind(artefact.release.number().cast_signed())
    .bind(artefact.digest.as_bytes().as_slice())
    .bind(&artefact.bytes)
    .bind(now_us)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The newest release of `kind`, 0 where there is none, as the transaction sees it.
pub(crate) async fn newest(tx: &mut Tx, school: &SchoolId, kind: ArtefactKind) -> Result<u64, StoreError> {
    let newest: Option<i64> =
        sqlx::query_scalar("SELECT MAX(release) FROM artefacts WHERE school_id = $1 AND kind = $2")
            .bind(school.as_str())
            .bind(kind.as_str())
            .fetch_one(tx.connection())
            .await?;
    Ok(newest.map_or(0, i64::unsigned_abs))
}

/// The newest release of each kind. Cheap enough to be asked every second.
pub(crate) async fn releases(store: &Store, school: &SchoolId) -> Result<Releases, StoreError> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT kind, MAX(release) FROM artefacts WHERE school_id = $1 GROUP BY kind")
            .bind(school.as_str())
            .fetch_all(store.reader())
            .await?;
    let newest = |kind: ArtefactKind| {
        let row = rows.iter().find(|(stored, _)| stored == kind.as_str());
        row.map_or(0, |(_, release)| release.unsigned_abs())
    };
    Ok(Releases { rule_set: newest(ArtefactKind::RuleSet), policy: newest(ArtefactKind::Policy) })
}

/// One release of `kind`.
pub(crate) async fn find(
    store: &Store,
    school: &SchoolId,
    kind: ArtefactKind,
    release: u64,
) -> Result<Option<Stored>, StoreError> {
    let row =
        sqlx::query("SELECT release, digest, bytes FROM artefacts WHERE school_id = $1 AND kind = $2 AND release = $3")
            .bind(school.as_str())
            .bind(kind.as_str())
            .bind(release.cast_signed())
            .fetch_optional(store.reader())
            .await?;
    let Some(row) = row else { return Ok(None) };
    let digest = row.try_get::<&[u8], _>(1)?.try_into().map_err(|_| StoreError::Corrupt { what: "digest" })?;
    let release = Release::new(row.try_get::<i64, _>(0)?.unsigned_abs());
    Ok(Some(Stored { release, digest: Digest::from_bytes(digest), bytes: row.try_get(2)? }))
}
