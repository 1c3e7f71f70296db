//! What commands that sign have in common.

use std::path::PathBuf;

use clap::Args;

/// The key to sign with, and where to write what is signed.
#[derive(Debug, Args)]
pub(super) struct Output {
    /// Key file to sign with.
    #[arg(long, value_name = "FILE")]
    pub(super) key: PathBuf,
    /// Where to write it; replaced only by a complete one.
    #[arg(long, value_name = "FILE")]
    pub(super) out: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}
