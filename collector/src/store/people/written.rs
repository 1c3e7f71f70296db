//! Writing people: many rows a statement, and only what differs.

use std::sync::LazyLock;

use lapwing_proto::SchoolId;

use super::Row;
use crate::actor::PersonId;
use crate::store::many::{Filling, MOST, Many};
use crate::store::{StoreError, Tx};

/// What is known of somebody, and what is to be.
#[derive(Clone, Copy)]
pub(crate) struct Written<'a> {
    pub(crate) person: PersonId,
    /// `None`: not known yet.
    pub(crate) before: Option<&'a Row>,
    pub(crate) after: &'a Row,
}

impl Written<'_> {
    /// Whether other people may have to see what concerns them, or they what concerns others.
    pub(crate) fn moves_concerns(&self) -> bool {
        let Some(before) = self.before else { return !self.after.roles.is_empty() };
        let places = |row: &Row| (row.kind, row.left_us.is_some(), row.class.clone());
        places(before) != places(self.after) || before.roles != self.after.roles || before.teaches != self.after.teaches
    }

    /// Whether they leave, or come back.
    pub(crate) fn comes_or_goes(&self) -> bool {
        self.before.is_some_and(|row| row.left_us.is_some() != self.after.left_us.is_some())
    }

    /// Whether they lose a role, and with it perhaps concerns that only it showed them.
    pub(crate) fn loses(&self) -> bool {
        self.before.is_some_and(|row| !row.roles.is_subset(&self.after.roles))
    }
}

/// A person and a word: a role, an account, a class.
type Pair<'a> = (PersonId, &'a str);

static PERSONS: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT INTO persons (school_id, person_id, name, kind, band, class, mail, reference, gender, year_group,
         vulnerable, left_us) SELECT ?, column1, column2, column3, column4, column5, column6, column7, column8, column9,
         column10, column11 FROM",
        "WHERE column1 IS NOT NULL ON CONFLICT (school_id, person_id) DO UPDATE SET name = excluded.name,
         kind = excluded.kind, band = excluded.band, class = excluded.class, mail = excluded.mail,
         reference = excluded.reference, gender = excluded.gender, year_group = excluded.year_group,
         vulnerable = excluded.vulnerable, left_us = excluded.left_us",
        11,
    )
});
static ROLES: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT INTO person_roles (school_id, person_id, role) SELECT ?, column1, column2 FROM",
        "WHERE column1 IS NOT NULL ON CONFLICT (school_id, person_id, role) DO NOTHING",
        2,
    )
});
static NO_ROLES: LazyLock<Many> =
    LazyLock::new(|| Many::new("DELETE FROM person_roles WHERE school_id = ? AND (person_id, role) IN", "", 2));
static ACCOUNTS: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT INTO accounts (school_id, person_id, account) SELECT ?, column1, column2 FROM",
        "WHERE column1 IS NOT NULL ON CONFLICT (school_id, account) DO UPDATE SET person_id = excluded.person_id",
        2,
    )
});
static CLASSES: LazyLock<Many> = LazyLock::new(|| {
    Many::new(
        "INSERT INTO person_classes (school_id, person_id, class) SELECT ?, column1, column2 FROM",
        "WHERE column1 IS NOT NULL ON CONFLICT (school_id, person_id, class) DO NOTHING",
        2,
    )
});
static NO_CLASSES: LazyLock<Many> =
    LazyLock::new(|| Many::new("DELETE FROM person_classes WHERE school_id = ? AND (person_id, class) IN", "", 2));

/// Makes people what `written` says, and ends the sessions of whoever left.
pub(crate) async fn put(tx: &mut Tx, school: &SchoolId, written: &[Written<'_>]) -> Result<(), StoreError> {
    for written in written.chunks(MOST) {
        put_persons(tx, school, written).await?;
        put_pairs(tx, school, &NO_ROLES, &lost(written, roles)).await?;
        put_pairs(tx, school, &ROLES, &gained(written, roles)).await?;
        // Accounts only ever add up: one that a capture named keeps a person.
        put_pairs(tx, school, &ACCOUNTS, &gained(written, accounts)).await?;
        put_pairs(tx, school, &NO_CLASSES, &lost(written, classes)).await?;
        put_pairs(tx, school, &CLASSES, &gained(written, classes)).await?;
    }
    if written.iter().any(|one| one.after.left_us.is_some()) {
        end_sessions(tx, school).await?;
    }
    count_change(tx, school).await
}

/// Says of what was captured under accounts before they were mapped whose it is, so that they never see it. What was
/// somebody's stays theirs, whoever has the account now. Answers whether anything was said.
pub(crate) async fn own_subjects(tx: &mut Tx, school: &SchoolId) -> Result<bool, StoreError> {
    let owned = sqlx::query(
        "UPDATE subjects SET person_id = (SELECT a.person_id FROM accounts AS a
             WHERE a.school_id = subjects.school_id AND a.account = subjects.account)
         WHERE school_id = $1 AND kind = 'account' AND person_id IS NULL AND EXISTS
             (SELECT 1 FROM accounts AS a
             JOIN persons AS p ON p.school_id = a.school_id AND p.person_id = a.person_id
             WHERE a.school_id = subjects.school_id AND a.account = subjects.account AND p.kind <> 'shared')",
    )
    .bind(school.as_str())
    .execute(tx.connection())
    .await?;
    Ok(owned.rows_affected() > 0)
}

async fn put_persons(tx: &mut Tx, school: &SchoolId, written: &[Written<'_>]) -> Result<(), StoreError> {
    let row = |filling: Filling, one: &Written<'_>| {
        let row = one.after;
        let filling = filling.bind(one.person.as_bytes().to_vec()).bind(row.name.clone()).bind(row.kind.as_str());
        let filling = filling.bind(row.band.clone()).bind(row.class.clone()).bind(row.mail.clone());
        let filling = filling.bind(row.reference.clone()).bind(row.gender.clone()).bind(row.year.clone());
        filling.bind(row.vulnerable).bind(row.left_us).row()
    };
    let filling = PERSONS.filling(written.len())?.bind(school.as_str());
    written.iter().fold(filling, row).filled().execute(tx.connection()).await?;
    Ok(())
}

async fn put_pairs(tx: &mut Tx, school: &SchoolId, many: &'static Many, pairs: &[Pair<'_>]) -> Result<(), StoreError> {
    for pairs in pairs.chunks(MOST) {
        let row =
            |filling: Filling, (person, word): &Pair<'_>| filling.bind(person.as_bytes().as_slice()).bind(*word).row();
        let filling = many.filling(pairs.len())?.bind(school.as_str());
        pairs.iter().fold(filling, row).filled().execute(tx.connection()).await?;
    }
    Ok(())
}

fn roles(row: &Row) -> Vec<&str> {
    row.roles.iter().map(|role| role.as_str()).collect()
}

fn accounts(row: &Row) -> Vec<&str> {
    row.accounts.iter().map(String::as_str).collect()
}

fn classes(row: &Row) -> Vec<&str> {
    row.teaches.iter().map(String::as_str).collect()
}

/// The words that people have now and had not before.
fn gained<'a>(written: &[Written<'a>], words: fn(&'a Row) -> Vec<&'a str>) -> Vec<Pair<'a>> {
    let of_one = |one: &Written<'a>| {
        let before = one.before.map(words).unwrap_or_default();
        let person = one.person;
        words(one.after).into_iter().filter(move |word| !before.contains(word)).map(move |word| (person, word))
    };
    written.iter().flat_map(of_one).collect()
}

/// The words that people had before and have no more.
fn lost<'a>(written: &[Written<'a>], words: fn(&'a Row) -> Vec<&'a str>) -> Vec<Pair<'a>> {
    let of_one = |one: &Written<'a>| {
        let (before, after) = (one.before.map(words).unwrap_or_default(), words(one.after));
        let person = one.person;
        before.into_iter().filter(move |word| !after.contains(word)).map(move |word| (person, word))
    };
    written.iter().flat_map(of_one).collect()
}

async fn end_sessions(tx: &mut Tx, school: &SchoolId) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM web_sessions WHERE school_id = $1 AND person_id IN
         (SELECT p.person_id FROM persons AS p WHERE p.school_id = $1 AND p.left_us IS NOT NULL)",
    )
    .bind(school.as_str())
    .execute(tx.connection())
    .await?;
    Ok(())
}

async fn count_change(tx: &mut Tx, school: &SchoolId) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO people_revisions (school_id, revision) VALUES ($1, 1)
         ON CONFLICT (school_id) DO UPDATE SET revision = people_revisions.revision + 1",
    )
    .bind(school.as_str())
    .execute(tx.connection())
    .await?;
    Ok(())
}
