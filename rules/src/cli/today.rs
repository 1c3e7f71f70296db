//! Which day it is: the one place where the tool reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use lapwing_rules::Date;

use super::Failure;

pub(super) const DAY_S: u64 = 24 * 60 * 60;

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
