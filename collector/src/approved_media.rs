//! The register of approved removable media: a memory stick that a member of staff answers for is no capture when it is put
//! in, until a date. What its name says is looked at as always, and so is what is dropped from it.
//!
//! A stick is known by the SHA-256 of its serial number, as `lapwing-agent media` prints it on any school computer. Devices
//! get the register with the list of exemptions, signed by the collector: one that was not heard for a day, or whoever
//! has no serial number, is told of as before. A serial number is no secret: what pretends to have it passes for it.

use lapwing_proto::bounds::{MAX_APPROVED_MEDIA, MAX_NAME_BYTES};
use lapwing_rules::Digest;

use crate::actor::{Actor, PersonId};
use crate::audit::{self, Act, ActKind};
use crate::sheet;
use crate::store::{Store, StoreError, approved_media as rows, exemptions, people};

/// Longest word on who allowed it and how it was scanned, in bytes.
pub const MAX_PERMISSION_BYTES: usize = 200;
/// Longest time that one is approved for: two school years.
const LONGEST_US: i64 = 2 * 366 * 24 * 60 * 60 * 1_000_000;

/// What is said of a medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// SHA-256 of its serial number.
    pub serial_hash: Digest,
    /// What people call it, 1 to 64 bytes.
    pub name: String,
    /// The member of staff who answers for it.
    pub owner: PersonId,
    /// Who allowed it and how it was scanned, 1 to 200 bytes.
    pub permission: String,
    /// First moment after it, microseconds of UTC.
    pub until_us: i64,
}

/// Why nothing was approved or withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// The name is empty, too long, or one that no list may hold.
    #[error("a name has 1 to {MAX_NAME_BYTES} bytes, no control character, and begins as no formula")]
    Name,
    /// So is the permission.
    #[error(
        "who allowed it and how it was scanned is said in 1 to {MAX_PERMISSION_BYTES} bytes, without control characters"
    )]
    Permission,
    /// The owner does not work here.
    #[error("the owner is a member of staff")]
    Owner,
    /// The date has passed, or is too far away.
    #[error("the last day lies ahead, by two years at most")]
    Time,
    /// The register is full.
    #[error("the register holds {MAX_APPROVED_MEDIA} media already: withdraw one first")]
    Full,
    /// There is none of that fingerprint.
    #[error("no medium of that fingerprint is in the register")]
    Unknown,
    /// The database did not do it.
    #[error("cannot store the register")]
    Store(#[from] StoreError),
}

/// The digest that a fingerprint says: 64 hexadecimal digits, with or without `sha256:` before them.
#[must_use]
pub fn fingerprint(text: &str) -> Option<Digest> {
    let text = text.trim();
    let digits = text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase();
    let bytes = data_encoding::HEXLOWER.decode(digits.as_bytes()).ok()?;
    Some(Digest::from_bytes(bytes.try_into().ok()?))
}

/// Approves a medium, or says something else of it. Devices hear of it within seconds.
///
/// # Errors
///
/// [`ApprovalError`]; nothing was written then.
pub async fn approve(store: &Store, actor: &Actor, now_us: i64, approval: &Approval) -> Result<(), ApprovalError> {
    let is_text = |text: &str, max_bytes| !text.trim().is_empty() && sheet::problem(text, max_bytes).is_none();
    if !is_text(&approval.name, MAX_NAME_BYTES) {
        return Err(ApprovalError::Name);
    }
    if !is_text(&approval.permission, MAX_PERMISSION_BYTES) {
        return Err(ApprovalError::Permission);
    }
    if approval.until_us <= now_us || approval.until_us > now_us.saturating_add(LONGEST_US) {
        return Err(ApprovalError::Time);
    }
    let school = actor.school();
    let mut tx = store.begin().await?;
    if !people::is_staff(&mut tx, school, approval.owner).await? {
        return Err(ApprovalError::Owner);
    }
    let others = rows::others(&mut tx, school, approval.serial_hash).await?;
    if usize::try_from(others).map_or(true, |others| others >= MAX_APPROVED_MEDIA) {
        return Err(ApprovalError::Full);
    }
    rows::put(&mut tx, school, approval, actor.person(), now_us).await?;
    exemptions::renumber(&mut tx, school, now_us).await?;
    let act = Act::new(actor, now_us, ActKind::MediumApproved, approval.serial_hash)
        .with("owner", approval.owner)
        .with("until", approval.until_us);
    audit::append(&mut tx, &act).await?;
    Ok(tx.commit().await?)
}

/// Takes a medium out of the register.
///
/// # Errors
///
/// [`ApprovalError::Unknown`] where it is not in it; otherwise [`ApprovalError::Store`].
pub async fn withdraw(store: &Store, actor: &Actor, now_us: i64, serial_hash: Digest) -> Result<(), ApprovalError> {
    let school = actor.school();
    let mut tx = store.begin().await?;
    if !rows::remove(&mut tx, school, serial_hash).await? {
        return Err(ApprovalError::Unknown);
    }
    exemptions::renumber(&mut tx, school, now_us).await?;
    audit::append(&mut tx, &Act::new(actor, now_us, ActKind::MediumWithdrawn, serial_hash)).await?;
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::Role;
    use crate::store::fixture::{NINE_US, School};
    use crate::subject::Kind;

    const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

    fn stick(owner: PersonId) -> Approval {
        Approval {
            serial_hash: Digest::of(b"0042"),
            name: "Blue stick".to_owned(),
            owner,
            permission: "Allowed by the head; scanned in the office".to_owned(),
            until_us: NINE_US + 100 * DAY_US,
        }
    }

    async fn standing(school: &School, now_us: i64) -> Vec<Digest> {
        let mut tx = school.store.begin().await.unwrap();
        let standing = rows::standing(&mut tx, &school.id, now_us).await.unwrap();
        standing.into_iter().map(|one| one.serial_hash).collect()
    }

    #[tokio::test]
    async fn a_stick_is_approved_until_its_last_day_while_its_owner_is_here_and_withdrawn_once() {
        let school = School::open().await;
        let tom = school.person("tom", Kind::Staff, &[]).await;
        let tech = school.person("tech", Kind::Staff, &[Role::Technician]).await;
        let actor = school.actor(tech, &[Role::Technician]);
        let stick = stick(tom);
        approve(&school.store, &actor, NINE_US, &stick).await.unwrap();
        let first = exemptions::number(&school.store, &school.id).await.unwrap();
        assert!(first > 0, "devices are told");
        assert_eq!(standing(&school, stick.until_us - 1).await, [stick.serial_hash]);
        assert!(standing(&school, stick.until_us).await.is_empty());
        school.write("UPDATE persons SET left_us = 1 WHERE name = 'Name of tom'").await;
        assert!(standing(&school, NINE_US).await.is_empty(), "nobody answers for it");
        school.write("UPDATE persons SET left_us = NULL").await;
        let again = Approval { name: "Grey stick".to_owned(), ..stick.clone() };
        approve(&school.store, &actor, NINE_US, &again).await.unwrap();
        let all = rows::all(&school.store, &school.id).await.unwrap();
        assert_eq!(all.iter().map(|one| (&one.approval, one.approved_by)).collect::<Vec<_>>(), [(&again, Some(tech))]);
        withdraw(&school.store, &actor, NINE_US, stick.serial_hash).await.unwrap();
        let twice = withdraw(&school.store, &actor, NINE_US, stick.serial_hash).await;
        assert!(matches!(twice, Err(ApprovalError::Unknown)));
        assert!(exemptions::number(&school.store, &school.id).await.unwrap() > first);
        let acts = school.texts("SELECT act ->> 'what' FROM audit_acts ORDER BY 1").await;
        assert_eq!(acts, ["medium_approved", "medium_approved", "medium_withdrawn"]);
        let names = school.texts("SELECT act FROM audit_acts").await;
        assert!(names.iter().all(|act| !act.contains("stick") && !act.contains("office")));
    }

    #[tokio::test]
    async fn what_cannot_be_approved_is_refused_and_changes_nothing() {
        let school = School::open().await;
        let (tom, amy) = (school.person("tom", Kind::Staff, &[]).await, school.person("amy", Kind::Pupil, &[]).await);
        let actor = Actor::Product { school: school.id.clone() };
        let refused = async |change: &dyn Fn(&mut Approval)| {
            let mut changed = stick(tom);
            change(&mut changed);
            approve(&school.store, &actor, NINE_US, &changed).await.unwrap_err().to_string()
        };
        for (said, change) in [
            ("a name has", &|stick: &mut Approval| stick.name = " ".to_owned()),
            ("a name has", &|stick: &mut Approval| stick.name = "=cmd()".to_owned()),
            ("who allowed it", &|stick: &mut Approval| stick.permission = "x".repeat(201)),
            ("a member of staff", &|stick: &mut Approval| stick.owner = amy),
            ("lies ahead", &|stick: &mut Approval| stick.until_us = NINE_US),
            ("lies ahead", &|stick: &mut Approval| stick.until_us = i64::MAX),
        ] as [(&str, &dyn Fn(&mut Approval)); 6]
        {
            let told = refused(change).await;
            assert!(told.contains(said), "{told}");
        }
        school
            .write(
                "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1024)
                 INSERT INTO approved_media SELECT school_id, randomblob(32), 'x', person_id, 'x', 1, 1, NULL
                 FROM persons, n WHERE name = 'Name of tom'",
            )
            .await;
        assert!(refused(&|_| ()).await.contains("holds 1024 media"));
        assert_eq!(exemptions::number(&school.store, &school.id).await.unwrap(), 0);
    }

    #[test]
    fn a_fingerprint_is_read_as_it_is_printed() {
        let digest = Digest::of(b"0042");
        for text in [digest.to_string(), format!(" sha256:{digest}\n"), digest.to_string().to_uppercase()] {
            assert_eq!(fingerprint(&text), Some(digest), "{text}");
        }
        assert_eq!(fingerprint("sha256:00"), None);
        assert_eq!(fingerprint(""), None);
    }
}
