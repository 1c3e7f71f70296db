//! `people import`.

use std::fmt::Display;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use super::{ConfigFile, Failure, read_given, say};
use crate::people::{self, Absentees, Changes, ImportError, MAX_FILE_BYTES, Mode, Wanted};
use crate::requests::RequestError;
use crate::store::sign_ins::Login;

#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    /// people.csv: account,name,role,class,band, and as the school likes
    /// mail,reference,gender,year,vulnerable,teaches
    people: PathBuf,
    /// Only print what would change.
    #[arg(long)]
    dry_run: bool,
    /// The file is the whole list: whoever is not in it leaves.
    #[arg(long)]
    leavers: bool,
    /// With `--leavers`: even where more than a fifth of the pupils, or of the staff, leave.
    #[arg(long, requires = "leavers")]
    yes_many: bool,
    /// Sign-in name of whoever asks for the privileged roles that would change; two others approve.
    #[arg(long, value_name = "LOGIN")]
    asked_by: Option<Login>,
    #[command(flatten)]
    file: ConfigFile,
}

impl Import {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let bytes = read_given(&self.people, MAX_FILE_BYTES as u64)?;
        let listed = people::parse(&bytes).map_err(|faults| self.nobody(&faults))?;
        drop(bytes);
        let desk = self.file.open().await?;
        let asked_by = match &self.asked_by {
            Some(login) => Some(super::signing_in(&desk, login).await?),
            None => None,
        };
        let mode = if self.dry_run { Mode::DryRun } else { Mode::Apply };
        let absentees = match (self.leavers, self.yes_many) {
            (false, _) => Absentees::Stay,
            (true, false) => Absentees::Leave,
            (true, true) => Absentees::LeaveHoweverMany,
        };
        let wanted = Wanted { mode, absentees, asked_by };
        let imported = people::import(&desk.store, &desk.product(), desk.clock.wall_us(), &listed, wanted).await;
        let changes = imported.map_err(|error| self.refused(error))?;
        desk.store.close().await;
        self.tell(&changes)
    }

    fn tell(&self, changes: &Changes) -> Result<(), Failure> {
        for line in &changes.lines {
            say(line)?;
        }
        for (role, (before, after)) in &changes.roles {
            say(format!("role {role}: held by {before} -> {after}"))?;
        }
        let counts = changes.counts;
        if counts.marked + counts.unmarked > 0 {
            say(format!("marks of vulnerable pupils: {} set, {} taken away", counts.marked, counts.unmarked))?;
        }
        for asked in &changes.asked {
            say(format!("takes two approvers, and stays as it is until then: {asked}"))?;
        }
        let done = if self.dry_run { "would be added" } else { "added" };
        say(format!(
            "{} {done}, {} changed, {} the same, {} not in the file, {} left",
            counts.added, counts.changed, counts.same, counts.absent, counts.left
        ))
    }

    fn nobody<T: Display>(&self, faults: &[T]) -> Failure {
        let faults: Vec<_> = faults.iter().map(|fault| format!("{}: {fault}", self.people.display())).collect();
        Failure::Unusable(anyhow!("nobody was imported\n{}", faults.join("\n")))
    }

    fn refused(&self, error: ImportError) -> Failure {
        match error {
            ImportError::Store(error) => error.into(),
            ImportError::Rows(faults) => self.nobody(&faults),
            ImportError::TakesTwo(asked) => {
                let asked: Vec<_> = asked.iter().map(|one| format!("{}: {one}", self.people.display())).collect();
                Failure::Unusable(anyhow!(
                    "nobody was imported: two approvers grant these roles and take them away; name who asks for it by \
                     `--asked-by LOGIN`\n{}",
                    asked.join("\n")
                ))
            }
            ImportError::TooManyLeave { .. } => Failure::Unusable(anyhow!(
                "nobody was imported: {}: {error}; give `--yes-many` where they really left",
                self.people.display()
            )),
            ImportError::Request { asked, source } => match *source {
                RequestError::Store(error) => error.into(),
                source @ (RequestError::NotFound
                | RequestError::NotTheirs
                | RequestError::Settled(_)
                | RequestError::ReasonLength(_)
                | RequestError::TooFewApprovers { .. }
                | RequestError::NobodyAmong
                | RequestError::TooMany
                | RequestError::Fault(_)) => {
                    Failure::Unusable(anyhow!("nobody was imported\n{}: {asked}: {source}", self.people.display()))
                }
            },
            ImportError::Overtaken => Failure::Failed(error.into()),
        }
    }
}
