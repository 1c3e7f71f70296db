//! `token`: enrolment secrets, each printed once.

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use lapwing_proto::bounds::MAX_NAME_BYTES;

use super::{ConfigFile, Failure, say};
use crate::audit::{self, Act, ActKind};
use crate::store::tokens::{self, Campaign};
use crate::token::CampaignToken;

const MAX_USES: u32 = 100_000;
const DEFAULT_DAYS: &str = "14d";
const MAX_DAYS: i64 = 366;
const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Make a token for one roll-out and print it: it is not shown again.
    Create(Create),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Group that the devices join.
    #[arg(long)]
    group: String,
    /// How many devices may enrol with it.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_USES)))]
    uses: u32,
    /// When it ends: days from now such as `14d`, or the last day, such as `2026-12-18`, in the school's zone.
    #[arg(long, default_value = DEFAULT_DAYS)]
    expires: String,
    #[command(flatten)]
    file: ConfigFile,
}

impl Token {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.run().await,
        }
    }
}

impl Create {
    async fn run(self) -> Result<(), Failure> {
        if self.group.is_empty() || self.group.len() > MAX_NAME_BYTES || self.group.chars().any(char::is_control) {
            let reason = anyhow!("`--group` is not usable: expected 1 to {MAX_NAME_BYTES} bytes");
            return Err(Failure::Unusable(reason));
        }
        let desk = self.file.open().await?;
        let now_us = desk.clock.wall_us();
        let expires_us = end(&self.expires, &desk.config.school.zone, now_us).map_err(Failure::Unusable)?;
        let token = CampaignToken::random().map_err(|error| anyhow!("no randomness: {error}"))?;
        let campaign = Campaign { device_group: &self.group, expires_us, uses: self.uses, created_us: now_us };
        let act = Act::new(&desk.product(), now_us, ActKind::TokenCreated, "")
            .with("uses", self.uses)
            .with("expires_us", expires_us);
        let mut tx = desk.store.begin().await?;
        tokens::insert(&mut tx, &desk.config.school.id, &token.hash(), &campaign).await?;
        audit::append(&mut tx, &act).await?;
        tx.commit().await?;
        desk.store.close().await;
        say(token.reveal())
    }
}

/// Microseconds of UTC at which a campaign that `expires` so ends.
fn end(expires: &str, zone: &str, now_us: i64) -> anyhow::Result<i64> {
    let end_us = match expires.strip_suffix('d').map(str::parse::<i64>) {
        Some(Ok(days)) => now_us.saturating_add(days.saturating_mul(DAY_US)),
        Some(Err(_)) | None => end_of_day(expires, zone)?,
    };
    let days = end_us.saturating_sub(now_us).div_euclid(DAY_US);
    anyhow::ensure!(
        end_us > now_us && days <= MAX_DAYS,
        "`--expires` is not usable: expected a time within {MAX_DAYS} days from now"
    );
    Ok(end_us)
}

fn end_of_day(date: &str, zone: &str) -> anyhow::Result<i64> {
    let date: Date = date.parse().context("`--expires` is neither days such as `14d` nor a date such as 2026-12-18")?;
    let midnight = date.checked_add(1.day())?.to_zoned(TimeZone::get(zone)?)?;
    Ok(Timestamp::from(midnight).as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noon of 2026-03-28 in London; the clocks change that night.
    const NOW_US: i64 = 1_774_699_200_000_000;

    #[test]
    fn a_campaign_ends_with_its_last_day_in_the_schools_zone() {
        assert_eq!(end("2026-03-28", "Europe/London", NOW_US).unwrap() - NOW_US, DAY_US / 2);
        assert_eq!(end("2026-03-29", "Europe/London", NOW_US).unwrap() - NOW_US, DAY_US / 2 + DAY_US / 24 * 23);
        assert_eq!(end("2d", "Europe/London", NOW_US).unwrap() - NOW_US, 2 * DAY_US);
    }

    #[test]
    fn ends_in_the_past_too_far_off_or_unreadable_are_refused() {
        for bad in ["0d", "-1d", "367d", "2026-03-27", "2036-01-01", "soon", "99999999999999999999d"] {
            assert!(end(bad, "Europe/London", NOW_US).is_err(), "{bad}");
        }
    }
}
