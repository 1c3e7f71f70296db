//! `ca`: what agents and browsers know the collector by, and its roll-over to a new key.

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use data_encoding::BASE64;
use serde_json::json;

use super::{ConfigFile, Desk, Failure, say, when};
use crate::audit::{self, Act, ActKind};
use crate::authority::{Authority, AuthorityError};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::store::certificates::{self, Behind};

const PEM_LINE: usize = 64;

#[derive(Debug, Subcommand)]
pub(super) enum Ca {
    /// Print the authority's certificate (PEM) and its fingerprint. Makes the authority where there is none yet.
    Export(Export),
    /// Make a new key and let it issue from now on. Devices that know the one before go on, and learn of the new one when
    /// they renew their certificates; afterwards `ca retire` ends it.
    RollOver(File),
    /// Trust the authority before no more. Refused while a device would be locked out by it.
    Retire(Retire),
    /// Print when the authority ends, and how far a roll-over is.
    Status(File),
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// Print JSON: `{"fingerprint": .., "pem": ..}`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct File {
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Debug, Args)]
pub(super) struct Retire {
    /// Although devices are locked out by it, which then need a campaign token: after a theft of the key.
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    file: ConfigFile,
}

impl Ca {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Export(export) => export.run(),
            Self::RollOver(File { file }) => roll_over(&file).await,
            Self::Retire(retire) => retire.run().await,
            Self::Status(File { file }) => status(&file).await,
        }
    }
}

impl Export {
    fn run(self) -> Result<(), Failure> {
        let authority = open(&self.file.load()?)?;
        let pem: String = authority.trusted().iter().map(|certificate| pem(certificate)).collect();
        if self.json {
            return say(json!({ "fingerprint": authority.fingerprint(), "pem": pem }));
        }
        say(format!("{pem}fingerprint: {}", authority.fingerprint()))?;
        match authority.earlier_fingerprint() {
            Some(earlier) => say(format!("until it is retired, also: {earlier}")),
            None => Ok(()),
        }
    }
}

fn open(config: &Config) -> Result<Authority, Failure> {
    let opened = Authority::open_or_create(&config.keys_dir, &config.school.id, &SystemClock);
    Ok(opened.context("failed to open the authority")?)
}

async fn roll_over(file: &ConfigFile) -> Result<(), Failure> {
    let desk = file.open().await?;
    let config = &desk.config;
    let rolled = Authority::roll_over(&config.keys_dir, &config.school.id, desk.clock.as_ref());
    let authority = rolled.map_err(unusable_where_asked)?;
    log(&desk, ActKind::AuthorityRolledOver, &authority).await?;
    desk.store.close().await;
    say(format!("the authority is rolled over; from now on: {}", authority.fingerprint()))?;
    say(
        "give new devices this fingerprint, and browsers what `ca export` prints; `ca status` says when the one before may be retired",
    )
}

async fn status(file: &ConfigFile) -> Result<(), Failure> {
    let desk = file.open().await?;
    let authority = open(&desk.config)?;
    say(format!("authority: {} until {}", authority.fingerprint(), when(&desk, authority.ends_us())?))?;
    if let Some(since_us) = authority.rolling_since_us() {
        let behind = behind(&desk, &authority).await?;
        say(format!("rolled over {}: {}", when(&desk, since_us)?, in_words(&desk, &behind)?))?;
    }
    desk.store.close().await;
    Ok(())
}

impl Retire {
    async fn run(self) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        let config = &desk.config;
        let rolling = open(config)?;
        if rolling.rolling_since_us().is_some() && !self.now {
            let behind = behind(&desk, &rolling).await?;
            if behind.devices > 0 {
                let why = in_words(&desk, &behind)?;
                return Err(Failure::Unusable(anyhow!("it is not retired: {why} (`--now` does it all the same)")));
            }
        }
        let retired = Authority::retire_earlier(&config.keys_dir, &config.school.id, desk.clock.as_ref());
        let authority = retired.map_err(unusable_where_asked)?;
        log(&desk, ActKind::AuthorityRetired, &authority).await?;
        desk.store.close().await;
        say(format!("the authority before is retired; trusted is {}", authority.fingerprint()))
    }
}

async fn behind(desk: &Desk, authority: &Authority) -> Result<Behind, Failure> {
    let (school, generation) = (&desk.config.school.id, authority.generation());
    Ok(certificates::behind(&desk.store, school, generation, desk.clock.wall_us()).await?)
}

fn in_words(desk: &Desk, behind: &Behind) -> Result<String, Failure> {
    match behind.until_us {
        Some(until_us) if behind.devices > 0 => {
            let until = when(desk, until_us)?;
            Ok(format!("{} devices have not renewed since, and may still come until {until}", behind.devices))
        }
        Some(_) | None => Ok("every device that may still come has renewed since".to_owned()),
    }
}

async fn log(desk: &Desk, kind: ActKind, authority: &Authority) -> Result<(), Failure> {
    let mut tx = desk.store.begin().await?;
    audit::append(&mut tx, &Act::new(&desk.product(), desk.clock.wall_us(), kind, authority.fingerprint())).await?;
    Ok(tx.commit().await?)
}

/// What cannot be done as things stand is the asker's to mend.
fn unusable_where_asked(error: AuthorityError) -> Failure {
    match error {
        AuthorityError::RollingOver | AuthorityError::NothingToRetire => Failure::unusable(error),
        error @ (AuthorityError::File { .. }
        | AuthorityError::Mismatch { .. }
        | AuthorityError::Generations { .. }
        | AuthorityError::Certificate(_)
        | AuthorityError::Randomness(_)) => Failure::Failed(error.into()),
    }
}

fn pem(der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(PEM_LINE) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}
