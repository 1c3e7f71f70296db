//! `people`: who is at the school.

mod absence;
mod check;
mod import;
mod roll_over;

use anyhow::anyhow;
use clap::Subcommand;

use super::{ConfigFile, Desk, Failure, read_given, say};
use crate::actor::PersonId;
use crate::store::sign_ins::{self, Login};

pub(super) use check::lacks_of;

#[derive(Debug, Subcommand)]
pub(super) enum People {
    /// Bring the school's people in line with a file, whole or not at all.
    Import(import::Import),
    /// Move pupils up into the next year, once a school year.
    RollOver(roll_over::RollOver),
    /// Check that everything that takes two approvers has them.
    Check(check::Check),
    /// Who is away, and until when.
    #[command(subcommand)]
    Absence(absence::Absence),
}

impl People {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Import(import) => import.run().await,
            Self::RollOver(roll_over) => roll_over.run().await,
            Self::Check(check) => check.run().await,
            Self::Absence(absence) => absence.run().await,
        }
    }
}

/// Whose sign-in `login` is.
async fn signing_in(desk: &Desk, login: &Login) -> Result<PersonId, Failure> {
    let found = sign_ins::find(&desk.store, &desk.config.school.id, login).await?;
    found
        .map(|sign_in| sign_in.person)
        .ok_or_else(|| Failure::Unusable(anyhow!("nobody signs in as `{}`", login.as_str())))
}
