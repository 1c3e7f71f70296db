//! `device`: what is done to one enrolled device.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use lapwing_proto::DeviceId;

use super::{ConfigFile, Failure, say};
use crate::audit::{self, Act, ActKind};
use crate::store::devices;

#[derive(Debug, Subcommand)]
pub(super) enum Device {
    /// Deny a device: from now on nothing it sends is taken.
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The device's id.
    device: DeviceId,
    #[command(flatten)]
    file: ConfigFile,
}

impl Device {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Revoke(revoke) => revoke.run().await,
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
        let act = Act::new(&desk.product(), now_us, ActKind::DeviceRevoked, self.device);
        audit::append(&mut tx, &act).await?;
        tx.commit().await?;
        desk.store.close().await;
        say(format!("{} is denied", self.device))
    }
}
