//! `categories`.

use clap::Args;
use lapwing_rules::{Category, Class};
use serde_json::{Value, json};

use super::{Failure, Outcome};

#[derive(Debug, Args)]
pub(super) struct Categories {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Categories {
    #[expect(clippy::unnecessary_wraps, reason = "every command has the same form")]
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        if self.json {
            let all: Vec<Value> = Category::all().map(as_json).collect();
            out.push_str(&format!("{:#}\n", json!({ "categories": all })));
            return Ok(Outcome::Fine);
        }
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

fn as_json(category: Category) -> Value {
    let class = category.class();
    json!({
        "category": category.id(),
        "name": category.name(),
        "c": category.branch().as_str(),
        "level": category.default_level().number(),
        "is_illegal": class.is_illegal(),
        "keeps_evidence": class != Class::IllegalNoEvidence,
    })
}
