//! `people roll-over`.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::{ConfigFile, Desk, Failure, read_given, say};
use crate::people::roll_over::{Classes, MAX_CLASSES_BYTES, RollOverError, SchoolYear, Wanted, roll_over};
use crate::people::{Mode, YearGroup};

/// A date further off is a slip of the pen.
const MAX_DAYS_OFF: i64 = 366;

#[derive(Debug, Args)]
pub(in crate::cli) struct RollOver {
    /// A date of the school year that begins, such as 2027-09-01: from July on it is that of the coming September.
    #[arg(long)]
    date: Date,
    /// classes.csv: from,to. Classes that are not in it become empty, in the list of pupils and of whoever teaches them.
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
    /// Year of the school's oldest pupils, who leave: 6 at a primary school, 11 where there is no sixth form.
    #[arg(long, default_value = "13")]
    last_year: YearGroup,
    /// Only print what would change.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    file: ConfigFile,
}

impl RollOver {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let classes = self.classes()?;
        let desk = self.file.open().await?;
        self.check_date(&desk)?;
        let into = SchoolYear::entered_on(self.date);
        let mode = if self.dry_run { Mode::DryRun } else { Mode::Apply };
        let wanted = Wanted { into, last: self.last_year, classes: &classes, mode };
        let rolled = roll_over(&desk.store, &desk.product(), desk.clock.wall_us(), &wanted).await;
        desk.store.close().await;
        let counts = match rolled {
            Ok(counts) => counts,
            Err(done @ RollOverError::Done(_)) => return say(done),
            Err(RollOverError::Store(error)) => return Err(error.into()),
            Err(error @ RollOverError::Overtaken) => return Err(Failure::Failed(error.into())),
        };
        let done = if self.dry_run { "would move" } else { "moved" };
        say(format!(
            "{} pupils {done} up into {into}, {} leave, {} without a year stay as they are",
            counts.moved, counts.left, counts.yearless
        ))
    }

    fn classes(&self) -> Result<Classes, Failure> {
        let Some(file) = &self.classes else { return Ok(Classes::default()) };
        let bytes = read_given(file, MAX_CLASSES_BYTES as u64)?;
        Classes::parse(&bytes).map_err(|faults| {
            let faults: Vec<_> = faults.iter().map(|fault| format!("{}: {fault}", file.display())).collect();
            Failure::Unusable(anyhow!("nobody moved up\n{}", faults.join("\n")))
        })
    }

    fn check_date(&self, desk: &Desk) -> Result<(), Failure> {
        let zone = TimeZone::get(&desk.config.school.zone).unwrap_or(TimeZone::UTC);
        let now = Timestamp::from_microsecond(desk.clock.wall_us()).unwrap_or(Timestamp::UNIX_EPOCH);
        let today = now.to_zoned(zone).date();
        let (from, to) = (today.saturating_sub(MAX_DAYS_OFF.days()), today.saturating_add(MAX_DAYS_OFF.days()));
        if (from..=to).contains(&self.date) {
            return Ok(());
        }
        Err(Failure::Unusable(anyhow!("`--date {}` is more than a year from today, {today}", self.date)))
    }
}
