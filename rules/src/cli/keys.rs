//! Signing keys in files, and `keygen`.
//!
//! A key file holds one line, `ed25519-seed:` and 64 hexadecimal digits, readable by its owner alone.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use data_encoding::HEXLOWER;
use lapwing_rules::{SigningKey, key_text};
use serde_json::json;
use zeroize::Zeroizing;

use super::files::{self, Readers};
use super::{Failure, Outcome, say};

const PREFIX: &str = "ed25519-seed:";

#[derive(Debug, Args)]
pub(super) struct Keygen {
    /// Where to write the key; the file must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Keygen {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(|error| anyhow!("cannot draw a key: {error}"))?;
        let line = Zeroizing::new(format!("{PREFIX}{}\n", Zeroizing::new(HEXLOWER.encode(seed.as_slice())).as_str()));
        files::create(&self.out, line.as_bytes(), Readers::Owner)
            .with_context(|| format!("cannot create `{}`", self.out.display()))
            .map_err(Failure::BadInput)?;
        let key = key_text(&SigningKey::from_bytes(&seed).verifying_key());
        say(out, self.json.then_some(&json!({ "public_key": key })), &format!("{key}\n"));
        Ok(Outcome::Fine)
    }
}

/// Reads a key file.
pub(super) fn signing_key(path: &Path) -> Result<SigningKey, Failure> {
    files::check_secret(path)?;
    let bytes = Zeroizing::new(files::read(path, 1024)?);
    let refused =
        || Failure::BadInput(anyhow!("`{}` is no key file: expected `{PREFIX}` and 64 digits", path.display()));
    let text =
        std::str::from_utf8(&bytes).ok().and_then(|text| text.trim().strip_prefix(PREFIX)).ok_or_else(refused)?;
    let seed = Zeroizing::new(HEXLOWER.decode(text.as_bytes()).map_err(|_| refused())?);
    let seed: Zeroizing<[u8; 32]> = Zeroizing::new(seed.as_slice().try_into().map_err(|_| refused())?);
    Ok(SigningKey::from_bytes(&seed))
}
