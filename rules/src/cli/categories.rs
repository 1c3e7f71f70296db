//! `categories`.

use clap::Args;
use lapwing_rules::{Category, Class};

use super::{Failure, Outcome};

#[derive(Debug, Args)]
pub(super) struct Categories {}

impl Categories {
    #[expect(clippy::unnecessary_wraps, reason = "every command has the same form")]
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        for category in Category::all() {
            let class = match category.class() {
                Class::Ordinary => "",
                Class::Illegal => "  illegal",
                Class::IllegalNoEvidence => "  illegal, no evidence",
            };
            let (id, level, name) = (category.id(), category.default_level(), category.name());
            out.push_str(&format!("{id:<22} level {level}  {name}{class}\n"));
        }
        Ok(Outcome::Fine)
    }
}
