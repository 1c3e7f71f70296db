//! `media`: the register of approved removable media.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use lapwing_rules::Digest;

use super::{ConfigFile, Desk, Failure, say};
use crate::approved_media::{self, Approval, ApprovalError, fingerprint};
use crate::people::person_of;
use crate::store::{approved_media as rows, names};

#[derive(Debug, Subcommand)]
pub(super) enum Media {
    /// Approve a medium: putting it into a school computer is no capture from then on.
    Approve(Approve),
    /// Print the register: fingerprint, last day, name, who answers for it, who allowed it; separated by tabs.
    List(List),
    /// Take a medium out of the register.
    Withdraw(Withdraw),
}

#[derive(Debug, Args)]
pub(super) struct Approve {
    /// As `lapwing-agent media` prints it.
    #[arg(long, value_parser = read_fingerprint)]
    fingerprint: Digest,
    /// Account of the member of staff who answers for it.
    #[arg(long, value_name = "ACCOUNT")]
    owner: String,
    /// Last day that it is approved for, such as 2027-07-23.
    #[arg(long, value_name = "DATE")]
    until: Date,
    /// What people call it.
    #[arg(long)]
    name: String,
    /// Who allowed it, and how it was scanned.
    #[arg(long)]
    permission: String,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct Withdraw {
    /// As `list` prints it.
    #[arg(value_parser = read_fingerprint)]
    fingerprint: Digest,
    #[command(flatten)]
    file: ConfigFile,
}

fn read_fingerprint(text: &str) -> Result<Digest, String> {
    fingerprint(text).ok_or_else(|| "expected 64 hexadecimal digits, as `lapwing-agent media` prints them".to_owned())
}

impl Media {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Approve(approve) => approve.run().await,
            Self::List(list) => list.run().await,
            Self::Withdraw(withdraw) => withdraw.run().await,
        }
    }
}

impl Approve {
    async fn run(self) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        let owner = person_of(&desk.store, &desk.config.school.id, &self.owner).await?;
        let owner = owner.ok_or_else(|| Failure::Unusable(anyhow!("nobody has the account `{}`", self.owner)))?;
        let ends = self.until.checked_add(1.day()).map_err(|_| unusable("--until"))?;
        let until_us = ends.to_zoned(zone(&desk)).map_err(|_| unusable("--until"))?.timestamp().as_microsecond();
        let Self { fingerprint: serial_hash, name, permission, .. } = self;
        let approval = Approval { serial_hash, name, owner, permission, until_us };
        let approved = approved_media::approve(&desk.store, &desk.product(), desk.clock.wall_us(), &approval).await;
        approved.map_err(|error| failure("approved", error))?;
        desk.store.close().await;
        say(format!("{serial_hash} is approved until the end of {}", self.until))
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        let register = rows::all(&desk.store, &desk.config.school.id).await?;
        let names = names::read(&desk.store, &desk.config.school.id).await?;
        desk.store.close().await;
        let (now_us, zone) = (desk.clock.wall_us(), zone(&desk));
        for one in &register {
            let Approval { serial_hash, name, owner, permission, until_us } = &one.approval;
            let last = Timestamp::from_microsecond(until_us.saturating_sub(1)).unwrap_or(Timestamp::UNIX_EPOCH);
            let over = match (*until_us <= now_us, names.is_here(*owner)) {
                (true, _) => " (over)",
                (false, false) => " (its owner has left)",
                (false, true) => "",
            };
            let last = last.to_zoned(zone.clone()).date();
            say(format!("{serial_hash}\t{last}{over}\t{name}\t{}\t{permission}", names.of(*owner)))?;
        }
        if register.is_empty() { say("no medium is in the register") } else { Ok(()) }
    }
}

impl Withdraw {
    async fn run(self) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        let now_us = desk.clock.wall_us();
        let withdrawn = approved_media::withdraw(&desk.store, &desk.product(), now_us, self.fingerprint).await;
        withdrawn.map_err(|error| failure("withdrawn", error))?;
        desk.store.close().await;
        say(format!("{} is approved no more", self.fingerprint))
    }
}

fn zone(desk: &Desk) -> TimeZone {
    TimeZone::get(&desk.config.school.zone).unwrap_or(TimeZone::UTC)
}

fn unusable(argument: &str) -> Failure {
    Failure::Unusable(anyhow!("`{argument}` is no day of this school"))
}

fn failure(done: &str, error: ApprovalError) -> Failure {
    match error {
        ApprovalError::Store(error) => error.into(),
        ApprovalError::Name
        | ApprovalError::Permission
        | ApprovalError::Owner
        | ApprovalError::Time
        | ApprovalError::Full
        | ApprovalError::Unknown => Failure::Unusable(anyhow!("nothing was {done}: {error}")),
    }
}
