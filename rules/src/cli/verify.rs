//! `verify`.

use std::path::PathBuf;

use clap::Args;
use lapwing_rules::{Kind, MAX_ARTEFACT_BYTES, Policy, RuleSet, TrustedKeys, key_text};

use super::{Failure, Outcome, files, sign};

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The rule set or policy.
    #[arg(long)]
    set: PathBuf,
    /// A trusted key, `ed25519:` and 64 hexadecimal digits; may be repeated.
    #[arg(long = "trust", required = true)]
    trust: Vec<String>,
    /// Signatures of distinct trusted keys that are needed.
    #[arg(long, default_value_t = 1)]
    threshold: usize,
}

impl Verify {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let keys = TrustedKeys::parse(&self.trust, self.threshold).map_err(Failure::bad_input)?;
        let bytes = files::read(&self.set, MAX_ARTEFACT_BYTES as u64)?;
        match facts(&bytes, &keys) {
            Ok(facts) => {
                out.push_str(&facts);
                Ok(Outcome::Fine)
            }
            Err(error) => {
                out.push_str(&format!("{}: refused: {error:#}\n", self.set.display()));
                Ok(Outcome::Problems)
            }
        }
    }
}

fn facts(bytes: &[u8], keys: &TrustedKeys) -> anyhow::Result<String> {
    let (kind, artefact) = sign::read(bytes)?;
    let mut facts = match kind {
        Kind::RuleSet => {
            let set = RuleSet::load(bytes, keys)?;
            let base = if set.has_illegal_base() { "with" } else { "without" };
            let mut facts =
                format!("rule set release {}, {} rules, {base} the illegal base\n", set.release(), set.rules().count());
            for pack in set.packs() {
                facts.push_str(&format!("pack {} version {}: {}\n", pack.id, pack.version, pack.title));
            }
            facts
        }
        Kind::Policy => {
            let policy = Policy::load(bytes, keys)?;
            format!("policy release {} of school {}, zone {}\n", policy.release, policy.school, policy.zone)
        }
    };
    for key in artefact.signers() {
        facts.push_str(&format!("signed by {}\n", key_text(&key)));
    }
    facts.push_str(&format!("sha256 {}\n", artefact.digest()));
    Ok(facts)
}
