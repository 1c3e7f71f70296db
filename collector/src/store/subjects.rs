//! Rows of subjects, and the accounts that lead to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use lapwing_proto::SchoolId;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::many::{Filling, MOST, Many};
use super::{Store, StoreError, Tx, id, parsed};
use crate::actor::{PersonId, Role};
use crate::ids::{KeyId, SubjectId};
use crate::routing::About;
use crate::subject::{Audience, Kind, Named};

/// A stored subject: who it is to routing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) audience: Audience,
    pub(crate) person: Option<PersonId>,
    pub(crate) roles: BTreeSet<Role>,
    /// The class they are in; may be empty.
    pub(crate) form: String,
}

impl Subject {
    /// As routing sees a concern about them.
    pub(crate) fn about(self, category: &str) -> About {
        let Self { audience, person, roles, form } = self;
        About { audience, person, roles, form, category: category.parse().ok() }
    }
}

/// What weighs of a subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) person: Option<PersonId>,
    pub(crate) is_vulnerable: bool,
    /// The class they are in; may be empty.
    pub(crate) form: String,
}

/// Where a subject's captures are filed, and the key they are sealed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filed {
    pub(crate) subject: SubjectId,
    pub(crate) key: KeyId,
}

/// The persons that `accounts` (lower case) map to.
pub(crate) async fn persons_of(
    store: &Store,
    school: &SchoolId,
    accounts: &[String],
) -> Result<BTreeMap<String, (PersonId, Kind)>, StoreError> {
    static READ: LazyLock<Many> = LazyLock::new(|| {
        let read = "SELECT a.account, p.person_id, p.kind FROM accounts AS a CROSS JOIN persons AS p
             WHERE p.school_id = a.school_id AND p.person_id = a.person_id AND a.school_id = ? AND a.account IN";
        Many::new(read, "", 1)
    });
    let mut persons = BTreeMap::new();
    for accounts in accounts.chunks(MOST) {
        let filling = READ.filling(accounts.len())?.bind(school.as_str());
        let row = |filling: Filling, account: &String| filling.bind(account.as_str()).row();
        for row in accounts.iter().fold(filling, row).filled().fetch_all(store.reader()).await? {
            persons.insert(row.try_get(0)?, (id(&row, 1)?, parsed(&row, 2)?));
        }
    }
    Ok(persons)
}

/// The stored subjects among `identities`, by identity.
pub(crate) async fn filed(
    store: &Store,
    school: &SchoolId,
    identities: &[[u8; 32]],
) -> Result<BTreeMap<[u8; 32], Filed>, StoreError> {
    static READ: LazyLock<Many> = LazyLock::new(|| {
        let read = "SELECT identity, subject_id, key_id FROM subjects WHERE school_id = ? AND identity IN";
        Many::new(read, "", 1)
    });
    let mut filed = BTreeMap::new();
    for identities in identities.chunks(MOST) {
        let filling = READ.filling(identities.len())?.bind(school.as_str());
        let row = |filling: Filling, identity: &[u8; 32]| filling.bind(identity.as_slice()).row();
        for row in identities.iter().fold(filling, row).filled().fetch_all(store.reader()).await? {
            filed.extend([read_filed(&row)?]);
        }
    }
    Ok(filed)
}

/// Adds a subject; one that stands already keeps its row.
pub(crate) async fn insert(
    tx: &mut Tx,
    school: &SchoolId,
    named: &Named,
    identity: &[u8; 32],
    filed: Filed,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO subjects
         (school_id, subject_id, kind, identity, person_id, account, audience, device_id, key_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (school_id, identity) DO NOTHING",
    )
    .bind(school.as_str())
    .bind(filed.subject.as_bytes().as_slice())
    .bind(named.kind())
    .bind(identity.as_slice())
    .bind(named.person().map(|person| person.as_bytes().to_vec()))
    .bind(named.account())
    .bind(named.audience().as_str())
    .bind(named.device().map(|device| device.as_bytes().to_vec()))
    .bind(filed.key.as_bytes().as_slice())
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Gives a subject whose key was erased a new one for what comes now.
pub(crate) async fn replace_key(
    tx: &mut Tx,
    school: &SchoolId,
    subject: SubjectId,
    key: KeyId,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE subjects SET key_id = $3 WHERE school_id = $1 AND subject_id = $2")
        .bind(school.as_str())
        .bind(subject.as_bytes().as_slice())
        .bind(key.as_bytes().as_slice())
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// What weighs of each of `subjects`.
pub(crate) async fn known(
    tx: &mut Tx,
    school: &SchoolId,
    subjects: &[SubjectId],
) -> Result<BTreeMap<SubjectId, Known>, StoreError> {
    static READ: LazyLock<Many> = LazyLock::new(|| {
        let read = "SELECT s.subject_id, s.person_id, COALESCE(p.vulnerable, 0),
             COALESCE(p.class, '') FROM subjects AS s LEFT JOIN persons AS p ON p.school_id = s.school_id AND p.person_id = s.person_id
             WHERE s.school_id = ? AND s.subject_id IN";
        Many::new(read, "", 1)
    });
    let mut known = BTreeMap::new();
    for subjects in subjects.chunks(MOST) {
        let filling = READ.filling(subjects.len())?.bind(school.as_str());
        let row = |filling: Filling, subject: &SubjectId| filling.bind(subject.as_bytes().as_slice()).row();
        for row in subjects.iter().fold(filling, row).filled().fetch_all(tx.connection()).await? {
            let is_vulnerable = row.try_get::<i64, _>(2)? != 0;
            let person: Option<Vec<u8>> = row.try_get(1)?;
            let person = person.map(|bytes| PersonId::try_from(bytes.as_slice())).transpose()?;
            known.insert(id(&row, 0)?, Known { person, is_vulnerable, form: row.try_get(3)? });
        }
    }
    Ok(known)
}

/// Who a subject is now: a person counts by today's row of people.csv, not by that of the first capture.
pub(crate) async fn read(tx: &mut Tx, school: &SchoolId, subject: SubjectId) -> Result<Subject, StoreError> {
    let row = sqlx::query(
        "SELECT COALESCE(p.kind, s.audience) AS audience, s.person_id,
         CASE WHEN p.left_us IS NULL THEN COALESCE(p.class, '') ELSE '' END FROM subjects AS s
         LEFT JOIN persons AS p ON p.school_id = s.school_id AND p.person_id = s.person_id
         WHERE s.school_id = $1 AND s.subject_id = $2",
    )
    .bind(school.as_str())
    .bind(subject.as_bytes().as_slice())
    .fetch_one(tx.connection())
    .await?;
    let audience = parsed(&row, 0)?;
    let person: Option<Vec<u8>> = row.try_get(1)?;
    let person = person.map(|bytes| PersonId::try_from(bytes.as_slice())).transpose()?;
    let roles = match person {
        Some(person) => roles_of(tx, school, person).await?,
        None => BTreeSet::new(),
    };
    Ok(Subject { audience, person, roles, form: row.try_get(2)? })
}

async fn roles_of(tx: &mut Tx, school: &SchoolId, person: PersonId) -> Result<BTreeSet<Role>, StoreError> {
    let rows = sqlx::query("SELECT role FROM person_roles WHERE school_id = $1 AND person_id = $2")
        .bind(school.as_str())
        .bind(person.as_bytes().as_slice())
        .fetch_all(tx.connection())
        .await?;
    rows.iter().map(|row| parsed(row, 0)).collect()
}

fn read_filed(row: &SqliteRow) -> Result<([u8; 32], Filed), StoreError> {
    let identity: Vec<u8> = row.try_get(0)?;
    let identity = identity.try_into().map_err(|_| StoreError::Corrupt { what: "identity" })?;
    Ok((identity, Filed { subject: id(row, 1)?, key: id(row, 2)? }))
}

/// The stored subject of an identity.
pub(crate) async fn of_identity(
    tx: &mut Tx,
    school: &SchoolId,
    identity: &[u8; 32],
) -> Result<Option<Filed>, StoreError> {
    let row = sqlx::query("SELECT identity, subject_id, key_id FROM subjects WHERE school_id = $1 AND identity = $2")
        .bind(school.as_str())
        .bind(identity.as_slice())
        .fetch_optional(tx.connection())
        .await?;
    Ok(row.as_ref().map(read_filed).transpose()?.map(|(_, filed)| filed))
}

/// The key that a subject's evidence is sealed under from now on.
pub(crate) async fn key(tx: &mut Tx, school: &SchoolId, subject: SubjectId) -> Result<KeyId, StoreError> {
    let row = sqlx::query("SELECT key_id FROM subjects WHERE school_id = $1 AND subject_id = $2")
        .bind(school.as_str())
        .bind(subject.as_bytes().as_slice())
        .fetch_one(tx.connection())
        .await?;
    id(&row, 0)
}
