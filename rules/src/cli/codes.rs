//! `codes`: what a code means, and what to do about it.

use clap::Args;
use lapwing_rules::Code;
use serde_json::{Value, json};

use super::{Failure, Outcome};

#[derive(Debug, Args)]
pub(super) struct Codes {
    /// A code such as R013; without one, all are listed.
    code: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Codes {
    pub(super) fn run(self, out: &mut String) -> Result<Outcome, Failure> {
        let asked: Option<Code> = self.code.map(|code| code.parse()).transpose().map_err(Failure::bad_input)?;
        match (asked, self.json) {
            (Some(code), false) => out.push_str(&page(code)),
            (Some(code), true) => out.push_str(&format!("{:#}\n", as_json(code))),
            (None, false) => {
                Code::ALL.iter().for_each(|code| out.push_str(&format!("{code}  {}\n", code.page().title)))
            }
            (None, true) => {
                let all: Vec<Value> = Code::ALL.iter().map(|code| as_json(*code)).collect();
                out.push_str(&format!("{:#}\n", json!({ "codes": all })));
            }
        }
        Ok(Outcome::Fine)
    }
}

fn page(code: Code) -> String {
    let page = code.page();
    let (example, mended) = (indented(page.example), indented(page.mended));
    format!("{code}: {}\n\n{}\n\nExample\n\n{example}\n{}\n\n{mended}", page.title, page.meaning, page.mend)
}

fn indented(lines: &str) -> String {
    let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") };
    lines.lines().map(line).collect()
}

fn as_json(code: Code) -> Value {
    let page = code.page();
    json!({
        "code": code.as_str(),
        "title": page.title,
        "meaning": page.meaning,
        "example": page.example,
        "mend": page.mend,
        "mended": page.mended,
    })
}
