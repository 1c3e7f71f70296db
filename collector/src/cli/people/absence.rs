//! `people absence`: who is away.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::{ConfigFile, Desk, Failure, say};
use crate::absence::{self, AbsenceError, Stretch};
use crate::actor::PersonId;
use crate::ids::AbsenceId;
use crate::store::absences;
use crate::subject::account_key;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Absence {
    /// Record that somebody is away. Stretches that overlap or touch become one.
    Add(Add),
    /// Print who is away, and who will be.
    List(List),
    /// End an absence now, or take back one that has not begun.
    End(End),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Add {
    /// Sign-in name or account.
    #[arg(long, value_name = "LOGIN")]
    person: String,
    /// Such as 2026-12-01T08:30 in the school's zone; a date alone is its begin.
    #[arg(long, value_name = "DATETIME")]
    from: String,
    /// First moment back; a date alone is the last day away.
    #[arg(long, value_name = "DATETIME")]
    until: String,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct End {
    /// As `list` prints it.
    absence: AbsenceId,
    #[command(flatten)]
    file: ConfigFile,
}

impl Absence {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Add(add) => add.run().await,
            Self::List(list) => list.run().await,
            Self::End(end) => end.run().await,
        }
    }
}

impl Add {
    async fn run(self) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        let zone = zone(&desk);
        let from_us = moment("--from", &self.from, &zone, 0)?;
        let until_us = moment("--until", &self.until, &zone, 1)?;
        let person = self.person(&desk).await?;
        let stretch = Stretch { from_us, until_us };
        let recorded = absence::record(&desk.store, &desk.product(), desk.clock.wall_us(), person, stretch).await;
        let stands = recorded.map_err(|error| failure("recorded", error))?;
        desk.store.close().await;
        say(format!("{} is away {}", self.person, words(stands, &zone)))
    }

    async fn person(&self, desk: &Desk) -> Result<PersonId, Failure> {
        let found = absences::named(&desk.store, &desk.config.school.id, &account_key(&self.person)).await?;
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (Some(person), None) => Ok(person),
            (Some(_), Some(_)) => {
                Err(Failure::Unusable(anyhow!("`{}` is one person's sign-in and another's account", self.person)))
            }
            (None, _) => Err(Failure::Unusable(anyhow!("nobody has the sign-in or account `{}`", self.person))),
        }
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        let standing = absences::standing(&desk.store, &desk.config.school.id, desk.clock.wall_us()).await?;
        desk.store.close().await;
        let zone = zone(&desk);
        for one in &standing {
            say(format!("{} {} {}", one.absence.id, one.name, words(one.absence.stretch, &zone)))?;
        }
        if standing.is_empty() { say("nobody is away") } else { Ok(()) }
    }
}

impl End {
    async fn run(self) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        let ended = absence::end(&desk.store, &desk.product(), desk.clock.wall_us(), self.absence).await;
        ended.map_err(|error| failure("ended", error))?;
        desk.store.close().await;
        say(format!("{} has ended", self.absence))
    }
}

fn failure(done: &str, error: AbsenceError) -> Failure {
    match error {
        AbsenceError::Store(error) => error.into(),
        AbsenceError::Backwards
        | AbsenceError::Over
        | AbsenceError::TooLong
        | AbsenceError::FarOff
        | AbsenceError::Unknown
        | AbsenceError::Nobody => Failure::Unusable(anyhow!("nothing was {done}: {error}")),
    }
}

fn zone(desk: &Desk) -> TimeZone {
    TimeZone::get(&desk.config.school.zone).unwrap_or(TimeZone::UTC)
}

/// A civil moment in `zone`; of a date alone the midnight that is `days` after its begin.
fn moment(argument: &str, text: &str, zone: &TimeZone, days: i64) -> Result<i64, Failure> {
    let civil = match text.parse::<Date>() {
        Ok(date) if !text.contains(['T', ' ', ':']) => {
            date.saturating_add(days.days()).to_datetime(jiff::civil::Time::midnight())
        }
        Ok(_) | Err(_) => text.parse::<DateTime>().map_err(|_| unusable(argument))?,
    };
    let zoned = civil.to_zoned(zone.clone()).map_err(|_| unusable(argument))?;
    Ok(zoned.timestamp().as_microsecond())
}

fn unusable(argument: &str) -> Failure {
    Failure::Unusable(anyhow!("`{argument}` is no moment: expected one such as 2026-12-01T08:30, or a date"))
}

fn words(stretch: Stretch, zone: &TimeZone) -> String {
    let moment = |at_us: i64| {
        let at = Timestamp::from_microsecond(at_us).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone());
        at.strftime("%Y-%m-%d %H:%M").to_string()
    };
    format!("from {} until {}", moment(stretch.from_us), moment(stretch.until_us))
}
