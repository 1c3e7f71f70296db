//! `sign`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use lapwing_rules::{Artefact, ArtefactError, Kind, MAX_ARTEFACT_BYTES, key_text};
use serde_json::json;

use super::{Failure, Outcome, files, keys, say};

#[derive(Debug, Args)]
pub(super) struct Sign {
    /// The rule set, policy or illegal base.
    #[arg(long, value_name = "FILE")]
    set: PathBuf,
    /// Key file to sign with.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where to write it; by default in its place.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Sign {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        files::refuse_input_as_output(self.out.as_ref().unwrap_or(&self.set), [&self.key].into_iter())?;
        let key = keys::signing_key(&self.key)?;
        let bytes = files::read(&self.set, MAX_ARTEFACT_BYTES as u64)?;
        let (_, mut artefact) =
            read(&bytes).with_context(|| format!("cannot sign `{}`", self.set.display())).map_err(Failure::BadInput)?;
        artefact.add_signature(&key);
        files::replace(self.out.as_ref().unwrap_or(&self.set), &artefact.to_bytes())?;
        let (signer, digest) = (key_text(&key.verifying_key()), artefact.digest().to_string());
        let json = json!({ "signed_by": signer, "sha256": digest });
        say(out, self.json.then_some(&json), &format!("signed by {signer}\nsha256 {digest}\n"));
        Ok(Outcome::Fine)
    }
}

/// Reads an artefact of any kind.
pub(super) fn read(bytes: &[u8]) -> Result<(Kind, Artefact), ArtefactError> {
    let other = |kind: &Kind| matches!(Artefact::read(bytes, *kind), Err(ArtefactError::WrongKind { .. }));
    let kind = [Kind::Policy, Kind::Base].into_iter().find(|kind| !other(kind)).unwrap_or(Kind::RuleSet);
    Artefact::read(bytes, kind).map(|artefact| (kind, artefact))
}
