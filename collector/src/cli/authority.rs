//! `ca`: what agents and browsers know the collector by.

use anyhow::Context;
use clap::{Args, Subcommand};
use data_encoding::BASE64;
use serde_json::json;

use super::{ConfigFile, Failure, say};
use crate::authority::Authority;
use crate::clock::SystemClock;

const PEM_LINE: usize = 64;

#[derive(Debug, Subcommand)]
pub(super) enum Ca {
    /// Print the authority's certificate (PEM) and its fingerprint. Makes the authority where there is none yet.
    Export(Export),
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// Print JSON: `{"fingerprint": .., "pem": ..}`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: ConfigFile,
}

impl Ca {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self::Export(export) = self;
        let config = export.file.load()?;
        let authority = Authority::open_or_create(&config.keys_dir, &config.school.id, &SystemClock)
            .context("failed to open the authority")?;
        let (fingerprint, pem) = (authority.fingerprint(), pem(authority.certificate()));
        if export.json {
            return say(json!({ "fingerprint": fingerprint, "pem": pem }));
        }
        say(format!("{pem}fingerprint: {fingerprint}"))
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
