//! `base`.

use std::path::PathBuf;

use clap::Args;
use lapwing_rules::{Release, Validity, key_text, sign};
use serde_json::json;

use super::local::Local;
use super::{Failure, Form, Outcome, files, keys, say};

#[derive(Debug, Args)]
pub(super) struct Base {
    /// Folder of packs.
    #[arg(long, value_name = "DIR")]
    packs: PathBuf,
    #[command(flatten)]
    local: Local,
    /// Release number of the base; devices refuse one below what they had.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    release: u64,
    /// Key file to sign with.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where to write it; replaced only by a complete one.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Base {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        self.local.refuse_overlays_for("the illegal base, which no school changes")?;
        let packs = files::packs(&self.packs)?;
        let inputs = packs.iter().map(|(path, _)| path).chain([&self.key]);
        files::refuse_input_as_output(&self.out, inputs)?;
        let key = keys::signing_key(&self.key)?;
        let compiled = self.local.compiler(&self.packs)?.base(Release::new(self.release), Validity::default());
        let artefact = compiled.map_err(|mistakes| Failure::mistakes(&mistakes, Form::of(self.json), out))?;
        let bytes = sign(&artefact, &key);
        files::replace(&self.out, &bytes)?;
        let (release, size, signer) = (self.release, bytes.len(), key_text(&key.verifying_key()));
        let json = json!({ "release": release, "bytes": size, "signed_by": signer });
        let text = format!("illegal base release {release}, {size} bytes, signed by {signer}\n");
        say(out, self.json.then_some(&json), &text);
        Ok(Outcome::Fine)
    }
}
