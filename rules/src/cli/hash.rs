//! `hash`: an entry of a hashed list, for a test or an example.

use anyhow::anyhow;
use clap::Args;
use lapwing_rules::HashKey;

use super::{Failure, Outcome};

#[derive(Debug, Args)]
pub(super) struct Hash {
    /// The key of the list, in hexadecimal digits.
    #[arg(long)]
    key: String,
    /// A phrase.
    #[arg(long, required_unless_present = "url", conflicts_with = "url")]
    phrase: Option<String>,
    /// A whole URL; without a path it stands for every page of its host.
    #[arg(long)]
    url: Option<String>,
}

impl Hash {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let key: HashKey = self.key.parse().map_err(Failure::bad_input)?;
        match (&self.phrase, &self.url) {
            (_, Some(url)) => out.push_str(&format!("{}\n", key.url(url).map_err(Failure::bad_input)?)),
            (Some(phrase), None) => {
                let hashed = key.phrase(phrase);
                let (hash, words) =
                    hashed.ok_or_else(|| Failure::BadInput(anyhow!("the phrase has no letter and no digit")))?;
                out.push_str(&format!("{hash}  {words} words\n"));
            }
            (None, None) => return Err(Failure::BadInput(anyhow!("give `--phrase TEXT` or `--url URL`"))),
        }
        Ok(Outcome::Fine)
    }
}
