//! `checks`: the log of checks that monitoring works.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{ConfigFile, Desk, Failure, say};
use crate::proof::checks::{self as proof, Kind, Outcome, Tested};
use crate::store::checks::{self, Check, Wanted};

const MAX_DAYS: u32 = 3660;
/// Most lines printed.
const LIMIT: u32 = 1_000_000;
const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

#[derive(Debug, Subcommand)]
pub(super) enum Checks {
    /// Print the log, the latest first: when, result, who, what was tested, what followed; separated by tabs.
    List(List),
    /// Record what was tested by hand.
    Record(Record),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// How far back.
    #[arg(long, default_value_t = 28, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_DAYS)))]
    days: u32,
    /// With the daily check of each device that passed.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct Record {
    /// What was tested; names no pupil.
    #[arg(long)]
    what: String,
    /// passed, failed or unclear.
    #[arg(long)]
    result: Outcome,
    /// What followed.
    #[arg(long, default_value = "")]
    followed: String,
    #[command(flatten)]
    file: ConfigFile,
}

impl Checks {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.run().await,
            Self::Record(record) => record.run().await,
        }
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        let from_us = desk.clock.wall_us().saturating_sub(i64::from(self.days).saturating_mul(DAY_US));
        let wanted = if self.all { Wanted::Every } else { Wanted::Telling };
        let checks = checks::since(&desk.store, &desk.config.school.id, from_us, wanted, LIMIT).await?;
        desk.store.close().await;
        for check in &checks {
            say(line(&desk, check))?;
        }
        Ok(())
    }
}

impl Record {
    async fn run(self) -> Result<(), Failure> {
        let tested = Tested::new(&self.what, self.result, &self.followed).map_err(Failure::unusable)?;
        let desk = self.file.open().await?;
        proof::record(&desk.store, &desk.product(), desk.clock.wall_us(), &tested).await?;
        desk.store.close().await;
        say("recorded")
    }
}

/// In the school's time.
fn line(desk: &Desk, check: &Check) -> String {
    let zone = TimeZone::get(&desk.config.school.zone).unwrap_or(TimeZone::UTC);
    let at = Timestamp::from_microsecond(check.at_us).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone);
    let (who, what) = match check.kind {
        Kind::Canary => ("lapwing", format!("daily check of {}", check.hostname)),
        Kind::CanaryDay => ("lapwing", "daily check of all devices".to_owned()),
        Kind::Person => (check.person.as_str(), check.what.clone()),
        Kind::Machine => ("collector's machine", check.what.clone()),
    };
    let fields = [who, &what, &check.detail].map(|field| field.replace(['\n', '\t'], " "));
    format!("{}\t{}\t{}", at.strftime("%Y-%m-%d %H:%M"), check.outcome, fields.join("\t"))
}
