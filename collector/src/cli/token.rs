//! `token`: enrolment secrets, each printed once.

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use lapwing_rules::Network;

use super::{ConfigFile, Failure, say, when};
use crate::campaign::Terms;
use crate::enrolment::{self, MAX_USES, TokenError, Wanted};
use crate::store::tokens::{self, Use};

/// Tokens, and uses of them, that are printed.
const MOST: u32 = 10_000;
const DEFAULT_DAYS: &str = "14d";
const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Make a token for one roll-out and print it: it is not shown again.
    Create(Create),
    /// Print the tokens that were made, and what came of each.
    List(List),
    /// Print the uses of tokens, the latest first: when, token, host, address, what came of it.
    Log(Log),
    /// End a token now. Devices that joined by it stay.
    Withdraw(Withdraw),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Group that the devices join.
    #[arg(long)]
    group: String,
    /// What it is for, in your words.
    #[arg(long, default_value = "")]
    label: String,
    /// How many devices may enrol with it.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_USES)))]
    uses: u32,
    /// When it ends: days from now such as `14d`, or the last day, such as `2026-12-18`, in the school's zone.
    #[arg(long, default_value = DEFAULT_DAYS)]
    expires: String,
    /// Where devices may come from, such as `10.2.0.0/16`; may be given several times. Without it: from anywhere.
    #[arg(long = "network", value_name = "NETWORK")]
    networks: Vec<Network>,
    /// Only devices of the list that `device expect` took, by host name and serial number.
    #[arg(long)]
    listed: bool,
    /// Each device waits until somebody lets it in.
    #[arg(long)]
    approve: bool,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct Log {
    /// Of one token alone, as `token list` calls it.
    token: Option<String>,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct Withdraw {
    /// As `token list` calls it.
    token: String,
    #[command(flatten)]
    file: ConfigFile,
}

impl Token {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.run().await,
            Self::List(list) => list.run().await,
            Self::Log(log) => log.run().await,
            Self::Withdraw(withdraw) => withdraw.run().await,
        }
    }
}

impl Create {
    async fn run(self) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        let now_us = desk.clock.wall_us();
        let wanted = Wanted {
            expires_us: end(&self.expires, &desk.config.school.zone, now_us).map_err(Failure::Unusable)?,
            group: self.group,
            label: self.label,
            uses: self.uses,
            networks: self.networks,
            is_listed_only: self.listed,
            is_by_approval: self.approve,
        };
        let made = enrolment::create_token(&desk.store, &desk.product(), wanted, now_us).await;
        desk.store.close().await;
        match made {
            Ok((token, _)) => say(token.reveal()),
            Err(TokenError::Store(error)) => Err(error.into()),
            Err(error) => Err(Failure::unusable(error)),
        }
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        let (now_us, shown) = (desk.clock.wall_us(), tokens::all(&desk.store, &desk.config.school.id, MOST).await?);
        desk.store.close().await;
        for token in &shown {
            let ends = when(&desk, token.terms.expires_us)?;
            let state = match token.withdrawn_us {
                Some(_) => format!("withdrawn {ends}"),
                None if token.terms.expires_us <= now_us => format!("ended {ends}"),
                None => format!("until {ends}, {} uses left", token.terms.uses_left),
            };
            let (reference, joined, refused) = (&token.reference, token.joined, token.refused);
            let label = Some(format!(" ({})", token.label)).filter(|_| !token.label.is_empty()).unwrap_or_default();
            let group = &token.terms.device_group;
            say(format!(
                "{reference}{label}: group {group}, {state}, {joined} joined, {refused} refused{}",
                conditions(&token.terms)
            ))?;
        }
        say(format!("{} tokens", shown.len()))
    }
}

/// What a campaign asks of devices besides its token.
fn conditions(terms: &Terms) -> String {
    let networks = terms.networks.iter().map(|network| format!("from {network}"));
    let listed = terms.is_listed_only.then(|| "listed devices alone".to_owned());
    let approved = terms.is_by_approval.then(|| "each is let in by hand".to_owned());
    networks.chain(listed).chain(approved).fold(String::new(), |all, one| format!("{all}; {one}"))
}

impl Log {
    async fn run(self) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        let uses = tokens::uses(&desk.store, &desk.config.school.id, self.token.as_deref(), MOST).await?;
        desk.store.close().await;
        for one in &uses {
            let Use { reference, hostname, address, outcome, uses, .. } = one;
            let (at, device) = (when(&desk, one.at_us)?, one.device.map(|id| format!(" {id}")).unwrap_or_default());
            say(format!("{at}  {reference}  {hostname}  {address}  {outcome}{device}, {uses} times"))?;
        }
        Ok(())
    }
}

impl Withdraw {
    async fn run(self) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        let withdrawn =
            enrolment::withdraw_token(&desk.store, &desk.product(), &self.token, desk.clock.wall_us()).await?;
        desk.store.close().await;
        if !withdrawn {
            return Err(Failure::Unusable(anyhow!("no token `{}` is there to be withdrawn", self.token)));
        }
        say(format!("{} is withdrawn", self.token))
    }
}

/// Microseconds of UTC at which a campaign that `expires` so ends.
fn end(expires: &str, zone: &str, now_us: i64) -> anyhow::Result<i64> {
    match expires.strip_suffix('d').map(str::parse::<i64>) {
        Some(Ok(days)) => Ok(now_us.saturating_add(days.saturating_mul(DAY_US))),
        Some(Err(_)) | None => end_of_day(expires, zone),
    }
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
    fn ends_that_cannot_be_read_are_refused() {
        for bad in ["soon", "", "99999999999999999999d", "2026-02-30"] {
            assert!(end(bad, "Europe/London", NOW_US).is_err(), "{bad}");
        }
    }
}
