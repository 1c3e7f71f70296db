//! Sign-ins of people who use the console.
//!
//! A password is kept as an argon2id string, which opens nothing to whoever reads the file.
//!
//! A time further ahead than a clock as it stands now could have written it was written by a clock that has been set back
//! since. It is not believed: such a lock is open, so that nobody is kept out for years.

use std::fmt;
use std::str::FromStr;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use lapwing_proto::SchoolId;
use sqlx::Row;

use super::{Store, StoreError, Tx, id, second_steps, web_sessions};
use crate::actor::{Actor, PersonId};
use crate::audit::{self, Act, ActKind};

/// Longest sign-in name, in bytes.
pub const MAX_LOGIN_BYTES: usize = 64;
/// Longest password, in bytes: more would only cost time.
pub const MAX_PASSWORD_BYTES: usize = 256;
/// Shortest password, in characters.
pub const MIN_PASSWORD_CHARS: usize = 12;
/// Failures in a row before a sign-in closes for a while.
const TRIES: i64 = 5;
/// The first closing; it doubles with every further failure, up to [`LONGEST_LOCK_US`].
const FIRST_LOCK_US: i64 = 60_000_000;
const LONGEST_LOCK_US: i64 = 15 * 60_000_000;
/// Memory of one hash in KiB, passes and lanes (OWASP's first choice for argon2id).
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// A sign-in name: 1 to 64 bytes without white space or control characters, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Login(String);

/// A text that is no sign-in name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a sign-in name: expected 1 to 64 bytes without spaces")]
pub struct InvalidLogin;

/// Why a password was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long.
    #[error("password must have {MIN_PASSWORD_CHARS} characters or more, and at most {MAX_PASSWORD_BYTES} bytes")]
    Length,
    /// The hash could not be made.
    #[error("cannot hash the password")]
    Hash,
}

/// An argon2id string. `Debug` prints `<redacted>`.
#[derive(Clone, PartialEq, Eq)]
pub struct HashedPassword(String);

/// What a new sign-in needs.
#[derive(Clone, Debug)]
pub struct NewSignIn {
    /// Its name.
    pub login: Login,
    /// Whose it is; the person is on the school's list already.
    pub person: PersonId,
    /// Where notifications go; empty for nowhere.
    pub mail: String,
    /// The password.
    pub password: HashedPassword,
}

/// A sign-in as the door needs it.
#[derive(Clone, Debug)]
pub(crate) struct SignIn {
    pub(crate) person: PersonId,
    pub(crate) password: HashedPassword,
    locked_until_us: i64,
}

impl SignIn {
    /// Whether it may be tried at `now_us`.
    pub(crate) const fn is_open(&self, now_us: i64) -> bool {
        self.locked_until_us <= now_us || self.locked_until_us > now_us.saturating_add(LONGEST_LOCK_US)
    }
}

impl Login {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Login {
    type Err = InvalidLogin;

    fn from_str(text: &str) -> Result<Self, InvalidLogin> {
        let login = text.trim().to_lowercase();
        let odd = |c: char| c.is_whitespace() || c.is_control();
        if login.is_empty() || login.len() > MAX_LOGIN_BYTES || login.contains(odd) {
            return Err(InvalidLogin);
        }
        Ok(Self(login))
    }
}

impl fmt::Debug for HashedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashedPassword(<redacted>)")
    }
}

impl HashedPassword {
    /// Whether `password` is the one. Takes some tens of milliseconds of one core: call it where that may wait.
    pub(crate) fn is_of(&self, password: &str) -> bool {
        let Ok(hash) = PasswordHash::new(&self.0) else { return false };
        hasher().is_ok_and(|hasher| hasher.verify_password(password.as_bytes(), &hash).is_ok())
    }
}

/// Hashes a password with argon2id and a fresh salt. Takes some tens of milliseconds of one core.
///
/// # Errors
///
/// [`PasswordError::Length`] outside the bounds; [`PasswordError::Hash`] without randomness or memory.
pub fn hash_password(password: &str) -> Result<HashedPassword, PasswordError> {
    if password.chars().count() < MIN_PASSWORD_CHARS || password.len() > MAX_PASSWORD_BYTES {
        return Err(PasswordError::Length);
    }
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|_| PasswordError::Hash)?;
    let salt = SaltString::encode_b64(&salt).map_err(|_| PasswordError::Hash)?;
    let hash = hasher()?.hash_password(password.as_bytes(), &salt).map_err(|_| PasswordError::Hash)?;
    Ok(HashedPassword(hash.to_string()))
}

/// Adds a sign-in, or replaces the one of that name; sessions of its person end, and turns at the second step.
///
/// # Errors
///
/// When the database cannot be written.
pub async fn add(store: &Store, school: &SchoolId, sign_in: &NewSignIn, now_us: i64) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    sqlx::query(
        "INSERT INTO sign_ins (school_id, login, person_id, mail, password) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (school_id, login) DO UPDATE SET person_id = excluded.person_id, mail = excluded.mail,
         password = excluded.password, failures = 0, locked_until_us = 0",
    )
    .bind(school.as_str())
    .bind(sign_in.login.as_str())
    .bind(sign_in.person.as_bytes().as_slice())
    .bind(&sign_in.mail)
    .bind(&sign_in.password.0)
    .execute(tx.connection())
    .await?;
    web_sessions::end_all(&mut tx, school, sign_in.person).await?;
    second_steps::end_turns(&mut tx, school, sign_in.person).await?;
    let product = Actor::Product { school: school.clone() };
    audit::append(&mut tx, &Act::new(&product, now_us, ActKind::SignInChanged, sign_in.person)).await?;
    tx.commit().await
}

/// The school's name, for the door.
pub(crate) async fn school_name(store: &Store, school: &SchoolId) -> Result<String, StoreError> {
    let name: Option<String> = sqlx::query_scalar("SELECT name FROM schools WHERE school_id = $1")
        .bind(school.as_str())
        .fetch_optional(store.reader())
        .await?;
    Ok(name.unwrap_or_default())
}

/// The sign-in of that name, unless its person left.
pub(crate) async fn find(store: &Store, school: &SchoolId, login: &Login) -> Result<Option<SignIn>, StoreError> {
    find_in(&mut store.view().await?, school, login).await
}

/// As [`find`], within a transaction.
pub(crate) async fn find_in(tx: &mut Tx, school: &SchoolId, login: &Login) -> Result<Option<SignIn>, StoreError> {
    let row = sqlx::query(
        "SELECT i.person_id, i.password, i.locked_until_us FROM sign_ins AS i
         JOIN persons AS p ON p.school_id = i.school_id AND p.person_id = i.person_id
         WHERE i.school_id = $1 AND i.login = $2 AND p.left_us IS NULL",
    )
    .bind(school.as_str())
    .bind(login.as_str())
    .fetch_optional(tx.connection())
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(SignIn {
        person: id(&row, 0)?,
        password: HashedPassword(row.try_get(1)?),
        locked_until_us: row.try_get(2)?,
    }))
}

/// The names that a person signs in with.
pub(crate) async fn of_person(tx: &mut Tx, school: &SchoolId, person: PersonId) -> Result<Vec<Login>, StoreError> {
    let names: Vec<String> = sqlx::query_scalar("SELECT login FROM sign_ins WHERE school_id = $1 AND person_id = $2")
        .bind(school.as_str())
        .bind(person.as_bytes().as_slice())
        .fetch_all(tx.connection())
        .await?;
    names.iter().map(|name| name.parse().map_err(|_| StoreError::Corrupt { what: "sign-in name" })).collect()
}

/// Counts a wrong password or code, and closes the sign-in for a while after several.
pub(crate) async fn count_failure(
    tx: &mut Tx,
    school: &SchoolId,
    login: &Login,
    person: PersonId,
    now_us: i64,
) -> Result<(), StoreError> {
    let failures: i64 = sqlx::query_scalar(
        "UPDATE sign_ins SET failures = failures + 1 WHERE school_id = $1 AND login = $2 RETURNING failures",
    )
    .bind(school.as_str())
    .bind(login.as_str())
    .fetch_one(tx.connection())
    .await?;
    sqlx::query("UPDATE sign_ins SET locked_until_us = $3 WHERE school_id = $1 AND login = $2")
        .bind(school.as_str())
        .bind(login.as_str())
        .bind(now_us.saturating_add(lock_us(failures)))
        .execute(tx.connection())
        .await?;
    let product = Actor::Product { school: school.clone() };
    let act = Act::new(&product, now_us, ActKind::SignInFailed, person).with("failures", failures);
    audit::append(tx, &act).await?;
    Ok(())
}

/// Forgets failures: somebody signed in.
pub(crate) async fn forget_failures(tx: &mut Tx, school: &SchoolId, login: &Login) -> Result<(), StoreError> {
    sqlx::query("UPDATE sign_ins SET failures = 0, locked_until_us = 0 WHERE school_id = $1 AND login = $2")
        .bind(school.as_str())
        .bind(login.as_str())
        .execute(tx.connection())
        .await?;
    Ok(())
}

fn hasher() -> Result<Argon2<'static>, PasswordError> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).map_err(|_| PasswordError::Hash)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn lock_us(failures: i64) -> i64 {
    let Ok(beyond) = u32::try_from(failures - TRIES) else { return 0 };
    FIRST_LOCK_US.saturating_mul(1 << beyond.min(10)).min(LONGEST_LOCK_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_verifies_against_its_own_hash_alone() {
        let hash = hash_password("correct horse battery").unwrap();
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(hash.is_of("correct horse battery"));
        assert!(!hash.is_of("correct horse batterY"));
        assert_eq!(format!("{hash:?}"), "HashedPassword(<redacted>)");
    }

    #[test]
    fn passwords_outside_the_bounds_are_refused() {
        assert_eq!(hash_password("too short"), Err(PasswordError::Length));
        assert_eq!(hash_password(&"x".repeat(257)), Err(PasswordError::Length));
    }

    #[test]
    fn a_sign_in_closes_after_five_failures_and_longer_each_time() {
        assert_eq!(lock_us(4), 0);
        assert_eq!(lock_us(5), FIRST_LOCK_US);
        assert_eq!(lock_us(6), 2 * FIRST_LOCK_US);
        assert_eq!(lock_us(50), LONGEST_LOCK_US);
    }

    #[test]
    fn sign_in_names_are_folded_and_bounded() {
        assert_eq!(" S.Okafor ".parse::<Login>().unwrap().as_str(), "s.okafor");
        assert!("".parse::<Login>().is_err());
        assert!("a b".parse::<Login>().is_err());
        assert!("x".repeat(65).parse::<Login>().is_err());
    }
}
