//! `policy-sign`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use lapwing_rules::{Digest, Policy, key_text, sign_policy};
use serde_json::json;

use super::{Failure, Outcome, files, keys, say};

const MAX_JSON_BYTES: u64 = 256 * 1024;

#[derive(Debug, Args)]
pub(super) struct PolicySign {
    /// The policy as JSON.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Key file to sign with.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where to write the signed policy; replaced only by a complete one.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl PolicySign {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        files::refuse_input_as_output(&self.out, [&self.key, &self.policy].into_iter())?;
        let key = keys::signing_key(&self.key)?;
        let json = files::read(&self.policy, MAX_JSON_BYTES)?;
        let policy = String::from_utf8(files::without_mark(&json).to_vec())
            .map_err(anyhow::Error::from)
            .and_then(|json| Ok(Policy::from_json(&json)?))
            .with_context(|| format!("cannot use `{}`", self.policy.display()))
            .map_err(Failure::BadInput)?;
        let bytes = sign_policy(&policy, &key).map_err(Failure::bad_input)?;
        files::replace(&self.out, &bytes)?;
        let (release, school) = (policy.release, &policy.school);
        let (signer, digest) = (key_text(&key.verifying_key()), Digest::of(&bytes).to_string());
        let json = json!({ "release": release.number(), "school": school, "signed_by": signer, "sha256": digest });
        let text = format!("policy release {release} of school {school}, signed by {signer}\nsha256 {digest}\n");
        say(out, self.json.then_some(&json), &text);
        Ok(Outcome::Fine)
    }
}
