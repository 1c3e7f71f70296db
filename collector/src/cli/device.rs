//! `device`: what is done to enrolled devices.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use lapwing_proto::DeviceId;

use super::{ConfigFile, Failure, read_given, say, when};
use crate::audit::{self, Act, ActKind};
use crate::enrolment::{self, Answer};
use crate::ids::JoinId;
use crate::people::Mode;
use crate::proof::expected::{self, MAX_FILE_BYTES};
use crate::rooms::{self, MAX_ROOMS_BYTES};
use crate::store::devices;
use crate::store::joins::{self, WaitingJoin};

/// Devices that wait, shown and answered at once.
const MAX_WAITING: u32 = 10_000;

#[derive(Debug, Subcommand)]
pub(super) enum Device {
    /// Deny a device: from now on nothing it sends is taken.
    Revoke(Revoke),
    /// Print the devices that wait to be let in: id, host, system, address, token, when they asked.
    Waiting(Waiting),
    /// Let devices in that wait.
    LetIn(Answering),
    /// Turn devices away that wait.
    TurnAway(Answering),
    /// Put devices into rooms by a list, whole or not at all.
    Rooms(Rooms),
    /// Say which devices the school expects to hear, whole: what the file does not name is expected no more.
    ///
    /// The file is CSV: `hostname,serial,room,group`, of which only `hostname` is needed, or an export of Microsoft
    /// Intune or Jamf Pro as it is.
    Expect(Expect),
}

#[derive(Debug, Args)]
pub(super) struct Rooms {
    /// rooms.csv: host,room
    rooms: PathBuf,
    /// Only print what would change.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The device's id.
    device: DeviceId,
    /// And whatever came out of its identity: after a theft of its key.
    #[arg(long)]
    copies: bool,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct Waiting {
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = false, args = ["joins", "all", "listed"])]
pub(super) struct Answering {
    /// Ids that `device waiting` prints.
    joins: Vec<JoinId>,
    /// Every one that waits.
    #[arg(long)]
    all: bool,
    /// Every one whose host is on the school's list.
    #[arg(long)]
    listed: bool,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct Expect {
    /// The list.
    devices: PathBuf,
    /// Only print what would change.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    file: ConfigFile,
}

impl Device {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Revoke(revoke) => revoke.run().await,
            Self::Waiting(waiting) => waiting.run().await,
            Self::LetIn(answering) => answering.run(Answer::LetIn).await,
            Self::TurnAway(answering) => answering.run(Answer::TurnAway).await,
            Self::Rooms(rooms) => rooms.run().await,
            Self::Expect(expect) => expect.run().await,
        }
    }
}

impl Revoke {
    async fn run(self) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        let now_us = desk.clock.wall_us();
        let mut tx = desk.store.begin().await?;
        if !devices::revoke(&mut tx, &desk.config.school.id, self.device, now_us).await? {
            return Err(Failure::Unusable(anyhow!("no device {} is enrolled", self.device)));
        }
        let mut copies = 0;
        if self.copies {
            copies = devices::revoke_copies(&mut tx, &desk.config.school.id, self.device, now_us).await?;
        }
        let act = Act::new(&desk.product(), now_us, ActKind::DeviceRevoked, self.device).with("copies", copies);
        audit::append(&mut tx, &act).await?;
        tx.commit().await?;
        desk.store.close().await;
        let more = if self.copies { format!(", and {copies} that came out of its identity") } else { String::new() };
        say(format!("{} is denied{more}", self.device))
    }
}

impl Waiting {
    async fn run(self) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        let waiting = joins::waiting(&desk.store, &desk.config.school.id, MAX_WAITING).await?;
        desk.store.close().await;
        for join in &waiting {
            let (listed, asked) = (if join.is_listed { "listed" } else { "not listed" }, when(&desk, join.asked_us)?);
            let WaitingJoin { id, hostname, os, address, reference, .. } = join;
            say(format!("{id}  {hostname}  {os}  {address}  {reference}  {asked}  {listed}"))?;
        }
        say(format!("{} wait to be let in", waiting.len()))
    }
}

impl Answering {
    async fn run(self, answer: Answer) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        let waiting = joins::waiting(&desk.store, &desk.config.school.id, MAX_WAITING).await?;
        let chosen: Vec<_> = waiting
            .iter()
            .filter(|join| self.all || (self.listed && join.is_listed) || self.joins.contains(&join.id))
            .collect();
        if let Some(unknown) = self.joins.iter().find(|id| !waiting.iter().any(|join| join.id == **id)) {
            return Err(Failure::Unusable(anyhow!("no device {unknown} waits to be let in")));
        }
        let done = match answer {
            Answer::LetIn => "is let in and comes within a minute",
            Answer::TurnAway => "is turned away",
        };
        let ids: Vec<_> = chosen.iter().map(|join| join.id).collect();
        let answered = enrolment::answer(&desk.store, &desk.product(), &ids, answer, desk.clock.wall_us()).await?;
        desk.store.close().await;
        for join in chosen.iter().filter(|join| answered.contains(&join.id)) {
            say(format!("{} {done}", join.hostname))?;
        }
        Ok(())
    }
}

impl Rooms {
    async fn run(self) -> Result<(), Failure> {
        let bytes = read_given(&self.rooms, MAX_ROOMS_BYTES as u64)?;
        let placed = rooms::parse(&bytes).map_err(|faults| {
            let faults: Vec<_> = faults.iter().map(|fault| format!("{}: {fault}", self.rooms.display())).collect();
            Failure::Unusable(anyhow!("no device was moved\n{}", faults.join("\n")))
        })?;
        let desk = self.file.open().await?;
        let mode = if self.dry_run { Mode::DryRun } else { Mode::Apply };
        let moves = rooms::import(&desk.store, &desk.product(), desk.clock.wall_us(), &placed, mode).await?;
        desk.store.close().await;
        for line in &moves.lines {
            say(line)?;
        }
        for line in &moves.unknown {
            say(format!("{}: line {line}: no enrolled device has that host name", self.rooms.display()))?;
        }
        let done = if self.dry_run { "would change" } else { "changed" };
        let (changed, same, unknown) = (moves.lines.len(), moves.same, moves.unknown.len());
        say(format!("{changed} rooms {done}, {same} the same, {unknown} hosts not enrolled"))
    }
}

impl Expect {
    async fn run(self) -> Result<(), Failure> {
        let bytes = read_given(&self.devices, MAX_FILE_BYTES as u64)?;
        let list = expected::parse(&bytes).map_err(|faults| {
            let faults: Vec<_> = faults.iter().map(|fault| format!("{}: {fault}", self.devices.display())).collect();
            Failure::Unusable(anyhow!("nothing was imported\n{}", faults.join("\n")))
        })?;
        let desk = self.file.open().await?;
        let mode = if self.dry_run { Mode::DryRun } else { Mode::Apply };
        let now_us = desk.clock.wall_us();
        let changes = expected::import(&desk.store, &desk.product(), now_us, &list, mode).await?;
        desk.store.close().await;
        for line in &changes.lines {
            say(line)?;
        }
        let would = if self.dry_run { "would be " } else { "" };
        say(format!(
            "{} {would}added, {} changed, {} the same, {} {would}removed; {} of systems without an agent left out",
            changes.added, changes.changed, changes.same, changes.removed, list.left_out
        ))
    }
}
