//! `rules export` and `policy export`: what was published, as a file.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::{ConfigFile, Failure, say};
use crate::durable;
use crate::store::artefacts::{self, ArtefactKind};
use crate::store::roll_outs;

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The release; without it the last one that is everybody's.
    #[arg(long, value_name = "NUMBER")]
    release: Option<u64>,
    /// File to write, which must not exist yet.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    file: ConfigFile,
}

impl Export {
    pub(super) async fn run(self, kind: ArtefactKind) -> Result<(), Failure> {
        let desk = self.file.open().await?;
        let school = &desk.config.school.id;
        let release = match self.release {
            Some(release) => release,
            None => roll_outs::standing(&desk.store, school, kind).await?.out.base,
        };
        let stored = artefacts::find(&desk.store, school, kind, release).await?;
        desk.store.close().await;
        let stored = stored.ok_or_else(|| match release {
            0 => Failure::Unusable(anyhow!("nothing is everybody's yet: name a release")),
            release => Failure::Unusable(anyhow!("release {release} was never published")),
        })?;
        if self.out.exists() {
            return Err(Failure::Unusable(anyhow!("`{}` is there already", self.out.display())));
        }
        durable::write(&self.out, 0o644, &stored.bytes)
            .with_context(|| format!("cannot write `{}`", self.out.display()))
            .map_err(Failure::Unusable)?;
        say(format!("release {release}: {}", self.out.display()))
    }
}
