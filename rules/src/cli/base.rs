//! `base`.

use std::path::PathBuf;

use clap::Args;
use lapwing_rules::{Release, Validity, key_text, sign};
use serde_json::json;

use super::output::Output;
use super::{Failure, Form, Outcome, files, keys, say, today};

#[derive(Debug, Args)]
pub(super) struct Base {
    /// Folder of packs.
    #[arg(long, value_name = "DIR")]
    packs: PathBuf,
    /// Release number of the base; devices refuse one below what they had.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    release: u64,
    #[command(flatten)]
    to: Output,
}

impl Base {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let packs = files::packs(&self.packs)?;
        let inputs = packs.iter().map(|(path, _)| path).chain([&self.to.key]);
        files::refuse_input_as_output(&self.to.out, inputs)?;
        let key = keys::signing_key(&self.to.key)?;
        let compiled =
            files::compiler(&self.packs, today::by_the_clock()?)?.base(Release::new(self.release), Validity::default());
        let artefact = compiled.map_err(|mistakes| Failure::mistakes(&mistakes, Form::of(self.to.json), out))?;
        let bytes = sign(&artefact, &key);
        files::replace(&self.to.out, &bytes)?;
        let (release, size, signer) = (self.release, bytes.len(), key_text(&key.verifying_key()));
        let json = json!({ "release": release, "bytes": size, "signed_by": signer });
        let text = format!("illegal base release {release}, {size} bytes, signed by {signer}\n");
        say(out, self.to.json.then_some(&json), &text);
        Ok(Outcome::Fine)
    }
}
