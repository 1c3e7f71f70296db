//! Which day it is: the one place where the tool reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use clap::Args;
use lapwing_rules::{Compiler, Date};

use super::Failure;

const DAY_S: u64 = 24 * 60 * 60;

/// The day by which rules on watch are judged.
#[derive(Debug, Args)]
pub(super) struct Today {
    /// The day to judge by, as in 2026-12-01, instead of the machine's own (in UTC).
    #[arg(long, value_name = "DATE")]
    today: Option<Date>,
}

impl Today {
    /// The compiler with this day, where one was given.
    pub(super) fn told_to(&self, compiler: Compiler) -> Compiler {
        match self.today {
            Some(today) => compiler.today(today),
            None => compiler,
        }
    }
}

/// The day of the machine's clock.
#[expect(clippy::disallowed_methods, reason = "the library takes the day from its caller, and this is the caller")]
pub(super) fn by_the_clock() -> Result<Date, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    let days = since.and_then(|since| u32::try_from(since.as_secs() / DAY_S).ok());
    let day = days.and_then(Date::from_days);
    day.ok_or_else(|| {
        Failure::Failed(anyhow!("the machine's clock shows no day from 1970 to 9999: give `--today DATE`"))
    })
}
