//! `restored`: what the operator says once after a back-up was brought back.

use clap::Args;

use super::{ConfigFile, Failure, say};
use crate::audit::{self, Act, ActKind};
use crate::store::{deliveries, exemptions};

/// What a back-up does not hold and nobody but the operator can do again.
const TO_DO: &str = "still to do, for what was done since the back-up: deny devices again (`device revoke`), let devices \
     that enrolled since enrol again, make campaign tokens anew (spent uses have come back) and withdraw them again, answer \
     for devices that wait, end exemptions and withdraw memory sticks again, import people, change sign-ins and publish rules \
     and policies again; mails that waited at the back-up are sent again";

#[derive(Debug, Args)]
pub(super) struct Restored {
    #[command(flatten)]
    file: ConfigFile,
}

impl Restored {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        let (school, now_us) = (&desk.config.school.id, desk.clock.wall_us());
        let mut tx = desk.store.begin().await?;
        let devices = deliveries::forget_incarnations(&mut tx, school).await?;
        exemptions::renumber(&mut tx, school, now_us).await?;
        let act = Act::new(&desk.product(), now_us, ActKind::CollectorRestored, "").with("devices", devices);
        audit::append(&mut tx, &act).await?;
        tx.commit().await?;
        desk.store.close().await;
        say(format!("every device is believed once: {devices} were known"))?;
        say(TO_DO)
    }
}
