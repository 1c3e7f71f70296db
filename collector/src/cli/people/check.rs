//! `people check`.

use clap::Args;

use super::{ConfigFile, Desk, Failure, say};
use crate::people::set_up::{Lack, Weight, lacks};
use crate::store::{StoreError, people, settings};

#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    #[command(flatten)]
    file: ConfigFile,
}

impl Check {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        let lacks = lacks_of(&desk).await?;
        desk.store.close().await;
        for lack in &lacks {
            match lack.act.weight() {
                Weight::Refused => say(lack)?,
                Weight::Borne => say(format!("warning: {lack}"))?,
            }
        }
        if lacks.iter().any(|lack| lack.act.weight() == Weight::Refused) {
            return Err(Failure::Problems);
        }
        let other = if lacks.is_empty() { "" } else { "else " };
        say(format!("everything {other}that takes two approvers has them"))
    }
}

/// What the school's people are too few for.
pub(in crate::cli) async fn lacks_of(desk: &Desk) -> Result<Vec<Lack>, StoreError> {
    let mut view = desk.store.view().await?;
    let school = &desk.config.school.id;
    let staffing = people::staffing(&mut view, school, desk.clock.wall_us()).await?;
    Ok(lacks(&staffing, &settings::routing(&mut view, school).await?))
}
