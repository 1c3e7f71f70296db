//! `policy-sign`.

use std::path::PathBuf;

use clap::Args;
use lapwing_rules::{Digest, key_text, sign_policy};
use serde_json::json;

use super::output::Output;
use super::{Failure, Outcome, files, keys, policy_diff, say};

#[derive(Debug, Args)]
pub(super) struct PolicySign {
    /// The policy as JSON.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    #[command(flatten)]
    to: Output,
}

impl PolicySign {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        files::refuse_input_as_output(&self.to.out, [&self.to.key, &self.policy].into_iter())?;
        let key = keys::signing_key(&self.to.key)?;
        let policy = policy_diff::read(&self.policy)?;
        let bytes = sign_policy(&policy, &key).map_err(Failure::bad_input)?;
        files::replace(&self.to.out, &bytes)?;
        let (release, school) = (policy.release, &policy.school);
        let (signer, digest) = (key_text(&key.verifying_key()), Digest::of(&bytes).to_string());
        let json = json!({ "release": release.number(), "school": school, "signed_by": signer, "sha256": digest });
        let text = format!("policy release {release} of school {school}, signed by {signer}\nsha256 {digest}\n");
        say(out, self.to.json.then_some(&json), &text);
        Ok(Outcome::Fine)
    }
}
